//! What a fault reaches: the nodes whose taps it may change, and the links whose frames.

use std::collections::BTreeSet;

use anyhow::Context as _;
use sync_protocol::id::{GateCode, NodeId, TerminalCode};

use crate::network::{Link, Network};
use crate::scenario::{End, FaultKind};
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
        let node_of = |code| node_of(topology, code);
        Ok(match *kind {
            FaultKind::Island { terminal } | FaultKind::Flapping { terminal, .. } => {
                uplinks(gates_of(topology, Some(terminal)))
            }
            FaultKind::HubAway => uplinks(gates_of(topology, None)),
            FaultKind::HubDown => {
                let mut reach = uplinks(gates_of(topology, None));
                reach.nodes.insert(NodeId::HUB);
                reach
            }
            FaultKind::Bridge { terminal, gate } => {
                let bridge = node_of(gate)?;
                uplinks(gates_of(topology, Some(terminal)).filter(|node| *node != bridge))
            }
            FaultKind::AllAlone | FaultKind::Poison { .. } => whole(network, gates_of(topology, None)),
            FaultKind::Lossy { terminal, .. } | FaultKind::SlowLinks { terminal, .. } => {
                whole(network, gates_of(topology, terminal))
            }
            FaultKind::Cut { from, to } | FaultKind::OneWay { from, to } => {
                let (from, to) = (end(topology, from)?, end(topology, to)?);
                Reach {
                    nodes: BTreeSet::from([from, to]),
                    links: BTreeSet::from([Link::between(from, to)]),
                }
            }
            FaultKind::Pause { node } => match end(topology, node)? {
                NodeId::HUB => whole(network, gates_of(topology, None).chain([NodeId::HUB])),
                node => whole(network, [node].into_iter()),
            },
            FaultKind::Alone { gate }
            | FaultKind::Crash { gate, .. }
            | FaultKind::PowerLoss { gate }
            | FaultKind::DiskFull { gate }
            | FaultKind::SlowDisk { gate, .. }
            | FaultKind::WipedDisk { gate }
            | FaultKind::RestoredDisk { gate, .. }
            | FaultKind::Clock { gate, .. }
            | FaultKind::GateAdded { gate }
            | FaultKind::GateRemoved { gate }
            | FaultKind::NewerGate { gate }
            | FaultKind::Byzantine { gate, .. } => whole(network, [node_of(gate)?].into_iter()),
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
