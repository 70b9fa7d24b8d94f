//! Faults: when they begin and end, what they touched, and how soon everybody is level again.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::fact::Direction;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::money::Money;
use sync_protocol::time::SECOND_MS;

use super::{Event, LEVEL_STEP_MS, WARM_UP_MS, World};
use crate::network::{IDLE_TIMEOUT_MS, Loss, RECONNECT_MS};
use crate::scenario::FaultKind;

/// What a fault touched, measured when it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Taps answered by gates at links that it touched, while it lasted.
    pub taps: u64,
    /// Accepted entries among them whose money the hub did not know of when it ended.
    pub unseen_entries: u64,
    /// Their holds.
    pub exposure: Money,
    /// Frames lost or repeated while it lasted.
    pub frames: u64,
    /// How long after its end everybody had what had been committed by then, milliseconds; `None` when that took
    /// longer than the scenario allows.
    pub level_after_ms: Option<i64>,
    /// How much of that had passed since the last fault under way was over: what the scenario limits.
    pub undisturbed_ms: i64,
    ended_ms: i64,
    /// Whether another look is planned.
    pub(super) looking: bool,
    committed: BTreeMap<SiteId, Seq>,
}

/// Whether the world does anything at such a fault.
pub(crate) const fn is_carried_out(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Island { .. } | FaultKind::HubAway | FaultKind::Cut { .. } => true,
        FaultKind::Lossy {
            reorder_per_mille,
            terminal,
            ..
        } => reorder_per_mille.get() == 0 && terminal.is_none(),
        _ => false,
    }
}

impl World {
    pub(super) fn begin_fault(&mut self, index: usize) {
        self.lost_before[index] = self.network.lost + self.network.repeated;
        self.under_way.insert(index);
        self.network.set_loss(self.loss());
        for link in self.network.cut(&self.cut_links[index]) {
            self.schedule.after(IDLE_TIMEOUT_MS, Event::Lost(link));
        }
    }

    pub(super) fn end_fault(&mut self, index: usize) {
        self.touched[index] = self.measure_touched(index);
        self.under_way.remove(&index);
        self.calm_since_ms = self.schedule.now_ms();
        self.network.set_loss(self.loss());
        for link in self.network.heal(&self.cut_links[index]) {
            let delay_ms = self.stream.between(50, RECONNECT_MS);
            self.schedule.after(delay_ms, Event::Connect(link));
        }
        self.look(index);
    }

    /// What the faults under way take and repeat: of several the highest shares count.
    fn loss(&self) -> Loss {
        let mut loss = Loss::default();
        for index in &self.under_way {
            if let FaultKind::Lossy {
                loss_per_mille,
                duplicate_per_mille,
                ..
            } = self.scenario.faults[*index].kind
            {
                loss.lost = loss.lost.max(u32::try_from(loss_per_mille.get()).unwrap_or(0));
                loss.repeated = loss.repeated.max(duplicate_per_mille.share());
            }
        }
        loss
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

    /// Whether the hub holds these logs this far, and every gate those of them that it wants.
    fn all_hold(&self, heads: &BTreeMap<SiteId, Seq>) -> bool {
        heads.iter().all(|(site, seq)| {
            let Some(at_hub) = self.hub.held().get(*site).filter(|have| have.head.seq >= *seq) else {
                return false;
            };
            let mut wanting = self
                .gates
                .values()
                .filter(|gate| at_hub.wanted_by(Some(gate.terminal())));
            wanting.all(|gate| gate.head(*site).seq >= *seq)
        })
    }

    /// What a fault cut off, and what the hub did not know of when it ended.
    fn measure_touched(&self, index: usize) -> Touched {
        let fault = &self.scenario.faults[index];
        let begins_ms = WARM_UP_MS + fault.at_s * SECOND_MS;
        let nodes: BTreeSet<NodeId> = match fault.kind {
            FaultKind::Lossy { .. } => self.gates.keys().copied().collect(),
            _ => self.cut_links[index]
                .iter()
                .flat_map(|link| link.ends())
                .collect(),
        };
        let mut touched = Touched {
            frames: self.network.lost + self.network.repeated - self.lost_before[index],
            ended_ms: self.schedule.now_ms(),
            committed: self.oracle.heads(),
            ..Touched::default()
        };
        let during = self
            .oracle
            .answered
            .iter()
            .filter(|answered| answered.at_ms >= begins_ms);
        for answered in during.filter(|answered| nodes.contains(&answered.gate)) {
            touched.taps += 1;
            let tap = &answered.decision.tap;
            let (site, seq) = answered.changeset;
            if tap.accepted && tap.direction == Direction::Entry && self.hub.head(site).seq < seq {
                touched.unseen_entries += 1;
                touched.exposure += tap.hold;
            }
        }
        touched
    }
}
