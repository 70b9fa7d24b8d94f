//! What can go wrong between a gate and cr-sqlite.

use std::io;

use sync_protocol::rows::Refusal;
use thiserror::Error;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, Error)]
pub enum Error {
    /// The SQLite in this process has a known fault that can corrupt a database in WAL mode.
    #[error("SQLite {found} is too old: 3.51.3 or newer is needed; build with rusqlite's bundled SQLite")]
    SqliteTooOld {
        /// The version found.
        found: String,
    },
    /// The extension could not be handed to SQLite.
    #[error(
        "cannot load cr-sqlite neither from memory nor from {folder}: {source}; TMPDIR may name a folder for it"
    )]
    Library {
        /// The folder for temporary files.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// SQLite failed; the transaction is as SQLite left it.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A name that cannot be a replicated table's.
    #[error(
        "{name:?} cannot name a replicated table: use a letter, then up to 47 letters, digits and underscores"
    )]
    TableName {
        /// The name given.
        name: String,
    },
    /// The table cannot be replicated.
    #[error("table {table} cannot be replicated: {reason}")]
    Unreplicable {
        /// The table.
        table: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The call needs a transaction begun by the caller.
    #[error("a transaction is needed: BEGIN IMMEDIATE before reading or applying row changes")]
    NoTransaction,
    /// The transaction changed more than one changeset may hold. Roll it back.
    #[error("the transaction made more than {limit} row changes: split it")]
    TooManyChanges {
        /// Most row changes allowed.
        limit: usize,
    },
    /// A local change that every peer would refuse. Roll the transaction back.
    #[error("the local change {change} cannot be sent: {refusal}")]
    Unsendable {
        /// The change, in words.
        change: String,
        /// Why.
        refusal: Refusal,
    },
    /// The site id was changed after this connection was opened, which captures nothing. Open it anew.
    #[error("the site id was changed after this connection was opened: open a new one")]
    SiteChanged,
    /// A change that came from this site itself.
    #[error("the changes come from this site itself")]
    OwnSite,
    /// A change is not acceptable; nothing was applied.
    #[error("row change {index} is refused: {refusal}")]
    Refused {
        /// Its position among the given changes.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// SQLite refused a merged change. The whole transaction was rolled back.
    #[error("row change {index} could not be merged, and the transaction was rolled back: {source}")]
    Unmerged {
        /// Its position among the given changes.
        index: usize,
        /// Why.
        source: rusqlite::Error,
    },
}
