//! Row changes of the small shared tables that people edit in place (cr-sqlite CRRs).
//!
//! A [`RowChange`] is one row of cr-sqlite's `crsql_changes`, without the two columns a relay must not carry:
//! `site_id` (it is the site of the changeset) and `db_version` (it is local to every replica).
//! Nothing that guards money travels this way: in cr-sqlite the higher edit count wins, not the later time.
//!
//! # The merge
//! A row has a *causal length*: 1 when first inserted, one more at every deletion and every re-insertion, so it
//! is odd while the row lives. Of two states of a row the longer causal length wins as a whole. Under the same
//! causal length each column stands alone: the higher edit count wins, then the greater value
//! ([`Value::merge_order`]). The site, and a change's place in its transaction, decide nothing.
//!
//! Invariant: this is a join of semilattices, so replicas that received the same changes in any order and any
//! number of times hold the same rows. [`RowSet`] is that merge without SQLite (the hub's copy);
//! `edge-node/crsqlite/tests/replicas/convergence.rs` proves it equal to the real extension.

mod digest;
pub mod key;
mod refusal;
mod schema;
mod set;
mod shared;

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use digest::StateDigest;
pub use key::KeyError;
pub use refusal::Refusal;
pub use schema::{Column, Kind, Schema, TableSchema};
pub use set::{Cell, Row, RowSet};
pub use shared::shared;

/// Largest `col_version` or causal length taken from outside (2^40). A change near `i64::MAX` would make
/// cr-sqlite silently capture nothing afterwards. A cell or row that reached the limit cannot be edited any more.
pub const VERSION_MAX: i64 = 1 << 40;

/// Most row changes in one changeset.
pub const ROW_CHANGES_MAX: usize = 256;

/// Longest table or column name in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Longest packed primary key in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// Longest text or blob value in bytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// The column name of a change to the row itself: its creation, deletion or re-insertion.
pub const SENTINEL: &str = "-1";

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

impl Value {
    /// A real in its one canonical form: cr-sqlite takes -0.0 and 0.0 for the same value, so only 0.0 is kept.
    pub fn real(real: f64) -> Value {
        Value::Real(if real == 0.0 {
            0.0_f64.to_bits()
        } else {
            real.to_bits()
        })
    }

    /// Which value wins under equal edit counts: the greater one. Across types integers win over reals, then
    /// text, blobs and NULL; text and blobs compare by bytes, as in cr-sqlite.
    pub fn merge_order(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
            (Value::Real(left), Value::Real(right)) => f64::from_bits(*left)
                .partial_cmp(&f64::from_bits(*right))
                .unwrap_or(Ordering::Equal),
            (Value::Text(left), Value::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
            (Value::Blob(left), Value::Blob(right)) => left.cmp(right),
            _ => other.type_code().cmp(&self.type_code()),
        }
    }

    /// SQLite's number of the storage class, `SQLITE_INTEGER` to `SQLITE_NULL`.
    fn type_code(&self) -> u8 {
        match self {
            Value::Integer(_) => 1,
            Value::Real(_) => 2,
            Value::Text(_) => 3,
            Value::Blob(_) => 4,
            Value::Null => 5,
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        let bytes = match self {
            Value::Real(bits) => {
                let real = f64::from_bits(*bits);
                return match real.is_finite() && *self == Value::real(real) {
                    true => Ok(()),
                    false => Err(Refusal::RealNotCanonical),
                };
            }
            Value::Text(text) => text.len(),
            Value::Blob(blob) => blob.len(),
            Value::Null | Value::Integer(_) => 0,
        };
        if bytes > VALUE_BYTES_MAX {
            return Err(Refusal::ValueSize { bytes });
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => formatter.write_str("NULL"),
            Value::Integer(integer) => write!(formatter, "{integer}"),
            Value::Real(bits) => write!(formatter, "{:?}", f64::from_bits(*bits)),
            Value::Text(text) => write!(formatter, "{text:?}"),
            Value::Blob(blob) => write!(formatter, "blob of {} bytes", blob.len()),
        }
    }
}

/// One changed column of one row, or a row's creation or deletion (`column` is then [`SENTINEL`]).
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
    /// Edit count of the column, 0 to [`VERSION_MAX`]; of the row itself, its causal length.
    pub col_version: i64,
    /// Causal length of the row: odd while it lives, even while deleted, 1 to [`VERSION_MAX`].
    pub causal_length: i64,
    /// Position inside its transaction. It is no part of the state: it is 0 in a change read from a state.
    pub seq: i64,
}

impl RowChange {
    /// Whether this change speaks of the row itself, not of one of its columns.
    pub fn is_sentinel(&self) -> bool {
        self.column == SENTINEL
    }

    /// Refuses what no honest replica sends, whatever the schema: outsized or non-canonical parts, versions
    /// outside their range, and combinations that cr-sqlite would store as something else than they say.
    pub fn check(&self) -> Result<(), Refusal> {
        for name in [&self.table, &self.column] {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(Refusal::NameSize { bytes: name.len() });
            }
        }
        key::unpack(&self.key)?;
        self.value.check()?;
        if !(0..=VERSION_MAX).contains(&self.col_version) {
            return Err(Refusal::ColVersion {
                col_version: self.col_version,
            });
        }
        if !(1..=VERSION_MAX).contains(&self.causal_length) {
            return Err(Refusal::CausalLength {
                causal_length: self.causal_length,
            });
        }
        if !(0..=i64::from(i32::MAX)).contains(&self.seq) {
            return Err(Refusal::Seq { seq: self.seq });
        }
        if self.is_sentinel() {
            // cr-sqlite stores a sentinel's col_version as the row's causal length.
            if self.col_version != self.causal_length || self.value != Value::Null {
                return Err(Refusal::Sentinel);
            }
        } else if self.causal_length % 2 == 0 {
            return Err(Refusal::ColumnOfDeletedRow);
        }
        Ok(())
    }
}

impl fmt::Display for RowChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}[", self.table)?;
        match key::unpack(&self.key) {
            Ok(values) => {
                for (index, value) in values.iter().enumerate() {
                    write!(formatter, "{}{value}", if index == 0 { "" } else { ", " })?;
                }
            }
            Err(_) => formatter.write_str("broken key")?,
        }
        if self.is_sentinel() {
            let verb = if self.causal_length % 2 == 0 {
                "deleted"
            } else {
                "created"
            };
            return write!(formatter, "] {verb} (life {})", self.causal_length);
        }
        write!(
            formatter,
            "].{} = {} (edit {}, life {})",
            self.column, self.value, self.col_version, self.causal_length
        )
    }
}
