//! The tap clock: a node's own wall clock made monotonic.
//!
//! Remote time is never merged into it (design: fares depend on durations, and one wrong peer must not drag a gate's
//! stamps; I10). Wrong clocks are handled by the skew swap of the fold and by `ClockOffset` facts of the hub.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds in a second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Largest absolute wall-clock time taken from outside, in milliseconds since 1970: about the year 10889.
/// Leaves room to subtract and add times without overflow.
pub const WALL_MS_MAX: i64 = 1 << 48;

/// The time of a fact: milliseconds since 1970 UTC, then a counter for what the node stamps in the same millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Wall-clock milliseconds since 1970 UTC, as the node believed, made monotonic.
    pub ms: i64,
    /// Counts the stamps of one millisecond from 0.
    pub counter: u32,
}

impl Stamp {
    /// A stamp at `ms` with counter 0.
    #[must_use]
    pub const fn at_ms(ms: i64) -> Stamp {
        Stamp { ms, counter: 0 }
    }

    /// Whether the time lies in the range taken from outside.
    #[must_use]
    pub const fn is_sane(self) -> bool {
        self.ms.saturating_abs() <= WALL_MS_MAX
    }

    /// The stamp this node gives next when its wall clock reads `wall_ms`:
    /// (max(wall, own last), counter), strictly later than `self`.
    #[must_use]
    pub fn next(self, wall_ms: i64) -> Stamp {
        let wall_ms = wall_ms.clamp(-WALL_MS_MAX, WALL_MS_MAX);
        if wall_ms > self.ms {
            return Stamp::at_ms(wall_ms);
        }
        match self.counter.checked_add(1) {
            Some(counter) => Stamp { ms: self.ms, counter },
            None => Stamp::at_ms(self.ms + 1),
        }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.ms, self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_rise_strictly_whatever_the_wall_clock_does() {
        let mut last = Stamp::default();
        for wall_ms in [5, 5, 4, -1_000, 6, i64::MAX, 7, i64::MIN] {
            let next = last.next(wall_ms);
            assert!(next > last, "{next} after {last} at wall {wall_ms}");
            assert!(next.is_sane());
            last = next;
        }
    }

    #[test]
    fn a_full_counter_moves_to_the_next_millisecond() {
        let full = Stamp {
            ms: 9,
            counter: u32::MAX,
        };
        assert_eq!(full.next(3), Stamp::at_ms(10));
    }
}
