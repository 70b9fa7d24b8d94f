//! The hub at work: founding the network, decisions, settling.

use std::collections::BTreeSet;

use anyhow::Context as _;
use hub::own_site::RUN_BYTES_MAX;
use sync_protocol::changeset::{Run, SiteRole};
use sync_protocol::have::Scope;
use sync_protocol::id::{NodeId, SiteId};
use sync_protocol::peer::Input;

use super::{Event, World};
use crate::random::Stream;
use crate::scenario::{Fault, FaultKind, Sending};

/// A hub that hears the gates out looks this often whether it has, milliseconds.
const HEARING_STEP_MS: i64 = 100;

impl World {
    /// The hub publishes the fares, enters the gates' status, issues the cards and takes their first money.
    pub(super) fn found(&mut self) -> anyhow::Result<()> {
        let runs = self.founding()?;
        self.publish(runs);
        self.settle_soon();
        Ok(())
    }

    /// As [`World::found`], and everything is settled and on every gate's disk before the gates start.
    pub(super) fn found_and_stock(&mut self, seed: u64) -> anyhow::Result<()> {
        let mut runs = self.founding()?;
        while self.hub.has_unsettled() {
            runs.extend(self.hub.settle(0)?);
        }
        let Some(first) = self.machines.values().next() else {
            return Ok(());
        };
        let random = Stream::new(seed, "stock").bytes();
        let image = first.stock(&runs, &self.authority, random)?;
        for machine in self.machines.values_mut() {
            machine.stock_with(&image);
        }
        self.publish(runs);
        Ok(())
    }

    fn founding(&mut self) -> anyhow::Result<Vec<Run>> {
        let policy = self.scenario.policy.orphan_policy;
        let fares = self
            .topology
            .fare_version(1, 0, policy)
            .context("the network's fares")?;
        let gates: Vec<_> = self
            .topology
            .deciding_gates()
            .map(|(gate, site)| (gate.id, site.status.name()))
            .collect();
        self.hub.found(fares, &gates, &self.traffic.cards)
    }

    pub(super) fn decide(&mut self, index: usize) -> anyhow::Result<()> {
        let (_, decision) = self.traffic.decisions[index];
        let now_ms = self.schedule.now_ms();
        if !self.hub.has_heard_out(now_ms) {
            self.schedule.after(HEARING_STEP_MS, Event::Decide(index));
            return Ok(());
        }
        let runs = self
            .hub
            .carry_out(now_ms, decision, &self.traffic.cards, &self.scenario)?;
        match self.scenario.engine.decisions {
            Sending::AtOnce => self.publish(runs),
            Sending::WhenSettling => {
                self.note_committed(&runs);
                self.unsent.extend(runs);
            }
        }
        self.settle_soon();
        Ok(())
    }

    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        self.settle_planned = false;
        let now_ms = self.schedule.now_ms();
        if !self.hub.has_heard_out(now_ms) {
            self.settle_planned = true;
            self.schedule.after(HEARING_STEP_MS, Event::Settle);
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        self.give_to_engine(joined(unsent));
        let runs = self.hub.settle(now_ms)?;
        self.steps.after_settle(&mut self.hub, &self.oracle, now_ms);
        self.publish(runs);
        if self.hub.has_unsettled() {
            self.settle_soon();
        }
        Ok(())
    }

    pub(super) fn settle_soon(&mut self) {
        if !self.settle_planned {
            self.settle_planned = true;
            let delay_ms = self.scenario.engine.settle_every_ms.get();
            self.schedule.after(delay_ms, Event::Settle);
        }
    }

    /// Logs of settled states that go on at gates where nobody can hand them to a restored hub: gates keep them for
    /// minutes only, and the next term's states have taken their place. Nobody waits for their end.
    pub(crate) fn ended_logs(&self) -> BTreeSet<SiteId> {
        let restored = |fault: &Fault| matches!(fault.kind, FaultKind::HubRestored { .. });
        if !self.scenario.faults.iter().any(restored) {
            return BTreeSet::new();
        }
        let hub = self.hub.have();
        let mut ended = BTreeSet::new();
        let mut can_go_on = BTreeSet::new();
        for gate in self.gates.values() {
            for (site, have) in gate.have().wanted_by(Scope::Hub) {
                let held = hub.head(site).seq;
                if have.role == SiteRole::Settled && have.head.seq > held {
                    let reach = if have.floor > held {
                        &mut ended
                    } else {
                        &mut can_go_on
                    };
                    reach.insert(site);
                }
            }
        }
        ended.retain(|site| !can_go_on.contains(site));
        ended
    }

    /// Gives the hub's own new changesets to its engine.
    pub(super) fn publish(&mut self, runs: Vec<Run>) {
        self.note_committed(&runs);
        self.give_to_engine(runs);
    }

    fn note_committed(&mut self, runs: &[Run]) {
        for run in runs {
            self.oracle.note(NodeId::HUB, run);
            self.steps.committed(NodeId::HUB, run, self.schedule.now_ms());
        }
    }

    fn give_to_engine(&mut self, runs: Vec<Run>) {
        for run in runs {
            let have = self.hub.site_have(run.site);
            self.tell(NodeId::HUB, Input::Committed { run, have });
        }
    }
}

/// Runs of one site that follow each other, joined as far as one run may go: the signature of the last covers all.
fn joined(runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs {
        let before = joined.last_mut().filter(|before| {
            before.site == run.site
                && before.last().next() == run.first
                && before.body_bytes() + run.body_bytes() <= RUN_BYTES_MAX
        });
        match before {
            Some(before) => {
                before.bodies.extend(run.bodies);
                before.signature = run.signature;
            }
            None => joined.push(run),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sync_protocol::changeset::Signature;
    use sync_protocol::id::{Seq, SiteId};

    use super::*;

    fn run(site: u8, first: u64, bytes: &[usize]) -> Run {
        Run {
            site: SiteId([site; 16]),
            first: Seq(first),
            bodies: bytes.iter().map(|bytes| Bytes::from(vec![0; *bytes])).collect(),
            signature: Signature([u8::try_from(first).unwrap(); 64]),
        }
    }

    #[test]
    fn only_runs_that_follow_each_other_are_joined_and_not_beyond_the_size_of_one() {
        let runs = joined(vec![
            run(1, 4, &[10]),
            run(1, 5, &[20, 30]),
            run(1, 8, &[1]),
            run(2, 9, &[RUN_BYTES_MAX]),
            run(2, 10, &[1]),
            run(2, 11, &[1]),
        ]);
        let shape = |run: &Run| (run.site.0[0], run.first.0, run.bodies.len(), run.signature.0[0]);
        let shapes: Vec<_> = runs.iter().map(shape).collect();
        assert_eq!(shapes, [(1, 4, 3, 5), (1, 8, 1, 8), (2, 9, 1, 9), (2, 10, 2, 11)]);
    }
}
