//! Figures, by hand: `cargo test --release -p edge-node --test store figures -- --ignored --nocapture`.
#![expect(clippy::disallowed_methods, reason = "measuring needs a clock")]

use std::path::Path;
use std::time::{Duration, Instant};

use edge_node::store::{SLICE_CHANGES, Store};
use rusqlite::Connection;
use sync_protocol::changeset::SiteRole;
use sync_protocol::fact::Fact;
use sync_protocol::id::NodeId;
use sync_protocol::time::{HOUR_MS, MINUTE_MS};
use tempfile::TempDir;

use crate::support::*;

const TAPS: i64 = 5_000;

fn percentiles(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let part = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{name}: p50 {:?} p99 {:?} max {:?}",
        part(50),
        part(99),
        part(100)
    );
}

fn timed(mut work: impl FnMut(i64), count: i64) -> Vec<Duration> {
    (0..count)
        .map(|turn| {
            let start = Instant::now();
            work(turn);
            start.elapsed()
        })
        .collect()
}

/// One row of 300 bytes per commit: what a tap's commit is measured against.
fn bare(folder: &Path) -> Vec<Duration> {
    let connection = Connection::open(folder.join("bare.db")).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)",
        )
        .unwrap();
    timed(
        |_| {
            connection
                .prepare_cached("INSERT INTO t (bytes) VALUES (zeroblob(300))")
                .unwrap()
                .execute([])
                .unwrap();
        },
        TAPS,
    )
}

fn taps(store: &mut Store) -> Vec<Duration> {
    timed(
        |turn| {
            let number = 1 + (turn % 500) as u32;
            let presentation = if turn % 1_000 < 500 {
                entry(number, T0 + turn * MINUTE_MS)
            } else {
                exit(number, T0 + turn * MINUTE_MS)
            };
            store.tap(&presentation, HOUR_MS).unwrap();
        },
        TAPS,
    )
}

#[test]
#[ignore = "figures, by hand"]
fn figures() {
    for folder in ["/dev/shm", env!("CARGO_TARGET_TMPDIR")] {
        let (mut town, mut hub) = (Town::new(), Hub::new());
        town.folder = TempDir::new_in(folder).unwrap();
        println!("{folder}");
        percentiles("  bare commit", bare(town.folder.path()));
        let start = Instant::now();
        let mut store = town.stocked_gate(1, "A", &mut hub);
        println!("  open and stock: {:?}", start.elapsed());
        percentiles("  tap", taps(&mut store));
        let start = Instant::now();
        for turn in 0..50 {
            let group: Vec<_> = (0..64)
                .map(|number| entry(number + 1, T0 + 9_000 * MINUTE_MS + turn))
                .collect();
            store.taps(&group, HOUR_MS).unwrap();
        }
        println!("  64 taps in a group: {:?}", start.elapsed() / 50);
        let bytes = std::fs::metadata(town.path(1)).unwrap().len();
        let connection = store.connection();
        let journal = |query: &str| -> i64 { connection.query_row(query, [], |row| row.get(0)).unwrap() };
        println!(
            "  file {bytes} bytes, {} changesets, bodies {} bytes, {} taps filed",
            journal("SELECT count(*) FROM journal"),
            journal("SELECT sum(length(body)) FROM journal"),
            journal("SELECT count(*) FROM facts_by_card"),
        );

        // Catching up: 100,000 single taps of a neighbour.
        let mut pen = Pen::new(NodeId(7), SiteRole::Gate(terminal("A")), 7, 9);
        let sample = store.recent_taps(1).unwrap()[0].tap;
        for turn in 0..100_000_u32 {
            let tap = sync_protocol::fact::Tap {
                card: card(turn % 9_999),
                ..sample
            };
            pen.facts(T0 + i64::from(turn), [Fact::Tap(tap)]);
        }
        for (name, slice) in [("slices of 64", SLICE_CHANGES), ("slices of 4,096", 4_096)] {
            let mut fresh = town.gate(if slice == SLICE_CHANGES { 2 } else { 3 }, "A");
            let start = Instant::now();
            let verified = fresh.verify(&pen.whole(), &town.trust).unwrap();
            println!("  verify 100,000: {:?}", start.elapsed());
            while !fresh.ingest_slice(&verified, slice).unwrap().complete {}
            println!("  catch up with 100,000 in {name}: {:?}", start.elapsed());
            fresh.checkpoint().unwrap();
            let path = town.path(if slice == SLICE_CHANGES { 2 } else { 3 });
            println!(
                "  bytes a tap: {}",
                std::fs::metadata(path).unwrap().len() / 100_000
            );
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rss = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("{rss}");
}
