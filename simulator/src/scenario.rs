//! Scenarios: what is simulated, as TOML. `simulator list` names the built-in ones; a path to a file works as well.
//!
//! | Key | Meaning | Allowed |
//! |---|---|---|
//! | `title` | one line for the report | 1 to 120 characters |
//! | `network` | which terminals, gates and fares | `sample` |
//! | `starts_at` | local time of day at the start | `HH:MM` |
//! | `duration_s` | how long passengers travel | 60 to 86,400 |
//! | `converge_within_s` | after the last fault and the last tap, everybody must be level within | 1 to 3,600 |
//! | `[traffic]` | see [`Traffic`] | |
//! | `[[fault]]` | see [`Fault`] | up to 64 |

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::id::{GateCode, TerminalCode};

use crate::topology::Topology;

/// Most bytes of a scenario file.
pub const SCENARIO_BYTES_MAX: u64 = 1 << 20;
/// Most faults in one scenario.
pub const FAULTS_MAX: usize = 64;

/// The built-in scenarios: name and text.
const LIBRARY: &[(&str, &str)] = &[
    (
        "terminal-c-island",
        include_str!("../scenarios/terminal-c-island.toml"),
    ),
    ("calm-morning", include_str!("../scenarios/calm-morning.toml")),
    ("hub-away", include_str!("../scenarios/hub-away.toml")),
    ("uplink-cut", include_str!("../scenarios/uplink-cut.toml")),
    ("lossy-network", include_str!("../scenarios/lossy-network.toml")),
];

/// A whole number within fixed bounds; anything else is refused where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Within<const LOW: i64, const HIGH: i64>(i64);

impl<const LOW: i64, const HIGH: i64> Within<LOW, HIGH> {
    /// The number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl<const LOW: i64, const HIGH: i64> TryFrom<i64> for Within<LOW, HIGH> {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        if (LOW..=HIGH).contains(&number) {
            Ok(Within(number))
        } else {
            Err(format!("{number} is out of range: {LOW} to {HIGH} are allowed"))
        }
    }
}

/// A share in thousandths.
pub type PerMille = Within<0, 1_000>;

impl PerMille {
    /// The share as a number that streams take.
    #[must_use]
    pub fn share(self) -> u32 {
        u32::try_from(self.0).unwrap_or(0)
    }
}

/// A local time of day, `HH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay {
    minutes: i64,
}

impl TimeOfDay {
    /// Minutes since midnight.
    #[must_use]
    pub const fn minutes(self) -> i64 {
        self.minutes
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |part: &str, below: i64| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<i64>()
                .ok()
                .filter(|number| digits && *number < below)
        };
        let parts = text
            .split_once(':')
            .and_then(|(hour, minute)| Some((number(hour, 24)?, number(minute, 60)?)));
        let (hours, minutes) =
            parts.ok_or_else(|| format!("{text:?} is not a time of day: write HH:MM, such as \"06:30\""))?;
        Ok(TimeOfDay {
            minutes: hours * 60 + minutes,
        })
    }
}

/// Which network is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkName {
    /// The source design's five terminals and ten gates.
    Sample,
}

/// What passengers and the hub's staff do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Cards in use.
    pub cards: Within<1, 1_000_000>,
    /// Trips that begin per hour when the rush is highest; other hours follow the day's curve.
    pub trips_per_hour_at_peak: Within<1, 1_000_000>,
    /// Trips whose passenger leaves without tapping out.
    pub missing_exit_per_mille: PerMille,
    /// Taps presented twice within two seconds.
    pub repeated_tap_per_mille: PerMille,
    /// Cards that start with too little money for the longest trip.
    pub poor_card_per_mille: PerMille,
    /// Online top-ups per hour.
    pub top_ups_per_hour: Within<0, 1_000_000>,
    /// Cards blocked by the hub per hour.
    pub blocks_per_hour: Within<0, 1_000_000>,
    /// What an unfinished journey costs.
    pub orphan_policy: OrphanPolicy,
}

/// An end of a cut link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum End {
    /// The hub.
    Hub,
    /// A gate.
    Gate(GateCode),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Hub => f.write_str("hub"),
            End::Gate(code) => code.fmt(f),
        }
    }
}

impl TryFrom<String> for End {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "hub" => Ok(End::Hub),
            code => code
                .parse()
                .map(End::Gate)
                .map_err(|error| format!("{error}; or write \"hub\"")),
        }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The gates of one terminal hear each other and nobody else.
    Island {
        /// The terminal.
        terminal: TerminalCode,
    },
    /// No gate hears the hub.
    HubAway,
    /// Two nodes do not hear each other.
    Cut {
        /// One of them.
        from: End,
        /// The other.
        to: End,
    },
    /// Every link loses and repeats frames.
    Lossy {
        /// Share of frames lost.
        loss_per_mille: Within<0, 900>,
        /// Share of frames delivered twice.
        duplicate_per_mille: PerMille,
    },
}

/// A fault with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it begins, seconds after the start.
    pub at_s: i64,
    /// How long it lasts, seconds.
    pub for_s: i64,
    /// What it is.
    pub kind: FaultKind,
}

/// What is simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name: of the library, or of the file.
    pub name: String,
    /// One line for the report.
    pub title: String,
    /// The network.
    pub network: NetworkName,
    /// Local time of day at the start.
    pub starts_at: TimeOfDay,
    /// How long passengers travel, seconds.
    pub duration_s: i64,
    /// How soon everybody must be level, seconds.
    pub converge_within_s: i64,
    /// What passengers do.
    pub traffic: Traffic,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Hash of the text, for the report.
    pub hash: [u8; 32],
}

/// The file as written. Times of faults are read apart: serde cannot check unknown keys across a flattened enum.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: toml::Spanned<String>,
    network: NetworkName,
    starts_at: TimeOfDay,
    duration_s: Within<60, 86_400>,
    converge_within_s: Within<1, 3_600>,
    traffic: Traffic,
    #[serde(default, rename = "fault")]
    faults: Vec<toml::Spanned<toml::Table>>,
}

#[derive(Deserialize)]
struct Times {
    at_s: Within<0, 86_400>,
    for_s: Within<1, 86_400>,
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// No such name and no such file.
    #[error(
        "there is no scenario {0:?}: `simulator list` shows the built-in ones; a path to a .toml file works too"
    )]
    Unknown(String),
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is too large to be a scenario.
    #[error("{0}: a scenario has at most {SCENARIO_BYTES_MAX} bytes")]
    TooLarge(String),
    /// Something in it is not allowed.
    #[error("{path}:{line}: {message}")]
    Invalid {
        /// Which file.
        path: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong and what is allowed.
        message: String,
    },
}

/// Names and titles of the built-in scenarios.
pub fn library() -> impl Iterator<Item = Result<Scenario, ScenarioError>> {
    LIBRARY
        .iter()
        .map(|(name, text)| Scenario::parse(name, name, text))
}

impl Scenario {
    /// The scenario of that name, or in that file.
    ///
    /// # Errors
    /// See [`ScenarioError`].
    pub fn find(name_or_path: &str) -> Result<Scenario, ScenarioError> {
        if let Some((name, text)) = LIBRARY.iter().find(|(name, _)| *name == name_or_path) {
            return Scenario::parse(name, name, text);
        }
        let path = Path::new(name_or_path);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ScenarioError::Unknown(name_or_path.into()));
            }
            Err(error) => {
                return Err(ScenarioError::Unreadable {
                    path: name_or_path.into(),
                    error,
                });
            }
        };
        let mut text = String::new();
        // What is no plain file may not know its size: no more than a scenario is ever read.
        let read = file.take(SCENARIO_BYTES_MAX + 1).read_to_string(&mut text);
        if text.len() as u64 > SCENARIO_BYTES_MAX {
            return Err(ScenarioError::TooLarge(name_or_path.into()));
        }
        read.map_err(|error| ScenarioError::Unreadable {
            path: name_or_path.into(),
            error,
        })?;
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
        let invalid = |line, message: String| ScenarioError::Invalid {
            path: path.into(),
            line,
            message,
        };
        let line_at = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        let located = |error: toml::de::Error| {
            let line = error.span().map_or(1, |span| line_at(span.start));
            invalid(line, error.message().to_owned())
        };
        let written: Written = toml::from_str(text).map_err(located)?;
        let title = written.title.get_ref();
        if !(1..=120).contains(&title.chars().count()) || title.chars().any(char::is_control) {
            let message = "title: one line of 1 to 120 characters is allowed".into();
            return Err(invalid(line_at(written.title.span().start), message));
        }
        if written.faults.len() > FAULTS_MAX {
            let message = format!(
                "{} faults: at most {FAULTS_MAX} are allowed",
                written.faults.len()
            );
            return Err(invalid(line_at(written.faults[FAULTS_MAX].span().start), message));
        }
        let topology = Topology::named(written.network);
        let mut faults = Vec::new();
        for table in written.faults {
            let line = line_at(table.span().start);
            let fault = read_fault(table.into_inner(), written.duration_s.get());
            let fault = fault.and_then(|fault| topology.links_cut_by(&fault.kind).map(|_| fault));
            faults.push(fault.map_err(|message| invalid(line, format!("fault: {message}")))?);
        }
        Ok(Scenario {
            name: name.into(),
            title: written.title.into_inner(),
            network: written.network,
            starts_at: written.starts_at,
            duration_s: written.duration_s.get(),
            converge_within_s: written.converge_within_s.get(),
            traffic: written.traffic,
            faults,
            hash: *blake3::hash(text.as_bytes()).as_bytes(),
        })
    }

    /// When the last fault is over, seconds after the start; 0 without faults.
    #[must_use]
    pub fn healed_at_s(&self) -> i64 {
        self.faults
            .iter()
            .map(|fault| fault.at_s + fault.for_s)
            .max()
            .unwrap_or(0)
    }
}

fn read_fault(mut table: toml::Table, duration_s: i64) -> Result<Fault, String> {
    let mut own = toml::Table::new();
    for key in ["at_s", "for_s"] {
        if let Some(value) = table.remove(key) {
            own.insert(key.into(), value);
        }
    }
    let times: Times = own
        .try_into()
        .map_err(|error: toml::de::Error| error.message().to_owned())?;
    let kind: FaultKind = table
        .try_into()
        .map_err(|error: toml::de::Error| error.message().to_owned())?;
    let fault = Fault {
        at_s: times.at_s.get(),
        for_s: times.for_s.get(),
        kind,
    };
    if fault.at_s + fault.for_s > duration_s {
        return Err(format!(
            "it ends {} s after the start, the traffic after {duration_s} s",
            fault.at_s + fault.for_s
        ));
    }
    Ok(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"title = "t"
network = "sample"
starts_at = "06:30"
duration_s = 60
converge_within_s = 10
[traffic]
cards = 1
trips_per_hour_at_peak = 1
missing_exit_per_mille = 0
repeated_tap_per_mille = 0
poor_card_per_mille = 0
top_ups_per_hour = 0
blocks_per_hour = 0
orphan_policy = "release"
"#;

    fn error_of(text: &str) -> String {
        Scenario::parse("t", "t.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn the_library_is_valid() {
        for scenario in library() {
            scenario.unwrap();
        }
    }

    #[test]
    fn errors_name_the_file_the_line_and_what_is_allowed() {
        assert!(Scenario::parse("t", "t.toml", MINIMAL).is_ok());
        for (from, to, expected) in [
            (
                "cards = 1\n",
                "cards = 0\n",
                "t.toml:7: 0 is out of range: 1 to 1000000 are allowed",
            ),
            (
                "\"06:30\"",
                "\"6:30\"",
                "t.toml:3: \"6:30\" is not a time of day: write HH:MM, such as \"06:30\"",
            ),
            (
                "\"sample\"",
                "\"moon\"",
                "t.toml:2: unknown variant `moon`, expected `sample`",
            ),
            (
                "\"release\"",
                "\"keep\"",
                "t.toml:14: unknown variant `keep`, expected one of `release`, `charge_max`, `charge_min`",
            ),
        ] {
            assert_eq!(error_of(&MINIMAL.replace(from, to)), expected);
        }
        assert!(
            error_of(&MINIMAL.replace("cards = 1", "carts = 1"))
                .starts_with("t.toml:7: unknown field `carts`, expected one of `cards`")
        );
        assert!(error_of("title = ").starts_with("t.toml:1: "));
    }

    #[test]
    fn faults_are_checked_too() {
        let with = |fault: &str| error_of(&format!("{MINIMAL}\n[[fault]]\n{fault}\n"));
        assert!(
            with("at_s = 0\nfor_s = 10\nkind = \"quake\"")
                .contains("unknown variant `quake`, expected one of `island`")
        );
        assert!(
            with("at_s = 0\nfor_s = 100\nkind = \"hub_away\"")
                .contains("it ends 100 s after the start, the traffic after 60 s")
        );
        assert!(with("at_s = 0\nkind = \"hub_away\"").contains("missing field `for_s`"));
        assert!(
            with("at_s = 0\nfor_s = 9\nkind = \"island\"\nterminal = \"c\"")
                .contains("\"c\" is not a terminal code")
        );
        assert_eq!(
            with("at_s = 0\nfor_s = 9\nkind = \"island\"\nterminal = \"Z\""),
            "t.toml:16: fault: the network has no terminal Z: A, B, C, D, E are allowed"
        );
        for (from, to) in [
            ("B-ENTRY-01", "C-EXIT-01"),
            ("B-ENTRY-01", "B-ENTRY-01"),
            ("hub", "hub"),
        ] {
            let fault = format!("at_s = 0\nfor_s = 9\nkind = \"cut\"\nfrom = \"{from}\"\nto = \"{to}\"");
            let error = with(&fault);
            assert!(
                error.starts_with(&format!(
                    "t.toml:16: fault: there is no link between {from} and {to}: "
                )),
                "{error}"
            );
        }
        assert!(
            with("at_s = 0\nfor_s = 9\nkind = \"island\"\nterminal = \"C\"\nextra = 1")
                .contains("unknown field `extra`")
        );
    }

    #[test]
    fn a_title_is_one_line() {
        for title in ["", "a\\nverdict: pass", "\\u001b[2J", &"x".repeat(121)] {
            let error = error_of(&MINIMAL.replace("\"t\"", &format!("\"{title}\"")));
            assert_eq!(
                error,
                "t.toml:1: title: one line of 1 to 120 characters is allowed"
            );
        }
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let error = Scenario::find("/dev/zero").unwrap_err().to_string();
        assert_eq!(error, "/dev/zero: a scenario has at most 1048576 bytes");
    }

    #[test]
    fn an_unknown_name_says_where_to_look() {
        let error = Scenario::find("no-such-scenario").unwrap_err().to_string();
        assert!(error.contains("simulator list"), "{error}");
    }
}
