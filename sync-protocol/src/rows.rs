//! Row changes of the small shared tables that people edit in place (cr-sqlite CRRs).
//!
//! A [`RowChange`] is one row of cr-sqlite's `crsql_changes`, without the two columns a relay must not carry:
//! `site_id` (it is the site of the changeset) and `db_version` (it is local to every replica).
//! Nothing that guards money travels this way: in cr-sqlite the higher edit count wins, not the later time.

use serde::{Deserialize, Serialize};

/// Largest `col_version` or causal length taken from outside (2^40). A change near `i64::MAX` would make
/// cr-sqlite silently capture nothing afterwards.
pub const VERSION_MAX: i64 = 1 << 40;

/// A SQLite value. `Real` holds the bits of an IEEE double, so that values compare and hash exactly;
/// only coordinates are real, never money (D-20).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A 64-bit signed integer.
    Integer(i64),
    /// The bits of a double.
    Real(u64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// One changed column of one row, or a row's creation or deletion (`column` is then `-1`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RowChange {
    /// Table name, one of the replicated tables.
    pub table: String,
    /// Primary key as packed by `crsql_pack_columns`.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// Column name, or `-1` for the row itself.
    pub column: String,
    /// The new value.
    pub value: Value,
    /// Edit count of the column, 0 to [`VERSION_MAX`].
    pub col_version: i64,
    /// Causal length of the row: odd while it lives, even while deleted, 0 to [`VERSION_MAX`].
    pub causal_length: i64,
    /// Position inside its transaction.
    pub seq: i64,
}
