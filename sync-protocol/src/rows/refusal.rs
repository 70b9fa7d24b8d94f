//! Why a row change is refused.

use thiserror::Error;

use super::{KeyError, NAME_BYTES_MAX, VALUE_BYTES_MAX, VERSION_MAX};

/// Why a row change is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A table or column name is empty or too long.
    #[error("a name has {bytes} bytes, allowed are 1 to {NAME_BYTES_MAX}")]
    NameSize {
        /// Length found.
        bytes: usize,
    },
    /// The packed key cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The value is too long.
    #[error("a value has {bytes} bytes, more than {VALUE_BYTES_MAX}")]
    ValueSize {
        /// Length found.
        bytes: usize,
    },
    /// NaN, an infinity or -0.0, which SQLite or cr-sqlite would not keep apart from other values.
    #[error("a real is not finite or is -0.0")]
    RealNotCanonical,
    /// The edit count is out of range.
    #[error("col_version {col_version} is outside 0 to {VERSION_MAX}")]
    ColVersion {
        /// Edit count found.
        col_version: i64,
    },
    /// The causal length is out of range.
    #[error("causal length {causal_length} is outside 1 to {VERSION_MAX}")]
    CausalLength {
        /// Causal length found.
        causal_length: i64,
    },
    /// The position in the transaction is out of range.
    #[error("seq {seq} is outside 0 to {}", i32::MAX)]
    Seq {
        /// Position found.
        seq: i64,
    },
    /// A change of the row itself carries a value, or an edit count other than its causal length.
    #[error("a change of the row itself must have no value and its causal length as col_version")]
    Sentinel,
    /// A column change under an even causal length, which means "deleted".
    #[error("a column change of a deleted row")]
    ColumnOfDeletedRow,
    /// The table is not replicated here.
    #[error("table {table:?} is not replicated here")]
    UnknownTable {
        /// Table named by the change.
        table: String,
    },
    /// The table has no such replicated column.
    #[error("table {table:?} has no replicated column {column:?}")]
    UnknownColumn {
        /// Table named by the change.
        table: String,
        /// Column named by the change.
        column: String,
    },
    /// The key has the wrong number or types of columns for its table.
    #[error("the key does not fit the primary key of table {table:?}")]
    KeyMismatch {
        /// Table named by the change.
        table: String,
    },
    /// The value is not of the column's type: SQLite would convert or refuse it.
    #[error("the value does not fit column {column:?} of table {table:?}")]
    ValueMismatch {
        /// Table named by the change.
        table: String,
        /// Column named by the change.
        column: String,
    },
    /// A first creation without values, of a table that has columns besides its key.
    #[error("a bare creation of a row of table {table:?}")]
    BareCreation {
        /// Table named by the change.
        table: String,
    },
}
