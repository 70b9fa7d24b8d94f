//! The WAL file's size. SQLite would move its content into the database inside whichever commit crosses a limit,
//! and then a passenger waits for it; here it happens between taps.

use super::error::Fault;
use super::{Store, StoreError};

/// Pages of the WAL file that are worth a checkpoint when nobody waits for a tap.
pub(super) const WAL_PAGES: i64 = 1_000;
/// Pages of the WAL file that cause a checkpoint after taps were answered, whoever waits: 16 MiB.
pub(super) const WAL_PAGES_HARD: i64 = 4_000;
/// After so many slices of remote work the WAL file is looked at: that takes a statement, and so few of them write some
/// hundred pages.
const WAL_LOOK_SLICES: u32 = 4;
/// What the WAL file is cut to after a checkpoint, bytes.
pub(super) const WAL_BYTES_KEPT: i64 = 17 << 20;

impl Store {
    /// Moves the WAL file's content into the database while nobody waits, so that no tap has to.
    ///
    /// # Errors
    /// The database failed.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        let moved = self.wal("PRAGMA wal_checkpoint(PASSIVE)");
        self.named(moved.map(|_| ()))
    }

    /// Bounds the WAL file after a slice of remote work.
    pub(super) fn bound_wal_of_slices(&mut self) {
        self.wal_unlooked_slices += 1;
        if self.wal_unlooked_slices >= WAL_LOOK_SLICES {
            self.wal_unlooked_slices = 0;
            self.bound_wal(WAL_PAGES);
        }
    }

    /// Moves the WAL file's content into the database if it has at least so many pages that are not there yet. A
    /// failure, such as a full disk, leaves everything as it is; it is tried again when the file has grown by
    /// another [`WAL_PAGES`], and so is one that a long read of another program holds up.
    pub(super) fn bound_wal(&mut self, pages_max: i64) {
        if self.is_unsynced() {
            return;
        }
        match self.wal("PRAGMA wal_checkpoint(NOOP)") {
            Ok(waiting) if waiting < pages_max.max(self.wal_retry_pages) => {}
            Ok(waiting) => {
                let left = self.wal("PRAGMA wal_checkpoint(PASSIVE)");
                if let Err(fault) = &left {
                    self.unsynced.note(fault);
                    self.counters.checkpoint_failures += 1;
                }
                let left = left.unwrap_or(waiting);
                self.wal_retry_pages = if left == 0 { 0 } else { left + WAL_PAGES };
            }
            Err(_) => self.counters.checkpoint_failures += 1,
        }
    }

    /// Runs a checkpoint pragma; how many pages of the WAL file are not in the database then.
    fn wal(&self, pragma: &str) -> Result<i64, Fault> {
        let mut statement = self.replica.prepare_cached(pragma)?;
        Ok(statement.query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))?)
    }
}
