//! What can happen, and whom it happens to.

use std::rc::Rc;

use sync_protocol::id::NodeId;

use super::packet::Packet;
use super::taps::Visit;
use crate::network::Link;

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A frame arrives, if the connection it was sent on still stands.
    Frame {
        from: NodeId,
        to: NodeId,
        packet: Rc<Packet>,
        connection: u64,
    },
    /// A link is connected, if it is up and both ends run.
    Connect(Link),
    /// A cut link is noticed, if it has been cut since then.
    Lost { link: Link, since_ms: i64 },
    /// A process that stands still is noticed by the other end, if it still does.
    Silent {
        node: NodeId,
        peer: NodeId,
        connection: u64,
    },
    /// A process that died is noticed by the other end, if it did not come back before.
    Unheard {
        node: NodeId,
        peer: NodeId,
        connection: u64,
    },
    /// What a gate was given by `from` is in its database.
    Ingested {
        node: NodeId,
        generation: u64,
        from: NodeId,
    },
    /// The logs that a gate wanted cut are cut in its database.
    Pruned { node: NodeId, generation: u64 },
    /// A node's sync engine wants to be woken.
    Timer(NodeId),
    /// A process's sign of life is due.
    Beat { node: NodeId, generation: u64 },
    /// The hub settles.
    Settle,
    /// The first tap of a trip.
    Trip(usize),
    /// A passenger presents a card.
    Visit(Visit),
    /// What a process committed is signed and sent, after a disk that took its time.
    Seal { node: NodeId, generation: u64 },
    /// The hub's staff or a channel decides something.
    Decide(usize),
    /// A fault begins.
    FaultBegins(usize),
    /// A fault is over.
    FaultEnds(usize),
    /// A gate's disk is copied, for a fault to come.
    TakeImage(usize),
    /// A fault does what it does again and again.
    FaultGoesOn(usize),
    /// Has everybody got what was committed before a fault ended?
    Look(usize),
}

impl Event {
    /// The node whose process takes part, if it is to happen to one: it waits while the process stands still, and
    /// does not happen when there is none.
    pub(crate) const fn process(&self) -> Option<NodeId> {
        match self {
            Event::Frame { to: node, .. }
            | Event::Timer(node)
            | Event::Beat { node, .. }
            | Event::Ingested { node, .. }
            | Event::Pruned { node, .. }
            | Event::Seal { node, .. } => Some(*node),
            Event::Settle | Event::Decide(_) => Some(NodeId::HUB),
            _ => None,
        }
    }

    /// Whether it happens all the time and looks at no store but of the node that it happens to.
    pub(crate) const fn is_everyday(&self) -> bool {
        matches!(
            self,
            Event::Frame { .. }
                | Event::Ingested { .. }
                | Event::Pruned { .. }
                | Event::Timer(_)
                | Event::Beat { .. }
                | Event::Settle
                | Event::Trip(_)
                | Event::Visit(_)
                | Event::Seal { .. }
                | Event::Decide(_)
        )
    }

    /// What the trace notes of it: a kind and two numbers.
    pub(crate) fn traced(&self) -> (u8, u64, u64) {
        let node = |node: &NodeId| u64::from(node.0);
        let ends = |link: &Link| {
            let [a, b] = link.ends();
            (u64::from(a.0), u64::from(b.0))
        };
        match self {
            Event::Frame { from, to, .. } => (0, node(from), node(to)),
            Event::Connect(link) => (1, ends(link).0, ends(link).1),
            Event::Lost { link, .. } => (2, ends(link).0, ends(link).1),
            Event::Timer(at) => (3, node(at), 0),
            Event::Beat { node: at, generation } => (4, node(at), *generation),
            Event::Settle => (5, 0, 0),
            Event::Visit(visit) => (6, visit.traced(), node(&visit.gate.node())),
            Event::Trip(trip) => (7, *trip as u64, 0),
            Event::Decide(index) => (9, *index as u64, 0),
            Event::FaultBegins(index) => (10, *index as u64, 0),
            Event::FaultEnds(index) => (11, *index as u64, 0),
            Event::Look(index) => (12, *index as u64, 0),
            Event::TakeImage(index) => (17, *index as u64, 0),
            Event::FaultGoesOn(index) => (13, *index as u64, 0),
            Event::Seal { node: at, generation } => (16, node(at), *generation),
            Event::Ingested { node: at, from, .. } => (18, node(at), node(from)),
            Event::Pruned { node: at, generation } => (19, node(at), *generation),
            Event::Silent { node: at, peer, .. } => (14, node(at), node(peer)),
            Event::Unheard { node: at, peer, .. } => (15, node(at), node(peer)),
        }
    }
}
