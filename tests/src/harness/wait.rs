//! Waiting for a condition, with a limit. The one place of the harness that reads a clock and sleeps.

use std::time::{Duration, Instant};

/// How long between two looks.
const POLL: Duration = Duration::from_millis(5);

/// A moment by which something has to have happened.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Instant,
    limit: Duration,
}

impl Deadline {
    /// So long from now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the tests' one clock")]
    pub fn after(limit: Duration) -> Deadline {
        Deadline {
            start: Instant::now(),
            limit,
        }
    }

    /// How long ago it was set.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the tests' one clock")]
    pub fn since(&self) -> Duration {
        self.start.elapsed()
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.since() >= self.limit
    }
}

/// Lets some time pass: between the passengers of a load, never for something to come about.
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Waits until `look` finds something. An error of `look` counts as "not yet"; the last one is told when time is up.
///
/// # Errors
/// Nothing was found within the limit.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Deadline::after(limit);
    loop {
        let seen = match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if deadline.is_over() {
            return Err(match seen {
                Some(error) => error.context(format!("waited {limit:?} for {what}; the last look failed")),
                None => anyhow::anyhow!("waited {limit:?} for {what}, in vain"),
            });
        }
        std::thread::sleep(POLL);
    }
}

/// Waits until `holds` does.
///
/// # Errors
/// It did not within the limit.
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> anyhow::Result<()> {
    wait_for(what, limit, || Ok(holds().then_some(())))
}
