//! Signatures known to be good, in two generations: when the younger one is full, the older one is forgotten.
//!
//! Invariant: only good signatures are noted, and they are compared in full; forgetting one costs time, nothing else.

use std::collections::BTreeMap;

use sync_protocol::changeset::{PublicKey, Signature};

/// Most signatures in one generation.
const GENERATION_MAX: usize = 1 << 16;

/// The signatures.
#[derive(Default)]
pub(super) struct Memo {
    /// By what was signed, which is a hash of the signer's site or heartbeat.
    younger: BTreeMap<[u8; 32], (PublicKey, Signature)>,
    older: BTreeMap<[u8; 32], (PublicKey, Signature)>,
}

impl Memo {
    /// Whether this very signature is known to be good.
    pub(super) fn holds(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        let known = self.younger.get(message).or_else(|| self.older.get(message));
        known.is_some_and(|known| *known == (*key, *signature))
    }

    /// Notes a good one.
    pub(super) fn note(&mut self, key: &PublicKey, message: &[u8; 32], signature: &Signature) {
        if self.younger.len() >= GENERATION_MAX {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(*message, (*key, *signature));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_generation_is_always_known_and_memory_is_bounded() {
        let (key, signature) = (PublicKey([1; 32]), Signature([2; 64]));
        let message = |number: usize| {
            let mut message = [0; 32];
            message[..8].copy_from_slice(&number.to_le_bytes());
            message
        };
        let mut memo = Memo::default();
        for number in 0..3 * GENERATION_MAX {
            memo.note(&key, &message(number), &signature);
        }
        assert!(memo.younger.len() + memo.older.len() <= 2 * GENERATION_MAX);
        let last = 3 * GENERATION_MAX - 1;
        assert!(memo.holds(&key, &message(last - GENERATION_MAX + 1), &signature));
        assert!(!memo.holds(&key, &message(0), &signature));
        assert!(!memo.holds(&PublicKey([9; 32]), &message(last), &signature));
    }
}
