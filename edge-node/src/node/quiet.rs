//! Speaking at a bounded rate: what a peer or a disk can cause without end is logged a few times a minute, and
//! counted always.

/// The span, milliseconds.
const SPAN_MS: i64 = 60_000;

/// Bounds the rate of log lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quiet {
    lines_max: u32,
    since_ms: i64,
    lines: u32,
    held_back: u64,
}

impl Quiet {
    /// At most so many lines a minute.
    pub(crate) const fn of(lines_max: u32) -> Quiet {
        Quiet {
            lines_max,
            since_ms: 0,
            lines: 0,
            held_back: 0,
        }
    }

    /// Whether one more line may be written now.
    pub(crate) fn may_speak(&mut self, now_ms: i64) -> bool {
        self.tell_held_back(now_ms);
        if self.lines >= self.lines_max {
            self.held_back += 1;
            return false;
        }
        self.lines += 1;
        true
    }

    /// Begins a new span when it is time, and says how many lines the last one held back.
    pub(crate) fn tell_held_back(&mut self, now_ms: i64) {
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
            ..Quiet::of(self.lines_max)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_held_back_and_a_new_minute_begins_afresh() {
        let mut quiet = Quiet::of(10);
        let spoken = (0..1_000).filter(|ms| quiet.may_speak(*ms)).count();
        assert_eq!(spoken, 10);
        assert!(quiet.may_speak(SPAN_MS));
    }
}
