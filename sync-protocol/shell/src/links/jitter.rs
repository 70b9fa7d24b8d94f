//! Pauses between attempts that differ between nodes and targets.

use std::time::Duration;

use super::limits::{BACKOFF_MAX, BACKOFF_MIN};

/// Tells one start of a node from another.
pub(super) fn start_of(seed: u64) -> [u8; 8] {
    first_bytes(&blake3::derive_key("gate sync 2026 start", &seed.to_le_bytes()))
}

/// The pauses of one target: doubled from [`BACKOFF_MIN`] to [`BACKOFF_MAX`], each a quarter more or less.
#[derive(Debug)]
pub(super) struct Backoff {
    key: [u8; 32],
    drawn: u64,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(seed: u64, target: &str) -> Backoff {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 back-off");
        hasher.update(&seed.to_le_bytes()).update(target.as_bytes());
        Backoff {
            key: *hasher.finalize().as_bytes(),
            drawn: 0,
            next: BACKOFF_MIN,
        }
    }

    /// Begins with the shortest pause again.
    pub(super) fn reset(&mut self) {
        self.next = BACKOFF_MIN;
    }

    /// The next pause.
    pub(super) fn pause(&mut self) -> Duration {
        self.drawn += 1;
        let hash = blake3::keyed_hash(&self.key, &self.drawn.to_le_bytes());
        let random = u64::from_le_bytes(first_bytes(hash.as_bytes()));
        let whole_us = u64::try_from(self.next.as_micros()).unwrap_or(u64::MAX);
        let pause_us = whole_us * 3 / 4 + random % (whole_us / 2).max(1);
        self.next = (self.next * 2).min(BACKOFF_MAX);
        Duration::from_micros(pause_us)
    }
}

fn first_bytes(bytes: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_limit_and_differ_between_nodes() {
        let mut backoff = Backoff::new(1, "hub:7501");
        let mut whole = BACKOFF_MIN;
        for _ in 0..10 {
            let pause = backoff.pause();
            assert!(
                pause >= whole * 3 / 4 && pause <= whole * 5 / 4,
                "{pause:?} for {whole:?}"
            );
            whole = (whole * 2).min(BACKOFF_MAX);
        }
        backoff.reset();
        assert!(backoff.pause() <= BACKOFF_MIN * 5 / 4);
        assert_ne!(Backoff::new(1, "a:1").pause(), Backoff::new(2, "a:1").pause());
        assert_ne!(Backoff::new(1, "a:1").pause(), Backoff::new(1, "b:1").pause());
    }
}
