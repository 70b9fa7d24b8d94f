//! Wall clocks that are set wrong and right again.

use super::{B_ENTRY, played};

#[test]
fn a_clock_that_steps_days_ahead_and_back_stamps_its_own_taps_only() {
    for offset_ms in [-120_000_i64, 120_000, 259_200_000, -259_200_000] {
        let run = played(
            9,
            &[&format!(
                "at_s = 60; for_s = 120; kind = \"clock\"; gate = \"B-ENTRY-01\"; offset_ms = {offset_ms}; drift_ppm = 50000"
            )],
        );
        run.holds();
        assert!(run.answered(B_ENTRY) > 0);
    }
}
