//! The time of day and the time that passed, as a gate reads them. [`crate::run`] makes the clock of the system;
//! tests make their own.

use std::sync::Arc;

use sync_protocol::time::SECOND_MS;

/// Wall clocks before this were never set: 2020-01-01 UTC, milliseconds since 1970.
pub const PLAUSIBLE_FROM_MS: i64 = 1_577_836_800_000;
/// How far a clock may be off that was never set (domain 7), milliseconds.
pub const UNSET_UNCERTAINTY_MS: u32 = 120_000;
/// How far a clock may be off that is kept in step (domain 7), milliseconds.
pub const SYNCED_UNCERTAINTY_MS: u32 = 2_000;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Time of day, milliseconds since 1970 UTC, as the system believes.
    pub wall_ms: i64,
    /// Time that passed since some moment of this process, microseconds. Never runs back.
    pub monotonic_us: i64,
}

impl Moment {
    /// The time that passed, milliseconds.
    #[must_use]
    pub const fn monotonic_ms(self) -> i64 {
        self.monotonic_us / 1_000
    }

    /// What the time of day is worth, when the last stamp given reads `last_ms`.
    #[must_use]
    pub const fn clock_state(self, last_ms: i64) -> ClockState {
        if self.wall_ms < PLAUSIBLE_FROM_MS {
            ClockState::Unset
        } else if self.wall_ms < last_ms - UNSET_UNCERTAINTY_MS as i64 {
            ClockState::Behind
        } else {
            ClockState::Plausible
        }
    }
}

/// What a wall clock is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockState {
    /// Nothing speaks against it.
    Plausible,
    /// Before 2020: it was never set.
    Unset,
    /// Minutes before the last stamp this gate gave.
    Behind,
}

impl ClockState {
    /// How far the clock may be off, when a good one may be off `synced_ms`. Milliseconds.
    #[must_use]
    pub const fn uncertainty_ms(self, synced_ms: u32) -> u32 {
        match self {
            ClockState::Plausible => synced_ms,
            ClockState::Unset | ClockState::Behind if synced_ms > UNSET_UNCERTAINTY_MS => synced_ms,
            ClockState::Unset | ClockState::Behind => UNSET_UNCERTAINTY_MS,
        }
    }

    /// What the operator should know and do; nothing for a good clock.
    #[must_use]
    pub const fn advice(self) -> Option<&'static str> {
        match self {
            ClockState::Plausible => None,
            ClockState::Unset => Some(
                "the system clock reads a time before 2020: it was never set; taps go on, stamped with an uncertainty \
                 of 120 s, and fares that begin later are not in force; set the clock (chrony or another NTP service)",
            ),
            ClockState::Behind => Some(
                "the system clock is minutes behind the last tap of this gate: it was set back; taps go on, stamped \
                 from the last one on with an uncertainty of 120 s; set the clock (chrony or another NTP service)",
            ),
        }
    }
}

/// Reads both clocks. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Moment + Send + Sync>);

impl Clock {
    /// A clock that reads as `read` says.
    #[must_use]
    pub fn new(read: impl Fn() -> Moment + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(read))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Moment {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

/// An age in whole seconds, as far as `u32` goes.
#[must_use]
pub fn seconds(age_ms: i64) -> u32 {
    u32::try_from(age_ms.max(0) / SECOND_MS).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall_ms: i64) -> Moment {
        Moment {
            wall_ms,
            monotonic_us: 0,
        }
    }

    #[test]
    fn a_clock_before_2020_was_never_set() {
        assert_eq!(at(0).clock_state(0), ClockState::Unset);
        assert_eq!(at(PLAUSIBLE_FROM_MS - 1).clock_state(0), ClockState::Unset);
        assert_eq!(at(PLAUSIBLE_FROM_MS).clock_state(0), ClockState::Plausible);
        assert_eq!(ClockState::Unset.uncertainty_ms(SYNCED_UNCERTAINTY_MS), 120_000);
        assert_eq!(ClockState::Unset.uncertainty_ms(300_000), 300_000);
        assert_eq!(ClockState::Plausible.uncertainty_ms(SYNCED_UNCERTAINTY_MS), 2_000);
    }

    #[test]
    fn a_clock_set_back_behind_the_last_stamp_is_no_longer_believed() {
        let noon_ms = 1_760_000_000_000;
        assert_eq!(at(noon_ms).clock_state(noon_ms + 60_000), ClockState::Plausible);
        assert_eq!(at(noon_ms).clock_state(noon_ms + 3_600_000), ClockState::Behind);
        assert!(
            ClockState::Behind
                .advice()
                .is_some_and(|advice| advice.contains("chrony"))
        );
    }
}
