//! `simulator replay`: a kept case or a drawn seed once more, event by event as before.

mod minimise;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::case::{Case, CaseRun};
use crate::report::{Report, Verdict};
use crate::scenario::Scenario;
use crate::{run, standard_output, swarm};

/// What to run again.
#[derive(clap::Args)]
pub struct Arguments {
    /// A kept case (a .toml file that ends with a table [case]) or the number of a seed of `simulator sweep`.
    case: String,
    /// Where report.json and report.html go.
    #[arg(long, default_value = "target/simulator/replay")]
    out: PathBuf,
    /// Leave out faults and passengers, one by one, while the same check still fails; writes OUT/minimised.toml.
    #[arg(long)]
    minimise: bool,
}

/// Runs it again. Exits 0 when every check holds, 1 when one fails, 2 on bad input.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    let found = match arguments.case.parse() {
        Ok(seed) => Ok(of_seed(seed)),
        Err(_) => Case::read(Path::new(&arguments.case)),
    };
    let replayed = found.and_then(|case| {
        if arguments.minimise {
            minimise::run(&case, &arguments.out)
        } else {
            replay(&case, &arguments.case, &arguments.out)
        }
    });
    run::exit_code(replayed)
}

/// The case of a drawn seed; nothing is known of its run.
fn of_seed(seed: u64) -> Case {
    let run = CaseRun {
        seed,
        ..CaseRun::default()
    };
    Case {
        text: swarm::draw(seed).text,
        run,
    }
}

fn replay(case: &Case, name: &str, out: &Path) -> anyhow::Result<Verdict> {
    let scenario = case.scenario(name)?;
    let (mut report, summary) = run::watch(scenario.clone(), case.run.seed)?;
    report.replay = format!("simulator replay {name}");
    let trace = trace_in_words(case, scenario, &report)?;
    let page = run::write_report(&report, out, "report")?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    run::write(&out.join("case.toml"), &case.to_text())?;
    let said = format!("{summary}{trace}\nreport: {}\n", page.display());
    standard_output::print(&said).context("standard output")?;
    Ok(report.verdict)
}

/// Whether this run is the one that was recorded; without a record, whether the seed gives the same run twice.
fn trace_in_words(case: &Case, scenario: Scenario, report: &Report) -> anyhow::Result<String> {
    let trace = &report.trace_hash;
    match &case.run.trace_hash {
        Some(recorded) if recorded == trace => Ok(format!("trace {trace}: equal to the recorded one")),
        Some(recorded) => Ok(format!(
            "trace {trace}: NOT the recorded one, {recorded}. The program has changed since it was recorded"
        )),
        None => {
            let (again, _) = run::watch(scenario, case.run.seed)?;
            anyhow::ensure!(
                again.trace_hash == *trace,
                "the seed gave trace {trace}, then {}: something depends on more than the seed",
                again.trace_hash
            );
            Ok(format!("trace {trace}: the same twice"))
        }
    }
}
