//! Whether a node runs: its process may be down, stand still, not exist yet or be gone for good.
//!
//! Several faults may keep one node from running; it runs when the last of them is over. A start is a new process:
//! it opens its store anew, with a site of its own, knows nobody, and whatever was meant for the one before is void.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::peer::Input;

use super::{Event, World};
use crate::network::IDLE_TIMEOUT_MS;
use crate::node::gate::GateNode;
use crate::oracle::{Absence, DiskLoss, Downtime};
use crate::scenario::Heal;

/// Most events that wait for a process that stands still; later frames are lost, as in a socket's buffer.
const HELD_EVENTS_MAX: usize = 1_024;

/// Whether a node runs, and what waits for it.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// The faults that keep it from running.
    stops: BTreeSet<usize>,
    /// The faults that make it stand still.
    pauses: BTreeSet<usize>,
    /// It will not come back.
    removed: bool,
    /// Counts its processes.
    pub(super) generation: u64,
    /// Its thread waits for the disk until then.
    pub(super) busy_until_ms: i64,
    held: Vec<Event>,
    /// Connections that broke meanwhile.
    held_inputs: Vec<Input>,
    /// Its place among the oracle's downtimes, while it does not run.
    downtime: Option<usize>,
}

impl Presence {
    /// Whether there is a process.
    pub(crate) fn exists(&self) -> bool {
        self.stops.is_empty() && !self.removed
    }

    /// Whether there is a process that does something.
    pub(crate) fn runs(&self) -> bool {
        self.exists() && self.pauses.is_empty()
    }
}

impl World {
    /// Whether a node's process exists and does something.
    pub(crate) fn runs(&self, node: NodeId) -> bool {
        self.presences.get(&node).is_some_and(Presence::runs)
    }

    /// Whether a node's process exists, standing still or not.
    pub(crate) fn exists(&self, node: NodeId) -> bool {
        self.presences.get(&node).is_some_and(Presence::exists)
    }

    pub(super) fn presence(&mut self, node: NodeId) -> &mut Presence {
        self.presences
            .get_mut(&node)
            .expect("BUG: events name nodes of the network")
    }

    /// Ends a node's process, if there is one, and keeps it from starting until [`World::release`].
    pub(super) fn stop(&mut self, node: NodeId, fault: usize, absence: Absence) {
        let existed = self.exists(node);
        let presence = self.presence(node);
        match absence {
            Absence::Removed => presence.removed = true,
            _ => _ = presence.stops.insert(fault),
        }
        if existed {
            self.kill(node);
            self.note_absence(node, absence);
        }
    }

    /// A fault no longer keeps a node from running: it starts if it was the last one.
    pub(super) fn release(&mut self, node: NodeId, fault: usize) -> anyhow::Result<()> {
        let released = self.presence(node).stops.remove(&fault);
        if released && self.exists(node) {
            self.note_restart(fault);
            self.start(node, self.scenario.faults[fault].heal == Heal::AtOnce)?;
        }
        Ok(())
    }

    fn kill(&mut self, node: NodeId) {
        let presence = self.presence(node);
        presence.generation += 1;
        presence.busy_until_ms = 0;
        presence.held.clear();
        presence.held_inputs.clear();
        self.timers.remove(&node);
        self.break_off(node);
        if node.is_hub() {
            self.settle_planned = false;
            self.unsent.clear();
        } else {
            if let Some(gate) = self.gates.get_mut(&node) {
                gate.take_store_back();
            }
            let held = self.held_by(node);
            self.machine(node).disk().end_process();
            self.gates.remove(&node);
            self.machine(node).held = held;
        }
    }

    fn start(&mut self, node: NodeId, at_once: bool) -> anyhow::Result<()> {
        let now_ms = self.schedule.now_ms();
        if node.is_hub() {
            self.hub.restart(now_ms);
        } else {
            let authority = std::sync::Arc::clone(&self.authority);
            let machine = self.machine(node);
            let code = machine.code;
            let started = GateNode::start(machine, authority, now_ms);
            let gate = started.with_context(|| format!("gate {code} does not start"))?;
            machine.held.clear();
            let is_restored = std::mem::take(&mut machine.is_restored);
            self.gates.insert(node, gate);
            if is_restored {
                self.lose_disk(node, DiskLoss::Restored);
            }
            self.steps.started(node, &self.gates[&node], now_ms);
            for (site, head) in self.held_by(node) {
                self.oracle.turned_up(site, head);
            }
            self.wait_for_disk(node);
        }
        self.note_presence(node);
        if !self.runs(node) {
            self.note_absence(node, Absence::Paused);
        }
        let generation = self.presence(node).generation;
        self.schedule.after(0, Event::Beat { node, generation });
        self.plan_connections(self.network.links_of(node), at_once);
        if node.is_hub() {
            self.settle_soon();
            for decision in std::mem::take(&mut self.waiting_decisions) {
                self.schedule.after(0, Event::Decide(decision));
            }
        }
        Ok(())
    }

    /// A process stands still until [`World::resume`].
    pub(super) fn pause(&mut self, node: NodeId, fault: usize) {
        let ran = self.runs(node);
        self.presence(node).pauses.insert(fault);
        if !ran {
            return;
        }
        self.note_absence(node, Absence::Paused);
        for (peer, connection) in self.connections_of(node) {
            let silent = Event::Silent {
                node,
                peer,
                connection,
            };
            self.schedule.after(IDLE_TIMEOUT_MS, silent);
        }
    }

    /// A fault no longer makes a process stand still: what waited for it happens now.
    pub(super) fn resume(&mut self, node: NodeId, fault: usize) {
        let paused = self.presence(node).pauses.remove(&fault);
        if !paused || !self.runs(node) {
            return;
        }
        self.note_presence(node);
        let presence = self.presence(node);
        let inputs = std::mem::take(&mut presence.held_inputs);
        let events = std::mem::take(&mut presence.held);
        for input in inputs {
            self.tell(node, input);
        }
        self.touched[fault].put_off += events.len() as u64;
        for event in events {
            self.postpone(event, 0);
        }
        let at_once = self.scenario.faults[fault].heal == Heal::AtOnce;
        self.plan_connections(self.network.links_of(node), at_once);
    }

    /// Whether an event has to wait, or will not happen at all, because its node does not run.
    pub(super) fn is_put_off(&mut self, event: &Event) -> bool {
        let Some(node) = event.process() else {
            return false;
        };
        let now_ms = self.schedule.now_ms();
        let presence = self.presence(node);
        if presence.runs() {
            let busy_ms = presence.busy_until_ms - now_ms;
            if busy_ms > 0 {
                self.postpone(event.clone(), busy_ms);
            }
            return busy_ms > 0;
        }
        if presence.exists() {
            if presence.held.len() < HELD_EVENTS_MAX || !matches!(event, Event::Frame { .. }) {
                presence.held.push(event.clone());
            } else if let Event::Frame { from, .. } = event {
                self.network.note_lost(*from, node);
            }
        } else if let Event::Decide(decision) = event {
            self.waiting_decisions.push(*decision);
        }
        true
    }

    fn postpone(&mut self, event: Event, delay_ms: i64) {
        if let Event::Timer(node) = event {
            self.timers.insert(node, self.schedule.now_ms() + delay_ms);
        }
        self.schedule.after(delay_ms, event);
    }

    /// Keeps an input for a process that stands still. Returns it when the process runs.
    pub(super) fn hold_input(&mut self, node: NodeId, input: Input) -> Option<Input> {
        let presence = self.presence(node);
        if presence.runs() {
            return Some(input);
        }
        if presence.exists() {
            presence.held_inputs.push(input);
        }
        None
    }

    /// Up to where a node durably holds each site, own commits that are not signed yet included.
    pub(super) fn held_by(&self, node: NodeId) -> BTreeMap<SiteId, Seq> {
        if node.is_hub() {
            let have = self.hub.have();
            return have
                .wanted_by(None)
                .map(|(site, have)| (site, have.head.seq))
                .collect();
        }
        let Some(gate) = self.gates.get(&node) else {
            return self
                .machines
                .get(&node)
                .map_or_else(Default::default, |machine| machine.held.clone());
        };
        let held = gate.have().wanted_by(sync_protocol::have::Scope::All);
        let mut held: BTreeMap<_, _> = held.map(|(site, have)| (site, have.head.seq)).collect();
        held.insert(gate.site(), self.oracle.head(gate.site()));
        held
    }

    /// Up to where anybody but `except` holds each site, running or not.
    pub(super) fn held_elsewhere(&self, except: NodeId) -> BTreeMap<SiteId, Seq> {
        let mut elsewhere = self.held_by(NodeId::HUB);
        for node in self.machines.keys().filter(|node| **node != except) {
            for (site, seq) in self.held_by(*node) {
                let known = elsewhere.entry(site).or_default();
                *known = seq.max(*known);
            }
        }
        elsewhere
    }

    fn note_absence(&mut self, node: NodeId, absence: Absence) {
        self.note_presence(node);
        let from_ms = self.schedule.now_ms();
        self.oracle.downtimes.push(Downtime {
            node,
            absence,
            from_ms,
            until_ms: None,
        });
        self.presence(node).downtime = Some(self.oracle.downtimes.len() - 1);
    }

    fn note_presence(&mut self, node: NodeId) {
        let now_ms = self.schedule.now_ms();
        if let Some(index) = self.presence(node).downtime.take() {
            self.oracle.downtimes[index].until_ms = Some(now_ms);
        }
    }
}
