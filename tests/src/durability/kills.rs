//! `kill -9`, thousands of times, over many short runs: each run a database, each of its starts killed at a random
//! moment of its life, the opening included.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::acknowledged::{Acknowledged, Word};
use super::audit::Audit;
use super::town::{self, Everybody};
use super::writer;
use crate::harness::random::Random;

/// Starts in one run; then a new database begins.
const STARTS_PER_RUN: u64 = 50;
/// So many of a thousand starts are killed while they open the database.
const KILLED_WHILE_OPENING_PERMILLE: u64 = 250;
/// From the spawning of a process on, in which most of them have not finished opening, microseconds.
const OPENING_US: u64 = 8_000;
/// The longest life after the opening, microseconds.
const LIFE_US: u64 = 8_000;
/// After so many of a thousand deaths the file is opened and checked at once; after the others the next start finds
/// it as the death left it. The last death of a run is always followed by a look.
const LOOKED_AT_PERMILLE: u64 = 500;
/// Steps of a start that nobody kills. No kill comes so late.
const STEPS: u64 = 1_000_000;

/// What is asked for.
pub struct Plan {
    /// The program to start: called with `writer FOLDER START STEPS`, it runs [`writer::write`].
    pub program: PathBuf,
    /// Where databases are made.
    pub folder: PathBuf,
    /// How many kills.
    pub kills: u64,
    /// Decides the moments and what is done.
    pub seed: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Databases.
    pub runs: u64,
    /// Kills.
    pub kills: u64,
    /// Of those, before the store was open.
    pub while_opening: u64,
    /// Of those, after at least one acknowledged tap.
    pub amid_taps: u64,
    /// Taps acknowledged; every one was found again.
    pub taps: u64,
    /// Taps found that nobody had been told of.
    pub unacknowledged: u64,
    /// Changesets of starts of ours whose rows were made anew from the journal when we opened the file.
    pub replayed: u64,
    /// Complete looks at a database.
    pub looks: u64,
}

/// Kills as often as planned.
///
/// # Errors
/// A tap was lost, or anything else that [`Audit`] finds. The database is left where it is.
pub fn kill(plan: &Plan, mut progress: impl FnMut(&Counts)) -> anyhow::Result<Counts> {
    let templates = Templates::make(&plan.folder)?;
    let mut random = Random::new(plan.seed);
    let mut counts = Counts::default();
    while counts.kills < plan.kills {
        let folder = plan.folder.join(format!("run-{}", counts.runs));
        templates.copy(&folder)?;
        let starts = STARTS_PER_RUN.min(plan.kills - counts.kills);
        run(plan, &folder, starts, &mut random, &mut counts).with_context(|| {
            format!(
                "seed {}, run {}, kill {}: the database is in {}",
                plan.seed,
                counts.runs,
                counts.kills,
                folder.display()
            )
        })?;
        std::fs::remove_dir_all(&folder).context("cannot remove a run's folder")?;
        counts.runs += 1;
        progress(&counts);
    }
    Ok(counts)
}

fn run(
    plan: &Plan,
    folder: &Path,
    starts: u64,
    random: &mut Random,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let database = folder.join(writer::DATABASE);
    let mut acknowledged = Acknowledged::default();
    let mut audit = Audit::new(&folder.join("witness.db"))?;
    for start in 1..=starts {
        live(plan, folder, start, random, &mut acknowledged, counts)?;
        counts.kills += 1;
        if start == starts || random.permille(LOOKED_AT_PERMILLE) {
            let found = audit.look(&database, STARTS_PER_RUN + start, &acknowledged)?;
            counts.looks += 1;
            counts.replayed += found.replayed;
            if start == starts {
                // Once more and from the beginning: nothing that was seen before has changed since.
                let found =
                    Audit::new(&folder.join("second-witness.db"))?.look(&database, 0, &acknowledged)?;
                counts.taps += acknowledged.taps.len() as u64;
                counts.unacknowledged += found.unacknowledged as u64;
            }
        }
    }
    Ok(())
}

/// One start and its end.
fn live(
    plan: &Plan,
    folder: &Path,
    start: u64,
    random: &mut Random,
    acknowledged: &mut Acknowledged,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let mut child = spawn(&plan.program, folder, start)?;
    let mut pipe = child.stdout.take().context("the writer has a pipe")?;
    let mut words = 0;
    if random.permille(KILLED_WHILE_OPENING_PERMILLE) {
        std::thread::sleep(Duration::from_micros(random.below(OPENING_US)));
    } else {
        words += take_one(&mut pipe, acknowledged)?;
        std::thread::sleep(Duration::from_micros(random.below(LIFE_US)));
    }
    child.kill().context("cannot kill the writer")?;
    while take_one(&mut pipe, acknowledged)? == 1 {
        words += 1;
    }
    let ended = child.wait().context("cannot wait for the writer")?;
    ensure!(ended.code().is_none(), "the writer ended by itself: {ended}");
    counts.while_opening += u64::from(words == 0);
    counts.amid_taps += u64::from(words > 1);
    Ok(())
}

fn take_one(pipe: &mut impl Read, acknowledged: &mut Acknowledged) -> anyhow::Result<u64> {
    match Word::hear(pipe)? {
        Some(word) => acknowledged.take(word).map(|()| 1),
        None => Ok(0),
    }
}

/// What [`Audit`] says of a database that was damaged with this SQL, whose `?1` is the ordinal of the gate's own site;
/// nothing if it did not notice. For those who doubt it.
///
/// # Errors
/// The database cannot be made, or was found bad before it was damaged.
pub fn look_at_damaged(folder: &Path, sql: &str) -> anyhow::Result<String> {
    Templates::make(folder)?.copy(folder)?;
    let mut words = Vec::new();
    writer::write(folder, 1, 12, &mut words)?;
    let mut acknowledged = Acknowledged::default();
    let mut words = words.as_slice();
    while take_one(&mut words, &mut acknowledged)? == 1 {}
    let database = folder.join(writer::DATABASE);
    Audit::new(&folder.join("witness.db"))?.look(&database, 2, &acknowledged)?;
    let connection = rusqlite::Connection::open(&database)?;
    let ordinal: i64 = connection.query_row("SELECT max(ordinal) FROM sites WHERE own = 1", [], |row| {
        row.get(0)
    })?;
    connection.execute_batch(&sql.replace("?1", &ordinal.to_string()))?;
    drop(connection);
    let looked = Audit::new(&folder.join("second-witness.db"))?.look(&database, 3, &acknowledged);
    Ok(looked.err().map(|error| format!("{error:#}")).unwrap_or_default())
}

/// Starts the writer on the database in `folder`.
pub(super) fn spawn(program: &Path, folder: &Path, start: u64) -> anyhow::Result<Child> {
    Command::new(program)
        .arg("writer")
        .arg(folder)
        .args([start.to_string(), STEPS.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// Files that every run begins with: made once, copied often.
pub(super) struct Templates(PathBuf);

impl Templates {
    pub(super) fn make(folder: &Path) -> anyhow::Result<Templates> {
        let templates = folder.join("templates");
        std::fs::create_dir_all(&templates)
            .with_context(|| format!("cannot make {}", templates.display()))?;
        let (stock, news) = town::others(&templates)?;
        town::write_runs(&templates.join(writer::NEWS), &news)?;
        let mut gate = town::open(&templates.join(writer::DATABASE), town::GATE, u64::MAX)?;
        for run in &stock {
            gate.ingest(run, &Everybody)?;
        }
        gate.close()?;
        let witnesses = ["witness.db", "second-witness.db"];
        for witness in witnesses {
            town::open(&templates.join(witness), town::WITNESS, u64::MAX)?.close()?;
        }
        Ok(Templates(templates))
    }

    /// Copies them into a new folder.
    pub(super) fn copy(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for name in [writer::DATABASE, writer::NEWS, "witness.db", "second-witness.db"] {
            std::fs::copy(self.0.join(name), folder.join(name))
                .with_context(|| format!("cannot copy {name}"))?;
        }
        Ok(())
    }
}
