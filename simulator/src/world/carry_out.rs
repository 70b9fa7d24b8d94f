//! Carrying out what the sync engines put out: frames, ingests, reads, heartbeats and timers.

use std::sync::Arc;

use sync_protocol::changeset::Run;
use sync_protocol::id::NodeId;
use sync_protocol::peer::{Input, Output};
use sync_protocol::wire::Frame;

use super::{Event, GATE_BEAT_MS, HUB_BEAT_MS, World};
use crate::network::Link;

impl World {
    /// Carries out everything a node's engine has put out, then plans its next wake-up.
    pub(super) fn carry_out(&mut self, node: NodeId) {
        while let Some(output) = self.shell(node).peer().poll_output() {
            match output {
                Output::Send { to, frame } => self.send(node, &to, &frame),
                Output::Ingest { peer, run } => self.ingest(node, peer, &run),
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
                        self.feed(node, Input::BeatVerified { peer, beat });
                    } else {
                        self.feed(node, Input::BeatRefused { peer });
                    }
                }
                // The engine that closes has forgotten the connection already; only the other end is told.
                Output::Close { peer, .. } => self.disconnect(Link::between(node, peer), &[peer]),
            }
        }
        self.plan_wake_up(node);
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

    fn send(&mut self, from: NodeId, to: &[NodeId], frame: &Frame) {
        let bytes: Arc<[u8]> = frame.encode().into();
        for to in to {
            let Some(connection) = self.connections.get(&Link::between(from, *to)).copied() else {
                continue;
            };
            for at_ms in self.network.arrivals(self.schedule.now_ms(), from, *to) {
                let bytes = Arc::clone(&bytes);
                self.schedule.at(
                    at_ms,
                    Event::Frame {
                        from,
                        to: *to,
                        bytes,
                        connection,
                    },
                );
            }
        }
    }

    pub(super) fn arrive(&mut self, from: NodeId, to: NodeId, bytes: &[u8], connection: u64) {
        if self.connections.get(&Link::between(from, to)) != Some(&connection) {
            return;
        }
        self.trace.frame(bytes);
        let input = match Frame::decode(bytes) {
            Ok(frame) => Input::Frame { peer: from, frame },
            Err(error) => Input::FrameRefused { peer: from, error },
        };
        self.tell(to, input);
    }

    fn ingest(&mut self, node: NodeId, peer: NodeId, run: &Run) {
        let now_ms = self.schedule.now_ms();
        let input = match self.shell(node).ingest(now_ms, run) {
            Ok((site, have)) => {
                if node.is_hub() {
                    self.settle_soon();
                }
                Input::Ingested { site, have }
            }
            Err((reason, have)) => Input::IngestRefused {
                peer,
                site: run.site,
                reason,
                have,
            },
        };
        self.feed(node, input);
    }

    /// Gives the hub's own new changesets to its engine.
    pub(super) fn publish(&mut self, runs: Vec<Run>) {
        for run in runs {
            self.oracle.note(&run);
            let have = self.hub.site_have(run.site);
            self.tell(NodeId::HUB, Input::Committed { run, have });
        }
    }

    pub(super) fn send_beat(&mut self, node: NodeId) {
        let now_ms = self.schedule.now_ms();
        let beat = self.shell(node).beat(now_ms);
        self.tell(node, Input::Beat(beat));
        self.schedule.after(
            if node.is_hub() { HUB_BEAT_MS } else { GATE_BEAT_MS },
            Event::Beat(node),
        );
    }

    pub(super) fn connect(&mut self, link: Link) {
        if !self.network.is_up(link) || self.connections.contains_key(&link) {
            return;
        }
        self.connections_made += 1;
        self.connections.insert(link, self.connections_made);
        let [a, b] = link.ends();
        self.tell(a, Input::Connected { peer: b });
        self.tell(b, Input::Connected { peer: a });
    }

    /// The idle timeout of a cut link has passed.
    pub(super) fn lose(&mut self, link: Link) {
        if !self.network.is_up(link) {
            self.disconnect(link, &link.ends());
        }
    }

    fn disconnect(&mut self, link: Link, told: &[NodeId]) {
        if self.connections.remove(&link).is_none() {
            return;
        }
        let [a, b] = link.ends();
        for (node, peer) in [(a, b), (b, a)] {
            if told.contains(&node) {
                self.tell(node, Input::Disconnected { peer });
            }
        }
        // A link that is up is tried again, as the shell of a real node does.
        self.schedule
            .after(crate::network::RECONNECT_MS, Event::Connect(link));
    }
}
