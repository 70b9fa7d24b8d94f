//! What a fault touched, and how soon everybody was level again.

use std::collections::BTreeMap;

use sync_protocol::fact::Direction;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::money::Money;
use sync_protocol::time::SECOND_MS;

use super::{Event, LEVEL_STEP_MS, WARM_UP_MS, World};
use crate::network::FrameCounts;
use crate::oracle::Outcome;
use crate::scenario::FaultKind;

/// What a fault touched, measured when it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Taps answered by gates that it reached, while it lasted.
    pub taps: u64,
    /// Accepted entries among them whose money the hub did not know of when it ended.
    pub unseen_entries: u64,
    /// Their holds.
    pub exposure: Money,
    /// Presentations at gates that it reached to which nobody answered.
    pub unanswered: u64,
    /// Taps of its gates that could not be recorded.
    pub unrecorded: u64,
    /// Answers of its gates that waited for the disk.
    pub slow_answers: u64,
    /// Taps that its gates had answered before it began.
    pub taps_before: u64,
    /// Frames lost, repeated, reordered, dropped or slowed on the links it reached, while it lasted.
    pub frames: u64,
    /// The same, one by one.
    pub frame_counts: FrameCounts,
    /// Times that a process began anew because of it.
    pub restarts: u64,
    /// Changesets of others that its gates could not take for now, and what waited for a process that stood still.
    pub put_off: u64,
    /// Changesets made by hand that were sent.
    pub forged: u64,
    /// How long after its end everybody had what had been committed by then, milliseconds; `None` when that took
    /// longer than the scenario allows.
    pub level_after_ms: Option<i64>,
    /// How much of that had passed since the last fault under way was over: what the scenario limits.
    pub undisturbed_ms: i64,
    ended_ms: i64,
    /// Whether another look is planned.
    pub(super) looking: bool,
    committed: BTreeMap<SiteId, Seq>,
    frames_before: FrameCounts,
}

impl World {
    pub(super) fn begin_measuring(&mut self, index: usize) {
        let counts = self.network.counts(&self.reaches[index].links);
        let nodes = &self.reaches[index].nodes;
        let answered = self.oracle.answered.iter();
        let before = answered.filter(|answered| nodes.contains(&answered.gate)).count();
        self.touched[index].frames_before = counts;
        self.touched[index].taps_before = before as u64;
    }

    /// What a fault met, and what the hub did not know of when it ended.
    pub(super) fn measure(&mut self, index: usize) {
        let begins_ms = WARM_UP_MS + self.scenario.faults[index].at_s * SECOND_MS;
        let counts = self.network.counts(&self.reaches[index].links);
        let mut touched = std::mem::take(&mut self.touched[index]);
        touched.frame_counts = counts.since(&touched.frames_before);
        touched.frames = touched.frame_counts.total();
        touched.ended_ms = self.schedule.now_ms();
        touched.committed = self.oracle.heads();
        let nodes = &self.reaches[index].nodes;
        for answered in self.oracle.answered.iter().rev() {
            if answered.at_ms < begins_ms {
                break;
            }
            if !nodes.contains(&answered.gate) {
                continue;
            }
            touched.taps += 1;
            touched.slow_answers += u64::from(answered.latency_ms > 0);
            let tap = &answered.decision.tap;
            let (site, seq) = answered.changeset;
            if tap.accepted && tap.direction == Direction::Entry && self.hub.held().seq(site) < seq {
                touched.unseen_entries += 1;
                touched.exposure += tap.hold;
            }
        }
        for presented in self.oracle.presented.iter().rev() {
            if presented.at_ms < begins_ms {
                break;
            }
            if nodes.contains(&presented.gate) {
                match presented.outcome {
                    Outcome::Answered { .. } => {}
                    Outcome::Unrecorded { .. } => touched.unrecorded += 1,
                    Outcome::GateDown | Outcome::DiedBefore | Outcome::DiedAfter { .. } => {
                        touched.unanswered += 1;
                    }
                }
            }
        }
        self.touched[index] = touched;
    }

    /// Whether a run shows nothing about a fault, because it met nothing.
    #[must_use]
    pub fn met_nothing(&self, index: usize) -> bool {
        let touched = &self.touched[index];
        match self.scenario.faults[index].kind {
            // Loss shows by the frames it takes.
            FaultKind::Lossy { .. } | FaultKind::SlowLinks { .. } => touched.frames == 0,
            // A link that is cut while it was down already loses none, but taps at its ends are decided without it.
            FaultKind::Island { .. }
            | FaultKind::HubAway
            | FaultKind::Alone { .. }
            | FaultKind::AllAlone
            | FaultKind::Cut { .. }
            | FaultKind::OneWay { .. }
            | FaultKind::Flapping { .. }
            | FaultKind::Bridge { .. } => touched.frames == 0 && touched.taps == 0,
            FaultKind::Crash { .. } => touched.restarts == 0,
            FaultKind::Pause { .. } | FaultKind::HubDown => {
                touched.frames + touched.put_off == 0 && touched.taps + touched.unanswered == 0
            }
            FaultKind::PowerLoss { .. }
            | FaultKind::WipedDisk { .. }
            | FaultKind::RestoredDisk { .. }
            | FaultKind::HubRestored { .. }
            | FaultKind::GateRemoved { .. } => touched.taps_before + touched.unanswered == 0,
            FaultKind::DiskFull { .. } => touched.unrecorded + touched.put_off == 0,
            FaultKind::SlowDisk { .. } => touched.slow_answers == 0,
            FaultKind::Clock { .. } => touched.taps == 0,
            FaultKind::GateAdded { .. } => self.taps_after(index) == 0,
            FaultKind::NewerGate { .. }
            | FaultKind::Poison { .. }
            | FaultKind::Byzantine { .. }
            | FaultKind::Equivocation { .. } => touched.forged == 0,
        }
    }

    /// Taps that a fault's gates answered after its end.
    fn taps_after(&self, index: usize) -> usize {
        let nodes = &self.reaches[index].nodes;
        let answered = self.oracle.answered.iter().rev();
        let after = answered.take_while(|answered| answered.at_ms >= self.touched[index].ended_ms);
        after.filter(|answered| nodes.contains(&answered.gate)).count()
    }

    /// Whether everybody has what was committed before a fault ended; if not, looks again soon, while time allows.
    /// While another fault lasts nobody can be asked to be level.
    pub(super) fn look(&mut self, index: usize) {
        let now_ms = self.schedule.now_ms();
        let undisturbed_ms = if self.under_way.is_empty() {
            now_ms - self.calm_since_ms
        } else {
            0
        };
        if self.all_hold(&self.touched[index].committed) {
            let touched = &mut self.touched[index];
            touched.level_after_ms = Some(now_ms - touched.ended_ms);
            touched.undisturbed_ms = undisturbed_ms;
            touched.looking = false;
        } else {
            let in_time = undisturbed_ms < self.scenario.converge_within_s * SECOND_MS;
            self.touched[index].looking = in_time;
            if in_time {
                self.schedule.after(LEVEL_STEP_MS, Event::Look(index));
            }
        }
    }

    /// Whether the hub holds these logs this far, and every gate that runs those of them that it wants. What went
    /// down with a disk since is asked of nobody.
    fn all_hold(&self, heads: &BTreeMap<SiteId, Seq>) -> bool {
        let ended = self.ended_logs();
        let heads = heads.iter().filter(|(site, _)| !ended.contains(site));
        let mut heads = heads;
        heads.all(|(site, committed)| {
            let seq = (*committed).min(self.oracle.head(*site));
            if seq == Seq::NONE {
                return true;
            }
            let Some(at_hub) = self.hub.held().get(*site).filter(|have| have.head.seq >= seq) else {
                return false;
            };
            let mut wanting = self
                .gates
                .values()
                .filter(|gate| at_hub.wanted_by(Some(gate.terminal())));
            wanting.all(|gate| gate.have().seq(*site) >= seq)
        })
    }

    /// Counts a start of a process for the fault that kept it from running.
    pub(super) fn note_restart(&mut self, fault: usize) {
        self.touched[fault].restarts += 1;
    }

    /// Counts a changeset that a node could not take for now, for the faults that reach it.
    pub(super) fn note_put_off(&mut self, node: NodeId) {
        for index in self.under_way.clone() {
            if self.reaches[index].nodes.contains(&node) {
                self.touched[index].put_off += 1;
            }
        }
    }
}
