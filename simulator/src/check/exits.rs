//! An exit is never denied (I7), whatever the gate knows, wherever the gate lets passengers out: with the network
//! away, with a full disk that cannot record the tap, with a card that is blocked or unknown.
//!
//! Would fail if a decision about money or status kept a passenger in. A gate that lets nobody out at all is not
//! meant (T-42), nor one whose process does not run: there a barrier opens by hand.

use sync_protocol::fact::{Direction, Reason, Tap};

use super::{Check, Violations, second};
use crate::oracle::{Oracle, Outcome};

/// Looks through all answers.
#[must_use]
pub fn check(oracle: &Oracle) -> Check {
    let mut violations = Violations::default();
    let (mut exits, mut unrecorded) = (0_u64, 0_u64);
    let mut look = |tap: &Tap, gate: &dyn std::fmt::Display, at_ms| {
        if tap.direction != Direction::Exit || tap.reason == Reason::WrongGate {
            return 0;
        }
        if !tap.accepted {
            violations.note(format!("{} was kept in at {gate} ({})", tap.card, second(at_ms)));
        }
        1
    };
    for answered in &oracle.answered {
        exits += look(&answered.decision.tap, &answered.gate, answered.at_ms);
    }
    for presented in &oracle.presented {
        if let Outcome::Unrecorded { decision } = &presented.outcome {
            unrecorded += look(&decision.tap, &presented.gate, presented.at_ms);
        }
    }
    let unrecorded = match unrecorded {
        0 => String::new(),
        unrecorded => format!(", and {unrecorded} that the disk could not record"),
    };
    violations.into_check(
        "exit never denied",
        format!("{exits} exits{unrecorded}, all opened"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn an_exit_that_opens_passes_and_one_that_does_not_is_noticed() {
        let mut oracle = Oracle::default();
        oracle.answered.push(sample::answered(Direction::Exit, 0));
        assert_eq!(check(&oracle).detail, "1 exits, all opened");
        oracle.answered[0].decision.tap.accepted = false;
        let check = check(&oracle);
        assert!(
            !check.passed && check.detail.contains("CARD0001 was kept in at gate 1"),
            "{}",
            check.detail
        );
    }
}
