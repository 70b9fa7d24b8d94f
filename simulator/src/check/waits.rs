//! Decisions never wait for the network: every card that is presented at a running gate gets its answer in the time
//! that the gate's own disk takes, whatever is cut, slow, lossy or down (D-48).
//!
//! Would fail if a gate asked somebody before it opened, kept a tap until a frame came, or gave no answer at all
//! while it ran. A gate whose process does not run or stands still answers nobody: that is excused where the gate
//! was down at that moment, and counted, as are cards under which the process died. A slow disk delays its own gate
//! only: the whole time between card and answer has to be time in which that disk was busy.

use std::collections::BTreeMap;

use sync_protocol::id::NodeId;

use super::{Check, Violations, second};
use crate::oracle::{Oracle, Outcome, Presented};

/// When disks were busy, per gate and by time: from, until, milliseconds after the start.
#[derive(Debug, Default)]
pub struct BusyDisks(BTreeMap<NodeId, Vec<(i64, i64)>>);

impl BusyDisks {
    /// Notes that a gate's disk is busy.
    pub fn note(&mut self, gate: NodeId, from_ms: i64, until_ms: i64) {
        let busy = self.0.entry(gate).or_default();
        match busy.last_mut().filter(|last| last.1 >= from_ms) {
            Some(last) => last.1 = until_ms.max(last.1),
            None => busy.push((from_ms, until_ms)),
        }
    }

    /// How long it was busy in a time.
    fn within_ms(&self, gate: NodeId, from_ms: i64, until_ms: i64) -> i64 {
        let busy = self.0.get(&gate).map_or(&[][..], Vec::as_slice);
        let first = busy.partition_point(|(_, until)| *until <= from_ms);
        let meeting = busy[first..].iter().take_while(|(from, _)| *from < until_ms);
        meeting
            .map(|(from, until)| until_ms.min(*until) - from_ms.max(*from))
            .sum()
    }
}

/// Looks at every presentation.
#[must_use]
pub fn check(oracle: &Oracle, disks: &BusyDisks) -> Check {
    let mut violations = Violations::default();
    let (mut answered, mut excused, mut slowest_ms, mut foreign_ms) = (0_u64, 0_u64, 0, 0);
    for presented in &oracle.presented {
        let at = (presented.gate, second(presented.at_ms));
        match &presented.outcome {
            Outcome::Answered { index } => {
                answered += 1;
                let latency_ms = oracle
                    .answered
                    .get(*index)
                    .map_or(i64::MAX, |answer| answer.latency_ms);
                let until_ms = presented.at_ms.saturating_add(latency_ms);
                let disk_ms = disks.within_ms(presented.gate, presented.at_ms, until_ms);
                slowest_ms = slowest_ms.max(latency_ms);
                foreign_ms = foreign_ms.max(latency_ms - disk_ms);
                if latency_ms > disk_ms {
                    violations.note(format!(
                        "{} waited {latency_ms} ms at {} ({}), whose disk took {disk_ms} ms of it",
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
        "{answered} cards answered, the slowest after {slowest_ms} ms, all of it its gate's own disk; {excused} \
         presented where no process ran or it died"
    );
    violations
        .into_check("decisions never wait for the network", detail)
        .measured(
            format!("{foreign_ms} ms not of the own disk"),
            "0 ms not of the own disk",
        )
}

fn was_down(oracle: &Oracle, presented: &Presented) -> bool {
    oracle.downtimes.iter().any(|downtime| {
        downtime.node == presented.gate
            && downtime.from_ms <= presented.at_ms
            && downtime
                .until_ms
                .is_none_or(|until_ms| presented.at_ms <= until_ms)
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
        let mut disks = BusyDisks::default();
        for (from_ms, until_ms) in [(0, 1_000), (8_980, 9_020), (9_020, 9_050), (9_060, 9_090)] {
            disks.note(NodeId(3), from_ms, until_ms);
        }
        check(oracle, &disks)
    }

    fn answered(latency_ms: i64) -> Oracle {
        let mut oracle = Oracle::default();
        oracle
            .answered
            .push(sample::answered(Direction::Exit, latency_ms));
        let outcome = Outcome::Answered { index: 0 };
        oracle.presented.push(presented(9_000, outcome));
        oracle
    }

    #[test]
    fn a_gate_that_needs_its_disk_passes() {
        let check = checked(&answered(50));
        assert!(
            check.passed && check.detail.starts_with("1 cards answered"),
            "{}",
            check.detail
        );
    }

    #[test]
    fn a_gate_that_waits_longer_than_for_its_disk_is_noticed() {
        let check = checked(&answered(51));
        let told = "CARD0001 waited 51 ms at gate 3 (second 9), whose disk took 50 ms of it";
        assert!(!check.passed && check.detail == told, "{}", check.detail);
    }

    #[test]
    fn a_gate_that_ran_and_gave_no_answer_is_noticed() {
        let mut oracle = answered(0);
        oracle.presented.push(presented(20_000, Outcome::GateDown));
        let check = checked(&oracle);
        assert!(
            !check.passed && check.detail.contains("(second 20), which ran"),
            "{}",
            check.detail
        );
        oracle.downtimes.push(Downtime {
            node: NodeId(3),
            absence: Absence::Down,
            from_ms: 19_000,
            until_ms: None,
        });
        assert!(checked(&oracle).passed);
    }
}
