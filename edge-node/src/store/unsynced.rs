//! After a sync that failed: the store records nothing more.
//!
//! The system reports a failed write-back once, forgets it, and goes on showing what it never wrote; a second sync
//! succeeds and means nothing. So whoever had the failure stops here ([`Fault::Unsynced`]), and the file is opened
//! anew: opening moves all of the WAL file's content into the database, which writes it again, before anything is
//! added. What was answered before is durable, because each answer waited for a sync of its own. The commit that
//! failed is gone when the file is closed in order; when the process is killed instead it may be found committed.

use std::cell::RefCell;

use rusqlite::Connection;

use super::Store;
use super::error::Fault;

/// Whether a sync failed, and what was said then.
#[derive(Debug, Default)]
pub(super) struct Unsynced(RefCell<Option<String>>);

impl Unsynced {
    /// Remembers a failed sync.
    pub(super) fn note(&self, fault: &Fault) {
        if let Fault::Unsynced(text) = fault {
            self.0.replace(Some(text.clone()));
        }
    }

    /// Refuses once a sync failed.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let text = self.0.borrow().clone();
        text.map_or(Ok(()), |text| Err(Fault::Unsynced(text)))
    }
}

impl Store {
    /// Whether a sync failed since the file was opened. Everything answered is durable, nothing more is recorded:
    /// the store is to be closed, and opened anew.
    #[must_use]
    pub fn is_unsynced(&self) -> bool {
        self.unsynced.check().is_err()
    }
}

/// Writes what a WAL file holds once more, into the database: it may be what a sync had failed to write. On a full
/// disk it stays where it is, and nothing can be added either.
pub(super) fn write_again(connection: &Connection) -> Result<(), Fault> {
    let moved = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    match moved.map_err(Fault::from) {
        Err(Fault::Full) => Ok(()),
        other => other,
    }
}
