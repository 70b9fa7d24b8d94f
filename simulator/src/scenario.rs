//! Scenarios: what is simulated, as TOML. `simulator list` names the built-in ones; a path to a file works as well.
//! `simulator/SCENARIOS.md` documents every key with its unit, range and default.
//!
//! A text is read piece by piece (`document`); whatever is not allowed is refused with file, line and what is.

mod document;
mod engine;
mod error;
mod fare_change;
mod fault;
mod library;
mod network;
mod number;
mod policy;
mod time;
mod traffic;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

pub use engine::{Engine, Sending, SignatureKind, StoreKind};
pub use error::ScenarioError;
pub use fare_change::{FARE_CHANGES_MAX, FareChange};
pub(crate) use fault::Place;
pub use fault::{
    ByzantineKind, CrashMoment, End, Entry as FaultEntry, FAULTS_MAX, Fault, FaultKind, Heal, PoisonKind,
    catalogue as fault_catalogue,
};
pub use library::library;
pub use network::{GATES_MAX, GatesPerTerminal, Generated, Layout, Listed, NetworkTable};
pub use number::{PerMille, Within};
pub use policy::PolicyTable;
pub use time::TimeOfDay;
pub use traffic::{DayCurve, Pair, Pairs, PerHour, Traffic};

use crate::topology::Topology;
use document::{Document, Wrong};

/// Most bytes of a scenario file.
pub const SCENARIO_BYTES_MAX: u64 = 1 << 20;
/// Longest run: seven days.
pub const DURATION_S_MAX: i64 = 7 * 86_400;
/// Most characters of a title.
const TITLE_CHARACTERS_MAX: usize = 120;

/// What is simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name: of the library, or of the file.
    pub name: String,
    /// One line for the report.
    pub title: String,
    /// The network, as it is written.
    pub network: NetworkTable,
    /// Local time of day at the start.
    pub starts_at: TimeOfDay,
    /// How long passengers travel, seconds.
    pub duration_s: i64,
    /// How soon everybody must be level, seconds.
    pub converge_within_s: i64,
    /// What passengers do.
    pub traffic: Traffic,
    /// How gates decide alone, and what unfinished journeys cost.
    pub policy: PolicyTable,
    /// How the simulator works.
    pub engine: Engine,
    /// Fare versions after the first, as they are published.
    pub fare_changes: Vec<FareChange>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Hash of the text, for the report.
    pub hash: [u8; 32],
    topology: Arc<Topology>,
}

/// The file as written, but for the pieces that are read apart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: toml::Spanned<String>,
    #[expect(dead_code, reason = "read apart; named here for the list of allowed keys")]
    network: Option<IgnoredAny>,
    starts_at: TimeOfDay,
    duration_s: Within<60, DURATION_S_MAX>,
    converge_within_s: Within<1, 86_400>,
    traffic: Traffic,
    #[serde(default)]
    policy: PolicyTable,
    #[serde(default)]
    engine: Engine,
    #[expect(dead_code, reason = "read apart; named here for the list of allowed keys")]
    fault: Option<IgnoredAny>,
    #[expect(dead_code, reason = "read apart; named here for the list of allowed keys")]
    fare_change: Option<IgnoredAny>,
}

impl Scenario {
    /// The scenario of that name, or in that file.
    ///
    /// # Errors
    /// See [`ScenarioError`].
    pub fn find(name_or_path: &str) -> Result<Scenario, ScenarioError> {
        if let Some((name, text)) = library::text_of(name_or_path) {
            return Scenario::parse(name, name, text);
        }
        let path = Path::new(name_or_path);
        let unreadable = |error| ScenarioError::Unreadable {
            path: name_or_path.into(),
            error,
        };
        let file = File::open(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ScenarioError::Unknown(name_or_path.into()),
            _ => unreadable(error),
        })?;
        let mut text = String::new();
        // What is no plain file may not know its size: no more than a scenario is ever read.
        let read = file.take(SCENARIO_BYTES_MAX + 1).read_to_string(&mut text);
        if text.len() as u64 > SCENARIO_BYTES_MAX {
            return Err(ScenarioError::TooLarge(name_or_path.into()));
        }
        read.map_err(unreadable)?;
        let stem = path
            .file_stem()
            .map_or_else(|| name_or_path.into(), |stem| stem.to_string_lossy().into_owned());
        Scenario::parse(&stem, name_or_path, &text)
    }

    /// Reads a scenario's text. `path` is named in errors.
    ///
    /// # Errors
    /// See [`ScenarioError::Invalid`].
    pub fn parse(name: &str, path: &str, text: &str) -> Result<Scenario, ScenarioError> {
        Scenario::read(name, text).map_err(|wrong| {
            let before = text.bytes().take(wrong.offset);
            ScenarioError::Invalid {
                path: path.into(),
                line: 1 + before.filter(|byte| *byte == b'\n').count(),
                message: wrong.message,
            }
        })
    }

    fn read(name: &str, text: &str) -> Result<Scenario, Wrong> {
        let mut document = Document::parse(text)?;
        let traffic_spans = document.spans_in("traffic");
        let policy_spans = document.spans_in("policy");
        let network = document.take("network");
        let faults = document.take_tables("fault")?;
        let fare_changes = document.take_tables("fare_change")?;
        let written: Written = document.read_rest()?;
        let title = written.title.get_ref();
        if !(1..=TITLE_CHARACTERS_MAX).contains(&title.chars().count()) || title.chars().any(char::is_control)
        {
            let message = format!("title: one line of 1 to {TITLE_CHARACTERS_MAX} characters is allowed");
            return Err(Wrong::at(written.title.span().start, message));
        }
        let (network, topology) = NetworkTable::read(network)?;
        let (duration_s, store) = (written.duration_s.get(), written.engine.store);
        written
            .traffic
            .pairs
            .check(&topology)
            .map_err(|wrong| wrong.within("pairs"))?;
        written
            .traffic
            .check()
            .map_err(|(key, message)| Wrong::at(traffic_spans.of_key(key), message).within("traffic"))?;
        let mut policy = written.policy;
        if let Some(orphan_policy) = written.traffic.orphan_policy {
            if let Some(offset) = policy_spans.find("orphan_policy") {
                let message = "policy: orphan_policy stands in [traffic] already: state it once";
                return Err(Wrong::at(offset, message));
            }
            policy.orphan_policy = orphan_policy;
        }
        Ok(Scenario {
            name: name.into(),
            title: written.title.into_inner(),
            network,
            starts_at: written.starts_at,
            duration_s,
            converge_within_s: written.converge_within_s.get(),
            traffic: written.traffic,
            policy,
            engine: written.engine,
            fare_changes: fare_change::read(fare_changes, duration_s)?,
            faults: fault::read(faults, duration_s, &topology, store)?,
            hash: *blake3::hash(text.as_bytes()).as_bytes(),
            topology: Arc::new(topology),
        })
    }

    /// The network: the same for every seed.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        Arc::clone(&self.topology)
    }

    /// About how many trips begin.
    #[must_use]
    pub fn trips_expected(&self) -> i64 {
        let first = self.starts_at.minutes();
        let minutes = first..first + self.duration_s / 60;
        let shares = minutes.map(|minute| i64::from(self.traffic.day_curve.share(minute / 60)));
        self.traffic.trips_per_hour_at_peak.get() * shares.sum::<i64>() / 60_000
    }

    /// When the last fault is over, seconds after the start; 0 without faults.
    #[must_use]
    pub fn healed_at_s(&self) -> i64 {
        self.faults.iter().map(Fault::ends_s).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
