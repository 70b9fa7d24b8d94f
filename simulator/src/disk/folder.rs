//! The files of a disk by name, and which names would outlast a power loss.

use std::collections::BTreeMap;

use super::power::{Fate, Luck};
use crate::random::Stream;

/// Number of a file on its disk.
pub(super) type FileNumber = usize;

/// Most changes of names that no sync has reached. A system with more writes them back by itself.
const UNSYNCED_NAMES_MAX: usize = 64;

/// The only folder of a disk.
///
/// Invariant: `durable`, with every unsynced change carried out on it in order, is `seen`.
#[derive(Debug, Default)]
pub(super) struct Folder {
    seen: BTreeMap<String, FileNumber>,
    durable: BTreeMap<String, FileNumber>,
    changes: Vec<(String, Option<FileNumber>)>,
}

impl Folder {
    /// The file of this name.
    pub(super) fn find(&self, name: &str) -> Option<FileNumber> {
        self.seen.get(name).copied()
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, FileNumber)> {
        self.seen.iter().map(|(name, number)| (name.as_str(), *number))
    }

    /// Gives a file its name, or takes the name from it.
    pub(super) fn put(&mut self, name: &str, number: Option<FileNumber>) {
        if self.changes.len() >= UNSYNCED_NAMES_MAX {
            self.sync();
        }
        change(&mut self.seen, name, number);
        self.changes.push((name.to_owned(), number));
    }

    /// Makes the names durable.
    pub(super) fn sync(&mut self) {
        if !self.changes.is_empty() {
            self.durable.clone_from(&self.seen);
            self.changes.clear();
        }
    }

    /// Makes the name of this file durable, and with it every other: the first sync of a new file syncs its folder.
    /// Returns whether that was needed.
    pub(super) fn sync_name_of(&mut self, number: FileNumber) -> bool {
        let needed = self.changes.iter().any(|(_, changed)| *changed == Some(number));
        if needed {
            self.sync();
        }
        needed
    }

    /// Whether the file has a name, or would have one after a power loss.
    pub(super) fn knows(&self, number: FileNumber) -> bool {
        let mut durable = self.durable.values();
        let mut changed = self.changes.iter();
        durable.any(|known| *known == number) || changed.any(|(_, known)| *known == Some(number))
    }

    /// The power goes. Returns how many changes of names did not outlast it.
    pub(super) fn lose_power(&mut self, luck: Luck, stream: &mut Stream) -> u64 {
        let luck = luck.of_a_file(self.changes.len(), stream);
        let mut dropped = 0;
        for (position, (name, number)) in self.changes.iter().enumerate() {
            match luck.fate(position, stream) {
                Fate::Kept => change(&mut self.durable, name, *number),
                Fate::Dropped | Fate::Torn => dropped += 1,
            }
        }
        self.seen.clone_from(&self.durable);
        self.changes.clear();
        dropped
    }
}

fn change(names: &mut BTreeMap<String, FileNumber>, name: &str, number: Option<FileNumber>) {
    match number {
        Some(number) => {
            names.insert(name.to_owned(), number);
        }
        None => {
            names.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outlast_when_synced_and_else_perhaps() {
        let mut stream = Stream::new(1, "folder");
        let mut outcomes = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let mut folder = Folder::default();
            folder.put("database", Some(0));
            folder.put("wal", Some(1));
            folder.sync_name_of(1);
            folder.put("wal", None);
            folder.put("wal", Some(2));
            assert!(folder.knows(1) && folder.knows(2));
            let luck = Luck::draw(&mut stream);
            folder.lose_power(luck, &mut stream);
            assert_eq!(folder.find("database"), Some(0));
            outcomes.insert(folder.find("wal"));
        }
        assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [None, Some(1), Some(2)]);
    }
}
