//! A gate's wall clock: the true time of day, and what faults add to it. Nothing but stamps of taps and heartbeats
//! reads it; everything else goes by virtual time, as a real node goes by its monotonic clock.

use std::collections::BTreeMap;

/// Wall clocks before this were never set: 2020-01-01 UTC, milliseconds since 1970, as in production.
const PLAUSIBLE_FROM_MS: i64 = 1_577_836_800_000;
/// How far a clock may be off that is plainly wrong (domain 7), milliseconds.
const UNSET_UNCERTAINTY_MS: u32 = 120_000;

/// The time of day as one gate believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    /// The true time of day at the start of the run, milliseconds since 1970.
    start_ms: i64,
    errors: BTreeMap<usize, Error>,
}

/// What one fault does to a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Error {
    since_ms: i64,
    offset_ms: i64,
    drift_ppm: i64,
}

impl WallClock {
    /// A clock that is right.
    #[must_use]
    pub fn right(start_ms: i64) -> WallClock {
        WallClock {
            start_ms,
            errors: BTreeMap::new(),
        }
    }

    /// From now on it is off by `offset_ms`, and by `drift_ppm` millionths of the time that passes besides.
    pub fn err(&mut self, fault: usize, now_ms: i64, offset_ms: i64, drift_ppm: i64) {
        let error = Error {
            since_ms: now_ms,
            offset_ms,
            drift_ppm,
        };
        self.errors.insert(fault, error);
    }

    /// What that fault did is taken back, in one step.
    pub fn mend(&mut self, fault: usize) {
        self.errors.remove(&fault);
    }

    /// What it reads, milliseconds since 1970.
    #[must_use]
    pub fn read(&self, now_ms: i64) -> i64 {
        let error_ms: i64 = self.errors.values().map(|error| error.at(now_ms)).sum();
        self.start_ms + now_ms + error_ms
    }

    /// How far the gate says that its clock may be off: more when it was never set, or is minutes behind the gate's
    /// last stamp. Milliseconds.
    #[must_use]
    pub fn uncertainty_ms(&self, now_ms: i64, last_stamp_ms: i64, synced_ms: u32) -> u32 {
        let wall_ms = self.read(now_ms);
        let wrong = wall_ms < PLAUSIBLE_FROM_MS || wall_ms < last_stamp_ms - i64::from(UNSET_UNCERTAINTY_MS);
        if wrong {
            synced_ms.max(UNSET_UNCERTAINTY_MS)
        } else {
            synced_ms
        }
    }
}

impl Error {
    fn at(&self, now_ms: i64) -> i64 {
        self.offset_ms + (now_ms - self.since_ms) * self.drift_ppm / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_steps_drifts_and_steps_back() {
        let mut clock = WallClock::right(1_000_000);
        clock.err(3, 10_000, -120_000, 1_000);
        assert_eq!(clock.read(10_000), 1_010_000 - 120_000);
        assert_eq!(clock.read(20_000), 1_020_000 - 120_000 + 10);
        clock.err(4, 20_000, 500, 0);
        assert_eq!(clock.read(20_000), 1_020_000 - 120_000 + 10 + 500);
        clock.mend(3);
        assert_eq!(clock.read(20_000), 1_020_500);
        clock.mend(4);
        assert_eq!(clock.read(20_000), 1_020_000);
    }
}
