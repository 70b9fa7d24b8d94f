//! What a fault reaches: the nodes whose taps it may change, and the links whose frames.

use std::collections::BTreeSet;

use anyhow::Context as _;
use sync_protocol::id::{GateCode, NodeId, TerminalCode};

use crate::network::{Link, Network};
use crate::scenario::{End, FaultKind, Place};
use crate::topology::Topology;

/// What a fault reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Nodes.
    pub(super) nodes: BTreeSet<NodeId>,
    /// Links.
    pub(super) links: BTreeSet<Link>,
}

impl Reach {
    /// What a fault of this kind reaches in a network.
    ///
    /// # Errors
    /// The network has no such gate. Scenarios are checked for that when they are read.
    pub(super) fn of(kind: &FaultKind, topology: &Topology, network: &Network) -> anyhow::Result<Reach> {
        Ok(match (kind.place(), kind) {
            (Place::Hub, FaultKind::HubDown | FaultKind::HubRestored { .. }) => {
                let mut reach = uplinks(gates_of(topology, None));
                reach.nodes.insert(NodeId::HUB);
                reach
            }
            // What the hub publishes comes to every gate.
            (Place::Hub, _) | (Place::Gates, FaultKind::AllAlone) => whole(network, gates_of(topology, None)),
            (Place::Gates, _) => uplinks(gates_of(topology, None)),
            (Place::Terminal(terminal), _) => uplinks(gates_of(topology, Some(terminal))),
            (Place::AllBut(terminal, gate), _) => {
                let bridge = node_of(topology, gate)?;
                uplinks(gates_of(topology, Some(terminal)).filter(|node| *node != bridge))
            }
            (Place::Links(terminal), _) => whole(network, gates_of(topology, terminal)),
            (Place::Link(from, to), _) => {
                let (from, to) = (end(topology, from)?, end(topology, to)?);
                Reach {
                    nodes: BTreeSet::from([from, to]),
                    links: BTreeSet::from([Link::between(from, to)]),
                }
            }
            (Place::Node(End::Hub), _) => whole(network, gates_of(topology, None).chain([NodeId::HUB])),
            (Place::Node(End::Gate(gate)) | Place::Gate(gate), _) => {
                whole(network, [node_of(topology, gate)?].into_iter())
            }
        })
    }
}

/// Gates with their links to the hub.
fn uplinks(gates: impl Iterator<Item = NodeId>) -> Reach {
    let nodes: BTreeSet<NodeId> = gates.collect();
    Reach {
        links: nodes
            .iter()
            .map(|node| Link::between(*node, NodeId::HUB))
            .collect(),
        nodes,
    }
}

/// Nodes with all their links.
fn whole(network: &Network, nodes: impl Iterator<Item = NodeId>) -> Reach {
    let nodes: BTreeSet<NodeId> = nodes.collect();
    let links = network.links();
    Reach {
        links: links
            .filter(|link| link.ends().iter().any(|end| nodes.contains(end)))
            .collect(),
        nodes,
    }
}

/// The gates of one terminal, or all.
fn gates_of(topology: &Topology, terminal: Option<TerminalCode>) -> impl Iterator<Item = NodeId> {
    let gates = topology.deciding_gates();
    gates
        .filter(move |(gate, _)| terminal.is_none_or(|terminal| gate.terminal == terminal))
        .map(|(gate, _)| gate.id.node())
}

/// The node of a gate.
pub(super) fn node_of(topology: &Topology, code: GateCode) -> anyhow::Result<NodeId> {
    let found = topology.deciding_gates().find(|(_, site)| site.code == code);
    let (gate, _) = found.with_context(|| format!("the network has no gate {code}"))?;
    Ok(gate.id.node())
}

/// The node at an end.
pub(super) fn end(topology: &Topology, end: End) -> anyhow::Result<NodeId> {
    match end {
        End::Hub => Ok(NodeId::HUB),
        End::Gate(code) => node_of(topology, code),
    }
}
