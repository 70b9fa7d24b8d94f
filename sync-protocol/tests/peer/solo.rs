//! One engine, driven by hand.

use sync_protocol::changeset::{ChainHash, Head, SiteRole};
use sync_protocol::have::{Have, Range, SiteHave};
use sync_protocol::id::{NodeId, Seq, SiteId, TerminalCode};
use sync_protocol::peer::{Config, Input, Limits, Output, Peer, PeerStats};
use sync_protocol::wire::{Frame, Hello};

use crate::network::code;

pub(crate) struct Solo {
    pub(crate) peer: Peer,
    pub(crate) now_ms: i64,
}

impl Solo {
    /// Gate 1 of terminal A, or the hub.
    pub(crate) fn new(node: NodeId) -> Solo {
        let config = Config {
            node,
            terminal: terminal_of(node),
            schema_version: 1,
            schema_hash: [0; 32],
            seed: 1,
            limits: Limits::default(),
        };
        Solo {
            peer: Peer::new(config, Have::default()),
            now_ms: 0,
        }
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Output> {
        self.peer.handle(self.now_ms, input);
        std::iter::from_fn(|| self.peer.poll_output()).collect()
    }

    pub(crate) fn frame(&mut self, peer: NodeId, frame: Frame) -> Vec<Output> {
        self.input(Input::Frame { peer, frame })
    }

    /// Connects a peer that introduces itself.
    pub(crate) fn connect(&mut self, peer: NodeId) {
        self.input(Input::Connected { peer });
        self.frame(peer, hello(peer, terminal_of(peer)));
    }

    /// Lets time go by, in steps; nobody says anything.
    pub(crate) fn wait(&mut self, milliseconds: i64) -> Vec<Output> {
        let end_ms = self.now_ms + milliseconds;
        let mut outputs = Vec::new();
        while self.now_ms < end_ms {
            self.now_ms += 50;
            outputs.extend(self.input(Input::Tick));
        }
        outputs
    }

    /// Says that a peer has a site of gate 2 up to `head`.
    pub(crate) fn offer(&mut self, peer: NodeId, site: SiteId, head: u64) -> Vec<Output> {
        let sites = vec![(site, site_have(0, head))];
        self.frame(peer, Frame::Have { reply: false, sites })
    }

    pub(crate) fn stats(&self, peer: NodeId) -> PeerStats {
        let stats = self.peer.stats().find(|(node, _)| *node == peer);
        stats.map(|(_, stats)| *stats).unwrap_or_default()
    }
}

pub(crate) fn terminal_of(node: NodeId) -> Option<TerminalCode> {
    (!node.is_hub()).then(|| code("A"))
}

pub(crate) fn hello(node: NodeId, terminal: Option<TerminalCode>) -> Frame {
    Frame::Hello(Hello {
        node,
        terminal,
        schema_version: 1,
        schema_hash: [0; 32],
    })
}

pub(crate) fn site_have(floor: u64, head: u64) -> SiteHave {
    SiteHave {
        role: SiteRole::Gate(code("A")),
        floor: Seq(floor),
        head: Head {
            seq: Seq(head),
            chain: ChainHash([3; 32]),
        },
    }
}

/// All ranges asked for, with whom and the bytes.
pub(crate) fn needs(outputs: &[Output]) -> Vec<(NodeId, Range, u32)> {
    let mut needs = Vec::new();
    for output in outputs {
        if let Output::Send {
            to,
            frame: Frame::Need { ranges, bytes_max },
        } = output
        {
            assert_eq!(to.len(), 1, "a Need concerns one peer");
            needs.extend(ranges.iter().map(|range| (to[0], *range, *bytes_max)));
        }
    }
    needs
}

pub(crate) fn ingests(outputs: &[Output]) -> Vec<(u64, u64)> {
    let runs = outputs.iter().filter_map(|output| match output {
        Output::Ingest { run, .. } => Some((run.first.0, run.last().0)),
        _ => None,
    });
    runs.collect()
}
