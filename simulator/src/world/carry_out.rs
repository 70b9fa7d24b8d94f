//! Carrying out what the sync engines put out: frames, ingests, reads, heartbeats and timers.

use std::collections::BTreeMap;
use std::rc::Rc;

use sync_protocol::changeset::{Run, RunError};
use sync_protocol::have::SiteHave;
use sync_protocol::id::{NodeId, SiteId};
use sync_protocol::peer::{Input, Output, Refusal};
use sync_protocol::snapshot::Page;
use sync_protocol::time::SECOND_MS;
use sync_protocol::wire::Frame;

use super::packet::Packet;
use super::{Event, World};
use crate::network::Link;
use crate::node::Taken;
use crate::node::gate::GateNode;
use crate::scenario::CrashMoment;

impl World {
    /// Carries out everything a node's engine has put out, then plans its next wake-up.
    pub(super) fn carry_out(&mut self, node: NodeId) {
        while let Some(output) = self.next_output(node) {
            match output {
                Output::Send { to, frame } => self.send(node, &to, frame),
                Output::Ingest { peer, run } => self.ingest(node, peer, run),
                Output::Serve {
                    peer,
                    range,
                    bytes_max,
                } => {
                    let run = self.shell(node).serve(range, bytes_max);
                    self.feed(
                        node,
                        Input::Served {
                            peer,
                            site: range.site,
                            run,
                        },
                    );
                }
                Output::Heard { peer, beat } => {
                    if self.authority.is_genuine(&beat) {
                        let now_ms = self.schedule.now_ms();
                        self.shell(node).heard(now_ms, &beat, peer);
                        self.wait_for_disk(node);
                        self.feed(node, Input::BeatVerified { peer, beat });
                    } else {
                        self.feed(node, Input::BeatRefused { peer });
                    }
                }
                Output::SnapshotBegin { servers } => {
                    let chosen = self.shell(node).begin_snapshot(&servers);
                    self.feed(node, Input::SnapshotBegun { chosen });
                }
                Output::SnapshotTake { peer, page } => self.take_page(node, peer, *page),
                Output::SnapshotServe { peer, scope, need } => {
                    let page = self.shell(node).serve_page(scope, &need);
                    let page = page.map(|page| Box::new(self.forge_page(node, page)));
                    self.feed(node, Input::PageServed { peer, page });
                }
                // The engine that closes has forgotten the connection already; only the other end is told.
                Output::Close { peer, .. } => self.disconnect(Link::between(node, peer), &[peer]),
            }
        }
        if self.runs(node) {
            self.plan_wake_up(node);
        }
    }

    /// What the engine puts out next, if the process has not died over the last one.
    fn next_output(&mut self, node: NodeId) -> Option<Output> {
        if self.runs(node) {
            self.shell(node).peer().poll_output()
        } else {
            None
        }
    }

    /// An input in the middle of carrying out: its outputs are carried out by the same loop.
    fn feed(&mut self, node: NodeId, input: Input) {
        let now_ms = self.schedule.now_ms();
        self.shell(node).peer().handle(now_ms, input);
    }

    fn plan_wake_up(&mut self, node: NodeId) {
        let Some(at_ms) = self.shell(node).peer().poll_timeout() else {
            return;
        };
        let planned = self.timers.get(&node);
        if planned.is_none_or(|planned_ms| at_ms < *planned_ms) {
            self.timers.insert(node, at_ms);
            self.schedule.at(at_ms, Event::Timer(node));
        }
    }

    pub(super) fn wake(&mut self, node: NodeId) {
        // Of several planned wake-ups only the one that is noted counts.
        if self.timers.get(&node) != Some(&self.schedule.now_ms()) {
            return;
        }
        self.timers.remove(&node);
        self.tell(node, Input::Tick);
    }

    pub(super) fn send(&mut self, from: NodeId, to: &[NodeId], frame: Frame) {
        let packet = self.packets.packet(frame);
        for to in to {
            let Some(connection) = self.network.connection(Link::between(from, *to)) else {
                if self.half_open.contains_key(&(from, *to)) {
                    self.network.note_lost(from, *to);
                }
                continue;
            };
            let now_ms = self.schedule.now_ms();
            for at_ms in self.network.arrivals(now_ms, from, *to, packet.len()) {
                let packet = Rc::clone(&packet);
                self.schedule.at(
                    at_ms,
                    Event::Frame {
                        from,
                        to: *to,
                        packet,
                        connection,
                    },
                );
            }
        }
    }

    pub(super) fn arrive(&mut self, from: NodeId, to: NodeId, packet: &Packet, connection: u64) {
        if self.network.connection(Link::between(from, to)) != Some(connection) {
            return;
        }
        self.trace.frame(packet.hash());
        let input = match packet.decode() {
            Ok(frame) => Input::Frame { peer: from, frame },
            Err(error) => Input::FrameRefused { peer: from, error },
        };
        self.tell(to, input);
    }

    fn ingest(&mut self, node: NodeId, peer: NodeId, run: Run) {
        if let Some((fault, CrashMoment::MidApply)) = self.armed.get(&node).copied()
            && let Some(gate) = self.gates.get_mut(&node)
        {
            gate.ingest_one(&run);
            let head = gate.head(run.site).seq;
            self.oracle.turned_up(run.site, head);
            self.note_taken(run.site, head);
            return self.die(node, fault);
        }
        let delay_ms = self.scenario.engine.ingest_ms.get();
        if delay_ms > 0
            && let Some(gate) = self.gates.get_mut(&node)
        {
            gate.begin_ingest(run, &self.threads);
            let generation = self.presence(node).generation;
            let from = peer;
            let ingested = Event::Ingested {
                node,
                generation,
                from,
            };
            return self.schedule.after(delay_ms, ingested);
        }
        let now_ms = self.schedule.now_ms();
        let result = self.shell(node).ingest(now_ms, &run);
        let input = self.ingested(node, peer, &run, result);
        self.feed(node, input);
        self.feed_reverted(node);
    }

    /// Logs that a gate dropped, because by the hub's word another branch of them counts: its engine asks anew.
    fn feed_reverted(&mut self, node: NodeId) {
        if self.two_branches.is_empty() {
            return;
        }
        let reverted = self.gates.get_mut(&node).map(GateNode::take_reverted);
        for (site, have) in reverted.into_iter().flatten() {
            self.steps.reverted(node, site);
            self.feed(node, Input::Reverted { site, have });
        }
    }

    /// A page of a snapshot is written, and the process may die over it.
    fn take_page(&mut self, node: NodeId, peer: NodeId, page: Page) {
        let (taken, sites) = self.shell(node).take_page(peer, page);
        if let Some((fault, CrashMoment::MidApply)) = self.armed.get(&node).copied() {
            return self.die(node, fault);
        }
        self.wait_for_disk(node);
        self.feed(node, Input::PageTaken { peer, taken });
        for (site, have) in sites {
            self.oracle.turned_up(site, have.head.seq);
            self.note_taken(site, have.head.seq);
            self.feed(node, Input::Ingested { site, have });
        }
    }

    /// What a gate was given a while ago is in its database.
    pub(super) fn end_ingest(&mut self, node: NodeId, generation: u64, peer: NodeId) {
        if self.presence(node).generation != generation {
            return;
        }
        let outcome = self.gates.get_mut(&node).map(GateNode::end_ingest);
        let (run, result) = outcome.expect("BUG: what was begun is ended");
        let input = self.ingested(node, peer, &run, result);
        self.feed(node, input);
        self.feed_reverted(node);
        self.carry_out(node);
    }

    /// Notes what became of a run, and what the engine is told of it.
    fn ingested(&mut self, node: NodeId, peer: NodeId, run: &Run, result: Taken) -> Input {
        let input = match result {
            Ok((site, have)) => {
                self.oracle.turned_up(site, have.head.seq);
                self.note_taken(site, have.head.seq);
                if node.is_hub() {
                    self.settle_soon();
                }
                Input::Ingested { site, have }
            }
            Err((reason, have)) => {
                self.note_refusal(node, run, reason);
                Input::IngestRefused {
                    peer,
                    site: run.site,
                    reason,
                    have,
                }
            }
        };
        self.wait_for_disk(node);
        input
    }

    /// Notes which hand-made runs are refused, and where.
    fn note_refusal(&mut self, node: NodeId, run: &Run, reason: Refusal) {
        if reason == Refusal::NotNow {
            self.note_put_off(node);
        }
        let Refusal::Run(
            RunError::Signature | RunError::SiteOpen | RunError::NotAdmitted | RunError::Malformed,
        ) = reason
        else {
            return;
        };
        self.oracle.note_refused(node, run.site, run.first, run.last());
    }

    /// The process waits for its disk: until then nothing else happens in it. Returns how long, milliseconds.
    pub(super) fn wait_for_disk(&mut self, node: NodeId) -> i64 {
        let Some(machine) = self
            .machines
            .get(&node)
            .filter(|machine| machine.disk().is_slow())
        else {
            return 0;
        };
        if let Some(gate) = self.gates.get_mut(&node) {
            gate.take_store_back();
        }
        let spent_ms = i64::try_from(machine.disk().take_sync_ms()).unwrap_or(i64::MAX);
        if spent_ms > 0 {
            let now_ms = self.schedule.now_ms();
            let presence = self.presence(node);
            let from_ms = presence.busy_until_ms.max(now_ms);
            presence.busy_until_ms = from_ms.saturating_add(spent_ms);
            let until_ms = presence.busy_until_ms;
            self.steps.disk_busy(node, from_ms, until_ms);
        }
        spent_ms
    }

    pub(super) fn send_beat(&mut self, node: NodeId, generation: u64) -> anyhow::Result<()> {
        if self.presence(node).generation != generation {
            return Ok(());
        }
        let now_ms = self.schedule.now_ms();
        let beat = self.shell(node).beat(now_ms);
        self.tell(node, Input::Beat(beat));
        self.prune(node)?;
        let period_ms = self.beat_period_ms(node);
        self.schedule.after(period_ms, Event::Beat { node, generation });
        Ok(())
    }

    /// A gate cuts its logs now and then.
    fn prune(&mut self, node: NodeId) -> anyhow::Result<()> {
        let Some(gate) = self.gates.get_mut(&node) else {
            return Ok(());
        };
        let delay_ms = self.scenario.engine.ingest_ms.get();
        if delay_ms > 0 {
            if gate.begin_prune(&self.threads) {
                let generation = self.presence(node).generation;
                self.schedule.after(delay_ms, Event::Pruned { node, generation });
            }
            return Ok(());
        }
        let cut = gate.prune()?;
        self.note_cut(node, cut);
        Ok(())
    }

    /// What a gate wanted cut a while ago is cut.
    pub(super) fn end_prune(&mut self, node: NodeId, generation: u64) -> anyhow::Result<()> {
        if self.presence(node).generation != generation {
            return Ok(());
        }
        let cut = self.gates.get_mut(&node).map(GateNode::end_prune);
        let cut = cut.expect("BUG: what was begun is ended")?;
        self.note_cut(node, cut);
        Ok(())
    }

    fn note_cut(&mut self, node: NodeId, cut: BTreeMap<SiteId, SiteHave>) {
        self.wait_for_disk(node);
        for (site, have) in cut {
            self.tell(node, Input::Ingested { site, have });
        }
    }

    /// How often a node sends a sign of life, milliseconds.
    pub(super) fn beat_period_ms(&self, node: NodeId) -> i64 {
        let engine = &self.scenario.engine;
        let period_s = if node.is_hub() {
            engine.hub_beat_s.get()
        } else {
            engine.gate_beat_s.get()
        };
        period_s * SECOND_MS
    }
}
