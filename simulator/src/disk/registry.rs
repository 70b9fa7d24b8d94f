//! The disks of this process, found by the path of their files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::state::State;

/// One disk, as its users share it.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<State>);

impl Shared {
    /// A disk in this state.
    pub(super) fn of(state: State) -> Arc<Shared> {
        Arc::new(Shared(Mutex::new(state)))
    }

    /// The disk, for one thing to do with it.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static DISKS: Mutex<BTreeMap<u64, Weak<Shared>>> = Mutex::new(BTreeMap::new());
/// Numbers are never given again. They show in paths only, which no trace contains.
static NUMBERS_GIVEN: AtomicU64 = AtomicU64::new(0);

/// Makes a disk known. Returns its number.
pub(super) fn add(disk: &Arc<Shared>) -> u64 {
    let number = NUMBERS_GIVEN.fetch_add(1, Ordering::Relaxed);
    disks().insert(number, Arc::downgrade(disk));
    number
}

/// Forgets a disk. Who has a file of it open keeps it until then.
pub(super) fn remove(number: u64) {
    disks().remove(&number);
}

/// The path of a file on a disk.
pub(super) fn path(number: u64, name: &str) -> PathBuf {
    PathBuf::from(format!("/{number}/{name}"))
}

/// The disk and the file's name in it.
pub(super) fn find(path: &str) -> Option<(Arc<Shared>, &str)> {
    let (number, name) = path.strip_prefix('/')?.split_once('/')?;
    let number: u64 = number.parse().ok()?;
    let disk = disks().get(&number)?.upgrade()?;
    Some((disk, name))
}

fn disks() -> MutexGuard<'static, BTreeMap<u64, Weak<Shared>>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}
