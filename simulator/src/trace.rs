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
        let (kind, a, b) = match event {
            Event::Frame { from, to, .. } => (0_u8, u64::from(from.0), u64::from(to.0)),
            Event::Connect(link) => (1, u64::from(link.ends()[0].0), u64::from(link.ends()[1].0)),
            Event::Lost(link) => (2, u64::from(link.ends()[0].0), u64::from(link.ends()[1].0)),
            Event::Timer(node) => (3, u64::from(node.0), 0),
            Event::Beat(node) => (4, u64::from(node.0), 0),
            Event::Settle => (5, 0, 0),
            Event::Trip(trip) => (6, *trip as u64, 0),
            Event::Step(trip, step) => (7, *trip as u64, *step as u64),
            Event::Decide(index) => (9, *index as u64, 0),
            Event::FaultBegins(index) => (10, *index as u64, 0),
            Event::FaultEnds(index) => (11, *index as u64, 0),
            Event::Look(index) => (12, *index as u64, 0),
        };
        self.hasher
            .update(&[kind])
            .update(&a.to_le_bytes())
            .update(&b.to_le_bytes());
    }

    /// Notes the content of a frame that arrived.
    pub(crate) fn frame(&mut self, bytes: &[u8]) {
        self.hasher
            .update(&(bytes.len() as u64).to_le_bytes())
            .update(bytes);
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
