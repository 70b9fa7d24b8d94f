//! Shortening a case: what can be left out while the same check still fails.
//!
//! Faults go first, several at a time and then one by one; then traffic is halved and its shares set to nothing.
//! Every step is a whole run of the shorter scenario; the search is bounded.

use std::path::Path;

use anyhow::Context as _;
use toml::{Table, Value};

use crate::case::{Case, CaseRun};
use crate::report::Verdict;
use crate::sweep::{Outcome, play_text};
use crate::{run, standard_output};

/// Most runs of one search.
const RUNS_MAX: u32 = 400;

/// Shortens a case and writes `minimised.toml`. The verdict is that of the shortest case.
pub(super) fn run(case: &Case, out: &Path) -> anyhow::Result<Verdict> {
    let mut search = Search::begin(case)?;
    if search.wanted.is_empty() {
        standard_output::print("Every check holds: there is nothing to shorten.\nverdict: pass\n")?;
        return Ok(Verdict::Pass);
    }
    let bar = run::progress_bar("{bar:40} {pos}/{len} runs at most", u64::from(RUNS_MAX));
    search.leave_out_faults();
    search.leave_out_traffic();
    bar.finish_and_clear();
    let shortest = search.case(case.run.seed)?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let path = out.join("minimised.toml");
    run::write(&path, &shortest.to_text())?;
    let faults = |table: &Table| faults_of(table).len();
    let said = format!(
        "Still fails after {} runs, with {} faults instead of {}: {}\nshortest case: {}\nverdict: fail\n",
        search.runs,
        faults(&search.table),
        faults(&toml::from_str(&case.text)?),
        search.wanted.join(", "),
        path.display()
    );
    standard_output::print(&said).context("standard output")?;
    Ok(Verdict::Fail)
}

/// The shortest failing scenario so far.
struct Search {
    table: Table,
    seed: u64,
    /// What must go on failing: one of these is enough.
    wanted: Vec<String>,
    runs: u32,
}

impl Search {
    fn begin(case: &Case) -> anyhow::Result<Search> {
        let table: Table = toml::from_str(&case.text)?;
        let outcome = outcome(&case.text, case.run.seed);
        Ok(Search {
            table,
            seed: case.run.seed,
            wanted: outcome.broken().map(|(name, _)| name.to_owned()).collect(),
            runs: 1,
        })
    }

    /// Takes a shorter scenario if the same check still fails. Returns whether it does.
    fn try_out(&mut self, table: Table) -> bool {
        if self.runs >= RUNS_MAX || table == self.table {
            return false;
        }
        self.runs += 1;
        let outcome = outcome(&table.to_string(), self.seed);
        let still_fails = outcome
            .broken()
            .any(|(name, _)| self.wanted.iter().any(|wanted| wanted == name));
        if still_fails {
            self.table = table;
        }
        still_fails
    }

    fn leave_out_faults(&mut self) {
        let mut size = faults_of(&self.table).len();
        while size > 0 {
            let mut start = 0;
            while start < faults_of(&self.table).len() {
                let mut shorter = self.table.clone();
                let mut faults = faults_of(&shorter);
                let end = (start + size).min(faults.len());
                faults.drain(start..end);
                if faults.is_empty() {
                    shorter.remove("fault");
                } else {
                    shorter.insert("fault".to_owned(), Value::Array(faults));
                }
                if !self.try_out(shorter) {
                    start += size;
                }
            }
            size /= 2;
        }
    }

    /// Sets every number of the traffic to 0 if that is allowed, else halves it as long as it fails.
    fn leave_out_traffic(&mut self) {
        let keys: Vec<String> = match self.table.get("traffic") {
            Some(Value::Table(traffic)) => traffic.keys().cloned().collect(),
            _ => return,
        };
        for key in keys {
            if self.try_number(&key, |_| 0) {
                continue;
            }
            while self.try_number(&key, |number| number / 2) {}
        }
    }

    fn try_number(&mut self, key: &str, shorter: impl Fn(i64) -> i64) -> bool {
        let mut table = self.table.clone();
        let number = table
            .get_mut("traffic")
            .and_then(Value::as_table_mut)
            .and_then(|traffic| traffic.get_mut(key));
        match number {
            Some(Value::Integer(number)) => *number = shorter(*number),
            _ => return false,
        }
        self.try_out(table)
    }

    fn case(&self, seed: u64) -> anyhow::Result<Case> {
        let text = toml::to_string(&self.table)?;
        let outcome = outcome(&text, seed);
        Ok(Case {
            run: CaseRun {
                seed,
                failed: outcome.broken().map(|(name, _)| name.to_owned()).collect(),
                trace_hash: outcome.report().map(|report| report.trace_hash.clone()),
            },
            text,
        })
    }
}

fn faults_of(table: &Table) -> Vec<Value> {
    match table.get("fault") {
        Some(Value::Array(faults)) => faults.clone(),
        _ => Vec::new(),
    }
}

fn outcome(text: &str, seed: u64) -> Outcome {
    Outcome {
        seed,
        kinds: Vec::new(),
        end: play_text("minimised", text, seed),
        took: std::time::Duration::ZERO,
    }
}
