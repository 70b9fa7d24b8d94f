//! How many taps a second a gate's process takes over HTTP, each answered when it is durable.
#![expect(clippy::float_arithmetic, reason = "figures are measurements, not money")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use super::Figure;
use super::clock::timed;
use super::gates::{self, bare_database, card};
use crate::harness::gate::{Tapped, present};

/// Taps of one client, and of eight together.
const TAPS_BY_ONE: usize = 10_000;
const TAPS_BY_EIGHT: usize = 40_000;
const CLIENTS: usize = 8;
/// Bare commits before and after each.
const BARE_COMMITS: usize = 2_000;
/// Bytes of a bare row: a tap's changeset.
const ROW_BYTES: usize = 100;

/// `tap_http_1_per_s` and `tap_http_8_per_s`: a real gate process; one client, and eight at once, each sending its next
/// tap when the last one is answered, over a connection that is kept. Cards travel: entries and exits in turn.
///
/// Floor of both: bare one-row commits a second, one after the other, with synchronous=FULL on the same disk, before
/// and after. Eight at once may be above it: their taps share commits.
///
/// # Errors
/// The gate's program is not built, or did not answer.
pub fn tap_http() -> anyhow::Result<Vec<Figure>> {
    anyhow::ensure!(
        gates::program_is_built(),
        "edge-node is not built in this profile: run `make bench`, or cargo build --release --workspace --bins"
    );
    let mut made = gates::make(1)?;
    let gate = made.gates.first_mut().context("one gate was made")?;
    gate.start()?;
    let gate = made.gates.first().context("one gate was made")?;
    let folder = made.scratch.path();
    let mut figures = Vec::new();
    for (name, clients, taps) in [
        ("tap_http_1_per_s", 1, TAPS_BY_ONE),
        ("tap_http_8_per_s", CLIENTS, TAPS_BY_EIGHT),
    ] {
        let before = bare_per_s(folder)?;
        let (opened, took) = timed(|| {
            let mut threads = Vec::new();
            let next = Arc::new(AtomicUsize::new(0));
            for _ in 0..clients {
                let (mut client, next) = (gate.client()?, Arc::clone(&next));
                threads.push(std::thread::spawn(move || -> anyhow::Result<usize> {
                    let mut opened = 0;
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= taps {
                            return Ok(opened);
                        }
                        let answer = present(&mut client, card(number)?.as_str())?;
                        let tapped = Tapped::read(&answer)?;
                        tapped.fact().context("a tap that is not durable")?;
                        opened += usize::from(tapped.opened);
                    }
                }));
            }
            let mut opened = 0;
            for thread in threads {
                opened += thread
                    .join()
                    .map_err(|_| anyhow::anyhow!("a client panicked"))??;
            }
            Ok::<_, anyhow::Error>(opened)
        });
        let opened = opened?;
        anyhow::ensure!(
            opened > taps / 2,
            "most taps were meant to open: {opened} of {taps} did"
        );
        let floor = f64::midpoint(before, bare_per_s(folder)?);
        figures.push(Figure::new(name, "1/s", per_s(taps, took), floor));
    }
    Ok(figures)
}

fn bare_per_s(folder: &Path) -> anyhow::Result<f64> {
    let bare = bare_database(folder)?;
    let mut insert = bare.prepare("INSERT INTO t (bytes) VALUES (?1)")?;
    let row = [0x5a_u8; ROW_BYTES];
    let (done, took) =
        timed(|| (0..BARE_COMMITS).try_for_each(|_| insert.execute([row.as_slice()]).map(drop)));
    done?;
    Ok(per_s(BARE_COMMITS, took))
}

fn per_s(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
