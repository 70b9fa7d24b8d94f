//! Decisions never wait for the network: every card that is presented at a running gate gets its answer in the time
//! that the gate's own disk takes, whatever is cut, slow, lossy or down (D-48).
//!
//! Would fail if a gate asked somebody before it opened, kept a tap until a frame came, or gave no answer at all
//! while it ran. A gate whose process does not run or stands still answers nobody: that is excused where the gate
//! was down at that moment, and counted, as are cards under which the process died. A slow disk delays its own gate
//! only, and by no more than the taps that wait for it take in turn.

use std::collections::BTreeMap;

use sync_protocol::id::NodeId;

use super::{Check, Violations, second};
use crate::oracle::{Oracle, Outcome, Presented};

/// Looks at every presentation.
#[must_use]
pub fn check(oracle: &Oracle, names: &BTreeMap<NodeId, String>, disk_ms_max: impl Fn(NodeId) -> i64) -> Check {
    let mut violations = Violations::default();
    let (mut answered, mut excused, mut slowest_ms, mut limit_ms) = (0_u64, 0_u64, 0, 0);
    let name = |node: &NodeId| names.get(node).cloned().unwrap_or_else(|| node.to_string());
    for presented in &oracle.presented {
        let at = (name(&presented.gate), second(presented.at_ms));
        match &presented.outcome {
            Outcome::Answered { index } => {
                answered += 1;
                let latency_ms = oracle.answered.get(*index).map_or(i64::MAX, |answer| answer.latency_ms);
                let own_disk_ms = disk_ms_max(presented.gate);
                slowest_ms = slowest_ms.max(latency_ms);
                limit_ms = limit_ms.max(own_disk_ms);
                if latency_ms > own_disk_ms {
                    violations.note(format!(
                        "{} waited {latency_ms} ms at {} ({}), whose disk takes {own_disk_ms} ms at most",
                        presented.card, at.0, at.1
                    ));
                }
            }
            Outcome::Unrecorded { .. } => answered += 1,
            Outcome::DiedBefore | Outcome::DiedAfter { .. } => excused += 1,
            Outcome::GateDown if was_down(oracle, presented) => excused += 1,
            Outcome::GateDown => violations.note(format!(
                "{} got no answer at {} ({}), which ran",
                presented.card, at.0, at.1
            )),
        }
    }
    let detail = format!(
        "{answered} cards answered, the slowest after {slowest_ms} ms of its gate's own disk; {excused} presented \
         where no process ran or it died"
    );
    violations
        .into_check("decisions never wait for the network", detail)
        .measured(format!("{slowest_ms} ms"), format!("{limit_ms} ms"))
}

fn was_down(oracle: &Oracle, presented: &Presented) -> bool {
    oracle.downtimes.iter().any(|downtime| {
        downtime.node == presented.gate
            && downtime.from_ms <= presented.at_ms
            && downtime.until_ms.is_none_or(|until_ms| presented.at_ms <= until_ms)
    })
}

#[cfg(test)]
mod tests {
    use sync_protocol::fact::Direction;

    use super::super::sample;
    use super::*;
    use crate::oracle::{Absence, Downtime};

    fn presented(at_ms: i64, outcome: Outcome) -> Presented {
        Presented {
            gate: NodeId(3),
            at_ms,
            card: sample::card(1),
            direction: Direction::Exit,
            outcome,
        }
    }

    fn checked(oracle: &Oracle) -> Check {
        let names = BTreeMap::from([(NodeId(3), "B-EXIT-01".to_owned())]);
        check(oracle, &names, |_| 50)
    }

    fn answered(latency_ms: i64) -> Oracle {
        Oracle {
            answered: vec![sample::answered(Direction::Exit, latency_ms)],
            presented: vec![presented(9_000, Outcome::Answered { index: 0 })],
            ..Oracle::default()
        }
    }

    #[test]
    fn a_gate_that_needs_its_disk_passes() {
        let check = checked(&answered(50));
        assert!(check.passed && check.detail.starts_with("1 cards answered"), "{}", check.detail);
    }

    #[test]
    fn a_gate_that_waits_longer_than_for_its_disk_is_noticed() {
        let check = checked(&answered(51));
        let told = "CARD0001 waited 51 ms at B-EXIT-01 (second 9), whose disk takes 50 ms at most";
        assert!(!check.passed && check.detail == told, "{}", check.detail);
    }

    #[test]
    fn a_gate_that_ran_and_gave_no_answer_is_noticed() {
        let mut oracle = answered(0);
        oracle.presented.push(presented(20_000, Outcome::GateDown));
        let check = checked(&oracle);
        assert!(!check.passed && check.detail.contains("(second 20), which ran"), "{}", check.detail);
        oracle.downtimes.push(Downtime {
            node: NodeId(3),
            absence: Absence::Down,
            from_ms: 19_000,
            until_ms: None,
        });
        assert!(checked(&oracle).passed);
    }
}
