//! Digests of what is derived from the logs, so that gates can be compared whatever way the logs came.
//!
//! What is local stays out: site ordinals, arrival numbers, cr-sqlite's versions and site ids.

use blake3::Hasher;

use super::error::Fault;
use super::{Store, StoreError, sql};

/// Digests of a store's derived tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreDigest {
    /// Settled cards.
    pub cards: [u8; 32],
    /// Fare versions.
    pub fares: [u8; 32],
    /// Replicated rows and tombstones.
    pub rows: [u8; 32],
}

impl Store {
    /// Digests of the derived tables. Reads them whole; an incremental digest comes with snapshots.
    ///
    /// # Errors
    /// The database failed.
    pub fn digest(&self) -> Result<StoreDigest, StoreError> {
        let result = self.try_digest();
        self.named(result)
    }

    fn try_digest(&self) -> Result<StoreDigest, Fault> {
        Ok(StoreDigest {
            cards: self.digest_of("gate sync 2026 store cards", sql::CARDS_ALL)?,
            fares: self.digest_of("gate sync 2026 store fares", sql::FARE_HASHES)?,
            rows: crsqlite::state_digest(&self.replica)?,
        })
    }

    /// Hash of all values of a query, each with its type and length.
    fn digest_of(&self, domain: &str, query: &str) -> Result<[u8; 32], Fault> {
        let mut hasher = Hasher::new_derive_key(domain);
        let mut statement = self.replica.prepare_cached(query)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                let value = row.get_ref(column)?;
                if let Ok(integer) = value.as_i64() {
                    hasher.update(b"i").update(&integer.to_le_bytes());
                } else {
                    let bytes = value
                        .as_bytes()
                        .map_err(|error| Fault::Content(error.to_string()))?;
                    hasher
                        .update(b"b")
                        .update(&(bytes.len() as u64).to_le_bytes())
                        .update(bytes);
                }
            }
        }
        Ok(*hasher.finalize().as_bytes())
    }
}
