//! What came of many seeds, counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::Outcome;
use crate::report::Verdict;
use crate::swarm;

/// Most failing seeds described; the rest are counted.
const DESCRIBED_MAX: usize = 20;
/// Most characters of what a check saw in the summary; the kept report has all of it.
const DETAIL_CHARACTERS: usize = 300;

/// Faults of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// How many there were.
    pub struck: u64,
    /// How many of them met something: a tap, a frame.
    pub met: u64,
}

/// Counts over seeds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Seeds run.
    pub seeds: u64,
    /// Seeds of which every check held.
    pub passed: u64,
    /// Seeds at which nobody tapped or no fault met anything, while every check held.
    pub vacuous: u64,
    /// Taps answered, together.
    pub taps: u64,
    /// Faults, by kind.
    pub faults: BTreeMap<&'static str, Faults>,
    /// Seeds at which each check failed, by its name.
    pub broken: BTreeMap<String, Vec<u64>>,
    /// Flags and postings that the hub's books show at the end, by name: which rules came up.
    pub rules: BTreeMap<String, u64>,
    /// Failing seeds with what failed, the lowest seeds first.
    pub failing: BTreeMap<u64, Vec<String>>,
    /// The traces of all runs in one: equal for equal seeds, however many threads ran them in whatever order.
    pub traces: String,
    /// Kinds of faults and rules that were to come up and did not.
    pub never_came_up: Vec<&'static str>,
    #[serde(skip)]
    sum_of_traces: [u8; 32],
    #[serde(skip)]
    slowest: Option<(Duration, u64)>,
}

impl Tally {
    /// Counts a seed.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        for kind in &outcome.kinds {
            self.faults.entry(kind).or_default().struck += 1;
        }
        if let Some(report) = outcome.report() {
            let met = report.faults.iter().map(|fault| !fault.touched_nothing);
            for (kind, met) in outcome.kinds.iter().zip(met.clone()) {
                self.faults.entry(kind).or_default().met += u64::from(met);
            }
            let is_idle = report.taps == 0 || (!report.faults.is_empty() && !met.clone().any(|met| met));
            self.taps += report.taps;
            self.note_trace(outcome.seed, &report.trace_hash);
            for (rule, count) in &report.rules {
                *self.rules.entry((*rule).to_owned()).or_default() += count;
            }
            match report.verdict {
                Verdict::Fail => {}
                // One idle fault among others does not take the meaning from a drawn run.
                Verdict::Pass | Verdict::Vacuous if is_idle => self.vacuous += 1,
                Verdict::Pass | Verdict::Vacuous => self.passed += 1,
            }
        }
        if outcome.failed() {
            let mut lines = Vec::new();
            for (name, detail) in outcome.broken() {
                self.broken.entry(name.to_owned()).or_default().push(outcome.seed);
                lines.push(format!("{name}: {}", shortened(detail)));
            }
            self.failing.insert(outcome.seed, lines);
        }
        self.slowest = self.slowest.max(Some((outcome.took, outcome.seed)));
    }

    /// Adds a trace to those so far. Exclusive or: the order in which runs come in does not matter.
    fn note_trace(&mut self, seed: u64, trace: &str) {
        let run = blake3::hash(format!("{seed} {trace}").as_bytes());
        for (sum, byte) in self.sum_of_traces.iter_mut().zip(run.as_bytes()) {
            *sum ^= byte;
        }
        self.traces = blake3::Hash::from_bytes(self.sum_of_traces).to_hex().to_string();
    }

    /// How many seeds failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failing.len() as u64
    }

    /// Notes kinds of faults that met nothing and rules that never came up: with them a sweep has failed.
    pub fn demand_coverage(&mut self) {
        let met = |kind: &&str| self.faults.get(kind).is_some_and(|faults| faults.met > 0);
        let kinds = swarm::fault_kinds().filter(|kind| !met(kind));
        let rules = swarm::RULES.into_iter();
        let rules = rules.filter(|rule| !self.rules.contains_key(*rule));
        self.never_came_up = kinds.chain(rules).collect();
    }

    /// How the sweep ended.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (
            self.failing.is_empty() && self.never_came_up.is_empty(),
            self.passed,
        ) {
            (false, _) => Verdict::Fail,
            (true, 0) => Verdict::Vacuous,
            (true, _) => Verdict::Pass,
        }
    }

    /// The summary for people. Failing seeds are kept in `keep`.
    #[must_use]
    pub fn summary(&self, took: Duration, threads: usize, keep: &Path) -> String {
        let mut text = String::new();
        let mut line = |words: String| {
            let _ = writeln!(text, "{words}");
        };
        for (seed, lines) in self.failing.iter().take(DESCRIBED_MAX) {
            line(format!("seed {seed} failed"));
            lines.iter().for_each(|words| line(format!("  {words}")));
        }
        let more = self.failing.len().saturating_sub(DESCRIBED_MAX);
        if more > 0 {
            line(format!("and {more} more seeds failed"));
        }
        for (name, seeds) in &self.broken {
            line(format!("{:>6} seeds broke: {name}", seeds.len()));
        }
        if !self.failing.is_empty() {
            line(format!(
                "Failing seeds are kept in {}; run one again: simulator replay {}/seed-{}.toml\n",
                keep.display(),
                keep.display(),
                self.failing.keys().next().copied().unwrap_or_default(),
            ));
        }
        let faults = self.faults.iter();
        let faults: Vec<String> = faults
            .map(|(kind, faults)| format!("{kind} {} ({})", faults.struck, faults.met))
            .collect();
        line(format!(
            "Faults (of them, those that met something): {}",
            faults.join(", ")
        ));
        let rules = self.rules.iter();
        let rules: Vec<String> = rules.map(|(rule, count)| format!("{rule} {count}")).collect();
        line(format!("Flags and postings: {}", rules.join(", ")));
        if !self.never_came_up.is_empty() {
            line(format!("These never came up: {}", self.never_came_up.join(", ")));
        }
        let took_ms = took.as_millis().max(1);
        let tenths = u128::from(self.seeds) * 10_000 / took_ms;
        line(format!(
            "{} seeds: {} passed, {} failed, {} vacuous; {} taps; {} s on {threads} threads, {}.{} seeds per second",
            self.seeds,
            self.passed,
            self.failed(),
            self.vacuous,
            self.taps,
            took.as_secs(),
            tenths / 10,
            tenths % 10,
        ));
        if let Some((took, seed)) = self.slowest {
            line(format!("Slowest: seed {seed}, {} ms", took.as_millis()));
        }
        line(format!("traces {}", self.traces));
        line(format!("verdict: {}", self.verdict().word()));
        text
    }
}

fn shortened(detail: &str) -> String {
    match detail.char_indices().nth(DETAIL_CHARACTERS) {
        Some((end, _)) => format!("{}…", &detail[..end]),
        None => detail.to_owned(),
    }
}
