//! Heartbeats: own ones out, others' ones in, verified by the shell and relayed one step.

use super::limits::{BEAT_NODES_MAX, BEAT_RELAYS, BEATS_PER_PEER_MAX};
use super::{Output, Peer};
use crate::id::NodeId;
use crate::wire::{Frame, Heartbeat};

impl Peer {
    /// A gate tells the hub and one gate, the hub tells all gates; who introduces itself later is told then.
    pub(super) fn on_own_beat(&mut self, beat: Heartbeat) {
        self.own_beat = Some(beat.clone());
        let to = if self.config.terminal.is_none() {
            let open = self.links.iter().filter(|(_, link)| link.is_open());
            open.map(|(peer, _)| *peer).collect()
        } else {
            let mut to = self.hub_link();
            to.extend(self.some_neighbours(1));
            to
        };
        self.send_all(to, Frame::Heartbeats(vec![beat]));
    }

    pub(super) fn on_beats(&mut self, peer: NodeId, beats: Vec<Heartbeat>) {
        for beat in beats {
            self.on_beat(peer, beat);
        }
    }

    fn on_beat(&mut self, peer: NodeId, beat: Heartbeat) {
        if beat.node == self.config.node || !self.is_worth_hearing(peer, &beat) {
            self.stats.of(peer).stale_beats += 1;
            return;
        }
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if link.beats >= BEATS_PER_PEER_MAX {
            self.stats.of(peer).beats_dropped += 1;
            return;
        }
        link.beats += 1;
        self.outputs.push_back(Output::Heard { peer, beat });
    }

    fn is_news(&self, beat: &Heartbeat) -> bool {
        match self.beats.get(&beat.node) {
            Some(known) => beat.t > *known,
            None => self.beats.len() < BEAT_NODES_MAX,
        }
    }

    /// News; or what its author itself says after a neighbour was faster to pass it on: it shows that the author can
    /// be heard directly, which makes knowledge fresh.
    fn is_worth_hearing(&self, peer: NodeId, beat: &Heartbeat) -> bool {
        self.is_news(beat) || (peer == beat.node && self.beats.get(&beat.node) == Some(&beat.t))
    }

    /// Relays a genuine heartbeat that came from its author itself: the hub's to neighbours, a gate's to the hub.
    pub(super) fn on_beat_verified(&mut self, peer: NodeId, beat: Heartbeat) {
        if !self.is_news(&beat) {
            return;
        }
        self.beats.insert(beat.node, beat.t);
        if beat.node != peer || self.config.terminal.is_none() {
            return;
        }
        let to = if peer.is_hub() {
            self.some_neighbours(BEAT_RELAYS)
        } else {
            self.hub_link()
        };
        if !to.is_empty() {
            self.stats.of(peer).beats_relayed += 1;
            self.send_all(to, Frame::Heartbeats(vec![beat]));
        }
    }

    fn hub_link(&self) -> Vec<NodeId> {
        let hub = self.links.get(&NodeId::HUB).filter(|link| link.is_open());
        hub.map(|_| NodeId::HUB).into_iter().collect()
    }

    /// Up to `count` gates at random.
    fn some_neighbours(&mut self, count: usize) -> Vec<NodeId> {
        let gates = self
            .links
            .iter()
            .filter(|(peer, link)| link.is_open() && !peer.is_hub());
        let gates = gates.map(|(peer, _)| *peer).collect();
        self.random.pick_some(gates, count)
    }
}
