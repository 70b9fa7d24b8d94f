//! Taking times.
#![expect(clippy::float_arithmetic, reason = "figures are measurements, not money")]

use std::time::{Duration, Instant};

/// Runs something once and says how long it took.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = std::hint::black_box(work());
    (result, start.elapsed())
}

/// Waits for something and says how long it took.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub async fn timed_async<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let result = std::hint::black_box(work.await);
    (result, start.elapsed())
}

/// The middle one of several durations, in microseconds.
#[must_use]
pub fn median_us(mut durations: Vec<Duration>) -> f64 {
    percentile_us(&mut durations, 50)
}

/// A percentile, in microseconds. Sorts the durations.
#[must_use]
pub fn percentile_us(durations: &mut [Duration], percentile: usize) -> f64 {
    durations.sort_unstable();
    let place = (durations.len() * percentile / 100).min(durations.len().saturating_sub(1));
    durations
        .get(place)
        .map_or(0.0, |duration| duration.as_secs_f64() * 1e6)
}
