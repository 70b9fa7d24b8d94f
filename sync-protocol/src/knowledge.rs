//! The age of a gate's knowledge: how long ago the hub could still have told it something new (domain 4.5).
//!
//! Age grows with the local monotonic clock and shrinks only by the progress of the hub's own time in its signed
//! heartbeats. So a quiet night is not stale, a wrong wall clock closes no gate, and old heartbeats passed around
//! between gates that are cut off make nobody fresh. A heartbeat straight from the hub's own connection is fresh.

use serde::{Deserialize, Serialize};

use crate::time::HOUR_MS;

/// What an unknown age counts as: between 24 and 72 hours, so S holds but neither F nor unknown cards do.
pub const UNKNOWN_AGE_MS: i64 = 24 * HOUR_MS + 1;

/// The age, as of a moment of the local monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnowledgeAge {
    /// The hub's own time in the newest heartbeat, milliseconds since 1970; `None` before the first.
    hub_ms: Option<i64>,
    age_ms: i64,
    as_of_ms: i64,
}

impl KnowledgeAge {
    /// The age after a start, when nobody knows how long the node was off. `hub_ms` is what was stored of the
    /// newest heartbeat, so that an old one is not taken for news.
    #[must_use]
    pub const fn unknown(hub_ms: Option<i64>, monotonic_ms: i64) -> KnowledgeAge {
        KnowledgeAge {
            hub_ms,
            age_ms: UNKNOWN_AGE_MS,
            as_of_ms: monotonic_ms,
        }
    }

    /// Notes a verified heartbeat of the hub: `hub_ms` is its own time in it, `direct` whether it came over a
    /// connection with the hub itself. One that is known already makes nobody fresh when it is relayed, but does when
    /// it comes from the hub itself: a neighbour was merely faster to pass it on. Returns whether it was news.
    pub fn hear(&mut self, hub_ms: i64, direct: bool, monotonic_ms: i64) -> bool {
        let progress_ms = self.hub_ms.map_or(0, |known_ms| hub_ms.saturating_sub(known_ms));
        if progress_ms < 0 || (progress_ms == 0 && self.hub_ms.is_some() && !direct) {
            return false;
        }
        let grown_ms = self.age_ms(monotonic_ms);
        self.age_ms = if direct {
            0
        } else {
            grown_ms.saturating_sub(progress_ms).max(0)
        };
        self.as_of_ms = monotonic_ms;
        self.hub_ms.replace(hub_ms) != Some(hub_ms)
    }

    /// The age now, milliseconds.
    #[must_use]
    pub fn age_ms(&self, monotonic_ms: i64) -> i64 {
        self.age_ms
            .saturating_add(monotonic_ms.saturating_sub(self.as_of_ms).max(0))
    }

    /// The hub's own time in the newest heartbeat.
    #[must_use]
    pub const fn hub_ms(&self) -> Option<i64> {
        self.hub_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE_MS;

    #[test]
    fn a_quiet_night_with_heartbeats_is_not_stale() {
        let mut age = KnowledgeAge::unknown(None, 0);
        assert!(age.hear(1_000_000, true, 0));
        for step in 1..5_000 {
            assert!(age.hear(1_000_000 + step * 10_000, false, step * 10_000 + 40));
            assert!(age.age_ms(step * 10_000 + 40) <= 40);
        }
    }

    #[test]
    fn age_grows_without_heartbeats_and_old_ones_make_nobody_fresh() {
        let mut age = KnowledgeAge::unknown(None, 0);
        age.hear(50_000, true, 0);
        let later_ms = 20 * MINUTE_MS;
        assert!(!age.hear(50_000, false, later_ms), "the same heartbeat again");
        assert!(!age.hear(40_000, true, later_ms), "an older one");
        assert_eq!(age.age_ms(later_ms), later_ms);
        // One that was under way when the link was cut: ten seconds of progress, no more.
        assert!(age.hear(60_000, false, later_ms));
        assert_eq!(age.age_ms(later_ms), later_ms - 10_000);
    }

    #[test]
    fn an_unknown_age_stays_between_a_day_and_three_until_the_hub_itself_is_heard() {
        let mut age = KnowledgeAge::unknown(Some(1_000), 0);
        assert!(age.hear(500_000_000, false, 10), "relayed");
        assert_eq!(
            age.age_ms(10),
            0,
            "half a billion milliseconds of progress are more than a day"
        );
        let mut age = KnowledgeAge::unknown(None, 0);
        age.hear(500_000_000, false, 10);
        assert!(age.age_ms(10) > 24 * HOUR_MS && age.age_ms(10) < 72 * HOUR_MS);
        age.hear(500_010_000, true, 10_010);
        assert_eq!(age.age_ms(10_010), 0);
    }

    #[test]
    fn a_heartbeat_that_a_neighbour_passed_on_first_is_fresh_when_the_hub_itself_brings_it() {
        let mut age = KnowledgeAge::unknown(None, 0);
        assert!(age.hear(5_000, false, 10));
        assert!(age.age_ms(10) > 24 * HOUR_MS);
        assert!(!age.hear(5_000, true, 20), "no news");
        assert_eq!(age.age_ms(20), 0);
    }

    #[test]
    fn the_monotonic_clock_never_runs_back_here() {
        let mut age = KnowledgeAge::unknown(None, 1_000);
        age.hear(1, true, 1_000);
        assert_eq!(age.age_ms(500), 0);
    }
}
