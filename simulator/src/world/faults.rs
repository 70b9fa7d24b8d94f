//! Faults: what the world does when one begins, goes on and ends. What it met is measured in [`super::touched`].

use std::collections::BTreeSet;

use sync_protocol::id::{GateCode, NodeId};

use super::reach::{end, node_of};
use super::{Event, World};
use crate::network::{Bandwidth, Impairment, Link};
use crate::node::machine::Backup;
use crate::oracle::{Absence, DiskLoss};
use crate::scenario::{FaultKind, Heal};

impl World {
    pub(super) fn begin_fault(&mut self, index: usize) -> anyhow::Result<()> {
        self.begin_measuring(index);
        self.under_way.insert(index);
        let links = self.reaches[index].links.clone();
        let now_ms = self.schedule.now_ms();
        match self.scenario.faults[index].kind {
            FaultKind::Island { .. }
            | FaultKind::HubAway
            | FaultKind::Alone { .. }
            | FaultKind::AllAlone
            | FaultKind::Cut { .. }
            | FaultKind::Bridge { .. } => self.cut(&links),
            FaultKind::OneWay { from, to } => {
                let way = (end(&self.topology, from)?, end(&self.topology, to)?);
                self.network.block(way);
            }
            FaultKind::Flapping { .. } => self.flap(index),
            FaultKind::Lossy { .. } | FaultKind::SlowLinks { .. } => self.impair(&links),
            FaultKind::Crash { gate, moment } => {
                let node = node_of(&self.topology, gate)?;
                self.armed.insert(node, (index, moment));
            }
            FaultKind::Pause { node } => {
                let node = end(&self.topology, node)?;
                self.pause(node, index);
            }
            FaultKind::HubDown => self.stop(NodeId::HUB, index, Absence::Down),
            FaultKind::HubRestored { .. } => {
                self.stop(NodeId::HUB, index, Absence::Down);
                if let Some(copy) = self.ledgers.remove(&index) {
                    self.hub.restore(copy);
                    self.lose_disk(NodeId::HUB, DiskLoss::Restored);
                }
            }
            FaultKind::PowerLoss { gate } => {
                let node = node_of(&self.topology, gate)?;
                self.stop(node, index, Absence::Down);
                self.machine(node).lose_power();
            }
            FaultKind::DiskFull { gate } => {
                let node = node_of(&self.topology, gate)?;
                self.set_disk(node);
            }
            FaultKind::SlowDisk { gate, .. } => {
                let node = node_of(&self.topology, gate)?;
                self.set_disk(node);
            }
            FaultKind::WipedDisk { gate } => {
                let node = node_of(&self.topology, gate)?;
                self.stop(node, index, Absence::Down);
                self.lose_disk(node, DiskLoss::Wiped);
                self.replace_disk(node, &Backup::default());
            }
            FaultKind::RestoredDisk { gate, .. } => {
                let node = node_of(&self.topology, gate)?;
                self.stop(node, index, Absence::Down);
                let backup = self.images.remove(&index).unwrap_or_default();
                self.replace_disk(node, &backup);
                // What is on it shows when a process opens it.
                self.machine(node).held.clear();
                self.machine(node).is_restored = true;
            }
            FaultKind::Clock {
                gate,
                offset_ms,
                drift_ppm,
            } => {
                let node = node_of(&self.topology, gate)?;
                let clock = &mut self.machine(node).clock;
                clock.err(index, now_ms, offset_ms.get(), drift_ppm.get());
                self.set_clock(node);
            }
            FaultKind::GateAdded { .. } => {}
            FaultKind::GateRemoved { gate } => {
                let node = node_of(&self.topology, gate)?;
                self.stop(node, index, Absence::Removed);
                self.lose_disk(node, DiskLoss::Removed);
            }
            FaultKind::NewerGate { .. }
            | FaultKind::Poison { .. }
            | FaultKind::Byzantine { .. }
            | FaultKind::Equivocation { .. } => {
                self.begin_forging(index)?;
            }
        }
        Ok(())
    }

    pub(super) fn end_fault(&mut self, index: usize) -> anyhow::Result<()> {
        self.measure(index);
        self.under_way.remove(&index);
        self.calm_since_ms = self.schedule.now_ms();
        let links = self.reaches[index].links.clone();
        let at_once = self.scenario.faults[index].heal == Heal::AtOnce;
        match self.scenario.faults[index].kind {
            FaultKind::Island { .. }
            | FaultKind::HubAway
            | FaultKind::Alone { .. }
            | FaultKind::AllAlone
            | FaultKind::Cut { .. }
            | FaultKind::Bridge { .. } => self.mend(&links, at_once),
            FaultKind::OneWay { from, to } => {
                let way = (end(&self.topology, from)?, end(&self.topology, to)?);
                self.network.unblock(way);
                self.plan_connections(links, at_once);
            }
            FaultKind::Flapping { .. } => {
                if self.flapped.remove(&index) {
                    self.mend(&links, at_once);
                }
            }
            FaultKind::Lossy { .. } | FaultKind::SlowLinks { .. } => self.impair(&links),
            FaultKind::Crash { gate, .. } => {
                let node = node_of(&self.topology, gate)?;
                if self.armed.get(&node).is_some_and(|(fault, _)| *fault == index) {
                    self.armed.remove(&node);
                }
                self.release(node, index)?;
            }
            FaultKind::Pause { node } => {
                let node = end(&self.topology, node)?;
                self.resume(node, index);
            }
            FaultKind::HubDown | FaultKind::HubRestored { .. } => self.release(NodeId::HUB, index)?,
            FaultKind::PowerLoss { gate }
            | FaultKind::WipedDisk { gate }
            | FaultKind::RestoredDisk { gate, .. } => {
                let node = node_of(&self.topology, gate)?;
                self.release(node, index)?;
            }
            FaultKind::DiskFull { gate } | FaultKind::SlowDisk { gate, .. } => {
                let node = node_of(&self.topology, gate)?;
                self.set_disk(node);
            }
            FaultKind::Clock { gate, .. } => {
                let node = node_of(&self.topology, gate)?;
                self.machine(node).clock.mend(index);
                self.set_clock(node);
            }
            FaultKind::GateAdded { gate } => {
                let node = node_of(&self.topology, gate)?;
                self.release(node, index)?;
            }
            FaultKind::GateRemoved { .. }
            | FaultKind::NewerGate { .. }
            | FaultKind::Poison { .. }
            | FaultKind::Byzantine { .. } => {}
            FaultKind::Equivocation { .. } => self.decide_fork(index)?,
        }
        self.look(index);
        Ok(())
    }

    pub(super) fn go_on_with_fault(&mut self, index: usize) {
        if !self.under_way.contains(&index) {
            return;
        }
        match self.scenario.faults[index].kind {
            FaultKind::Flapping { .. } => self.flap(index),
            _ => self.send_hand_made(index),
        }
    }

    /// Takes the copy of a disk that a gate will be restored from, or of the hub's ledger.
    pub(super) fn take_image(&mut self, index: usize) -> anyhow::Result<()> {
        match self.scenario.faults[index].kind {
            FaultKind::RestoredDisk { gate, .. } => {
                let node = node_of(&self.topology, gate)?;
                let backup = self.machine(node).backup();
                self.images.insert(index, backup);
            }
            FaultKind::HubRestored { .. } => {
                self.ledgers.insert(index, self.hub.copy());
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts another disk into a gate, which is as full and as slow as the faults under way say.
    fn replace_disk(&mut self, node: NodeId, backup: &Backup) {
        self.machine(node).replace_disk(backup);
        self.set_disk(node);
    }

    /// Makes a gate's disk as full and as slow as the faults under way say.
    fn set_disk(&mut self, node: NodeId) {
        let (mut full, mut sync_ms) = (false, 0);
        for index in &self.under_way {
            if !self.reaches[*index].nodes.contains(&node) {
                continue;
            }
            match self.scenario.faults[*index].kind {
                FaultKind::DiskFull { .. } => full = true,
                FaultKind::SlowDisk { sync_ms: slow_ms, .. } => {
                    sync_ms = sync_ms.max(u32::try_from(slow_ms.get()).unwrap_or(u32::MAX));
                }
                _ => {}
            }
        }
        let disk = self.machine(node).disk();
        disk.set_full(full);
        disk.set_sync_ms(sync_ms);
    }

    /// Uplinks go down, or come up again.
    fn flap(&mut self, index: usize) {
        let FaultKind::Flapping { period_ms, .. } = self.scenario.faults[index].kind else {
            return;
        };
        let links = self.reaches[index].links.clone();
        if self.flapped.remove(&index) {
            let at_once = self.scenario.faults[index].heal == Heal::AtOnce;
            self.mend(&links, at_once);
        } else {
            self.flapped.insert(index);
            self.cut(&links);
        }
        self.schedule
            .after(period_ms.get() / 2, Event::FaultGoesOn(index));
    }

    /// Sets what the faults under way do to the frames of these links.
    fn impair(&mut self, links: &BTreeSet<Link>) {
        for link in links {
            let reaching = self
                .under_way
                .iter()
                .filter(|index| self.reaches[**index].links.contains(link));
            let impairments = reaching.map(|index| impairment(&self.scenario.faults[*index].kind));
            let impairment = impairments.fold(Impairment::default(), Impairment::and);
            self.network.impair(*link, impairment);
        }
    }

    /// A gate's clock was set: its process, if there is one, reads the new time.
    fn set_clock(&mut self, node: NodeId) {
        let clock = self.machine(node).clock.clone();
        if let Some(gate) = self.gates.get_mut(&node) {
            gate.set_clock(clock);
        }
    }

    /// Notes what only this disk held, or what it still holds of it when it was an older copy.
    pub(super) fn lose_disk(&mut self, node: NodeId, loss: DiskLoss) {
        let now_ms = self.schedule.now_ms();
        let mut held = self.held_elsewhere(node);
        if loss == DiskLoss::Restored {
            for (site, seq) in self.held_by(node) {
                let known = held.entry(site).or_default();
                *known = seq.max(*known);
            }
        } else {
            self.machine(node).held.clear();
        }
        self.oracle.lose_disk(node, now_ms, loss, &held);
        self.steps.disk_replaced(node);
    }

    /// Gates that are installed later have no process at the start.
    pub(super) fn leave_out_gates_to_come(&mut self) {
        let faults = self.scenario.faults.iter().enumerate();
        let to_come: Vec<(usize, GateCode)> = faults
            .filter_map(|(index, fault)| match fault.kind {
                FaultKind::GateAdded { gate } => Some((index, gate)),
                _ => None,
            })
            .collect();
        for (index, code) in to_come {
            if let Ok(node) = node_of(&self.topology, code) {
                self.stop(node, index, Absence::NotYet);
            }
        }
    }
}

/// What a fault does to the frames of the links it reaches.
fn impairment(kind: &FaultKind) -> Impairment {
    match kind {
        FaultKind::Lossy {
            loss_per_mille,
            duplicate_per_mille,
            reorder_per_mille,
            ..
        } => Impairment {
            lost: u32::try_from(loss_per_mille.get()).unwrap_or(0),
            repeated: duplicate_per_mille.share(),
            reordered: reorder_per_mille.share(),
            bandwidth: None,
        },
        FaultKind::SlowLinks {
            bytes_per_s,
            queue_bytes,
            ..
        } => Impairment {
            bandwidth: Some(Bandwidth {
                bytes_per_s: bytes_per_s.get(),
                queue_bytes: queue_bytes.get(),
            }),
            ..Impairment::default()
        },
        _ => Impairment::default(),
    }
}
