//! What is held against the production code: one file per promise. Checks see everything that truly happened
//! ([`crate::oracle`]); nodes do not.

pub mod acknowledged;
pub mod branches;
pub mod chains;
pub mod clocks;
pub mod closes;
pub mod conservation;
pub mod convergence;
pub mod decisions;
pub mod exits;
pub mod heads;
pub mod level;
mod logs;
pub mod one_charge;
pub mod one_hold;
pub mod opaque;
pub mod overdraft;
pub mod permutations;
pub mod poison;
pub mod prefix;
pub mod reference;
pub mod same_money;
#[cfg(test)]
mod sample;
pub mod sites;
mod steps;
pub mod truth;
pub mod waits;

use serde::Serialize;

pub use steps::Steps;

use self::truth::Truth;
use crate::world::World;

/// Most violations written out per check; the rest are counted.
const VIOLATIONS_SHOWN: usize = 5;

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was promised.
    pub name: &'static str,
    /// Whether it held.
    pub passed: bool,
    /// What was seen: counts when it held, cards, gates and times when it did not.
    pub detail: String,
    /// What was measured, with its unit, where a number is held against a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The limit, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<String>,
}

impl Check {
    /// Puts what was measured beside its limit: the report shows both.
    #[must_use]
    pub fn measured(mut self, value: impl Into<String>, threshold: impl Into<String>) -> Check {
        self.value = Some(value.into());
        self.threshold = Some(threshold.into());
        self
    }
}

/// What broke a promise.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    shown: Vec<String>,
    count: u64,
}

impl Violations {
    /// Notes one.
    pub fn note(&mut self, violation: String) {
        self.count += 1;
        if self.shown.len() < VIOLATIONS_SHOWN {
            self.shown.push(violation);
        }
    }

    /// The check: passed with `detail` when there are none.
    #[must_use]
    pub fn into_check(self, name: &'static str, detail: String) -> Check {
        if self.count == 0 {
            return Check {
                name,
                passed: true,
                detail,
                value: None,
                threshold: None,
            };
        }
        let more = self.count - self.shown.len() as u64;
        let more = if more > 0 {
            format!("; and {more} more")
        } else {
            String::new()
        };
        Check {
            name,
            passed: false,
            detail: format!("{}{more}", self.shown.join("; ")),
            value: None,
            threshold: None,
        }
    }
}

/// Every check at the end of a run.
///
/// # Errors
/// A store cannot be read.
pub fn all(world: &mut World, rested_after_ms: Option<i64>) -> anyhow::Result<Vec<Check>> {
    world.last_look();
    let chains = chains::check(world);
    let truth = Truth::new(&world.oracle);
    // What is drawn for checks differs from run to run, and is the same for the same run.
    let seed = world.trace.events();
    Ok(vec![
        acknowledged::check(
            &world.oracle,
            |site| world.hub.held().seq(site),
            |gate, site| world.gates.get(&gate).map(|gate| gate.have().seq(site)),
        ),
        chains,
        heads::check(&world.steps.heads),
        sites::check(&world.steps.sites),
        level::check(world)?,
        conservation::check(world),
        prefix::check(&world.steps.prefixes),
        same_money::check(world, &truth)?,
        one_hold::check(world),
        one_charge::check(world, &truth),
        permutations::check(&truth, seed),
        closes::check(&truth),
        clocks::check(&truth, &world.steps.stamps),
        overdraft::check(&world.steps.overdrafts),
        decisions::check(&world.steps.decisions),
        exits::check(&world.oracle),
        waits::check(&world.oracle, &world.steps.disks),
        opaque::check(world)?,
        poison::check(world),
        branches::check(world),
        convergence::check(world, rested_after_ms),
    ])
}

/// A time of the run as people read it.
fn second(at_ms: i64) -> String {
    format!("second {}", at_ms / 1_000)
}
