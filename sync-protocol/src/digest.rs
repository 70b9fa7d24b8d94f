//! Digests for comparing what two nodes hold.

mod settled;

pub use settled::{CardEntry, LANE_BYTES, SettledDigest};

use crate::id::OrderKey;

/// Hash of one fact for multiset sums: 128 bits over its identity, time and payload bytes as they travel.
#[must_use]
pub fn fact_hash(key: &OrderKey, payload: &[u8]) -> u128 {
    let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 fact");
    hasher.update(&key.at.ms.to_le_bytes());
    hasher.update(&key.at.counter.to_le_bytes());
    hasher.update(&key.id.site.0);
    hasher.update(&key.id.seq.0.to_le_bytes());
    hasher.update(&key.id.index.to_le_bytes());
    hasher.update(payload);
    let mut low = [0; 16];
    low.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(low)
}
