//! The swarm: a whole scenario drawn from a seed, every knob anew.
//!
//! What is drawn is the text of a scenario, so that a seed that fails is a case that people can read, shorten and
//! keep ([`crate::case`]). Worlds are small: a few virtual minutes and some hundred taps, so that thousands of them
//! show what few long ones do not. Rules that need unusual passengers or clocks are weighted up; a test counts that
//! every kind of fault and every rule of the fold comes up often.

mod faults;
mod knobs;

use crate::random::Stream;
use crate::scenario::{Scenario, ScenarioError, StoreKind};

/// A scenario drawn from a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The seed: of the drawing, and of the run.
    pub seed: u64,
    /// The scenario's text.
    pub text: String,
    /// The kinds of its faults, in their order.
    pub kinds: Vec<&'static str>,
}

impl Drawn {
    /// Its name in reports and files.
    #[must_use]
    pub fn name(&self) -> String {
        format!("seed-{}", self.seed)
    }

    /// The scenario.
    ///
    /// # Errors
    /// Never, unless drawing and reading disagree about what a scenario may say; a test reads many.
    pub fn scenario(&self) -> Result<Scenario, ScenarioError> {
        let name = self.name();
        Scenario::parse(&name, &name, &self.text)
    }
}

/// Flags and postings that drawn scenarios are to bring about: every rule of the fold that the network can meet.
pub const RULES: [&str; 23] = [
    "ACCEPTED_WHILE_BLOCKED",
    "ACCEPTED_WHILE_CLOSED",
    "ACCEPTED_WHILE_SUSPENDED",
    "ADJUST",
    "CAPTURE",
    "CLOCK_SKEW",
    "DEBT",
    "DUP_IN",
    "DUP_OUT",
    "FARE_OVER_HOLD",
    "INCOMPLETE",
    "LATE_CAPTURE",
    "LATE_FARE",
    "OVERDAY",
    "OVERTIME",
    "OVER_HOLD",
    "PASSBACK_IN",
    "REFUND",
    "SAME_STATION",
    "STALE_FARE",
    "TOPUP",
    "UNSTARTED",
    "WRITEOFF",
];

/// The kinds of faults that are drawn.
pub fn fault_kinds() -> impl Iterator<Item = &'static str> {
    faults::KINDS.iter().map(|kind| kind.name)
}

/// Draws the scenario of a seed.
#[must_use]
pub fn draw(seed: u64) -> Drawn {
    let mut stream = Stream::new(seed, "swarm");
    let mut text = knobs::draw(seed, &mut stream);
    let calm = Scenario::parse("swarm", "swarm", &text);
    let calm = calm.unwrap_or_else(|error| panic!("BUG: the swarm drew no scenario: {error}\n{text}"));
    let mut kinds = Vec::new();
    for fault in faults::draw(&calm, &mut stream) {
        // A model store has no disk that runs full or slow.
        if calm.engine.store == StoreKind::Model && matches!(fault.kind, "disk_full" | "slow_disk") {
            continue;
        }
        text = format!("{text}\n[[fault]]\n{}", fault.text());
        kinds.push(fault.kind);
    }
    Drawn { seed, text, kinds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_draws_a_scenario_that_can_be_read() {
        for seed in 0..2_000 {
            let drawn = draw(seed);
            let read = drawn.scenario();
            assert!(read.is_ok(), "seed {seed}: {:?}\n{}", read.err(), drawn.text);
        }
    }

    #[test]
    fn a_seed_draws_the_same_always_and_another_seed_another() {
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3).text, draw(4).text);
    }

    #[test]
    fn every_kind_of_fault_is_drawn_often() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..1_000 {
            let mut stream = Stream::new(seed, "swarm");
            let calm = Scenario::parse("t", "t", &knobs::draw(seed, &mut stream)).unwrap();
            for fault in faults::draw(&calm, &mut stream) {
                *counts.entry(fault.kind).or_insert(0_u32) += 1;
            }
        }
        for kind in faults::KINDS {
            let count = counts.get(kind.name).copied().unwrap_or(0);
            assert!(count >= 40, "{} is drawn {count} times in 1,000 seeds", kind.name);
        }
    }
}
