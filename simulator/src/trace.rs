//! The trace: a hash of everything that happened, in order. Equal hashes mean equal runs.

use crate::world::Event;

/// The hash so far.
#[derive(Debug)]
pub struct Trace {
    hasher: blake3::Hasher,
    events: u64,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace {
            hasher: blake3::Hasher::new_derive_key("gate sync 2026 trace"),
            events: 0,
        }
    }
}

impl Trace {
    /// Notes an event.
    pub(crate) fn note(&mut self, now_ms: i64, event: &Event) {
        self.events += 1;
        self.hasher.update(&now_ms.to_le_bytes());
        let (kind, a, b) = event.traced();
        self.hasher
            .update(&[kind])
            .update(&a.to_le_bytes())
            .update(&b.to_le_bytes());
    }

    /// Notes the content of a frame that arrived, by its hash.
    pub(crate) fn frame(&mut self, hash: &[u8; 32]) {
        self.hasher.update(hash);
    }

    /// How many events there were.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The hash of all of them.
    #[must_use]
    pub fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}
