//! Speaking at a bounded rate: what a peer or a disk can cause without end is logged a few times a minute, and
//! counted always.

/// Lines in one span.
const LINES_MAX: u32 = 10;
/// The span, milliseconds.
const SPAN_MS: i64 = 60_000;

/// Bounds the rate of log lines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet {
    since_ms: i64,
    lines: u32,
    held_back: u64,
}

impl Quiet {
    /// Whether one more line may be written now.
    pub(super) fn may_speak(&mut self, now_ms: i64) -> bool {
        self.tell_held_back(now_ms);
        if self.lines >= LINES_MAX {
            self.held_back += 1;
            return false;
        }
        self.lines += 1;
        true
    }

    /// Begins a new span when it is time, and says how many lines the last one held back.
    pub(super) fn tell_held_back(&mut self, now_ms: i64) {
        if now_ms - self.since_ms < SPAN_MS {
            return;
        }
        if self.held_back > 0 {
            tracing::warn!(
                lines = self.held_back,
                "like lines were held back in the last minute; see /metrics"
            );
        }
        *self = Quiet {
            since_ms: now_ms,
            ..Quiet::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_held_back_and_a_new_minute_begins_afresh() {
        let mut quiet = Quiet::default();
        let spoken = (0..1_000).filter(|ms| quiet.may_speak(*ms)).count();
        assert_eq!(spoken, LINES_MAX as usize);
        assert!(quiet.may_speak(SPAN_MS));
    }
}
