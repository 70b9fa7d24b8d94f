//! The summary of a run for people, on standard output.

use std::fmt::Write as _;

use super::Report;
use super::words::reason_in_words;
use crate::oracle::Passengers;
use crate::scenario::Scenario;

impl Report {
    /// The summary for people.
    #[must_use]
    pub fn summary(&self, scenario: &Scenario, passengers: &Passengers) -> String {
        let mut text = String::new();
        let mut line = |words: String| {
            let _ = writeln!(text, "{words}");
        };
        line(format!("{}\n", scenario.title));
        line(format!(
            "Passengers: {} were let in, {} were let out, {} taps were turned away.",
            self.entries,
            self.exits,
            self.turned_away.values().sum::<u64>()
        ));
        for (reason, count) in &self.turned_away {
            line(format!("  {count:>5}  {}", reason_in_words(*reason)));
        }
        line(format!(
            "{} taps were decided by gates on their own while they could not hear the hub; \
             {} entries rested on the offline allowance.",
            self.decided_alone, self.on_allowance
        ));
        line(format!("Held at entries: Rp {} in all.", passengers.held));
        for fault in &self.faults {
            line(format!(
                "Fault: {}. {} taps at the gates it touched, {} frames lost or repeated. When it ended the hub did not \
                 yet know of {} entries (Rp {} held); {}.",
                fault.fault,
                fault.taps,
                fault.frames,
                fault.unseen_entries,
                fault.exposure,
                match fault.level_after_ms {
                    Some(took_ms) => format!("{took_ms} ms later everybody knew of everything"),
                    None => "NOT everybody came to know of them in time".to_owned(),
                }
            ));
        }
        line(format!(
            "Cards below zero at the end: Rp {} together.\n",
            self.overdraft
        ));
        for check in &self.checks {
            line(format!(
                "{}  {:<40} {}",
                if check.passed { "ok  " } else { "FAIL" },
                check.name,
                check.detail
            ));
        }
        for lines in [&self.pending, &self.lost] {
            lines.iter().for_each(|words| line(words.clone()));
        }
        for departure in &self.departures {
            line(format!("Unlike the real system, {departure}."));
        }
        if self.taps == 0 {
            line("\nNobody tapped: this run shows nothing about taps.".to_owned());
        }
        for fault in self.faults.iter().filter(|fault| fault.touched_nothing) {
            line(format!(
                "\nNothing met this fault, so the run shows nothing about it: {}.",
                fault.fault
            ));
        }
        line(format!("\nseed {}  trace {}", self.seed, &self.trace_hash[..16]));
        line(format!("verdict: {}", self.verdict.word()));
        text
    }
}
