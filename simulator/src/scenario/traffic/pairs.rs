//! From where to where passengers travel.

use std::fmt;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use sync_protocol::fact::Direction;
use sync_protocol::id::TerminalCode;
use toml::Spanned;

use crate::scenario::Within;
use crate::scenario::document::Wrong;
use crate::scenario::fault::find_terminal;
use crate::topology::Topology;

/// Most pairs that a scenario lists.
const PAIRS_MAX: usize = 10_000;

/// From where to where passengers travel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pairs {
    /// From anywhere to anywhere else.
    #[default]
    Uniform,
    /// In the morning from the edge towards the centre, from noon on back.
    Commuter,
    /// Along these pairs only.
    Listed(Vec<Pair>),
}

/// An origin and a destination.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Where trips begin.
    pub from: Spanned<TerminalCode>,
    /// Where they end.
    pub to: Spanned<TerminalCode>,
    /// How many of them, in proportion to the other pairs.
    pub weight: Within<1, 1_000_000>,
}

impl Pairs {
    /// Whether passengers can travel like this in the network.
    pub(in crate::scenario) fn check(&self, network: &Topology) -> Result<(), Wrong> {
        let Pairs::Listed(pairs) = self else {
            return Ok(());
        };
        pairs.iter().try_for_each(|pair| {
            if pair.from.get_ref() == pair.to.get_ref() {
                let message =
                    "a pair leads elsewhere: same_station_per_mille draws trips within one terminal";
                return Err(Wrong::at(pair.to.span().start, message));
            }
            check_end(&pair.from, Direction::Entry, network)?;
            check_end(&pair.to, Direction::Exit, network)
        })
    }
}

fn check_end(end: &Spanned<TerminalCode>, direction: Direction, network: &Topology) -> Result<(), Wrong> {
    let terminal = *end.get_ref();
    find_terminal(network, terminal).map_err(|misplaced| Wrong::at(end.span().start, misplaced.message))?;
    let mut gates = network.gates.iter().filter(|gate| gate.terminal == terminal);
    if gates.any(|gate| gate.is_used_for(direction)) {
        return Ok(());
    }
    let way = match direction {
        Direction::Entry => "in",
        Direction::Exit => "out",
    };
    let message = format!("no gate of terminal {terminal} lets passengers {way}");
    Err(Wrong::at(end.span().start, message))
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs, D::Error> {
        deserializer.deserialize_any(NameOrPairs)
    }
}

struct NameOrPairs;

impl<'de> Visitor<'de> for NameOrPairs {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"uniform\", \"commuter\" or a list such as [{ from = \"A\", to = \"B\", weight = 3 }]")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Pairs, E> {
        match name {
            "uniform" => Ok(Pairs::Uniform),
            "commuter" => Ok(Pairs::Commuter),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, pairs: A) -> Result<Pairs, A::Error> {
        let pairs: Vec<Pair> = Deserialize::deserialize(SeqAccessDeserializer::new(pairs))?;
        if (1..=PAIRS_MAX).contains(&pairs.len()) {
            Ok(Pairs::Listed(pairs))
        } else {
            Err(de::Error::custom(format!(
                "{} pairs: 1 to {PAIRS_MAX} are allowed",
                pairs.len()
            )))
        }
    }
}
