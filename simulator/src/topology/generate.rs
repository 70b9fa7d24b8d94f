//! Networks of any size: terminals on a square or a line, fares by distance.

use std::collections::BTreeMap;

use sync_protocol::decide::GateType;
use sync_protocol::id::{GateCode, TerminalCode};
use sync_protocol::money::Money;

use super::{GateService, GateSite, Terminal, Topology};
use crate::random::Stream;

/// Letters of a terminal code.
const LETTERS: usize = 26;
/// A terminal lies somewhere in its field, which has this many steps each way.
const FIELD_STEPS: i64 = 10;

/// What to build.
pub struct Plan<'a> {
    /// How many terminals.
    pub terminals: usize,
    /// The gates of each.
    pub gates: &'a [GateType],
    /// Whether they lie one after the other, not on a square.
    pub is_line: bool,
    /// What trips cost.
    pub fares: Fares,
    /// Where exactly they lie.
    pub seed: u64,
}

/// What trips cost, rupiah.
pub struct Fares {
    /// To a terminal close by.
    pub nearest: i64,
    /// Every terminal further.
    pub step: i64,
    /// At most.
    pub furthest: i64,
}

impl Plan<'_> {
    /// The network.
    #[must_use]
    pub fn build(&self) -> Topology {
        let codes: Vec<TerminalCode> = (0..self.terminals).map(terminal_code).collect();
        let terminals = codes.iter().map(|code| Terminal {
            code: *code,
            name: format!("Terminal {code}"),
        });
        let gates = codes.iter().flat_map(|code| self.gates_of(*code));
        Topology::new(terminals.collect(), gates.collect(), self.fare_table(&codes))
    }

    fn gates_of(&self, terminal: TerminalCode) -> Vec<GateSite> {
        let mut numbers = BTreeMap::new();
        let gate = |kind: &GateType| {
            let word = match kind {
                GateType::Entry => "ENTRY",
                GateType::Exit => "EXIT",
                GateType::Bidirectional => "BI",
            };
            let number: &mut u32 = numbers.entry(word).or_default();
            *number += 1;
            GateSite {
                code: gate_code(&format!("{terminal}-{word}-{number:02}")),
                terminal,
                kind: *kind,
                status: GateService::Online,
            }
        };
        self.gates.iter().map(gate).collect()
    }

    fn fare_table(&self, codes: &[TerminalCode]) -> BTreeMap<TerminalCode, BTreeMap<TerminalCode, Money>> {
        let places = self.places();
        let fare = |here: (i64, i64), there: (i64, i64)| {
            let steps = (here.0 - there.0).abs() + (here.1 - there.1).abs();
            let further = (steps / FIELD_STEPS - 1).max(0);
            Money::rupiah((self.fares.nearest + self.fares.step * further).min(self.fares.furthest))
        };
        let row = |(from, here): (&TerminalCode, &(i64, i64))| {
            let others = codes.iter().zip(&places).filter(|(to, _)| *to != from);
            let prices = others.map(|(to, there)| (*to, fare(*here, *there)));
            (*from, prices.collect())
        };
        codes.iter().zip(&places).map(row).collect()
    }

    /// Where each terminal lies, in steps.
    fn places(&self) -> Vec<(i64, i64)> {
        let mut stream = Stream::new(self.seed, "places");
        let width = if self.is_line {
            self.terminals
        } else {
            self.terminals.isqrt().max(1)
        };
        let place = |number: usize| {
            let mut at = |field: usize| {
                let field = i64::try_from(field).unwrap_or(0);
                field * FIELD_STEPS + stream.between(0, FIELD_STEPS - 1)
            };
            (at(number % width), at(number / width))
        };
        (0..self.terminals).map(place).collect()
    }
}

/// `A` to `Z`, `AA` to `ZZ`, `AAA` to `ZZZ`.
fn terminal_code(number: usize) -> TerminalCode {
    let mut letters = Vec::new();
    let mut left = number + 1;
    while left > 0 {
        letters.push(b'A' + u8::try_from((left - 1) % LETTERS).unwrap_or(0));
        left = (left - 1) / LETTERS;
    }
    letters.reverse();
    let text = String::from_utf8(letters).expect("BUG: letters are text");
    text.parse()
        .expect("BUG: a network has at most as many terminals as there are codes")
}

fn gate_code(text: &str) -> GateCode {
    text.parse()
        .expect("BUG: a terminal code, a word and a number are a gate code")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_like_their_ordinals() {
        for number in [0, 25, 26, 27, 701, 702, 18_277] {
            assert_eq!(terminal_code(number).ordinal(), number);
        }
    }

    #[test]
    fn fares_grow_with_the_distance_and_are_the_same_both_ways() {
        let plan = |seed| Plan {
            terminals: 30,
            gates: &[GateType::Bidirectional],
            is_line: true,
            fares: Fares {
                nearest: 3_000,
                step: 500,
                furthest: 15_000,
            },
            seed,
        };
        let network = plan(1).build();
        let fare = |from, to| network.fare(terminal_code(from), terminal_code(to));
        assert!((3_000..=4_000).contains(&(fare(0, 1).unwrap().as_hundredths() / 100)));
        assert_eq!(fare(0, 29), Some(Money::rupiah(15_000)));
        assert!(fare(0, 5) > fare(0, 2));
        assert_eq!(fare(3, 17), fare(17, 3));
        assert_eq!(fare(3, 3), None);
        assert_eq!(network, plan(1).build());
        assert_ne!(network, plan(2).build());
    }
}
