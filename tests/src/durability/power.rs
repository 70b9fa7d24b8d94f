//! The power goes under an ext4 on a loop device: the writers are stopped, the file system is shut down without
//! writing its log, and mounted again, which replays what had reached the disk.
//!
//! Beside the gate's store works a [`control`]: the same disk, SQLite's WAL as well, but `synchronous=NORMAL`. It must
//! lose rows that it acknowledged, or the cuts prove nothing.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::acknowledged::{Acknowledged, Word};
use super::audit::Audit;
use super::kills::{Templates, spawn};
use super::writer;
use crate::harness::random::Random;
use crate::harness::{keeper, process};

/// Cuts on one file system; then a new one is made.
const CUTS_PER_DISK: u64 = 20;
/// Bytes of a disk.
const DISK_BYTES: u64 = 96 << 20;
/// The longest life after both writers work, microseconds.
const LIFE_US: u64 = 40_000;
/// The control's database.
const CONTROL: &str = "control.db";
/// `ioctl(EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH)` on a folder: no crate offers it without `unsafe`.
const SHUTDOWN: &str = r#"
    open(my $folder, "<", $ARGV[0]) or die "$ARGV[0]: $!\n";
    my $no_log_flush = pack("L", 2);
    ioctl($folder, 0x8004587d, $no_log_flush) or die "cannot shut down $ARGV[0]: $!\n";
"#;

/// What is asked for.
pub struct Plan {
    /// The program to start: called with `writer FOLDER START STEPS`, it runs [`writer::write`]; with
    /// `control FOLDER`, [`control`].
    pub program: PathBuf,
    /// Where disks are made, and what need not survive.
    pub folder: PathBuf,
    /// How many power cuts.
    pub cuts: u64,
    /// Decides the moments and what is done.
    pub seed: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Power cuts.
    pub cuts: u64,
    /// Taps acknowledged by the gate's store; every one was found again.
    pub taps: u64,
    /// Taps found that nobody had been told of.
    pub unacknowledged: u64,
    /// Rows acknowledged by the control.
    pub control_rows: u64,
    /// Of those, lost.
    pub control_lost: u64,
    /// Cuts that cost the control at least one row.
    pub control_losses: u64,
}

/// Cuts the power as often as planned; `Err` with the reason where this machine cannot do that.
///
/// # Errors
/// The store lost something that it acknowledged, or anything else that [`Audit`] finds.
pub fn cut(plan: &Plan, mut progress: impl FnMut(&Counts)) -> anyhow::Result<Result<Counts, String>> {
    let templates = Templates::make(&plan.folder)?;
    let mut random = Random::new(plan.seed);
    let mut counts = Counts::default();
    while counts.cuts < plan.cuts {
        let folder = plan.folder.join(format!("disk-{}", counts.cuts));
        let mut disk = match LoopDisk::make(&folder)? {
            Ok(disk) => disk,
            Err(reason) => return Ok(Err(reason)),
        };
        let on_it = disk.mounted.join("gate");
        templates.copy(&on_it)?;
        process::run(Command::new("sync").arg("-f").arg(&disk.mounted))?;
        // The witness must not lose what it has seen.
        let mut audit = Audit::new(&folder.join("witness.db"))?;
        let mut acknowledged = Acknowledged::default();
        let mut unacknowledged = 0;
        for start in 1..=CUTS_PER_DISK.min(plan.cuts - counts.cuts) {
            let control = live(plan, &mut disk, start, &mut random, &mut acknowledged)?;
            counts.cuts += 1;
            let looked = audit.look(
                &on_it.join(writer::DATABASE),
                CUTS_PER_DISK + start,
                &acknowledged,
            );
            let found = looked.with_context(|| format!("seed {}, cut {}", plan.seed, counts.cuts))?;
            unacknowledged = found.unacknowledged as u64;
            counts.control_rows += control.acknowledged;
            counts.control_lost += control.lost;
            counts.control_losses += u64::from(control.lost > 0);
        }
        counts.taps += acknowledged.taps.len() as u64;
        counts.unacknowledged += unacknowledged;
        progress(&counts);
        disk.unmount()?;
    }
    Ok(Ok(counts))
}

/// Both writers work until the power goes; then it is back.
fn live(
    plan: &Plan,
    disk: &mut LoopDisk,
    start: u64,
    random: &mut Random,
    acknowledged: &mut Acknowledged,
) -> anyhow::Result<Control> {
    let folder = disk.mounted.join("gate");
    let mut control = Command::new(&plan.program)
        .arg("control")
        .arg(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the control")?;
    let mut gate = spawn(&plan.program, &folder, start)?;
    let mut gate_pipe = gate.stdout.take().context("the writer has a pipe")?;
    let mut control_pipe = control.stdout.take().context("the control has a pipe")?;
    let mut last = next_row(&mut control_pipe)?.context("the control does not work")?;
    let before = last - 1;
    for _ in 0..2 {
        let word = Word::hear(&mut gate_pipe)?.context("the writer does not work")?;
        acknowledged.take(word)?;
    }
    std::thread::sleep(Duration::from_micros(random.below(LIFE_US)));

    stop(&gate)?;
    stop(&control)?;
    disk.cut_power()?;
    for child in [&mut gate, &mut control] {
        child.kill().context("cannot end a writer")?;
        child.wait().context("cannot wait for a writer")?;
    }
    disk.unmount()?;
    while let Some(word) = Word::hear(&mut gate_pipe)? {
        acknowledged.take(word)?;
    }
    while let Some(row) = next_row(&mut control_pipe)? {
        last = row;
    }
    disk.mount()?;
    let held = control_rows(&folder)?;
    Ok(Control {
        acknowledged: last - before,
        lost: last.saturating_sub(held),
    })
}

/// The process does nothing more: what it acknowledged until now is all.
fn stop(child: &Child) -> anyhow::Result<()> {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::STOP).context("cannot stop a writer")?;
    let stopped = waitpid(Some(pid), WaitOptions::UNTRACED).context("cannot wait for a writer to stop")?;
    ensure!(
        stopped.is_some_and(|(_, status)| status.stopped()),
        "a writer ended by itself"
    );
    Ok(())
}

struct Control {
    acknowledged: u64,
    lost: u64,
}

/// The control's process: a row a commit with `synchronous=NORMAL`, each acknowledged by its number, without end.
///
/// # Errors
/// SQLite failed, or nobody listens.
pub fn control(folder: &Path, to: &mut impl std::io::Write) -> anyhow::Result<()> {
    let connection = Connection::open(folder.join(CONTROL))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
    )?;
    let mut insert = connection.prepare("INSERT INTO t (bytes) VALUES (zeroblob(100))")?;
    loop {
        insert.execute([])?;
        to.write_all(&connection.last_insert_rowid().to_le_bytes())?;
        to.flush()?;
    }
}

fn next_row(pipe: &mut impl Read) -> anyhow::Result<Option<u64>> {
    let mut row = [0; 8];
    match pipe.read_exact(&mut row) {
        Ok(()) => Ok(Some(u64::from_le_bytes(row))),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error).context("the control's pipe"),
    }
}

/// How many rows the control's database has; none where not even the table survived.
fn control_rows(folder: &Path) -> anyhow::Result<u64> {
    let connection = Connection::open(folder.join(CONTROL))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 't'", [], |row| {
            row.get(0)
        })?;
    if tables == 0 {
        return Ok(0);
    }
    let rows: i64 = connection.query_row("SELECT coalesce(max(id), 0) FROM t", [], |row| row.get(0))?;
    Ok(rows.unsigned_abs())
}

/// An ext4 in a file, mounted through a loop device. Dropping it unmounts it.
struct LoopDisk {
    image: PathBuf,
    mounted: PathBuf,
}

impl LoopDisk {
    /// Makes one in `folder`; the inner `Err` says why that cannot be done here.
    fn make(folder: &Path) -> anyhow::Result<Result<LoopDisk, String>> {
        let (image, mounted) = (folder.join("image"), folder.join("mounted"));
        std::fs::create_dir_all(&mounted).with_context(|| format!("cannot make {}", mounted.display()))?;
        let file =
            std::fs::File::create(&image).with_context(|| format!("cannot make {}", image.display()))?;
        file.set_len(DISK_BYTES)
            .context("cannot make the image as large as it must be")?;
        let make = ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
        if let Err(reason) = process::run(Command::new("mkfs.ext4").args(make).arg(&image)) {
            return Ok(Err(format!("no ext4 can be made here: {reason:#}")));
        }
        if let Err(reason) = process::run(Command::new("perl").args(["-e", "1"])) {
            return Ok(Err(format!("no perl to call ioctl with: {reason:#}")));
        }
        let mut disk = LoopDisk { image, mounted };
        if let Err(reason) = disk.mount() {
            return Ok(Err(format!("no loop device can be mounted here: {reason:#}")));
        }
        keeper::unmount(&disk.mounted)?;
        Ok(Ok(disk))
    }

    fn mount(&mut self) -> anyhow::Result<()> {
        let mut mount = Command::new("mount");
        process::run(mount.args(["-o", "loop"]).arg(&self.image).arg(&self.mounted)).map(drop)
    }

    fn unmount(&self) -> anyhow::Result<()> {
        process::run(Command::new("umount").arg(&self.mounted)).map(drop)
    }

    /// Nothing that is not on the disk yet gets there.
    fn cut_power(&self) -> anyhow::Result<()> {
        process::run(Command::new("perl").args(["-e", SHUTDOWN]).arg(&self.mounted)).map(drop)
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        let _gone_at_the_latest_with_this_process =
            process::finish(Command::new("umount").arg("-l").arg(&self.mounted));
    }
}
