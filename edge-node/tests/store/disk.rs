//! A disk without room, and the WAL file's size.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use edge_node::store::{BallastState, Disk, Fault, IngestError, Opening, Store};
use sync_protocol::decide::{GateType, Presentation};
use sync_protocol::fact::{Direction, Reason};
use sync_protocol::id::Seq;
use sync_protocol::money::Money;
use sync_protocol::time::{MINUTE_MS, SECOND_MS};
use tempfile::TempDir;

use crate::support::*;

const BALLAST: u64 = 1 << 20;

/// A disk of its own of a few MiB, if this user may mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk(folder)),
            other => {
                eprintln!("SKIPPED: no small disk can be mounted here: {other:?}");
                None
            }
        }
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("gate.db")
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Another program takes all the room there is.
    fn fill(&self) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            let piece = vec![1_u8; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn opening_with_ballast(random: u8) -> Opening {
    Opening {
        ballast_bytes: BALLAST,
        ..opening(1, "A", GateType::Bidirectional, random)
    }
}

/// Taps one after the other, out and in, until one fails.
fn tap_until_full(store: &mut Store, tap: &mut i64) -> edge_node::store::StoreError {
    loop {
        assert!(*tap < 100_000, "the disk never fills");
        match store.tap(&nth(*tap), 0) {
            Ok(_) => *tap += 1,
            Err(error) => return error,
        }
    }
}

fn nth(tap: i64) -> Presentation {
    let direction = if tap % 2 == 0 {
        Direction::Entry
    } else {
        Direction::Exit
    };
    at(1, direction, T0 + tap * 10 * MINUTE_MS)
}

#[test]
fn taps_have_the_ballast_and_beyond_it_exits_open() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut hub = Hub::new();
    stock(&mut hub);
    let trust = Authority::new();
    let mut store = Store::open(disk.database(), opening_with_ballast(1)).unwrap();
    let ballast = PathBuf::from(format!("{}-ballast", disk.database().display()));
    assert_eq!(fs::metadata(&ballast).unwrap().len(), BALLAST);
    let present = Disk {
        ballast: BallastState::Present,
        full: false,
    };
    assert_eq!(store.disk(), present);
    store.ingest(&hub.decisions.whole(), &trust).unwrap();
    store.ingest(&hub.settled.whole(), &trust).unwrap();
    let mut tap = 0;
    store.tap(&nth(tap), 0).unwrap();

    // Another program fills the disk: what comes from others waits, taps go on from the ballast.
    disk.fill();
    let run = hub.state(T0, [top_up(1, 1_000, "while the disk is full")]);
    let refused = store.ingest(&run, &trust).unwrap_err();
    assert!(matches!(&refused, IngestError::Store(error) if matches!(error.fault, Fault::Reserved)));
    assert!(refused.to_string().contains("free some space"), "{refused}");
    assert!(ballast.exists(), "refusing others costs no ballast");
    while store.counters().ballast_freed == 0 {
        tap += 1;
        store.tap(&nth(tap), 0).unwrap();
    }
    assert_eq!(
        store.disk(),
        Disk {
            ballast: BallastState::Freed,
            full: false
        }
    );
    assert!(!ballast.exists());
    assert!(store.ingest(&run, &trust).is_err(), "the freed room is for taps");
    for _ in 0..200 {
        tap += 1;
        store.tap(&nth(tap), 0).unwrap();
    }

    // Without the ballast, too.
    tap += 1;
    disk.fill();
    let error = tap_until_full(&mut store, &mut tap);
    assert!(error.is_disk_full(), "{error}");
    assert_eq!(
        store.disk(),
        Disk {
            ballast: BallastState::Freed,
            full: true
        }
    );
    let committed = u64::try_from(tap).unwrap();
    assert_eq!(
        store.head(store.site()).seq,
        Seq(committed),
        "what failed left nothing"
    );
    let before = store.card(card(1)).unwrap();
    let at_ms = T0 + (tap + 10) * 10 * MINUTE_MS;
    let exit = store.decide_only(&exit(1, at_ms), 0);
    assert_eq!(
        (exit.decision.tap.accepted, exit.decision.tap.reason),
        (true, Reason::ExitOpen),
        "I7"
    );
    let entry = store.decide_only(&entry(1, at_ms), 0);
    assert!(!entry.decision.tap.accepted);
    assert_eq!(entry.decision.tap.hold, Money::ZERO);
    assert_eq!(store.card(card(1)).unwrap(), before, "nothing is changed by it");

    // There is room again.
    disk.empty();
    store.tap(&nth(tap), 0).unwrap();
    assert!(!store.disk().full);
    store.file().unwrap();
    assert_eq!(store.disk(), present);
    assert_eq!(store.counters().ballast_made, 2);
    store.ingest(&run, &trust).unwrap();
    let site = store.site();
    drop(store);
    let store = Store::open(disk.database(), opening_with_ballast(2)).unwrap();
    assert_eq!(
        store.head(site).seq,
        Seq(committed + 1),
        "every acknowledged tap is there"
    );
    assert_eq!(store.counters().ballast_made, 0, "it is there already");
}

#[test]
fn a_gate_starts_on_a_full_disk_at_the_price_of_the_ballast() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut store = Store::open(disk.database(), opening_with_ballast(1)).unwrap();
    let site = store.site();
    for tap in 0..30 {
        store.taps(&[exit(1, T0 + tap * SECOND_MS)], 0).unwrap();
    }
    drop(store);
    disk.fill();
    let mut store = Store::open(disk.database(), opening_with_ballast(2)).unwrap();
    assert_eq!(store.head(site).seq, Seq(30));
    store.tap(&exit(1, T0 + MINUTE_MS), 0).unwrap();
    assert_eq!(store.disk().ballast, BallastState::Freed);
    assert!(store.counters().ballast_freed == 1);
    store.file().unwrap();
    assert_eq!(store.disk().ballast, BallastState::Freed, "no room for it yet");
    // Without any room a start says so.
    drop(store);
    disk.fill();
    let error = Store::open(disk.database(), opening_with_ballast(3))
        .err()
        .unwrap();
    assert!(error.is_disk_full(), "{error}");
    disk.empty();
    let store = Store::open(disk.database(), opening_with_ballast(4)).unwrap();
    assert_eq!(store.disk().ballast, BallastState::Present);
}

#[test]
fn the_ballast_is_as_large_as_configured_and_of_real_blocks() {
    use std::os::unix::fs::MetadataExt;
    let mut town = Town::new();
    let ballast = PathBuf::from(format!("{}-ballast", town.path(1).display()));
    let mut open = |bytes: u64| {
        let opening = town.opening(1, "A", GateType::Bidirectional);
        let opening = Opening {
            ballast_bytes: bytes,
            ..opening
        };
        Store::open(town.path(1), opening).unwrap().disk().ballast
    };
    assert_eq!(open(0), BallastState::None);
    assert!(!ballast.exists());
    for bytes in [300_000, 100_000, 200_000] {
        assert_eq!(open(bytes), BallastState::Present);
        let found = fs::metadata(&ballast).unwrap();
        assert_eq!(found.len(), bytes);
        assert!(found.blocks() * 512 >= bytes);
    }
    // A file that only looks like it.
    File::create(&ballast).unwrap().set_len(200_000).unwrap();
    assert_eq!(open(200_000), BallastState::Present);
    assert!(fs::metadata(&ballast).unwrap().blocks() * 512 >= 200_000);
    assert_eq!(open(0), BallastState::None);
    assert!(!ballast.exists(), "what is not configured any more is removed");
}

#[test]
fn no_tap_runs_a_checkpoint_and_the_wal_file_stays_bounded() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    store.checkpoint().unwrap();
    let (database, wal) = (town.path(1), format!("{}-wal", town.path(1).display()));
    let content = |path: &Path| blake3::hash(&fs::read(path).unwrap());
    let before = content(&database);
    let mut tap = 0;
    let mut taps = |store: &mut Store, count: i64| {
        for _ in 0..count {
            let presentation = entry(u32::try_from(tap % 3_000).unwrap(), T0 + tap * SECOND_MS);
            store.taps(&[presentation], 0).unwrap();
            tap += 1;
        }
    };
    taps(&mut store, 2_000);
    assert_eq!(content(&database), before, "taps touch the WAL file only");
    let mut longest = 0;
    for _ in 0..12_000 {
        taps(&mut store, 1);
        store.seal().unwrap();
        longest = longest.max(fs::metadata(&wal).unwrap().len());
    }
    assert!(
        longest > 8 << 20,
        "sealing leaves it alone until the hard limit: {longest}"
    );
    assert!(longest < 18 << 20, "and no longer: {longest}");
    assert_ne!(content(&database), before);
    assert_eq!(store.counters().checkpoint_failures, 0);
}
