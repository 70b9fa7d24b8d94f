//! Kept cases: a scenario with the seed that it failed with, in one file that people can read.
//!
//! The file is the scenario's text followed by a table `[case]` with `seed`, `failed` (the checks that failed, or
//! how the run ended) and `trace_hash` (of that run). Cases in `simulator/cases/` failed once; a test runs all of
//! them.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::scenario::{SCENARIO_BYTES_MAX, Scenario};

/// The line at which the scenario's text ends.
const TABLE: &str = "[case]";

/// A kept case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The scenario's text.
    pub text: String,
    /// What is known of the run.
    pub run: CaseRun,
}

/// What is known of the run that made a case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRun {
    /// The seed.
    pub seed: u64,
    /// The checks that failed; empty for a case that passed.
    #[serde(default)]
    pub failed: Vec<String>,
    /// The trace of that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_hash: Option<String>,
}

impl Case {
    /// Reads a case file.
    ///
    /// # Errors
    /// There is no such file, it is too large, or its table `[case]` is missing or not as described above.
    pub fn read(path: &Path) -> anyhow::Result<Case> {
        let shown = path.display();
        let size = std::fs::metadata(path).with_context(|| format!("{shown}"))?.len();
        anyhow::ensure!(
            size <= SCENARIO_BYTES_MAX,
            "{shown}: a case has at most {SCENARIO_BYTES_MAX} bytes"
        );
        let text = std::fs::read_to_string(path).with_context(|| format!("{shown}"))?;
        Case::parse(&text).with_context(|| format!("{shown}"))
    }

    /// Reads a case's text.
    ///
    /// # Errors
    /// Its table `[case]` is missing or not as described above.
    pub fn parse(text: &str) -> anyhow::Result<Case> {
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            if line.trim() == TABLE {
                let run = toml::from_str(&text[offset + line.len()..]).context(TABLE)?;
                let text = text[..offset].to_owned();
                return Ok(Case { text, run });
            }
            offset += line.len();
        }
        anyhow::bail!(
            "there is no table {TABLE}: a kept case ends with one that says its seed; \
             `simulator run` takes scenarios without"
        )
    }

    /// The scenario.
    ///
    /// # Errors
    /// The text is no scenario; errors name `path`.
    pub fn scenario(&self, path: &str) -> anyhow::Result<Scenario> {
        let stem = Path::new(path).file_stem();
        let name = stem.map_or_else(|| path.to_owned(), |stem| stem.to_string_lossy().into_owned());
        Ok(Scenario::parse(&name, path, &self.text)?)
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.text.trim_end().to_owned();
        let run = toml::to_string(&self.run).expect("BUG: a number and texts are TOML");
        let _ = write!(text, "\n\n{TABLE}\n{run}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_reads_as_written() {
        let case = Case {
            text: "title = \"t\"\n".to_owned(),
            run: CaseRun {
                seed: 7,
                failed: vec!["exit never denied".to_owned()],
                trace_hash: Some("ab".to_owned()),
            },
        };
        let read = Case::parse(&case.to_text()).unwrap();
        assert_eq!(
            (read.text.trim_end(), &read.run),
            (case.text.trim_end(), &case.run)
        );
    }

    #[test]
    fn a_scenario_without_a_case_is_told_apart() {
        let error = Case::parse("title = \"t\"\n").unwrap_err().to_string();
        assert!(error.contains("there is no table [case]"), "{error}");
        assert!(Case::parse("[case]\nsede = 1\n").is_err());
    }
}
