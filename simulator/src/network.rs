//! The network between the nodes: who hears whom, how late, and what gets lost.
//!
//! A link behaves like a connection: frames of one direction arrive in order and once, unless a fault says
//! otherwise. A connection notices a cut after [`IDLE_TIMEOUT_MS`] and comes back [`RECONNECT_MS`] after the heal.
//! One that loses the frames of one direction only goes on standing: it is the sync engine's task to notice.

mod impairment;
mod table;

use std::collections::BTreeSet;

use sync_protocol::id::{NodeId, TerminalCode};

pub use impairment::{Bandwidth, FrameCounts, Impairment};

use crate::random::Stream;
use table::LinkTable;

/// A connection that hears nothing this long is given up, as by QUIC's idle timeout.
pub const IDLE_TIMEOUT_MS: i64 = 3_000;
/// A healed link is connected again this long after, at most; drawn per link.
pub const RECONNECT_MS: i64 = 1_000;

/// A frame that loses its place arrives up to this much later than it would have.
const REORDER_MS: i64 = 500;
/// A frame that is repeated arrives again up to this much later.
const REPEAT_MS: i64 = 500;

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

/// One way of a link: from a node, to a node.
pub type Way = (NodeId, NodeId);

/// All links and their present condition.
pub struct Network {
    links: LinkTable<Condition>,
    stream: Stream,
}

#[derive(Clone, Debug, Default)]
struct Condition {
    /// How many faults cut it at present.
    cuts: u32,
    /// Since when.
    cut_since_ms: i64,
    impairment: Impairment,
    counts: FrameCounts,
    /// Number of the connection that stands at present.
    connection: Option<u64>,
    /// From the lower id, from the higher id.
    ways: [WayCondition; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct WayCondition {
    /// How many faults block it at present.
    blocks: u32,
    last_arrival_ms: i64,
    /// When all that waits is sent, microseconds.
    sent_at_us: i64,
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
        let links = LinkTable::new(uplinks.chain(meshes));
        Network { links, stream }
    }

    /// Every link.
    pub fn links(&self) -> impl Iterator<Item = Link> + '_ {
        self.links.iter().map(|(link, _)| link)
    }

    /// The links of one node.
    #[must_use]
    pub fn links_of(&self, node: NodeId) -> BTreeSet<Link> {
        self.links().filter(|link| link.ends().contains(&node)).collect()
    }

    /// Whether a connection stands, if there is one: the link is not cut.
    #[must_use]
    pub fn is_up(&self, link: Link) -> bool {
        self.links.get(link).is_some_and(|condition| condition.cuts == 0)
    }

    /// Whether frames pass both ways, so that two nodes can connect.
    #[must_use]
    pub fn is_passable(&self, link: Link) -> bool {
        self.links
            .get(link)
            .is_some_and(|condition| condition.cuts == 0 && condition.ways.iter().all(|way| way.blocks == 0))
    }

    /// Since when a link has been cut; `None` for one that is up.
    #[must_use]
    pub fn cut_since_ms(&self, link: Link) -> Option<i64> {
        let condition = self.links.get(link)?;
        (condition.cuts > 0).then_some(condition.cut_since_ms)
    }

    /// Cuts links. One link may be cut by several faults at once. Returns those that were up.
    pub fn cut(&mut self, now_ms: i64, links: &BTreeSet<Link>) -> Vec<Link> {
        let mut newly_cut = Vec::new();
        for link in links {
            if let Some(condition) = self.links.get_mut(*link) {
                condition.cuts += 1;
                if condition.cuts == 1 {
                    condition.cut_since_ms = now_ms;
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
            if let Some(condition) = self.links.get_mut(*link).filter(|condition| condition.cuts > 0) {
                condition.cuts -= 1;
                if condition.cuts == 0 {
                    healed.push(*link);
                }
            }
        }
        healed
    }

    /// Loses everything that goes this way from now on.
    pub fn block(&mut self, (from, to): Way) {
        if let Some(condition) = self.links.get_mut(Link::between(from, to)) {
            condition.ways[direction(from, to)].blocks += 1;
        }
    }

    /// Takes a block back.
    pub fn unblock(&mut self, (from, to): Way) {
        if let Some(condition) = self.links.get_mut(Link::between(from, to)) {
            let way = &mut condition.ways[direction(from, to)];
            way.blocks = way.blocks.saturating_sub(1);
        }
    }

    /// Sets what happens to the frames on a link from now on.
    pub fn impair(&mut self, link: Link, impairment: Impairment) {
        if let Some(condition) = self.links.get_mut(link) {
            condition.impairment = impairment;
        }
    }

    /// What happened to frames on these links so far.
    #[must_use]
    pub fn counts(&self, links: &BTreeSet<Link>) -> FrameCounts {
        let counts = links.iter().filter_map(|link| self.links.get(*link));
        counts.fold(FrameCounts::default(), |sum, condition| {
            sum.and(&condition.counts)
        })
    }

    /// Number of the connection over a link that stands at present.
    #[must_use]
    pub fn connection(&self, link: Link) -> Option<u64> {
        self.links.get(link)?.connection
    }

    /// Notes that a link is connected, or no longer is. Returns the connection that stood before.
    pub fn set_connection(&mut self, link: Link, connection: Option<u64>) -> Option<u64> {
        let condition = self.links.get_mut(link)?;
        std::mem::replace(&mut condition.connection, connection)
    }

    /// The connections that stand, by link.
    pub fn connections(&self) -> impl Iterator<Item = (Link, u64)> + '_ {
        let links = self.links.iter();
        links.filter_map(|(link, condition)| Some((link, condition.connection?)))
    }

    /// A frame was sent to a node that did not run.
    pub fn note_lost(&mut self, from: NodeId, to: NodeId) {
        if let Some(condition) = self.links.get_mut(Link::between(from, to)) {
            condition.counts.lost += 1;
        }
    }

    /// When a frame sent now arrives: never, once or twice. In order per direction, unless a fault says otherwise.
    pub fn arrivals(
        &mut self,
        now_ms: i64,
        from: NodeId,
        to: NodeId,
        bytes: usize,
    ) -> impl Iterator<Item = i64> + use<> {
        let link = Link::between(from, to);
        let Some(condition) = self.links.get_mut(link) else {
            return arrivals(None, None);
        };
        let (impairment, counts) = (condition.impairment, &mut condition.counts);
        let way = &mut condition.ways[direction(from, to)];
        if condition.cuts > 0 || way.blocks > 0 || self.stream.chance(impairment.lost) {
            counts.lost += 1;
            return arrivals(None, None);
        }
        let mut sent_ms = now_ms;
        if let Some(bandwidth) = impairment.bandwidth {
            let Some(sent_at_us) = way.transmit(now_ms, bytes, bandwidth) else {
                counts.overflowed += 1;
                return arrivals(None, None);
            };
            counts.slowed += 1;
            sent_ms = (sent_at_us + 999) / 1_000;
        }
        let (low, high) = if link.0.is_hub() {
            UPLINK_DELAY_MS
        } else {
            LOCAL_DELAY_MS
        };
        let mut arrival_ms = (sent_ms + self.stream.between(low, high)).max(way.last_arrival_ms);
        if self.stream.chance(impairment.reordered) {
            counts.reordered += 1;
            arrival_ms += self.stream.between(1, REORDER_MS);
        } else {
            way.last_arrival_ms = arrival_ms;
        }
        let mut again_ms = None;
        if self.stream.chance(impairment.repeated) {
            counts.repeated += 1;
            again_ms = Some(arrival_ms + self.stream.between(0, REPEAT_MS));
        }
        arrivals(Some(arrival_ms), again_ms)
    }
}

impl WayCondition {
    /// When the last byte of a frame is sent, microseconds; `None` when it does not fit into the queue. A frame that
    /// finds nothing before it needs no queue.
    fn transmit(&mut self, now_ms: i64, bytes: usize, bandwidth: Bandwidth) -> Option<i64> {
        let now_us = now_ms * 1_000;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX / 1_000_000);
        let waiting_us = (self.sent_at_us - now_us).max(0);
        let waiting_bytes = waiting_us * bandwidth.bytes_per_s / 1_000_000;
        if waiting_us > 0 && waiting_bytes + bytes > bandwidth.queue_bytes {
            return None;
        }
        self.sent_at_us = now_us + waiting_us + bytes * 1_000_000 / bandwidth.bytes_per_s.max(1);
        Some(self.sent_at_us)
    }
}

fn arrivals(first_ms: Option<i64>, again_ms: Option<i64>) -> impl Iterator<Item = i64> {
    [first_ms, again_ms].into_iter().flatten()
}

/// Which of a link's two ways.
fn direction(from: NodeId, to: NodeId) -> usize {
    usize::from(from > to)
}

#[cfg(test)]
mod tests;
