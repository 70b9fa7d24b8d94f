//! `simulator mutations`: breaks the product on purpose, one promise at a time, and tells what notices.
//!
//! A check that never fails proves nothing. Each [`Mutation`] is a bug that somebody could write; [`expected`] says
//! what has to notice it: an example of the fold, or a named check within a stated number of drawn seeds. A mutation
//! that only something else notices is a failure too, and so is a seed that fails without the mutation.

mod expected;
mod hunt;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use sync_protocol::mutation::Mutation;

pub use expected::{NOT_YET, Notice};
pub use hunt::{Caught, Found, Hunt};

use crate::fold::examples::{self, Example};
use crate::run::{self, Stopwatch};
use crate::standard_output;

/// Most threads.
const THREADS_MAX: i64 = 512;

/// Which mutations to try, and how hard.
#[derive(clap::Args)]
pub struct Arguments {
    /// Draw at most so many seeds for each, though it states more.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Only these, by name.
    #[arg(long)]
    only: Vec<String>,
    /// Also draw so many seeds for each rule of the fold that an example notices, and tell which check notices.
    #[arg(long, default_value_t = 0)]
    fold_seeds: u64,
    /// How many run at a time; all cores when left out.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=THREADS_MAX))]
    threads: Option<i64>,
    /// Folders with examples of the fold; those of the simulator's tests when left out.
    #[arg(long)]
    examples: Vec<PathBuf>,
}

/// Tries the mutations and prints a table. Exits 0 when each is noticed by what has to, 1 when one is not, 2 on bad
/// input.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    match try_all(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(run::FAILED),
        Err(error) => {
            eprintln!("simulator: {error:#}");
            ExitCode::from(run::BAD_INPUT)
        }
    }
}

fn try_all(arguments: &Arguments) -> anyhow::Result<bool> {
    let chosen = chosen(&arguments.only)?;
    let examples = read_examples(&arguments.examples)?;
    let threads = arguments.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        |threads| usize::try_from(threads).unwrap_or(1),
    );
    let hunt = Hunt {
        examples: &examples,
        from: arguments.from,
        seeds_max: arguments.seeds.unwrap_or(u64::MAX),
        fold_seeds: arguments.fold_seeds,
    };
    let bar = run::progress_bar("{bar:40} {pos}/{len} mutations, {eta} left", chosen.len() as u64);
    let watch = Stopwatch::start();
    let found = over(&chosen, threads, |mutation| {
        let found = hunt.after(mutation);
        bar.inc(1);
        found
    })?;
    bar.finish_and_clear();
    let said = table::text(&found, watch.elapsed());
    standard_output::print(&said).context("standard output")?;
    Ok(found.iter().all(Found::is_as_expected))
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<Mutation>> {
    if only.is_empty() {
        return Ok(Mutation::ALL.to_vec());
    }
    let named = |name: &String| {
        let known = Mutation::ALL.iter().find(|mutation| mutation.name() == name);
        known
            .copied()
            .with_context(|| format!("there is no mutation {name}: see simulator/MUTATIONS.md"))
    };
    only.iter().map(named).collect()
}

fn read_examples(folders: &[PathBuf]) -> anyhow::Result<Vec<Example>> {
    let own = [PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"))];
    let folders = if folders.is_empty() { &own } else { folders };
    let mut all = Vec::new();
    for folder in folders {
        all.extend(examples::read(folder)?);
    }
    Ok(all)
}

/// Does something for each mutation on so many threads; results come in the order of the mutations.
fn over(
    mutations: &[Mutation],
    threads: usize,
    each: impl Fn(Mutation) -> anyhow::Result<Found> + Sync,
) -> anyhow::Result<Vec<Found>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(mutation) = mutations.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = each(*mutation);
                    let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    results.push((*mutation, found));
                }
            });
        }
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(mutation, _)| *mutation);
    results.into_iter().map(|(_, found)| found).collect()
}
