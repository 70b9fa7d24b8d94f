//! Nodes, an event heap, and a network that loses, repeats, delays and reorders frames.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::changeset::{Head, PublicKey, Signature, Signer, SiteRole};
use sync_protocol::id::{NodeId, SiteId, TerminalCode};
use sync_protocol::peer::{CloseReason, Config, Input, Limits, Output, Peer, Refusal};
use sync_protocol::time::Stamp;
use sync_protocol::wire::{Frame, Heartbeat};

use crate::journal::{HashSigner, Journal, Writer};

/// How bad the network is. Chances in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) loss: u64,
    pub(crate) repeat: u64,
    /// Longest delay of a frame; each one is drawn anew, so frames overtake each other.
    pub(crate) delay_ms: u64,
    /// The store answers "not now".
    pub(crate) refuse: u64,
    /// The store never answers.
    pub(crate) forget: u64,
}

enum Event {
    Arrive {
        from: NodeId,
        to: NodeId,
        bytes: Vec<u8>,
    },
    Report {
        node: NodeId,
        input: Box<Input>,
    },
    Ingest {
        node: NodeId,
        from: NodeId,
        run: sync_protocol::changeset::Run,
    },
    Wake {
        node: NodeId,
    },
    Beat {
        node: NodeId,
    },
}

pub(crate) struct Node {
    pub(crate) peer: Peer,
    pub(crate) journal: Journal,
    pub(crate) writer: Writer,
    pub(crate) sent_bytes: u64,
    pub(crate) sent_frames: u64,
    pub(crate) heard: Vec<(NodeId, Heartbeat)>,
    pub(crate) closed: Vec<(NodeId, CloseReason)>,
}

#[derive(Default)]
pub(crate) struct Network {
    pub(crate) now_ms: i64,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) faults: Faults,
    /// Directions in which frames vanish.
    pub(crate) cut: BTreeSet<(NodeId, NodeId)>,
    events: BTreeMap<(i64, u64), Event>,
    count: u64,
    random: u64,
}

pub(crate) const HUB: NodeId = NodeId::HUB;

pub(crate) fn code(text: &str) -> TerminalCode {
    text.parse().expect("a terminal code")
}

impl Network {
    pub(crate) fn new(seed: u64) -> Network {
        Network {
            random: seed | 1,
            ..Network::default()
        }
    }

    /// A hub and gates 1 to `gates` of terminal A, all connected to each other.
    pub(crate) fn terminal(seed: u64, gates: u32) -> Network {
        let mut network = Network::new(seed);
        network.add(HUB, None);
        for gate in 1..=gates {
            network.add(NodeId(gate), Some(code("A")));
        }
        network.connect_all();
        network
    }

    pub(crate) fn add(&mut self, node: NodeId, terminal: Option<TerminalCode>) {
        let config = Config {
            node,
            terminal,
            schema_version: 1,
            schema_hash: [0; 32],
            seed: self.draw(u64::MAX),
            limits: Limits::default(),
        };
        let role = terminal.map_or(SiteRole::Decisions, SiteRole::Gate);
        let journal = Journal::default();
        let node_state = Node {
            peer: Peer::new(config, journal.have()),
            journal,
            writer: Writer::new(node, role, 1),
            sent_bytes: 0,
            sent_frames: 0,
            heard: Vec::new(),
            closed: Vec::new(),
        };
        self.nodes.insert(node, node_state);
    }

    /// Connects everybody with everybody.
    pub(crate) fn connect_all(&mut self) {
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        for a in &nodes {
            for b in nodes.iter().filter(|b| a < b) {
                self.connect(*a, *b);
            }
        }
    }

    pub(crate) fn connect(&mut self, a: NodeId, b: NodeId) {
        self.input(a, Input::Connected { peer: b });
        self.input(b, Input::Connected { peer: a });
    }

    pub(crate) fn disconnect(&mut self, a: NodeId, b: NodeId) {
        self.input(a, Input::Disconnected { peer: b });
        self.input(b, Input::Disconnected { peer: a });
    }

    /// Frames vanish both ways; nobody is told.
    pub(crate) fn cut(&mut self, a: NodeId, b: NodeId) {
        self.cut.extend([(a, b), (b, a)]);
    }

    pub(crate) fn node(&self, node: NodeId) -> &Node {
        &self.nodes[&node]
    }

    pub(crate) fn node_mut(&mut self, node: NodeId) -> &mut Node {
        self.nodes.get_mut(&node).expect("a node that was added")
    }

    /// A commit of this node's writer: one changeset with so many bytes.
    pub(crate) fn commit(&mut self, node: NodeId, bytes: usize) {
        let state = self.node_mut(node);
        let run = state.writer.write(&[bytes]);
        let have = state.journal.ingest(&run).expect("an own commit");
        self.input(node, Input::Committed { run, have });
    }

    /// Commits that no frame announces: made while the node was alone.
    pub(crate) fn commit_alone(&mut self, node: NodeId, count: usize, bytes: usize) {
        let links: Vec<NodeId> = self.nodes.keys().copied().collect();
        let saved = self.cut.clone();
        self.cut.extend(links.iter().map(|other| (node, *other)));
        for _ in 0..count {
            self.commit(node, bytes);
        }
        self.cut = saved;
    }

    pub(crate) fn start_beats(&mut self) {
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        for node in nodes {
            let delay_ms = self.draw(5_000) as i64;
            self.schedule(delay_ms, Event::Beat { node });
        }
    }

    pub(crate) fn input(&mut self, node: NodeId, input: Input) {
        let now_ms = self.now_ms;
        self.node_mut(node).peer.handle(now_ms, input);
        self.carry_out(node);
    }

    pub(crate) fn run_for(&mut self, milliseconds: i64) {
        self.run_until(self.now_ms + milliseconds, |_| false);
    }

    /// Runs until `done` or the time is over; returns whether it was done.
    pub(crate) fn run_until(&mut self, end_ms: i64, done: impl Fn(&Network) -> bool) -> bool {
        while !done(self) {
            let Some((&(at_ms, count), _)) = self.events.first_key_value() else {
                break;
            };
            if at_ms > end_ms {
                break;
            }
            let event = self.events.remove(&(at_ms, count)).expect("seen above");
            self.now_ms = at_ms;
            self.perform(event);
        }
        let is_done = done(self);
        if !is_done {
            self.now_ms = self.now_ms.max(end_ms);
        }
        is_done
    }

    fn perform(&mut self, event: Event) {
        match event {
            Event::Arrive { from, to, bytes } => {
                let input = match Frame::decode(&bytes) {
                    Ok(frame) => Input::Frame { peer: from, frame },
                    Err(error) => Input::FrameRefused { peer: from, error },
                };
                self.input(to, input);
            }
            Event::Report { node, input } => self.input(node, *input),
            Event::Ingest { node, from, run } => self.ingest(node, from, &run),
            Event::Wake { node } => {
                let due = self.node(node).peer.poll_timeout();
                if due.is_some_and(|due_ms| due_ms <= self.now_ms) {
                    self.input(node, Input::Tick);
                }
            }
            Event::Beat { node } => self.beat(node),
        }
    }

    fn ingest(&mut self, node: NodeId, peer: NodeId, run: &sync_protocol::changeset::Run) {
        if self.chance(self.faults.forget) {
            return;
        }
        let refuse = self.chance(self.faults.refuse);
        let state = self.node_mut(node);
        let result = if refuse {
            Err(Refusal::NotNow)
        } else {
            state.journal.ingest(run).map_err(Refusal::Run)
        };
        let site = run.site;
        let input = match result {
            Ok(have) => Input::Ingested { site, have },
            Err(reason) => Input::IngestRefused {
                peer,
                site,
                reason,
                have: state.journal.site_have(site),
            },
        };
        self.input(node, input);
    }

    pub(crate) fn beat_of(&self, node: NodeId) -> Heartbeat {
        let state = self.node(node);
        let site = state.writer.site;
        let head = state
            .journal
            .site_have(site)
            .map_or_else(|| Head::empty(site), |have| have.head);
        let mut beat = Heartbeat {
            node,
            key: state.writer.signer.public_key(),
            sites: vec![(site, head)],
            t: Stamp::at_ms(1_700_000_000_000 + self.now_ms),
            signature: Signature([0; 64]),
        };
        beat.signature = state.writer.signer.sign(&beat.signed_message());
        beat
    }

    fn beat(&mut self, node: NodeId) {
        let beat = self.beat_of(node);
        self.input(node, Input::Beat(beat));
        let every_ms = if node.is_hub() { 10_000 } else { 5_000 };
        self.schedule(every_ms, Event::Beat { node });
    }

    fn carry_out(&mut self, node: NodeId) {
        while let Some(output) = self.node_mut(node).peer.poll_output() {
            self.perform_output(node, output);
        }
        if let Some(at_ms) = self.node(node).peer.poll_timeout() {
            self.schedule(at_ms - self.now_ms, Event::Wake { node });
        }
    }

    fn perform_output(&mut self, node: NodeId, output: Output) {
        match output {
            Output::Send { to, frame } => {
                let bytes = frame.encode();
                assert!(
                    bytes.len() <= sync_protocol::wire::FRAME_BYTES_MAX,
                    "a frame too large to send"
                );
                for peer in to {
                    self.transmit(node, peer, &bytes);
                }
            }
            Output::Ingest { peer, run } => {
                self.schedule(
                    1,
                    Event::Ingest {
                        node,
                        from: peer,
                        run,
                    },
                );
            }
            Output::Serve {
                peer,
                range,
                bytes_max,
            } => {
                let run = self.node(node).journal.read(&range, bytes_max);
                let site = range.site;
                let input = Box::new(Input::Served { peer, site, run });
                self.schedule(1, Event::Report { node, input });
            }
            Output::Heard { peer, beat } => {
                let genuine =
                    HashSigner(PublicKey::clone(&beat.key).0).sign(&beat.signed_message()) == beat.signature;
                let input = if genuine {
                    self.node_mut(node).heard.push((peer, beat.clone()));
                    Input::BeatVerified { peer, beat }
                } else {
                    Input::BeatRefused { peer }
                };
                self.schedule(
                    1,
                    Event::Report {
                        node,
                        input: Box::new(input),
                    },
                );
            }
            Output::Close { peer, reason } => self.node_mut(node).closed.push((peer, reason)),
            Output::SnapshotBegin { .. } | Output::SnapshotTake { .. } | Output::SnapshotServe { .. } => {}
        }
    }

    fn transmit(&mut self, from: NodeId, to: NodeId, bytes: &[u8]) {
        let sender = self.node_mut(from);
        sender.sent_bytes += bytes.len() as u64;
        sender.sent_frames += 1;
        let copies = 1 + u64::from(self.chance(self.faults.repeat));
        for _ in 0..copies {
            let lost = self.chance(self.faults.loss) || self.cut.contains(&(from, to));
            if !lost && self.nodes.contains_key(&to) {
                let delay_ms = 1 + self.draw(self.faults.delay_ms + 1) as i64;
                let bytes = bytes.to_vec();
                self.schedule(delay_ms, Event::Arrive { from, to, bytes });
            }
        }
    }

    fn schedule(&mut self, delay_ms: i64, event: Event) {
        self.count += 1;
        self.events
            .insert((self.now_ms + delay_ms.max(0), self.count), event);
    }

    fn chance(&mut self, in_a_thousand: u64) -> bool {
        in_a_thousand > 0 && self.draw(1_000) < in_a_thousand
    }

    /// A number below `end` (xorshift).
    pub(crate) fn draw(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % end.max(1)
    }

    /// Whether every node has everything it wants.
    pub(crate) fn is_level(&self) -> bool {
        let writers = self.nodes.values().map(|node| &node.writer);
        let sites: Vec<SiteId> = writers.map(|writer| writer.site).collect();
        let newest = |site: &SiteId| {
            let heads = self
                .nodes
                .values()
                .filter_map(|node| node.journal.site_have(*site));
            heads.max_by_key(|have| have.head.seq)
        };
        let newest: Vec<_> = sites
            .iter()
            .filter_map(|site| Some((*site, newest(site)?)))
            .collect();
        self.nodes.iter().all(|(id, node)| {
            let terminal = (!id.is_hub()).then(|| self.terminal_of(*id));
            newest
                .iter()
                .filter(|(_, have)| have.wanted_by(terminal))
                .all(|(site, have)| {
                    node.journal
                        .site_have(*site)
                        .is_some_and(|own| own.head == have.head)
                })
        })
    }

    fn terminal_of(&self, node: NodeId) -> TerminalCode {
        let first = if node.0 < 100 { "A" } else { "B" };
        code(first)
    }

    pub(crate) fn frames(&self) -> u64 {
        self.nodes.values().map(|node| node.sent_frames).sum()
    }

    /// Every node took every changeset once, and in order.
    pub(crate) fn assert_exactly_once(&self) {
        for (id, node) in &self.nodes {
            let mut next: BTreeMap<SiteId, u64> = BTreeMap::new();
            for (site, seq) in &node.journal.appended {
                let expected = next.entry(*site).or_insert(1);
                assert_eq!(seq.0, *expected, "{id} took {site} out of order");
                *expected += 1;
            }
        }
    }
}
