//! Locks on a database file, as SQLite understands them: many may share it, one may prepare to write, and alone.

/// How much of the file one open handle holds, in SQLite's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing.
    #[default]
    None,
    /// May read.
    Shared,
    /// May prepare a write, while others read.
    Reserved,
    /// Waits for the last reader; no new ones come.
    Pending,
    /// Alone.
    Exclusive,
}

/// Who holds what of one file. Handles are told apart by number.
#[derive(Debug, Default)]
pub(super) struct Locks {
    held: Vec<(u64, Level)>,
}

impl Locks {
    /// Raises the handle's lock. Returns whether it could be; a wait for readers holds new ones off meanwhile.
    pub(super) fn raise(&mut self, handle: u64, wanted: Level) -> bool {
        let others = self.held.iter().filter(|(holder, _)| *holder != handle);
        let most = others.map(|(_, level)| *level).max().unwrap_or_default();
        if self.level(handle) >= wanted {
            return true;
        }
        let granted = match wanted {
            Level::None => Level::None,
            Level::Shared if most < Level::Pending => Level::Shared,
            Level::Reserved if most < Level::Reserved => Level::Reserved,
            Level::Pending | Level::Exclusive if most == Level::None => wanted,
            Level::Pending | Level::Exclusive if most < Level::Reserved => Level::Pending,
            _ => return false,
        };
        self.set(handle, granted);
        granted == wanted
    }

    /// Lowers the handle's lock.
    pub(super) fn lower(&mut self, handle: u64, wanted: Level) {
        if self.level(handle) > wanted {
            self.set(handle, wanted);
        }
    }

    /// Whether anybody prepares a write.
    pub(super) fn is_reserved(&self) -> bool {
        self.held.iter().any(|(_, level)| *level >= Level::Reserved)
    }

    fn level(&self, handle: u64) -> Level {
        let own = self.held.iter().find(|(holder, _)| *holder == handle);
        own.map(|(_, level)| *level).unwrap_or_default()
    }

    fn set(&mut self, handle: u64, level: Level) {
        self.held.retain(|(holder, _)| *holder != handle);
        if level > Level::None {
            self.held.push((handle, level));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_waits_for_readers_and_keeps_new_ones_off() {
        let mut locks = Locks::default();
        assert!(locks.raise(1, Level::Shared) && locks.raise(2, Level::Shared));
        assert!(locks.raise(1, Level::Reserved) && locks.is_reserved());
        assert!(!locks.raise(2, Level::Reserved));
        assert!(!locks.raise(1, Level::Exclusive), "2 reads");
        assert!(!locks.raise(3, Level::Shared), "1 waits");
        locks.lower(2, Level::None);
        assert!(locks.raise(1, Level::Exclusive));
        locks.lower(1, Level::Shared);
        assert!(locks.raise(3, Level::Shared) && !locks.is_reserved());
    }
}
