//! Faults: when they begin and end, what they touched, and how soon everybody is level again.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::fact::Direction;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::money::Money;
use sync_protocol::time::SECOND_MS;

use super::{Event, LEVEL_STEP_MS, WARM_UP_MS, World};
use crate::network::{IDLE_TIMEOUT_MS, Link, Loss, RECONNECT_MS};
use crate::scenario::{FaultKind, Scenario};
use crate::topology::Topology;

/// What a fault touched, measured when it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Taps answered by gates that it cut off, while it lasted.
    pub taps: u64,
    /// Accepted entries among them whose money the hub did not know of when it ended.
    pub unseen_entries: u64,
    /// Their holds.
    pub exposure: Money,
    /// Frames lost or repeated while it lasted.
    pub frames: u64,
    /// How long after its end, and that of any other under way, everybody had what had been committed when it ended,
    /// milliseconds; `None` when that took
    /// longer than the scenario allows.
    pub level_after_ms: Option<i64>,
    ended_ms: i64,
    committed: BTreeMap<SiteId, Seq>,
}

impl World {
    pub(super) fn begin_fault(&mut self, index: usize) {
        self.faults_under_way += 1;
        self.lost_before[index] = self.network.lost + self.network.repeated;
        if let FaultKind::Lossy {
            loss_per_mille,
            duplicate_per_mille,
        } = self.scenario.faults[index].kind
        {
            let lost = u32::try_from(loss_per_mille.get()).unwrap_or(0);
            self.network.set_loss(Loss {
                lost,
                repeated: duplicate_per_mille.share(),
            });
        }
        for link in self.network.cut(&self.cut_links[index]) {
            self.schedule.after(IDLE_TIMEOUT_MS, Event::Lost(link));
        }
    }

    pub(super) fn end_fault(&mut self, index: usize) {
        self.faults_under_way -= 1;
        self.touched[index] = self.measure_touched(index);
        if matches!(self.scenario.faults[index].kind, FaultKind::Lossy { .. }) {
            self.network.set_loss(Loss::default());
        }
        for link in self.network.heal(&self.cut_links[index]) {
            let delay_ms = self.stream.between(50, RECONNECT_MS);
            self.schedule.after(delay_ms, Event::Connect(link));
        }
        self.look(index);
    }

    /// Whether everybody has what was committed before a fault ended; if not, looks again soon, while time allows.
    pub(super) fn look(&mut self, index: usize) {
        // While another fault lasts nobody can be blamed: the time counts from the end of the last one.
        if self.faults_under_way > 0 {
            self.touched[index].ended_ms = self.schedule.now_ms();
        }
        let after_ms = self.schedule.now_ms() - self.touched[index].ended_ms;
        if self.all_hold(&self.touched[index].committed) {
            self.touched[index].level_after_ms = Some(after_ms);
        } else if after_ms < self.scenario.converge_within_s * SECOND_MS {
            self.schedule.after(LEVEL_STEP_MS, Event::Look(index));
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
        let cut_off: BTreeSet<NodeId> = self.cut_links[index]
            .iter()
            .flat_map(|link| link.ends())
            .collect();
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
        for answered in during.filter(|answered| cut_off.contains(&answered.gate)) {
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

/// The links each fault cuts.
pub(super) fn cut_links(scenario: &Scenario, topology: &Topology) -> anyhow::Result<Vec<BTreeSet<Link>>> {
    let gates: Vec<_> = topology
        .deciding_gates()
        .map(|(gate, _)| (gate.id.node(), gate.terminal))
        .collect();
    let uplink = |gate: NodeId| Link::between(gate, NodeId::HUB);
    let of_fault = |kind: &FaultKind| -> anyhow::Result<BTreeSet<Link>> {
        Ok(match kind {
            // Terminals have no links among each other: an island is cut off by its uplinks.
            FaultKind::Island { terminal } => {
                let inside: BTreeSet<_> = gates
                    .iter()
                    .filter(|(_, at)| at == terminal)
                    .map(|(gate, _)| uplink(*gate))
                    .collect();
                let codes: Vec<&str> = topology
                    .terminals
                    .iter()
                    .map(|terminal| terminal.code.as_str())
                    .collect();
                anyhow::ensure!(
                    !inside.is_empty(),
                    "the network has no terminal {terminal}: {} are allowed",
                    codes.join(", ")
                );
                inside
            }
            FaultKind::HubAway => gates.iter().map(|(gate, _)| uplink(*gate)).collect(),
            FaultKind::Cut { from, to } => {
                let ends = (topology.node(*from), topology.node(*to));
                let (from, to) = (
                    ends.0.map_err(anyhow::Error::msg)?,
                    ends.1.map_err(anyhow::Error::msg)?,
                );
                BTreeSet::from([Link::between(from, to)])
            }
            FaultKind::Lossy { .. } => BTreeSet::new(),
        })
    };
    scenario
        .faults
        .iter()
        .map(|fault| of_fault(&fault.kind))
        .collect()
}
