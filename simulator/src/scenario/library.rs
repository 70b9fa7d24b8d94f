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
    "terminal-c-island",
    "calm-morning",
    "hub-away",
    "uplink-cut",
    "lossy-network",
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
