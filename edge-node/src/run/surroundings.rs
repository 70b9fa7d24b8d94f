//! What a gate takes from the system: clocks, entropy, a barrier.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use rand_core::TryRngCore;

use super::StartError;
use crate::barrier::{Barrier, LogBarrier};
use crate::clock::{Clock, Moment};

/// Fills a slice with random bytes.
type Draw = dyn Fn(&mut [u8]) -> Result<(), String> + Send + Sync;

/// What a gate takes from the system.
pub struct Surroundings {
    /// Both clocks.
    pub clock: Clock,
    /// Where decisions go.
    pub barrier: Box<dyn Barrier>,
    entropy: Arc<Draw>,
}

impl Surroundings {
    /// The system's clocks and entropy, and a barrier that only writes to the log.
    #[must_use]
    pub fn system() -> Surroundings {
        Surroundings {
            clock: system_clock(),
            barrier: Box::new(LogBarrier),
            entropy: Arc::new(system_entropy),
        }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Surroundings {
        Surroundings { clock, ..self }
    }

    /// The same with another barrier.
    #[must_use]
    pub fn with_barrier(self, barrier: Box<dyn Barrier>) -> Surroundings {
        Surroundings { barrier, ..self }
    }

    /// 32 random bytes for a new key.
    ///
    /// # Errors
    /// The system gives none.
    pub fn secret(&self) -> Result<[u8; 32], StartError> {
        self.entropy()
    }

    /// Random bytes.
    pub(super) fn entropy<const N: usize>(&self) -> Result<[u8; N], StartError> {
        let mut bytes = [0; N];
        (self.entropy)(&mut bytes).map_err(StartError::Entropy)?;
        Ok(bytes)
    }
}

/// The system's clocks.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of a gate that reads clocks"
)]
pub fn system_clock() -> Clock {
    let origin = Instant::now();
    Clock::new(move || {
        let wall = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |before| -before),
        };
        Moment {
            wall_ms: wall,
            monotonic_us: i64::try_from(origin.elapsed().as_micros()).unwrap_or(i64::MAX),
        }
    })
}

fn system_entropy(bytes: &mut [u8]) -> Result<(), String> {
    rand_core::OsRng
        .try_fill_bytes(bytes)
        .map_err(|error| error.to_string())
}
