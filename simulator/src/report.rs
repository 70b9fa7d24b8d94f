//! The report of a run: `report.json` for tools, `report.html` and a summary in a transport operator's words for
//! people.

mod chart;
mod charts;
pub mod html;
mod losses;
mod style;
mod summary;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use sync_protocol::fact::Reason;
use sync_protocol::journey::Flag;
use sync_protocol::money::Money;

pub use charts::Charts;
pub(crate) use losses::pending;

use crate::check::Check;
use crate::oracle::Outcome;
use crate::world::{Touched, World};

/// Most cards whose flags and postings are counted: a network with more takes its time to fold them.
const RULES_CARDS_MAX: usize = 20_000;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every check held.
    Pass,
    /// A check failed.
    Fail,
    /// Every check held, but nobody tapped or a fault touched nothing: the run shows nothing about it.
    Vacuous,
}

impl Verdict {
    /// The word in the report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Vacuous => "vacuous",
        }
    }
}

/// What a fault touched.
#[derive(Clone, Debug, Serialize)]
pub struct FaultReport {
    /// The fault in words.
    pub fault: String,
    /// Taps answered by gates at links that it touched.
    pub taps: u64,
    /// Accepted entries the hub did not know of when it ended.
    pub unseen_entries: u64,
    /// Their holds.
    pub exposure: Money,
    /// Frames lost or repeated while it lasted.
    pub frames: u64,
    /// How long after its end everybody had what had been committed by then.
    pub level_after_ms: Option<i64>,
    /// Whether the run shows nothing about it.
    pub touched_nothing: bool,
}

/// The machine-readable report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How the run ended.
    pub verdict: Verdict,
    /// The seed.
    pub seed: u64,
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// Hash of the scenario's text.
    pub scenario_hash: String,
    /// Hash of everything that happened.
    pub trace_hash: String,
    /// Every check.
    pub checks: Vec<Check>,
    /// Taps answered.
    pub taps: u64,
    /// The longest it took until everybody was level, after a fault or the last tap.
    pub converged_after_ms: Option<i64>,
    /// The most that one fault left unseen by the hub.
    pub exposure: Money,
    /// Entries let in.
    pub entries: u64,
    /// Exits let out.
    pub exits: u64,
    /// Taps turned away, by reason.
    pub turned_away: BTreeMap<Reason, u64>,
    /// Cards presented at a gate that did not run.
    pub gate_down: u64,
    /// Taps that a full disk could not record: exits opened all the same, entries were denied.
    pub unrecorded: u64,
    /// Taps decided by a gate that had not heard the hub for one and a half of its heartbeats.
    pub decided_alone: u64,
    /// Entries let in on the unsecured allowance.
    pub on_allowance: u64,
    /// Cards below zero at the end, together.
    pub overdraft: Money,
    /// What each fault touched.
    pub faults: Vec<FaultReport>,
    /// What had not arrived at the end, and why.
    pub pending: Vec<String>,
    /// What was lost with a disk or a gate.
    pub lost: Vec<String>,
    /// Where the simulator differs from the real system.
    pub departures: Vec<String>,
    /// The command that gives this run again.
    pub replay: String,
    /// What the charts show.
    #[serde(skip)]
    pub charts: Charts,
    /// How often each flag and each posting rule came up in the hub's books.
    pub rules: BTreeMap<&'static str, u64>,
}

impl Report {
    /// The report of a run that has come to its end.
    #[must_use]
    pub fn new(world: &World, seed: u64, checks: Vec<Check>, converged_after_ms: Option<i64>) -> Report {
        let scenario = &world.scenario;
        let passengers = world.oracle.passengers();
        let touched: Vec<&Touched> = world.touched.iter().collect();
        let faults = scenario
            .faults
            .iter()
            .zip(&touched)
            .enumerate()
            .map(|(index, (fault, touched))| FaultReport {
                fault: words::fault_in_words(fault),
                taps: touched.taps,
                unseen_entries: touched.unseen_entries,
                exposure: touched.exposure,
                frames: touched.frames,
                level_after_ms: touched.level_after_ms,
                touched_nothing: world.met_nothing(index),
            });
        let vacuous = passengers.taps() == 0 || faults.clone().any(|fault| fault.touched_nothing);
        let verdict = match checks.iter().all(|check| check.passed) {
            false => Verdict::Fail,
            true if vacuous => Verdict::Vacuous,
            true => Verdict::Pass,
        };
        Report {
            verdict,
            seed,
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            scenario_hash: hex(&scenario.hash),
            trace_hash: world.trace.hash(),
            checks,
            taps: passengers.taps(),
            converged_after_ms,
            exposure: touched
                .iter()
                .map(|touched| touched.exposure)
                .max()
                .unwrap_or_default(),
            entries: passengers.entries,
            exits: passengers.exits,
            gate_down: presented(world, |outcome| matches!(outcome, Outcome::GateDown)),
            unrecorded: presented(world, |outcome| matches!(outcome, Outcome::Unrecorded { .. })),
            decided_alone: passengers.decided_alone,
            on_allowance: passengers.on_allowance,
            overdraft: world.hub.overdraft(),
            faults: faults.collect(),
            turned_away: passengers.turned_away,
            rules: rules(world),
            pending: Vec::new(),
            lost: losses::lost(world),
            departures: scenario.engine.departures(),
            replay: format!("simulator run {} --seed {seed}", scenario.name),
            charts: Charts::new(world),
        }
    }
}

/// Counts presentations by what came of them.
fn presented(world: &World, is_counted: impl Fn(&Outcome) -> bool) -> u64 {
    let outcomes = world.oracle.presented.iter().map(|presented| &presented.outcome);
    outcomes.filter(|outcome| is_counted(outcome)).count() as u64
}

/// Counts the flags and postings of the hub's books.
fn rules(world: &World) -> BTreeMap<&'static str, u64> {
    let mut rules = BTreeMap::new();
    for card in world.oracle.cards().take(RULES_CARDS_MAX) {
        let Some(projection) = world.hub.projection(card) else {
            continue;
        };
        let flags = projection.flags.iter().map(|(flag, _)| flag.name());
        let debt = projection.in_debt().then_some(Flag::Debt.name());
        let postings = projection.postings.iter().map(|posting| posting.rule.name());
        for name in flags.chain(debt).chain(postings) {
            *rules.entry(name).or_default() += 1;
        }
    }
    rules
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Text as HTML shows it literally. A scenario's title comes from outside.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        assert_eq!(escaped("<script>\"&"), "&lt;script&gt;&quot;&amp;");
    }
}
