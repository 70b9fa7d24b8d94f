//! Connections over the links: made when both ends run and hear each other, noticed to be gone when they do not.

use std::collections::BTreeSet;

use sync_protocol::id::NodeId;
use sync_protocol::peer::Input;

use super::{Event, World};
use crate::network::{IDLE_TIMEOUT_MS, Link, RECONNECT_MS};

/// Soonest that a link is tried again after it came back, unless all are at once.
const RECONNECT_MIN_MS: i64 = 50;

impl World {
    /// Plans to connect links that are up again: one after the other, or all in the same millisecond.
    pub(super) fn plan_connections(&mut self, links: impl IntoIterator<Item = Link>, at_once: bool) {
        for link in links {
            let delay_ms = if at_once {
                0
            } else {
                self.stream.between(RECONNECT_MIN_MS, RECONNECT_MS)
            };
            self.schedule.after(delay_ms, Event::Connect(link));
        }
    }

    pub(super) fn connect(&mut self, link: Link) {
        let [a, b] = link.ends();
        let possible = self.network.is_passable(link) && self.runs(a) && self.runs(b);
        if !possible || self.network.connection(link).is_some() {
            return;
        }
        self.connections_made += 1;
        self.network.set_connection(link, Some(self.connections_made));
        self.half_open.remove(&(a, b));
        self.half_open.remove(&(b, a));
        self.tell(a, Input::Connected { peer: b });
        self.tell(b, Input::Connected { peer: a });
    }

    /// Cuts links, and plans that their ends notice.
    pub(super) fn cut(&mut self, links: &BTreeSet<Link>) {
        let now_ms = self.schedule.now_ms();
        for link in self.network.cut(now_ms, links) {
            let lost = Event::Lost {
                link,
                since_ms: now_ms,
            };
            self.schedule.after(IDLE_TIMEOUT_MS, lost);
        }
    }

    /// Takes a cut back.
    pub(super) fn mend(&mut self, links: &BTreeSet<Link>, at_once: bool) {
        let healed = self.network.heal(links);
        self.plan_connections(healed, at_once);
    }

    /// The idle timeout of a link that was cut has passed.
    pub(super) fn lose(&mut self, link: Link, since_ms: i64) {
        if self.network.cut_since_ms(link) == Some(since_ms) {
            self.disconnect(link, &link.ends());
        }
    }

    /// The idle timeout of a connection with a process that stood still has passed.
    pub(super) fn fall_silent(&mut self, node: NodeId, peer: NodeId, connection: u64) {
        let link = Link::between(node, peer);
        let stands_still = self.exists(node) && !self.runs(node);
        if stands_still && self.network.connection(link) == Some(connection) {
            self.disconnect(link, &link.ends());
        }
    }

    /// The idle timeout of a connection with a process that died has passed.
    pub(super) fn notice_death(&mut self, node: NodeId, peer: NodeId, connection: u64) {
        if self.half_open.get(&(peer, node)) == Some(&connection) {
            self.half_open.remove(&(peer, node));
            self.tell(peer, Input::Disconnected { peer: node });
        }
    }

    /// A process died: its connections are gone, and the other ends will notice.
    pub(super) fn break_off(&mut self, node: NodeId) {
        self.half_open.retain(|(survivor, _), _| *survivor != node);
        for (peer, connection) in self.connections_of(node) {
            self.network.set_connection(Link::between(node, peer), None);
            self.half_open.insert((peer, node), connection);
            let unheard = Event::Unheard {
                node,
                peer,
                connection,
            };
            self.schedule.after(IDLE_TIMEOUT_MS, unheard);
        }
    }

    /// The nodes that a node is connected with, and the numbers of the connections.
    pub(super) fn connections_of(&self, node: NodeId) -> Vec<(NodeId, u64)> {
        let own = self.network.connections().filter_map(|(link, connection)| {
            let [a, b] = link.ends();
            match node {
                _ if node == a => Some((b, connection)),
                _ if node == b => Some((a, connection)),
                _ => None,
            }
        });
        own.collect()
    }

    pub(super) fn disconnect(&mut self, link: Link, told: &[NodeId]) {
        if self.network.set_connection(link, None).is_none() {
            return;
        }
        let [a, b] = link.ends();
        for (node, peer) in [(a, b), (b, a)] {
            if told.contains(&node) {
                self.tell(node, Input::Disconnected { peer });
            }
        }
        // A link that is up is tried again, as the shell of a real node does.
        self.schedule.after(RECONNECT_MS, Event::Connect(link));
    }
}
