//! The clocks of the process, read in one place and handed to whoever needs one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sync_protocol::time::WALL_MS_MAX;
use tokio::time::Instant;

/// 2020-01-01 00:00 UTC in milliseconds since 1970: a clock before it was never set.
pub const YEAR_2020_MS: i64 = 1_577_836_800_000;

/// The wall clock and the monotonic clock. [`crate::run`] makes it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    wall: fn() -> SystemTime,
}

impl Clock {
    /// A clock over this reading of the wall clock, whose monotonic time starts now.
    #[must_use]
    pub fn new(wall: fn() -> SystemTime) -> Clock {
        Clock {
            started: Instant::now(),
            wall,
        }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn wall_ms(&self) -> i64 {
        let now = (self.wall)();
        let milliseconds = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(WALL_MS_MAX);
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) => milliseconds(since),
            Err(before) => -milliseconds(before.duration()),
        }
    }

    /// The monotonic clock.
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Milliseconds of the monotonic clock since the start.
    #[must_use]
    pub fn monotonic_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Refuses a clock that was never set: facts stamped by it would be priced by no fare version.
    ///
    /// # Errors
    /// It is before 2020.
    pub fn check(&self) -> Result<(), ClockError> {
        let now_ms = self.wall_ms();
        match now_ms < YEAR_2020_MS {
            true => Err(ClockError { now_ms }),
            false => Ok(()),
        }
    }
}

/// The wall clock was never set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the clock of this machine says {}, before 2020: set it (for instance `timedatectl set-ntp true`), then start again",
    spoken(*now_ms)
)]
pub struct ClockError {
    /// What it says, milliseconds since 1970.
    pub now_ms: i64,
}

fn spoken(now_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(now_ms) {
        Ok(timestamp) => timestamp.to_string(),
        Err(_) => format!("{now_ms} ms after 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_2020_is_refused_with_what_to_do() {
        let early = Clock::new(|| UNIX_EPOCH + Duration::from_secs(86_400));
        let error = early.check().unwrap_err();
        assert_eq!(error.now_ms, 86_400_000);
        let said = error.to_string();
        assert!(
            said.contains("1970-01-02") && said.contains("timedatectl"),
            "{said}"
        );
        let right = Clock::new(|| UNIX_EPOCH + Duration::from_millis(YEAR_2020_MS.unsigned_abs()));
        assert_eq!(right.check(), Ok(()));
    }
}
