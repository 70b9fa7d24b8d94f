//! `kind = "generated"`: as many terminals and gates as asked for, with fares by distance.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use sync_protocol::decide::GateType;
use sync_protocol::fare::TERMINALS_MAX;

use super::GATES_MAX;
use crate::scenario::Within;
use crate::topology::Topology;
use crate::topology::generate::{Fares, Plan};

/// Most gates of one kind at a terminal.
const GATES_OF_A_KIND_MAX: i64 = 64;
/// Most that a fare costs, rupiah.
const FARE_MAX: i64 = 1_000_000;

/// How terminals lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// On a square.
    #[default]
    Grid,
    /// One after the other.
    Line,
}

/// A generated network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generated {
    /// How many terminals, with codes from `A` on.
    pub terminals: Within<2, { TERMINALS_MAX as i64 }>,
    /// A number, half of it entries and half exits; or `{ entry = 4, exit = 4, bidirectional = 2 }`.
    pub gates_per_terminal: GatesPerTerminal,
    /// How they lie: `grid` (the default) or `line`.
    #[serde(default)]
    pub layout: Layout,
    /// What a trip to a terminal close by costs, rupiah. Default 3,000.
    #[serde(default = "nearest")]
    pub fare_nearest: Within<0, FARE_MAX>,
    /// What every terminal further costs, rupiah. Default 500.
    #[serde(default = "step")]
    pub fare_step: Within<0, FARE_MAX>,
    /// What no trip costs more than, rupiah. Default 15,000.
    #[serde(default = "furthest")]
    pub fare_furthest: Within<0, FARE_MAX>,
    /// Where the terminals lie exactly depends on this number, not on the seed of a run. Default 1.
    #[serde(default = "seed")]
    pub seed: Within<0, { i64::MAX }>,
}

const fn nearest() -> Within<0, FARE_MAX> {
    Within::new(3_000)
}

const fn step() -> Within<0, FARE_MAX> {
    Within::new(500)
}

const fn furthest() -> Within<0, FARE_MAX> {
    Within::new(15_000)
}

const fn seed() -> Within<0, { i64::MAX }> {
    Within::new(1)
}

impl Generated {
    /// The network; or under which key something is wrong, and what.
    pub(super) fn build(&self) -> Result<Topology, (&'static str, String)> {
        let gates = self.gates_per_terminal.kinds();
        let count = |key: usize, value: i64| key.saturating_mul(usize::try_from(value).unwrap_or(0));
        let all = count(gates.len(), self.terminals.get());
        if all > GATES_MAX {
            let message = format!("{all} gates: at most {GATES_MAX} are allowed");
            return Err(("gates_per_terminal", message));
        }
        if self.fare_furthest < self.fare_nearest {
            let message = format!(
                "{} is less than fare_nearest: {} to {FARE_MAX} are allowed",
                self.fare_furthest.get(),
                self.fare_nearest.get()
            );
            return Err(("fare_furthest", message));
        }
        let plan = Plan {
            terminals: usize::try_from(self.terminals.get()).unwrap_or(0),
            gates: &gates,
            is_line: self.layout == Layout::Line,
            fares: Fares {
                nearest: self.fare_nearest.get(),
                step: self.fare_step.get(),
                furthest: self.fare_furthest.get(),
            },
            seed: self.seed.get().unsigned_abs(),
        };
        Ok(plan.build())
    }
}

/// The gates of every terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatesPerTerminal {
    entry: i64,
    exit: i64,
    bidirectional: i64,
}

impl GatesPerTerminal {
    /// Half entries and half exits; an odd one works both ways.
    const fn halves(count: i64) -> GatesPerTerminal {
        GatesPerTerminal {
            entry: count / 2,
            exit: count / 2,
            bidirectional: count % 2,
        }
    }

    fn kinds(self) -> Vec<GateType> {
        let of = |kind, count: i64| std::iter::repeat_n(kind, usize::try_from(count).unwrap_or(0));
        let entries = of(GateType::Entry, self.entry);
        let exits = of(GateType::Exit, self.exit);
        entries
            .chain(exits)
            .chain(of(GateType::Bidirectional, self.bidirectional))
            .collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mix {
    #[serde(default = "none")]
    entry: Within<0, GATES_OF_A_KIND_MAX>,
    #[serde(default = "none")]
    exit: Within<0, GATES_OF_A_KIND_MAX>,
    #[serde(default = "none")]
    bidirectional: Within<0, GATES_OF_A_KIND_MAX>,
}

const fn none() -> Within<0, GATES_OF_A_KIND_MAX> {
    Within::new(0)
}

impl<'de> Deserialize<'de> for GatesPerTerminal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GatesPerTerminal, D::Error> {
        deserializer.deserialize_any(NumberOrMix)
    }
}

struct NumberOrMix;

impl<'de> Visitor<'de> for NumberOrMix {
    type Value = GatesPerTerminal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a mix such as { entry = 4, exit = 4, bidirectional = 2 }")
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<GatesPerTerminal, E> {
        let count = Within::<1, { 2 * GATES_OF_A_KIND_MAX }>::try_from(count).map_err(E::custom)?;
        Ok(GatesPerTerminal::halves(count.get()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mix: A) -> Result<GatesPerTerminal, A::Error> {
        let mix = Mix::deserialize(MapAccessDeserializer::new(mix))?;
        let (entry, exit, bidirectional) = (mix.entry.get(), mix.exit.get(), mix.bidirectional.get());
        if bidirectional == 0 && (entry == 0 || exit == 0) {
            return Err(de::Error::custom(
                "a terminal needs a way in and a way out: an entry and an exit, or a bidirectional gate",
            ));
        }
        Ok(GatesPerTerminal {
            entry,
            exit,
            bidirectional,
        })
    }
}
