//! A gate's disk in memory, with what disks do: lose power, run full, become slow, fail, rot, come back from a backup.
//!
//! SQLite reaches a disk through a file system of our own ([`VFS`]), registered once per process; the path of a
//! file, such as `/17/gate.db`, names the disk. What a process sees and what would outlast a power loss are two
//! things here, and only a sync makes them one.
//!
//! # Promises
//! - What was synced is never lost: neither the content nor the name of a file. Everything else is kept, dropped or
//!   torn between sectors of 512 bytes by a power loss, in any order, as the stream decides.
//! - Bytes beside a write are not changed by its loss, which is what SQLite assumes of a Linux file system
//!   (powersafe overwrite); nothing else is promised to SQLite, and no sync is skipped.
//! - Whoever had a file open when the power went, or its process was ended, reaches nothing of the disk any more.
//! - An [`Image`] is cheap, and independent of the disk it was taken of.
//! - No time, no randomness: the same calls make the same disk. Only SQLite's salts in the WAL file differ from run
//!   to run, as its randomness belongs to the whole process; they change no size, no order and no outcome.
//!
//! Proof: `tests/disk/`.

mod content;
mod file;
mod folder;
mod lock;
mod mishap;
mod power;
mod registry;
mod shared_memory;
mod state;
mod vfs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use file::Survival;
pub use mishap::{Mishap, Operation};

use crate::random::Stream;
use content::Content;
use registry::Shared;
use state::State;

/// The name of the file system for SQLite, as `edge_node::store::Opening::vfs` takes it.
pub const VFS: &str = "simulated";
/// The name of a gate's database.
const DATABASE: &str = "gate.db";

/// One disk. It is gone with this handle, but for those who have a file of it open.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    number: u64,
}

/// What was on a disk at one moment.
#[derive(Clone, Debug, Default)]
pub struct Image(Arc<BTreeMap<String, Content>>);

/// What a disk did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Writes.
    pub writes: u64,
    /// Syncs of a file or a folder.
    pub syncs: u64,
    /// Writes and growths refused for want of room.
    pub refused: u64,
    /// Times that more was unsynced than is kept, and was made durable by itself.
    pub written_back: u64,
    /// Power losses.
    pub power_losses: u64,
    /// Unsynced changes that a power loss dropped.
    pub dropped: u64,
    /// Unsynced writes that a power loss tore.
    pub torn: u64,
    /// Names made or taken away in vain.
    pub names_dropped: u64,
    /// Operations that failed as [`Disk::set_mishap`] had it.
    pub mishaps: u64,
}

/// What one power loss did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// To writes and cuts.
    pub changes: Survival,
    /// Names of files that were made or taken away in vain.
    pub names: u64,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk::new()
    }
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Disk {
        Disk::from_image(&Image::default())
    }

    /// A disk with this on it, all of it durable.
    #[must_use]
    pub fn from_image(image: &Image) -> Disk {
        vfs::register();
        let shared = Shared::of(State::from_image(image));
        let number = registry::add(&shared);
        Disk { shared, number }
    }

    /// The path of the gate's database on it. It differs from run to run: no trace may contain it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        registry::path(self.number, DATABASE)
    }

    /// What a process sees on it, unsynced changes included.
    #[must_use]
    pub fn image(&self) -> Image {
        self.shared.state().image()
    }

    /// The process that uses the disk ends at once. What it wrote is there, and is as unsynced as before.
    pub fn end_process(&self) {
        self.shared.state().end_process();
    }

    /// The power goes and comes back: what was not synced is kept, dropped or torn as the stream decides, and the
    /// process that used the disk has ended.
    pub fn power_loss(&self, stream: &mut Stream) -> Lost {
        self.shared.state().lose_power(stream)
    }

    /// The power goes with the change (a write, a cut, a sync or a deletion) after so many more: from then on nothing
    /// works until [`Disk::power_loss`] is called. `None` takes it back.
    pub fn power_fails_after(&self, changes: Option<u64>) {
        self.shared.state().changes_left = changes;
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_powerless(&self) -> bool {
        self.shared.state().powerless
    }

    /// Whether there is no room for another byte.
    pub fn set_full(&self, full: bool) {
        self.set_quota(full.then_some(0));
    }

    /// Most bytes that files may have together before they can no longer grow; what is there stays and may be
    /// overwritten. `None` for no limit.
    pub fn set_quota(&self, bytes: Option<u64>) {
        self.shared.state().quota = bytes;
    }

    /// From now on what is written is durable at once: for runs without a power loss, which are spared the copies of what
    /// is overwritten.
    pub fn write_through(&self) {
        self.shared.state().writes_through = true;
    }

    /// How long a sync takes from now on, virtual milliseconds.
    pub fn set_sync_ms(&self, sync_ms: u32) {
        self.shared.state().sync_ms = sync_ms;
    }

    /// What fails from now on; `None` for nothing.
    pub fn set_mishap(&self, mishap: Option<Mishap>) {
        self.shared.state().mishap = mishap;
    }

    /// Whether its syncs take virtual time, or took some that nobody has asked for.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        let state = self.shared.state();
        state.sync_ms > 0 || state.sync_spent_ms > 0
    }

    /// The virtual time that syncs have taken since this was asked last, milliseconds.
    #[must_use]
    pub fn take_sync_ms(&self) -> u64 {
        std::mem::take(&mut self.shared.state().sync_spent_ms)
    }

    /// What it did so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.state().counters
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        registry::remove(self.number);
    }
}

impl Image {
    /// Bytes in all files together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.values().map(Content::length).sum()
    }

    /// The same with one bit of a file the other way round; the bit is counted from the file's beginning, and beyond
    /// its end from there again. Without such a file nothing changes.
    #[must_use]
    pub fn with_flipped_bit(&self, name: &str, bit: u64) -> Image {
        let mut files = BTreeMap::clone(&self.0);
        if let Some(content) = files.get_mut(name).filter(|content| content.length() > 0) {
            let (place, mut byte) = (bit / 8 % content.length(), [0]);
            content.read(place, &mut byte);
            content.write(place, &[byte[0] ^ (1 << (bit % 8))]);
        }
        Image(Arc::new(files))
    }

    /// A file's content, for those who look into it.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        let content = self.0.get(name)?;
        let mut bytes = vec![0; usize::try_from(content.length()).ok()?];
        content.read(0, &mut bytes);
        Some(bytes)
    }
}
