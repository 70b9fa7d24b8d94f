//! The table for people, in the form that MUTATIONS.md keeps.

use std::fmt::Write as _;
use std::time::Duration;

use super::expected::{self, NOT_YET, Notice};
use super::hunt::Found;

/// Most examples named in a row.
const EXAMPLES_SHOWN: usize = 2;

/// The table, and a line that sums it up.
pub(super) fn text(found: &[Found], took: Duration) -> String {
    let mut text = String::from("| mutation | what it breaks | noticed by | seeds |\n|---|---|---|---|\n");
    for one in found {
        let (by, seeds) = noticed(one);
        let _ = writeln!(
            text,
            "| {} | {} | {by} | {seeds} |",
            one.mutation.name(),
            one.mutation.breaks()
        );
    }
    for (name, why) in NOT_YET {
        let _ = writeln!(text, "| {name} | {why} | not yet | |");
    }
    let as_expected = found.iter().filter(|one| one.is_as_expected()).count();
    let _ = writeln!(
        text,
        "\n{as_expected} of {} mutations noticed as stated, in {} s",
        found.len(),
        took.as_secs()
    );
    for one in found.iter().filter(|one| !one.is_as_expected()) {
        let _ = writeln!(text, "NOT as stated: {}: {}", one.mutation.name(), why_not(one));
    }
    text
}

fn noticed(found: &Found) -> (String, String) {
    let mut by = Vec::new();
    if !found.examples.is_empty() {
        let shown: Vec<&str> = found
            .examples
            .iter()
            .take(EXAMPLES_SHOWN)
            .map(String::as_str)
            .collect();
        let more = found.examples.len() - shown.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        by.push(format!("example {}{more}", shown.join(", ")));
    }
    if let Notice::Nothing(missing) = expected::of(found.mutation) {
        by.push(format!("NOTHING yet; missing: {missing}"));
    }
    let Some(caught) = &found.caught else {
        return (by.join("; "), String::new());
    };
    by.extend(caught.checks.first().cloned());
    let seeds = if caught.runs == caught.drawn {
        caught.drawn.to_string()
    } else {
        format!("{} ({} run)", caught.drawn, caught.runs)
    };
    (by.join("; "), seeds)
}

fn why_not(found: &Found) -> String {
    match (expected::of(found.mutation), &found.caught) {
        (Notice::Example, _) => "no example changes".to_owned(),
        (Notice::Nothing(_), _) => "something notices it by now: name it".to_owned(),
        (Notice::Check { .. } | Notice::Scenario { .. }, Some(caught)) => format!(
            "seed {} fails without it, too: {}",
            caught.seed,
            caught.control.join(", ")
        ),
        (Notice::Scenario { names, .. }, None) => {
            format!("\"{}\" does not fail in its scenario", names.join("\", \""))
        }
        (Notice::Check { names, within, .. }, None) => {
            let otherwise: Vec<&str> = found.otherwise.iter().map(String::as_str).collect();
            let otherwise = if otherwise.is_empty() {
                "nothing else did either".to_owned()
            } else {
                format!("what did: {}", otherwise.join(", "))
            };
            format!(
                "none of \"{}\" failed within {within} seeds; {otherwise}",
                names.join("\", \"")
            )
        }
    }
}
