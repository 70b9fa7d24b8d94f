//! What can go wrong between a gate and its database file, in an operator's words.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use sync_protocol::changeset::{BodyError, RunError};
use sync_protocol::codec::CodecError;
use thiserror::Error;

/// A failure of one database file. Nothing of the failed call was committed.
#[derive(Debug)]
pub struct StoreError {
    /// The file.
    pub path: PathBuf,
    /// What happened.
    pub fault: Fault,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl StoreError {
    /// Whether the disk is full, without the ballast too.
    #[must_use]
    pub const fn is_disk_full(&self) -> bool {
        matches!(self.fault, Fault::Full)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

/// What happened to the file.
#[derive(Debug, Error)]
pub enum Fault {
    /// The folder is not there.
    #[error("the folder of the database does not exist: create it, or correct the path")]
    NoFolder,
    /// Another process works on it.
    #[error("another process has the database open: stop it first, one gate is one process")]
    InUse,
    /// The lock beside the file cannot be made.
    #[error("the lock file beside the database cannot be opened: {0}; the folder must be writable")]
    Lock(#[source] io::Error),
    /// Not a SQLite file, or a damaged one.
    #[error(
        "the file is damaged or no SQLite database ({0}): move it away and start anew; what other nodes hold comes \
         back from them"
    )]
    Damaged(String),
    /// A SQLite database of something else.
    #[error("the file is a SQLite database of another application (id {0:#x}): correct the path")]
    Foreign(i32),
    /// Written by a later version of this program.
    #[error("the database has schema {found}, this program knows {known}: start the newer version again")]
    SchemaNewer {
        /// In the file.
        found: u32,
        /// Newest this program knows.
        known: u32,
    },
    /// No room.
    #[error("the disk is full: free some space; nothing was committed")]
    Full,
    /// What is left is kept for taps: see [`Disk`](super::Disk).
    #[error(
        "the disk is nearly full, and what is left is kept for taps: free some space, or configure a smaller ballast; \
         what other nodes hold comes later"
    )]
    Reserved,
    /// Not writable.
    #[error("the file or its folder is read-only: make both writable for this user")]
    ReadOnly,
    /// Cannot be opened.
    #[error("the database cannot be opened ({0}): check the path and its permissions")]
    CannotOpen(String),
    /// Another connection held the file for too long.
    #[error("the database stayed locked: end the long transaction of the other program")]
    Busy,
    /// The operating system failed.
    #[error("reading or writing failed ({0}): check the disk")]
    Io(String),
    /// A sync failed. The system may have dropped what it did not write, so trying again would prove nothing.
    #[error(
        "the disk did not confirm that what was written is on it ({0}): nothing more is recorded until the gate is \
         started again, which reads the file anew; check the disk"
    )]
    Unsynced(String),
    /// What the journal or a table holds cannot be read back.
    #[error("stored content cannot be read back ({0}): the file is damaged; move it away and start anew")]
    Content(String),
    /// A write that is too large to replicate.
    #[error("the changeset was refused: {0}")]
    Body(#[from] BodyError),
    /// More taps than one group commit takes.
    #[error("{0} taps in one group: between 1 and {max} are allowed", max = super::GROUP_TAPS_MAX)]
    Group(usize),
    /// A transaction was left open on the connection.
    #[error("a transaction is under way on the store's connection: end it first")]
    InTransaction,
    /// cr-sqlite refused.
    #[error(transparent)]
    Rows(crsqlite::Error),
    /// Any other answer of SQLite.
    #[error("SQLite failed ({0}); nothing was committed: if it happens again, check the disk, then the file")]
    Sqlite(rusqlite::Error),
}

/// What SQLite says when there is no room for another part of the WAL file's index.
const SQLITE_IOERR_SHMSIZE: i32 = 10 | (19 << 8);

/// What SQLite says when a file, or the name of one, could not be made durable.
const SQLITE_IOERR_FSYNC: i32 = 10 | (4 << 8);
const SQLITE_IOERR_DIR_FSYNC: i32 = 10 | (5 << 8);

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        let Some(code) = error.sqlite_error_code() else {
            return match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..) => Fault::Content(error.to_string()),
                _ => Fault::Sqlite(error),
            };
        };
        let text = error.to_string();
        let extended = error.sqlite_error().map(|error| error.extended_code);
        match code {
            _ if extended == Some(SQLITE_IOERR_SHMSIZE) => Fault::Full,
            _ if matches!(extended, Some(SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC)) => {
                Fault::Unsynced(text)
            }
            ErrorCode::DiskFull => Fault::Full,
            ErrorCode::ReadOnly => Fault::ReadOnly,
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied => Fault::CannotOpen(text),
            ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => Fault::Damaged(text),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Fault::Busy,
            ErrorCode::SystemIoFailure => Fault::Io(text),
            _ => Fault::Sqlite(error),
        }
    }
}

impl From<crsqlite::Error> for Fault {
    fn from(error: crsqlite::Error) -> Fault {
        match error {
            crsqlite::Error::Sqlite(error) | crsqlite::Error::Unmerged { source: error, .. } => error.into(),
            other => Fault::Rows(other),
        }
    }
}

impl From<CodecError> for Fault {
    fn from(error: CodecError) -> Fault {
        Fault::Content(error.to_string())
    }
}

/// Why a run was not taken.
#[derive(Debug, Error)]
pub enum IngestError {
    /// It does not extend the log held here. Counted; gaps are asked for again.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It would continue the log this very store is writing: a copy of this node's memory is running elsewhere.
    #[error("another node continues this node's open site: a copy of this gate is running; stop one of them")]
    OwnSite,
    /// The log moved on another branch since the run was verified.
    #[error("the log moved on another branch since the run was verified")]
    Forked,
    /// The hub's new site of settled states came before the end of the one it follows: to be offered again later.
    #[error("the site follows another one that is not held up to there yet")]
    Predecessor,
    /// The database failed; the run can be offered again.
    #[error(transparent)]
    Store(#[from] StoreError),
}
