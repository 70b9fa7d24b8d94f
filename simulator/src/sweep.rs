//! `simulator sweep`: many drawn scenarios on all cores. What fails is kept as a case.

mod outcome;
mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;

pub use outcome::{End, Outcome, play_seed, play_text};
pub use tally::Tally;

use crate::case::{Case, CaseRun};
use crate::report::Verdict;
use crate::run::{self, Stopwatch};
use crate::{standard_output, swarm};

/// Most seeds of one sweep.
const SEEDS_MAX: u64 = 10_000_000;
/// Most threads.
const THREADS_MAX: i64 = 512;
/// Most failing seeds that are kept; the rest are named.
const KEPT_MAX: u64 = 100;

/// Which seeds to run.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=1 << 60))]
    from: u64,
    /// How many run at a time; all cores when left out.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=THREADS_MAX))]
    threads: Option<i64>,
    /// Fail also when a kind of fault met nothing in any seed, or a rule of the fold never came up.
    #[arg(long)]
    cover: bool,
    /// Where sweep.json goes.
    #[arg(long, default_value = "target/simulator/sweep")]
    out: PathBuf,
    /// Where seeds that fail are kept, each as a case and its report; OUT/failed when left out.
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Runs the seeds and prints the summary. Exits 0 when every check of every seed holds, 1 when one fails.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    run::exit_code(sweep(arguments))
}

fn sweep(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let keep = arguments
        .keep
        .clone()
        .unwrap_or_else(|| arguments.out.join("failed"));
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make the folder {}", arguments.out.display()))?;
    let threads = arguments.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        |threads| usize::try_from(threads).unwrap_or(1),
    );
    let bar = run::progress_bar("{bar:40} {pos}/{len} seeds, {msg}{eta} left", arguments.seeds);
    let watch = Stopwatch::start();
    let mut tally = over(arguments.from, arguments.seeds, threads, |tally, outcome| {
        bar.inc(1);
        if outcome.failed() {
            bar.set_message(format!("{} failed, ", tally.failed()));
            if tally.failed() <= KEPT_MAX {
                self::keep(outcome, &keep)?;
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    if arguments.cover {
        tally.demand_coverage();
    }
    let said = tally.summary(watch.elapsed(), threads, &keep);
    let json = serde_json::to_string_pretty(&tally)?;
    run::write(&arguments.out.join("sweep.json"), &json)?;
    standard_output::print(&said).context("standard output")?;
    Ok(tally.verdict())
}

/// Runs `count` seeds from `first` on so many threads. `each` hears every outcome, in the order in which they come
/// in, with the tally so far; the tally itself does not depend on that order.
///
/// # Errors
/// What `each` returns; no further seed is begun then.
pub fn over(
    first: u64,
    count: u64,
    threads: usize,
    each: impl FnMut(&Tally, &Outcome) -> anyhow::Result<()> + Send,
) -> anyhow::Result<Tally> {
    let next = AtomicU64::new(first);
    let end = first.saturating_add(count);
    let shared = Mutex::new((Tally::default(), each, None::<anyhow::Error>));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = play_seed(seed);
                    let mut guard = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    let (tally, each, error) = &mut *guard;
                    tally.add(&outcome);
                    if let Err(stopped) = each(tally, &outcome) {
                        error.get_or_insert(stopped);
                        next.store(end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (tally, _, error) = shared
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    error.map_or(Ok(tally), Err)
}

/// Keeps a failing seed: the case, and its report where the run came to one.
fn keep(outcome: &Outcome, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let drawn = swarm::draw(outcome.seed);
    let case = Case {
        run: CaseRun {
            seed: outcome.seed,
            failed: outcome.broken().map(|(name, _)| name.to_owned()).collect(),
            trace_hash: outcome.report().map(|report| report.trace_hash.clone()),
        },
        text: drawn.text.clone(),
    };
    run::write(&folder.join(format!("{}.toml", drawn.name())), &case.to_text())?;
    if let Some(report) = outcome.report() {
        run::write_report(report, folder, &drawn.name())?;
    }
    Ok(())
}
