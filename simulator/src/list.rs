//! `simulator list`: the built-in scenarios, and every kind of fault.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::scenario::{self, Scenario, fault_catalogue};
use crate::standard_output;

/// What to list.
#[derive(clap::Args)]
pub struct Arguments {
    /// Every kind of fault with its keys instead, those that are not simulated yet among them.
    #[arg(long)]
    faults: bool,
}

/// Prints a line per scenario, or per kind of fault.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    let lines = if arguments.faults { faults() } else { scenarios() };
    match standard_output::print(&lines) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulator: standard output: {error}");
            ExitCode::from(2)
        }
    }
}

/// Name, size, length and title of every built-in scenario.
fn scenarios() -> String {
    let mut lines = String::new();
    for scenario in scenario::library() {
        let scenario = scenario.expect("BUG: the library is valid; a test reads all of it");
        let _ = writeln!(
            lines,
            "{:<24} {:>5} gates {:>8} trips {:>10}  {}",
            scenario.name,
            scenario.topology().gates.len(),
            scenario.trips_expected(),
            length(&scenario),
            scenario.title
        );
    }
    lines
}

/// How long passengers travel, as `1 h 30 min`.
fn length(scenario: &Scenario) -> String {
    let minutes = scenario.duration_s / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Every kind of fault: its name, what it does and its own keys; what those that are not simulated yet wait for.
fn faults() -> String {
    let mut lines = String::new();
    for entry in fault_catalogue() {
        let _ = write!(lines, "{:<18} {}", entry.kind, entry.meaning);
        let _ = match (entry.waits_for, entry.parameters) {
            (Some(waits_for), _) => writeln!(lines, "; not yet: it waits for {waits_for}"),
            (None, "") => writeln!(lines),
            (None, parameters) => writeln!(lines, "\n{:<18}   {parameters}", ""),
        };
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_listed_with_size_and_length() {
        let lines = scenarios();
        let line = lines
            .lines()
            .find(|line| line.starts_with("hub-down-72h "))
            .unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1..3], ["10", "gates"], "{line}");
        assert!(words[3].parse::<u32>().unwrap() > 300, "{line}");
        assert!(line.ends_with("76 h  The hub is down for three days"), "{line}");
    }

    #[test]
    fn faults_that_are_not_simulated_yet_say_so() {
        let lines = faults();
        assert!(lines.contains("island "), "{lines}");
        assert!(
            lines.contains("redis_lost         the hub's cache forgets everything; not yet: it waits for "),
            "{lines}"
        );
    }
}
