//! Figures, by hand: `cargo test --release -p edge-node --test store figures -- --ignored --nocapture`.
#![expect(clippy::disallowed_methods, reason = "measuring needs a clock")]

use std::path::Path;
use std::time::{Duration, Instant};

use edge_node::store::{SLICE_CHANGES, Store};
use rusqlite::Connection;
use sync_protocol::changeset::SiteRole;
use sync_protocol::fact::Fact;
use sync_protocol::id::{GateId, NodeId, Seq};
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

/// One row of 300 bytes per commit: what a tap's commit is measured against.
fn bare(folder: &Path) -> Connection {
    let connection = Connection::open(folder.join("bare.db")).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)",
        )
        .unwrap();
    connection
}

/// Bare commits and taps in turn, so that both meet the same disk and the same neighbours.
fn compare(bare: &Connection, store: &mut Store) -> (Vec<Duration>, Vec<Duration>) {
    let mut insert = bare
        .prepare("INSERT INTO t (bytes) VALUES (zeroblob(300))")
        .unwrap();
    let mut times = (Vec::new(), Vec::new());
    for turn in 0..TAPS {
        let number = 1 + (turn % 500) as u32;
        let presentation = if turn % 1_000 < 500 {
            entry(number, T0 + turn * MINUTE_MS)
        } else {
            exit(number, T0 + turn * MINUTE_MS)
        };
        let start = Instant::now();
        insert.execute([]).unwrap();
        times.0.push(start.elapsed());
        let start = Instant::now();
        store.tap(&presentation, HOUR_MS).unwrap();
        times.1.push(start.elapsed());
    }
    times
}

#[test]
#[ignore = "figures, by hand"]
fn figures() {
    for folder in ["/dev/shm", env!("CARGO_TARGET_TMPDIR")] {
        let (mut town, mut hub) = (Town::new(), Hub::new());
        town.folder = TempDir::new_in(folder).unwrap();
        println!("{folder}");
        let start = Instant::now();
        let mut store = town.stocked_gate(1, "A", &mut hub);
        println!("  open and stock: {:?}", start.elapsed());
        let (bare, taps) = compare(&bare(town.folder.path()), &mut store);
        percentiles("  bare commit", bare);
        percentiles("  tap", taps);
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

        // Catching up: 100,000 single taps of a neighbour, in runs as long as they may be.
        let mut pen = Pen::new(NodeId(7), SiteRole::Gate(terminal("A")), 7, 9);
        let sample = store.recent_taps(1).unwrap()[0].tap;
        let mut runs = Vec::new();
        for turn in 0..100_000_u32 {
            let tap = sync_protocol::fact::Tap {
                card: card(turn % 9_999),
                gate: GateId(7),
                ..sample
            };
            let last = pen.facts(T0 + i64::from(turn), [Fact::Tap(tap)]).last();
            if last.0.is_multiple_of(10_000) {
                runs.push(pen.run(Seq(last.0 - 9_999), last));
            }
        }
        for (name, number, slice) in [("slices of 64", 2, SLICE_CHANGES), ("slices of 4,096", 3, 4_096)] {
            let mut fresh = town.gate(number, "A");
            let start = Instant::now();
            for run in &runs {
                let verified = fresh.verify(run, &town.trust).unwrap();
                while !fresh.ingest_slice(&verified, slice).unwrap().complete {}
            }
            println!("  catch up with 100,000 in {name}: {:?}", start.elapsed());
            fresh.checkpoint().unwrap();
            let bytes = std::fs::metadata(town.path(number)).unwrap().len();
            println!("  bytes a tap: {}", bytes / 100_000);
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rss = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("{rss}");
}
