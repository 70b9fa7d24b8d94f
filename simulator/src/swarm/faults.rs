//! The faults of a drawn scenario: from none to many overlapping ones.

use std::fmt::Write as _;

use crate::random::Stream;
use crate::scenario::Scenario;
use crate::topology::Topology;

/// How many faults a scenario has, with weights: lowest, highest, weight.
const COUNTS: [(i64, i64, u32); 5] = [(0, 0, 8), (1, 1, 25), (2, 3, 35), (4, 7, 24), (8, 12, 8)];

/// A kind of fault that can be drawn.
pub(super) struct Kind {
    /// Its name in a scenario.
    pub(super) name: &'static str,
    weight: u32,
    parameters: fn(&Places, &mut Stream) -> String,
}

/// Every kind that is drawn.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "island",
        weight: 10,
        parameters: |places, stream| format!("terminal = \"{}\"\n", places.terminal(stream)),
    },
    Kind {
        name: "hub_away",
        weight: 8,
        parameters: |_, _| String::new(),
    },
    Kind {
        name: "cut",
        weight: 8,
        parameters: |places, stream| {
            let (from, to) = places.link(stream);
            format!("from = \"{from}\"\nto = \"{to}\"\n")
        },
    },
    Kind {
        name: "lossy",
        weight: 10,
        parameters: |_, stream| {
            let (lost, repeated) = (stream.between(0, 500), stream.between(0, 300));
            format!("loss_per_mille = {lost}\nduplicate_per_mille = {repeated}\n")
        },
    },
];

/// A drawn fault.
pub(super) struct Drawn {
    pub(super) kind: &'static str,
    at_s: i64,
    for_s: i64,
    parameters: String,
}

impl Drawn {
    /// The keys of its table.
    pub(super) fn text(&self) -> String {
        let Drawn {
            kind,
            at_s,
            for_s,
            parameters,
        } = self;
        let mut text = String::new();
        let _ = write!(
            text,
            "at_s = {at_s}\nfor_s = {for_s}\nkind = \"{kind}\"\n{parameters}"
        );
        text
    }
}

/// The terminals and gates that faults can strike.
struct Places {
    terminals: Vec<String>,
    /// Gate and terminal.
    gates: Vec<(String, String)>,
}

impl Places {
    fn of(network: &Topology) -> Places {
        let terminals = network.terminals.iter();
        let gates = network.gates.iter();
        Places {
            terminals: terminals.map(|terminal| terminal.code.to_string()).collect(),
            gates: gates
                .map(|gate| (gate.code.to_string(), gate.terminal.to_string()))
                .collect(),
        }
    }

    fn terminal(&self, stream: &mut Stream) -> &str {
        stream
            .pick(&self.terminals)
            .expect("BUG: a network has terminals")
    }

    fn gate(&self, stream: &mut Stream) -> &(String, String) {
        stream.pick(&self.gates).expect("BUG: a network has gates")
    }

    /// An uplink, or a link to a neighbour.
    fn link(&self, stream: &mut Stream) -> (&str, &str) {
        let (gate, terminal) = self.gate(stream);
        let neighbours: Vec<&str> = self
            .gates
            .iter()
            .filter(|(other, there)| there == terminal && other != gate)
            .map(|(other, _)| other.as_str())
            .collect();
        match stream.pick(&neighbours) {
            Some(neighbour) if stream.chance(400) => (gate, neighbour),
            _ => (gate, "hub"),
        }
    }
}

/// Draws the faults of a scenario.
pub(super) fn draw(scenario: &Scenario, stream: &mut Stream) -> Vec<Drawn> {
    let places = Places::of(&Topology::named(scenario.network));
    let counts = COUNTS.map(|(_, _, weight)| weight);
    let (fewest, most, _) = COUNTS[stream.weighted(&counts)];
    let weights: Vec<u32> = KINDS.iter().map(|kind| kind.weight).collect();
    let count = stream.between(fewest, most);
    (0..count)
        .map(|_| {
            let kind = &KINDS[stream.weighted(&weights)];
            let (at_s, for_s) = time(scenario.duration_s, stream);
            Drawn {
                kind: kind.name,
                at_s,
                for_s,
                parameters: (kind.parameters)(&places, stream),
            }
        })
        .collect()
}

/// When a fault strikes and how long it lasts: as often seconds as minutes.
fn time(duration_s: i64, stream: &mut Stream) -> (i64, i64) {
    let at_s = stream.between(0, duration_s - 10);
    let longest_s = duration_s - at_s;
    let usual_s = *stream
        .pick(&[5, 20, 60, 180, 600])
        .expect("BUG: there are durations");
    (at_s, stream.between(1, usual_s).min(longest_s))
}
