//! `simulator list`: the built-in scenarios.

use std::process::ExitCode;

use crate::scenario;

/// Prints a line per scenario.
#[must_use]
pub fn run() -> ExitCode {
    for scenario in scenario::library() {
        let scenario = scenario.expect("BUG: the library is valid; a test reads all of it");
        println!("{:<20} {}", scenario.name, scenario.title);
    }
    ExitCode::SUCCESS
}
