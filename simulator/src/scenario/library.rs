//! The built-in scenarios, which `simulator list` names.

use super::{Scenario, ScenarioError};

/// Name and text of a file in `simulator/scenarios/`.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*]
    };
}

/// Name and text of each.
const LIBRARY: &[(&str, &str)] = built_in![
    "busy-databases",
    "calm-morning",
    "terminal-c-island",
    "hub-away",
    "uplink-cut",
    "lossy-network",
    "island-at-peak",
    "every-gate-alone",
    "hub-down-72h",
    "deaf-gates",
    "unheard-gates",
    "flapping-uplinks",
    "one-bridge",
    "day-of-backlog",
    "thundering-heal",
    "thin-lines",
    "repeated-and-reordered",
    "clocks-two-minutes",
    "clocks-three-days",
    "killed-before-opening",
    "power-loss",
    "disk-full",
    "pauses",
    "restored-gate",
    "hub-restored",
    "wiped-gates",
    "cut-off-everywhere",
    "gates-come-and-go",
    "poisoned-reference-data",
    "hostile-gates",
    "equivocating-gate",
    "mixed-versions",
    "cloned-card",
    "news-during-an-island",
    "staff-close-journeys",
    "long-journeys",
    "commuter-line",
    "sample-day",
    "jakarta-day",
];

/// Every built-in scenario.
pub fn library() -> impl Iterator<Item = Result<Scenario, ScenarioError>> {
    LIBRARY
        .iter()
        .map(|(name, text)| Scenario::parse(name, name, text))
}

/// The text of the built-in scenario of that name.
pub(super) fn text_of(name: &str) -> Option<(&'static str, &'static str)> {
    LIBRARY.iter().find(|(known, _)| *known == name).copied()
}
