//! One hash over a replicated state.

use super::{RowChange, Value};

/// A BLAKE3 hash over row changes read from a state in canonical order (table, key, column).
///
/// Invariant: equal states have equal digests whoever reads them, [`super::RowSet`] or SQLite. What may differ
/// between replicas of the same state stays out: the site and local version of a change, and its place in its
/// transaction (two sites that write the same value with the same edit count keep the place they saw first).
#[derive(Default)]
pub struct StateDigest {
    hasher: blake3::Hasher,
}

impl StateDigest {
    /// Adds the next change of the state.
    pub fn add(&mut self, change: &RowChange) {
        self.add_bytes(change.table.as_bytes());
        self.add_bytes(&change.key);
        self.add_bytes(change.column.as_bytes());
        match &change.value {
            Value::Null => self.add_tagged(0, &[]),
            Value::Integer(integer) => self.add_tagged(1, &integer.to_be_bytes()),
            Value::Real(bits) => self.add_tagged(2, &bits.to_be_bytes()),
            Value::Text(text) => self.add_tagged(3, text.as_bytes()),
            Value::Blob(blob) => self.add_tagged(4, blob),
        }
        self.hasher.update(&change.col_version.to_be_bytes());
        self.hasher.update(&change.causal_length.to_be_bytes());
    }

    /// The digest of all changes added.
    pub fn finish(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }

    fn add_tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.hasher.update(&[tag]);
        self.add_bytes(bytes);
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_be_bytes());
        self.hasher.update(bytes);
    }
}
