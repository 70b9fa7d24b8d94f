//! The network between the nodes: who hears whom, how late, and what gets lost.
//!
//! A link behaves like a connection: frames of one direction arrive in order and once, unless a fault says
//! otherwise. A connection notices a cut after [`IDLE_TIMEOUT_MS`] and comes back [`RECONNECT_MS`] after the heal.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::id::{NodeId, TerminalCode};

use crate::random::Stream;

/// A connection that hears nothing this long is given up, as by QUIC's idle timeout.
pub const IDLE_TIMEOUT_MS: i64 = 3_000;
/// A healed link is connected again this long after, at most; drawn per link.
pub const RECONNECT_MS: i64 = 1_000;

/// Delay between gates of one terminal, milliseconds, lowest and highest.
const LOCAL_DELAY_MS: (i64, i64) = (1, 3);
/// Delay between a gate and the hub.
const UPLINK_DELAY_MS: (i64, i64) = (8, 40);

/// A link between two nodes, the lower id first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link(NodeId, NodeId);

impl Link {
    /// The link between two nodes.
    #[must_use]
    pub fn between(a: NodeId, b: NodeId) -> Link {
        Link(a.min(b), a.max(b))
    }

    /// Both ends.
    #[must_use]
    pub const fn ends(self) -> [NodeId; 2] {
        [self.0, self.1]
    }
}

/// Shares of frames that faults take or repeat, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Lost.
    pub lost: u32,
    /// Delivered twice.
    pub repeated: u32,
}

/// All links and their present condition.
pub struct Network {
    links: BTreeMap<Link, Condition>,
    loss: Loss,
    stream: Stream,
    /// Frames that were lost, on cut links or otherwise.
    pub lost: u64,
    /// Frames delivered twice.
    pub repeated: u64,
}

#[derive(Clone, Debug, Default)]
struct Condition {
    /// How many faults cut it at present.
    cuts: u32,
    /// Last arrival per direction: from the lower id, from the higher id.
    last_arrival_ms: [i64; 2],
}

impl Network {
    /// A full mesh inside every terminal, and every gate linked to the hub.
    pub fn new(gates: impl Iterator<Item = (NodeId, TerminalCode)>, stream: Stream) -> Network {
        let gates: Vec<_> = gates.collect();
        let uplinks = gates.iter().map(|(gate, _)| Link::between(NodeId::HUB, *gate));
        let meshes = gates.iter().flat_map(|(a, here)| {
            let others = gates.iter().filter(move |(b, there)| a < b && here == there);
            others.map(move |(b, _)| Link::between(*a, *b))
        });
        let links = uplinks
            .chain(meshes)
            .map(|link| (link, Condition::default()))
            .collect();
        Network {
            links,
            loss: Loss::default(),
            stream,
            lost: 0,
            repeated: 0,
        }
    }

    /// Every link.
    pub fn links(&self) -> impl Iterator<Item = Link> + '_ {
        self.links.keys().copied()
    }

    /// Whether frames pass at present.
    #[must_use]
    pub fn is_up(&self, link: Link) -> bool {
        self.links.get(&link).is_some_and(|condition| condition.cuts == 0)
    }

    /// Cuts links. One link may be cut by several faults at once. Returns those that were up.
    pub fn cut(&mut self, links: &BTreeSet<Link>) -> Vec<Link> {
        let mut newly_cut = Vec::new();
        for link in links {
            if let Some(condition) = self.links.get_mut(link) {
                condition.cuts += 1;
                if condition.cuts == 1 {
                    newly_cut.push(*link);
                }
            }
        }
        newly_cut
    }

    /// Takes a cut back. Returns the links that are up again.
    pub fn heal(&mut self, links: &BTreeSet<Link>) -> Vec<Link> {
        let mut healed = Vec::new();
        for link in links {
            if let Some(condition) = self.links.get_mut(link).filter(|condition| condition.cuts > 0) {
                condition.cuts -= 1;
                if condition.cuts == 0 {
                    healed.push(*link);
                }
            }
        }
        healed
    }

    /// Sets what every link loses and repeats from now on.
    pub fn set_loss(&mut self, loss: Loss) {
        self.loss = loss;
    }

    /// When a frame sent now arrives: never, once or twice. In order per direction.
    pub fn arrivals(&mut self, now_ms: i64, from: NodeId, to: NodeId) -> Vec<i64> {
        let link = Link::between(from, to);
        let Some(condition) = self.links.get_mut(&link).filter(|condition| condition.cuts == 0) else {
            self.lost += 1;
            return Vec::new();
        };
        if self.stream.chance(self.loss.lost) {
            self.lost += 1;
            return Vec::new();
        }
        let (low, high) = if link.0.is_hub() {
            UPLINK_DELAY_MS
        } else {
            LOCAL_DELAY_MS
        };
        let direction = usize::from(from > to);
        let arrival_ms = (now_ms + self.stream.between(low, high)).max(condition.last_arrival_ms[direction]);
        condition.last_arrival_ms[direction] = arrival_ms;
        let mut arrivals = vec![arrival_ms];
        if self.stream.chance(self.loss.repeated) {
            self.repeated += 1;
            arrivals.push(arrival_ms + self.stream.between(0, 500));
        }
        arrivals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        let terminal = |code: &str| code.parse().unwrap();
        let gates = [
            (NodeId(1), terminal("A")),
            (NodeId(2), terminal("A")),
            (NodeId(3), terminal("B")),
        ];
        Network::new(gates.into_iter(), Stream::new(1, "network"))
    }

    #[test]
    fn gates_hear_their_terminal_and_the_hub() {
        let links: Vec<_> = network().links().map(Link::ends).collect();
        let node = NodeId;
        assert_eq!(
            links,
            [
                [node(0), node(1)],
                [node(0), node(2)],
                [node(0), node(3)],
                [node(1), node(2)]
            ]
        );
    }

    #[test]
    fn a_link_cut_twice_heals_with_the_second_heal() {
        let mut network = network();
        let links = BTreeSet::from([Link::between(NodeId(1), NodeId::HUB)]);
        assert_eq!(network.cut(&links).len(), 1);
        assert_eq!(network.cut(&links).len(), 0);
        assert!(network.arrivals(0, NodeId(1), NodeId::HUB).is_empty());
        assert_eq!(network.heal(&links).len(), 0);
        assert_eq!(network.heal(&links).len(), 1);
        assert_eq!(network.arrivals(0, NodeId(1), NodeId::HUB).len(), 1);
    }

    #[test]
    fn frames_of_one_direction_arrive_in_order() {
        let mut network = network();
        let arrivals: Vec<i64> = (0..500)
            .flat_map(|now_ms| network.arrivals(now_ms, NodeId(1), NodeId::HUB))
            .collect();
        assert!(arrivals.is_sorted());
    }
}
