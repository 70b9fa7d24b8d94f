//! `simulator list`: the built-in scenarios.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::{scenario, standard_output};

/// Prints a line per scenario.
#[must_use]
pub fn run() -> ExitCode {
    let mut lines = String::new();
    for scenario in scenario::library() {
        let scenario = scenario.expect("BUG: the library is valid; a test reads all of it");
        let _ = writeln!(lines, "{:<20} {}", scenario.name, scenario.title);
    }
    match standard_output::print(&lines) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulator: standard output: {error}");
            ExitCode::from(2)
        }
    }
}
