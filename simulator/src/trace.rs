//! The trace: a hash of everything that happened, in order. Equal hashes mean equal runs.

use crate::world::Event;

/// Bytes that are hashed at a time: many at once cost a fraction of what each costs alone.
const PIECE_BYTES: usize = 64 << 10;

/// The hash so far.
#[derive(Debug)]
pub struct Trace {
    hasher: blake3::Hasher,
    /// What is not hashed yet.
    waiting: Vec<u8>,
    events: u64,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace {
            hasher: blake3::Hasher::new_derive_key("gate sync 2026 trace"),
            waiting: Vec::with_capacity(PIECE_BYTES),
            events: 0,
        }
    }
}

impl Trace {
    /// Notes an event.
    pub(crate) fn note(&mut self, now_ms: i64, event: &Event) {
        self.events += 1;
        let (kind, a, b) = event.traced();
        let mut noted = [0; 25];
        noted[..8].copy_from_slice(&now_ms.to_le_bytes());
        noted[8] = kind;
        noted[9..17].copy_from_slice(&a.to_le_bytes());
        noted[17..].copy_from_slice(&b.to_le_bytes());
        self.add(&noted);
    }

    /// Notes the content of a frame that arrived, by its hash.
    pub(crate) fn frame(&mut self, hash: &[u8; 32]) {
        self.add(hash);
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.waiting.len() + bytes.len() > PIECE_BYTES {
            self.hasher.update(&self.waiting);
            self.waiting.clear();
        }
        self.waiting.extend_from_slice(bytes);
    }

    /// How many events there were.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The hash of all of them.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.waiting);
        hasher.finalize().to_hex().to_string()
    }
}
