//! Whether a network has the terminals, gates and links that a fault names.

use sync_protocol::id::{GateCode, TerminalCode};

use super::{End, FaultKind, Place};
use crate::topology::Topology;

/// Most names that an error lists.
const NAMES_SHOWN: usize = 40;

/// A name that the network does not have.
pub(in crate::scenario) struct Misplaced {
    /// Under which key it is written.
    pub(super) key: &'static str,
    /// What is wrong and what is allowed.
    pub(in crate::scenario) message: String,
}

impl Misplaced {
    const fn new(key: &'static str, message: String) -> Misplaced {
        Misplaced { key, message }
    }
}

/// Whether the network has what the fault names.
pub(super) fn check(kind: &FaultKind, network: &Topology) -> Result<(), Misplaced> {
    match kind.place() {
        Place::Gates | Place::Hub | Place::Links(None) => Ok(()),
        Place::Terminal(terminal) | Place::Links(Some(terminal)) => find_terminal(network, terminal),
        Place::AllBut(terminal, gate) => find_bridge(network, terminal, gate),
        Place::Link(from, to) => find_link(network, from, to),
        Place::Node(node) => find_end(network, "node", node).map(|_| ()),
        Place::Gate(gate) => find_gate(network, "gate", gate).map(|_| ()),
    }
}

/// Whether the network has the terminal.
pub(in crate::scenario) fn find_terminal(
    network: &Topology,
    terminal: TerminalCode,
) -> Result<(), Misplaced> {
    if network.terminals.iter().any(|known| known.code == terminal) {
        return Ok(());
    }
    let known = network.terminals.iter().map(|terminal| terminal.code.as_str());
    Err(Misplaced::new(
        "terminal",
        format!(
            "the network has no terminal {terminal}: {} are allowed",
            listed(known)
        ),
    ))
}

/// The terminal of a gate.
fn find_gate(network: &Topology, key: &'static str, gate: GateCode) -> Result<TerminalCode, Misplaced> {
    let known = network.gates.iter().find(|known| known.code == gate);
    known.map(|known| known.terminal).ok_or_else(|| {
        let codes = network.gates.iter().map(|gate| gate.code.as_str());
        Misplaced::new(
            key,
            format!("the network has no gate {gate}: {} are allowed", listed(codes)),
        )
    })
}

/// The terminal of a gate; nothing for the hub.
fn find_end(network: &Topology, key: &'static str, end: End) -> Result<Option<TerminalCode>, Misplaced> {
    match end {
        End::Hub => Ok(None),
        End::Gate(gate) => find_gate(network, key, gate).map(Some),
    }
}

fn find_link(network: &Topology, from: End, to: End) -> Result<(), Misplaced> {
    let here = find_end(network, "from", from)?;
    let there = find_end(network, "to", to)?;
    if from == to || (here != there && here.is_some() && there.is_some()) {
        return Err(Misplaced::new(
            "to",
            format!(
                "there is no link between {from} and {to}: a gate has links to the hub and to the other gates of its \
                 terminal"
            ),
        ));
    }
    Ok(())
}

fn find_bridge(network: &Topology, terminal: TerminalCode, gate: GateCode) -> Result<(), Misplaced> {
    find_terminal(network, terminal)?;
    if find_gate(network, "gate", gate)? == terminal {
        return Ok(());
    }
    let own = network.gates.iter().filter(|known| known.terminal == terminal);
    let codes = listed(own.map(|gate| gate.code.as_str()));
    Err(Misplaced::new(
        "gate",
        format!("gate {gate} is not of terminal {terminal}: {codes} are allowed"),
    ))
}

/// Names with commas between them; of many the first.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
    if names.len() > NAMES_SHOWN {
        format!("{shown} and {} more", names.len() - NAMES_SHOWN)
    } else {
        shown
    }
}
