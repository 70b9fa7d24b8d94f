//! Room on the disk that is kept for taps: a file beside the database that holds nothing, and is deleted when a tap
//! finds the disk full (design section 3).
//!
//! Promises: only taps and what follows from them use the ballast; what comes from others is refused before, while
//! a reserve beside it is still free ([`Fault::Reserved`]). Where the disk is full even without the ballast, a tap
//! fails with [`Fault::Full`], and the gate goes on with [`Store::decide_only`].

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::Store;
use super::error::Fault;

/// Bytes of the ballast where nothing else is configured.
pub const BALLAST_BYTES: u64 = 64 << 20;
/// The part of the ballast that must be free beside it before changesets of others are taken.
const RESERVE_DIVISOR: u64 = 4;
/// Bytes written at once where the file system cannot reserve blocks.
const CHUNK_BYTES: usize = 1 << 20;
/// Unit of a file's block count, whatever the file system's own.
const BLOCK_BYTES: u64 = 512;

/// What the disk has for taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The ballast.
    pub ballast: BallastState,
    /// Whether the last tap found the disk full, without the ballast too.
    pub full: bool,
}

/// Where the ballast is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BallastState {
    /// None is configured.
    None,
    /// On the disk.
    Present,
    /// Freed for taps, or there was no room for it yet. Changesets of others are refused.
    Freed,
}

/// The file.
pub(super) struct Ballast {
    path: PathBuf,
    bytes: u64,
    present: bool,
    /// Whether the last tap found the disk full.
    full: bool,
}

impl Ballast {
    /// None, and nothing is looked for.
    pub(super) fn none(database: &Path) -> Ballast {
        Ballast {
            path: database.to_path_buf(),
            bytes: 0,
            present: false,
            full: false,
        }
    }

    /// Looks for the ballast of a database; makes none. One of another size is removed.
    pub(super) fn find(database: &Path, bytes: u64) -> Ballast {
        let mut name: OsString = database.as_os_str().to_owned();
        name.push("-ballast");
        let path = PathBuf::from(name);
        let found = fs::symlink_metadata(&path).ok();
        let present = bytes > 0
            && found.as_ref().is_some_and(|found| {
                found.is_file() && found.len() == bytes && found.blocks().saturating_mul(BLOCK_BYTES) >= bytes
            });
        if found.is_some() && !present {
            // What cannot be removed is found again by the attempt to make it.
            drop(fs::remove_file(&path));
        }
        Ballast {
            path,
            bytes,
            present,
            full: false,
        }
    }

    /// Makes the ballast if it is missing and there is room for it and for the reserve. Returns whether it did.
    pub(super) fn make(&mut self) -> bool {
        if self.bytes == 0 || self.present {
            return false;
        }
        let wanted = self.bytes.saturating_add(self.reserve());
        if self.free_bytes().is_some_and(|free| free < wanted) {
            return false;
        }
        self.present = reserve_blocks(&self.path, self.bytes).is_ok();
        if !self.present {
            drop(fs::remove_file(&self.path));
        }
        self.present
    }

    /// Gives the ballast's room to the file system. Returns whether there was any to give.
    pub(super) fn free(&mut self) -> bool {
        if !self.present {
            return false;
        }
        // Cut and synced first: the blocks are free for others only once the file system has noted it durably.
        let cut = OpenOptions::new().write(true).open(&self.path).and_then(|file| {
            file.set_len(0)?;
            file.sync_all()
        });
        let removed = fs::remove_file(&self.path);
        self.present = false;
        cut.is_ok() || removed.is_ok()
    }

    /// Whether changesets of others may be taken: the ballast is there, and the reserve beside it.
    pub(super) fn leaves_room_for_others(&self) -> bool {
        self.bytes == 0 || (self.present && self.free_bytes().is_none_or(|free| free >= self.reserve()))
    }

    fn reserve(&self) -> u64 {
        self.bytes / RESERVE_DIVISOR
    }

    /// What this user may still write beside the database; `None` when the system does not tell.
    fn free_bytes(&self) -> Option<u64> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let found = statvfs(folder.unwrap_or(Path::new("."))).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

fn reserve_blocks(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => {}
        Err(rustix::io::Errno::OPNOTSUPP) => write_zeros(&mut file, bytes)?,
        Err(error) => return Err(error.into()),
    }
    file.sync_all()
}

fn write_zeros(file: &mut File, bytes: u64) -> io::Result<()> {
    let chunk = vec![0; CHUNK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        file.write_all(&chunk[..length])?;
        left -= length as u64;
    }
    Ok(())
}

impl Store {
    /// What the disk has for taps.
    #[must_use]
    pub const fn disk(&self) -> Disk {
        Disk {
            ballast: match (self.ballast.bytes, self.ballast.present) {
                (0, _) => BallastState::None,
                (_, true) => BallastState::Present,
                (_, false) => BallastState::Freed,
            },
            full: self.ballast.full,
        }
    }

    /// Does something for taps. When the disk is full, the ballast is freed and it is done once more.
    pub(super) fn with_ballast(
        &mut self,
        mut work: impl FnMut(&mut Store) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let done = work(self);
        if matches!(done, Err(Fault::Full)) && self.ballast.free() {
            self.counters.ballast_freed += 1;
            return work(self);
        }
        done
    }

    /// Notes whether a tap found the disk full.
    pub(super) fn note_room<T>(&mut self, tap: Result<T, Fault>) -> Result<T, Fault> {
        self.ballast.full = matches!(tap, Err(Fault::Full));
        self.counters.disk_full += u64::from(self.ballast.full);
        tap
    }
}
