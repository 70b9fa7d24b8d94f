//! The terminals, gates and links that faults can strike, and how long rides between them take.

use crate::random::Stream;
use crate::scenario::Scenario;

/// Terminals and gates by their codes.
pub(super) struct Places {
    terminals: Vec<String>,
    /// Gate and terminal.
    gates: Vec<(String, String)>,
    /// Shortest and longest ride, seconds.
    pub(super) rides_s: (i64, i64),
}

impl Places {
    pub(super) fn of(scenario: &Scenario) -> Places {
        let network = scenario.topology();
        let traffic = &scenario.traffic;
        let terminals = network.terminals.iter();
        let gates = network.gates.iter();
        Places {
            terminals: terminals.map(|terminal| terminal.code.to_string()).collect(),
            gates: gates
                .map(|gate| (gate.code.to_string(), gate.terminal.to_string()))
                .collect(),
            rides_s: (traffic.ride_min_s.get(), traffic.ride_max_s.get()),
        }
    }

    pub(super) fn terminal(&self, stream: &mut Stream) -> &str {
        stream
            .pick(&self.terminals)
            .expect("BUG: a network has terminals")
    }

    /// A gate and its terminal.
    pub(super) fn gate(&self, stream: &mut Stream) -> &(String, String) {
        stream.pick(&self.gates).expect("BUG: a network has gates")
    }

    /// The ends of an uplink or of a link between neighbours, either first.
    pub(super) fn link(&self, stream: &mut Stream) -> (&str, &str) {
        let (gate, terminal) = self.gate(stream);
        let neighbours: Vec<&str> = self
            .gates
            .iter()
            .filter(|(other, there)| there == terminal && other != gate)
            .map(|(other, _)| other.as_str())
            .collect();
        let other = match stream.pick(&neighbours) {
            Some(neighbour) if stream.chance(400) => neighbour,
            _ => "hub",
        };
        if stream.chance(500) {
            (gate, other)
        } else {
            (other, gate)
        }
    }
}
