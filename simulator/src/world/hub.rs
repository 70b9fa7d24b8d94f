//! The hub at work: founding the network, decisions, settling.

use anyhow::Context as _;
use sync_protocol::changeset::Run;
use sync_protocol::id::NodeId;
use sync_protocol::peer::Input;

use super::{Event, World};
use crate::random::Stream;

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
        let runs = self
            .hub
            .carry_out(now_ms, decision, &self.traffic.cards, &self.scenario)?;
        self.publish(runs);
        self.settle_soon();
        Ok(())
    }

    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        self.settle_planned = false;
        let now_ms = self.schedule.now_ms();
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

    /// Gives the hub's own new changesets to its engine.
    pub(super) fn publish(&mut self, runs: Vec<Run>) {
        for run in runs {
            self.oracle.note(NodeId::HUB, &run);
            self.steps.committed(NodeId::HUB, &run, self.schedule.now_ms());
            let have = self.hub.site_have(run.site);
            self.tell(NodeId::HUB, Input::Committed { run, have });
        }
    }
}
