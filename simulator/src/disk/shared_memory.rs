//! The memory that all connections to one database share: SQLite keeps the index of the WAL file in it, and locks
//! that go with it. It is of no disk: a power loss, or the end of the process, leaves nothing of it.
#![expect(unsafe_code, reason = "SQLite writes to this memory through bare pointers")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

/// Locks on one shared memory; SQLite's `SQLITE_SHM_NLOCK`.
pub(super) const LOCKS: usize = 8;
/// Most regions of one shared memory. Each has 32 KiB and indexes 4,096 pages of the WAL file.
const REGIONS_MAX: usize = 1 << 14;
/// Alignment of a region, bytes.
const ALIGNMENT: usize = 4_096;

/// The shared memory of one database.
#[derive(Debug, Default)]
pub(super) struct SharedMemory(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    regions: Vec<Region>,
    locks: [Lock; LOCKS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Lock {
    sharers: u32,
    exclusive: bool,
}

/// Zeroed memory that never moves.
#[derive(Debug)]
struct Region {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a region is owned memory. Only SQLite reads and writes it, from whatever thread a connection lives in, and
// orders that by the locks and barriers of its WAL protocol.
unsafe impl Send for Region {}

impl Region {
    fn new(bytes: usize) -> Option<Region> {
        let layout = Layout::from_size_align(bytes, ALIGNMENT)
            .ok()
            .filter(|_| bytes > 0)?;
        // SAFETY: the layout is not empty.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Region { start, layout })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed here alone. Every open file that was given the
        // pointer holds the shared memory, so nobody has it any more.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

impl SharedMemory {
    /// The region of this index, of so many bytes; made with all before it when `extend` is set. `Ok(None)` when it
    /// is not there.
    ///
    /// # Errors
    /// No memory, or more regions than [`REGIONS_MAX`].
    pub(super) fn region(
        &self,
        index: usize,
        bytes: usize,
        extend: bool,
    ) -> Result<Option<NonNull<c_void>>, ()> {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if index >= REGIONS_MAX {
            return Err(());
        }
        while extend && inside.regions.len() <= index {
            let region = Region::new(bytes).ok_or(())?;
            inside.regions.push(region);
        }
        Ok(inside.regions.get(index).map(|region| region.start.cast()))
    }

    /// Takes locks `first` to `first + count`, all or none. Returns whether it could.
    pub(super) fn lock(&self, first: usize, count: usize, exclusive: bool) -> bool {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(locks) = inside.locks.get_mut(first..first + count) else {
            return false;
        };
        if locks
            .iter()
            .any(|lock| lock.exclusive || (exclusive && lock.sharers > 0))
        {
            return false;
        }
        for lock in locks {
            lock.exclusive = exclusive;
            lock.sharers += u32::from(!exclusive);
        }
        true
    }

    /// Gives locks back that the caller holds.
    pub(super) fn unlock(&self, first: usize, count: usize, exclusive: bool) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for lock in inside.locks.iter_mut().skip(first).take(count) {
            if exclusive {
                lock.exclusive = false;
            } else {
                lock.sharers = lock.sharers.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_stay_where_they_are() {
        let memory = SharedMemory::default();
        assert_eq!(memory.region(0, 32_768, false), Ok(None));
        let first = memory.region(0, 32_768, true).unwrap().unwrap();
        let third = memory.region(2, 32_768, true).unwrap().unwrap();
        assert_ne!(first, third);
        assert_eq!(memory.region(0, 32_768, false), Ok(Some(first)));
        assert_eq!(memory.region(REGIONS_MAX, 32_768, true), Err(()));
    }

    #[test]
    fn a_lock_is_shared_or_exclusive() {
        let memory = SharedMemory::default();
        assert!(memory.lock(3, 1, false) && memory.lock(3, 1, false));
        assert!(!memory.lock(2, 3, true), "one of them is shared");
        memory.unlock(3, 1, false);
        memory.unlock(3, 1, false);
        assert!(memory.lock(2, 3, true));
        assert!(!memory.lock(4, 1, false));
        memory.unlock(2, 3, true);
        assert!(memory.lock(4, 1, false));
    }
}
