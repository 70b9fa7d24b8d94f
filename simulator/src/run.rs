//! `simulator run`: one scenario, from its seed to its verdict.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::case::Case;
use crate::check;
use crate::report::{self, Report, Verdict};
use crate::scenario::Scenario;
use crate::standard_output;
use crate::world::World;

/// Exit code when a check fails.
pub(crate) const FAILED: u8 = 1;
/// Exit code on bad input.
pub(crate) const BAD_INPUT: u8 = 2;

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
            if Case::read(Path::new(&arguments.scenario)).is_ok() {
                eprintln!(
                    "It is a kept case: `simulator replay {}` runs it.",
                    arguments.scenario
                );
            }
            return ExitCode::from(BAD_INPUT);
        }
    };
    exit_code(simulate(scenario, arguments))
}

/// How the process ends: 0 when every check holds, 1 when one fails, 2 when the run could not be made.
pub(crate) fn exit_code(ended: anyhow::Result<Verdict>) -> ExitCode {
    match ended {
        Ok(Verdict::Pass | Verdict::Vacuous) => ExitCode::SUCCESS,
        Ok(Verdict::Fail) => ExitCode::from(FAILED),
        Err(error) => {
            eprintln!("simulator: {error:#}");
            ExitCode::from(BAD_INPUT)
        }
    }
}

fn simulate(scenario: Scenario, arguments: &Arguments) -> anyhow::Result<Verdict> {
    let (mut report, summary) = watch(scenario, arguments.seed)?;
    report.replay = format!("simulator run {} --seed {}", arguments.scenario, arguments.seed);
    let page = write_report(&report, &arguments.out, "report")?;
    let said = format!("{summary}report: {}\n", page.display());
    standard_output::print(&said).context("standard output")?;
    Ok(report.verdict)
}

/// Runs a scenario with a progress bar. Returns the report and the summary for people.
pub(crate) fn watch(scenario: Scenario, seed: u64) -> anyhow::Result<(Report, String)> {
    let bar = progress_bar("{bar:40} {pos}/{len} simulated seconds, {eta} left", 0);
    let played = play_watched(scenario, seed, |now_ms, ends_ms| {
        let seconds = |ms: i64| u64::try_from(ms / 1_000).unwrap_or(0);
        bar.set_length(seconds(ends_ms));
        bar.set_position(seconds(now_ms));
    });
    bar.finish_and_clear();
    played
}

/// Writes `NAME.json` and `NAME.html` into a folder, which is made if need be. Returns the page's path.
pub(crate) fn write_report(report: &Report, out: &Path, name: &str) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let json = serde_json::to_string_pretty(report)?;
    write(&out.join(format!("{name}.json")), &json)?;
    let page = out.join(format!("{name}.html"));
    write(&page, &report::html::page(report))?;
    Ok(page)
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Runs a scenario. Returns the report and the summary for people.
///
/// # Errors
/// The scenario does not fit its network, or a store failed.
pub fn play(scenario: Scenario, seed: u64) -> anyhow::Result<(Report, String)> {
    play_watched(scenario, seed, |_, _| {})
}

/// Runs a scenario; `progress` hears the virtual time as it passes and when the traffic ends, in milliseconds.
fn play_watched(
    scenario: Scenario,
    seed: u64,
    mut progress: impl FnMut(i64, i64),
) -> anyhow::Result<(Report, String)> {
    let mut world = World::build(scenario, seed)?;
    let ends_ms = world.traffic_ends_ms();
    world.run(|now_ms| progress(now_ms, ends_ms))?;
    let rested_after_ms = world.come_to_rest()?;
    world.sample();
    let checks = check::all(&mut world, rested_after_ms)?;
    let converged_after_ms = check::convergence::longest_ms(&world, rested_after_ms);
    let mut report = Report::new(&world, seed, checks, converged_after_ms);
    if rested_after_ms.is_none() {
        report.pending = report::pending(&world)?;
    }
    let summary = report.summary(&world.scenario, &world.oracle.passengers());
    Ok((report, summary))
}

/// A progress bar on standard error, hidden where nobody watches.
pub(crate) fn progress_bar(template: &str, length: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// How long something took in the real world. Nothing in a run depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the speed of a sweep is told to people; no run depends on it"
    )]
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// How long ago that was.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the speed of a sweep is told to people; no run depends on it"
    )]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
