//! How much of a network's day the simulator carries out in a second. The floor of each figure is the bare folding of
//! as many facts on one core, measured in the same run.
#![expect(clippy::float_arithmetic, reason = "figures are measurements, not money")]

use std::time::Duration;

use anyhow::ensure;
use simulator::report::Verdict;
use simulator::run::play;
use simulator::scenario::Scenario;

use super::clock::timed;
use super::{Figure, fold};

/// Worlds of the swarm that are carried out.
const WORLDS: u64 = 40;

/// One service day of 60 gates on real SQLite stores: the library's `sample-day`.
pub fn sample_day() -> anyhow::Result<Vec<Figure>> {
    day("sim_sample_day_s", "sample-day")
}

/// One service day of a city's railways on the model store: the library's `jakarta-day`.
pub fn jakarta_day() -> anyhow::Result<Vec<Figure>> {
    day("sim_jakarta_day_s", "jakarta-day")
}

/// Small worlds of the swarm, built, carried out and checked, per second, on all cores as `simulator sweep` does.
pub fn sweep() -> anyhow::Result<Vec<Figure>> {
    let threads = std::thread::available_parallelism()?.get();
    let (taps, took) = timed(|| {
        std::thread::scope(|scope| {
            let worlds = |first: usize| scope.spawn(move || worlds((first as u64..WORLDS).step_by(threads)));
            let running: Vec<_> = (0..threads).map(worlds).collect();
            let taps = running.into_iter().map(|worlds| {
                let ended = worlds.join();
                ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            taps.sum::<anyhow::Result<u64>>()
        })
    });
    let floor_s = folding_s(taps?)? / threads as f64;
    let per_s = |seconds: f64| WORLDS as f64 / seconds;
    let value = per_s(took.as_secs_f64());
    Ok(vec![Figure::new(
        "sweep_seeds_per_s",
        "1/s",
        value,
        per_s(floor_s),
    )])
}

/// Carries out these seeds one after the other; how many taps they had.
fn worlds(seeds: impl Iterator<Item = u64>) -> anyhow::Result<u64> {
    let mut taps = 0;
    for seed in seeds {
        taps += played(simulator::swarm::draw(seed).scenario()?, seed)?;
    }
    Ok(taps)
}

fn day(figure: &'static str, scenario: &str) -> anyhow::Result<Vec<Figure>> {
    Ok(vec![measured(figure, Scenario::find(scenario)?)?])
}

/// How long a scenario takes.
pub fn measured(figure: &'static str, scenario: Scenario) -> anyhow::Result<Figure> {
    let (taps, took) = timed(|| played(scenario, 1));
    Ok(Figure::new(figure, "s", took.as_secs_f64(), folding_s(taps?)?))
}

/// Carries a scenario out with all its checks; how many taps it had.
fn played(scenario: Scenario, seed: u64) -> anyhow::Result<u64> {
    let (report, _) = play(scenario, seed)?;
    ensure!(report.verdict != Verdict::Fail, "seed {seed}: a check failed");
    Ok(report.taps)
}

/// How long the bare folding of so many facts takes, seconds.
fn folding_s(facts: u64) -> anyhow::Result<f64> {
    let per_s = fold::in_order()?.first().map_or(1.0, |figure| figure.value);
    Ok(Duration::from_secs(facts).as_secs_f64() / per_s)
}
