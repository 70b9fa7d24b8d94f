//! `simulator run`: one scenario, from its seed to its verdict.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::check;
use crate::report::{self, Report, Verdict};
use crate::scenario::Scenario;
use crate::standard_output;
use crate::world::World;

/// Exit code when a check fails.
const FAILED: u8 = 1;
/// Exit code on bad input.
const BAD_INPUT: u8 = 2;

/// What to run.
#[derive(clap::Args)]
pub struct Arguments {
    /// A built-in scenario (see `simulator list`) or a file.
    scenario: String,
    /// Everything random depends on this number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where report.json and report.html go.
    #[arg(long, default_value = "target/simulator")]
    out: PathBuf,
}

/// Runs a scenario and prints its summary.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    let scenario = match Scenario::find(&arguments.scenario) {
        Ok(scenario) => scenario,
        Err(error) => {
            eprintln!("simulator: {error}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    match simulate(scenario, arguments.seed, &arguments.out) {
        Ok(Verdict::Pass | Verdict::Vacuous) => ExitCode::SUCCESS,
        Ok(Verdict::Fail) => ExitCode::from(FAILED),
        Err(error) => {
            eprintln!("simulator: {error:#}");
            ExitCode::from(BAD_INPUT)
        }
    }
}

fn simulate(scenario: Scenario, seed: u64, out: &Path) -> anyhow::Result<Verdict> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let stores = stores_folder().context("cannot make a folder for the gates' stores")?;
    let title = scenario.title.clone();
    let (report, summary) = play(scenario, seed, stores.path())?;
    write(&out.join("report.json"), &serde_json::to_string_pretty(&report)?)?;
    let page = out.join("report.html");
    write(&page, &report::html::page(&title, &report))?;
    let said = format!(
        "{summary}report: {}
",
        page.display()
    );
    standard_output::print(&said).context("standard output")?;
    Ok(report.verdict)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Runs a scenario with its stores in `folder`. Returns the report and the summary for people.
///
/// # Errors
/// The scenario does not fit its network, or a store failed.
pub fn play(scenario: Scenario, seed: u64, folder: &Path) -> anyhow::Result<(Report, String)> {
    let mut world = World::build(scenario, seed, folder)?;
    let bar = progress_bar(world.traffic_ends_ms());
    world.run(|now_ms| bar.set_position(u64::try_from(now_ms / 1_000).unwrap_or(0)))?;
    let rested_after_ms = world.come_to_rest()?;
    bar.finish_and_clear();
    let checks = check::all(&world, rested_after_ms)?;
    let converged_after_ms = check::convergence::longest_ms(&world, rested_after_ms);
    let report = Report::new(&world, seed, checks, converged_after_ms);
    let summary = report.summary(&world.scenario, &world.oracle.passengers());
    Ok((report, summary))
}

/// A folder for the stores: in memory where the system has such a place. The simulated gates commit exactly as real
/// ones do; how long a disk takes over it is no part of virtual time.
fn stores_folder() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

fn progress_bar(ends_ms: i64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(u64::try_from(ends_ms / 1_000).unwrap_or(0)), target);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} simulated seconds, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
