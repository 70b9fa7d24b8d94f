//! Several hub processes that take the same changesets at once.

use hub::ledger::memory::MemoryLedger;
use hub::ledger::postgres::PostgresLedger;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sync_protocol::changeset::{Change, Content, Run};
use sync_protocol::rows::{RowChange, Value, key};

use crate::database::{Database, count};
use crate::network::*;
use crate::pair::NOW_MS;
use crate::random::history;

const PROCESSES: usize = 4;
/// Changesets in one run, and runs in one call.
const PIECE: u64 = 3;
const BATCH: usize = 5;

/// Sites whose rows concern the same keys.
fn sites() -> Vec<Site> {
    let mut runner = TestRunner::deterministic();
    let tree = history(6, 300, 60).new_tree(&mut runner).unwrap();
    let mut sites = tree.current().sites();
    for (number, site) in (1_i64..).zip(&mut sites) {
        let row = |id: i64| {
            Change::new(&Content::Row(RowChange {
                table: "gates".to_owned(),
                key: key::pack(&[Value::Integer(id)]).unwrap(),
                column: "status".to_owned(),
                value: Value::Text(format!("status {number}")),
                col_version: 1 + number % 3,
                causal_length: 1,
                seq: 0,
            }))
        };
        site.write(0, vec![row(1), row(2)]);
        site.write(0, vec![row(2), row(3), row(1)]);
    }
    sites
}

/// All logs in overlapping pieces, sites taking turns, each process beginning elsewhere.
fn pieces(sites: &[Site], process: usize) -> Vec<Run> {
    let longest = sites.iter().map(|site| site.bodies.len() as u64).max().unwrap();
    let mut runs = Vec::new();
    for first in (1..=longest).step_by(PIECE as usize - 1) {
        for turn in 0..sites.len() {
            let site = &sites[(turn + process * 2) % sites.len()];
            let last = (first + PIECE - 1).min(site.bodies.len() as u64);
            if first <= last {
                runs.push(site.run(first, last));
            }
        }
    }
    runs
}

async fn take_all(ledger: PostgresLedger, runs: Vec<Run>) {
    for batch in runs.chunks(BATCH) {
        loop {
            match ledger.ingest(batch, &Roster).await {
                Ok(ingested) => {
                    assert_eq!(ingested.rejected, 0);
                    break;
                }
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn overlapping_runs_that_come_to_several_processes_at_once_are_taken_once() {
    let database = Database::new("overlap").await;
    let sites = sites();
    let mut tasks = Vec::new();
    for process in 0..PROCESSES {
        let runs = pieces(&sites, process);
        tasks.push(tokio::spawn(take_all(database.ledger().await, runs)));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let ledger = database.ledger().await;
    let mut memory = MemoryLedger::default();
    let logs: Vec<Run> = sites.iter().map(Site::log).collect();
    memory.ingest(&logs, &Roster).unwrap();
    assert_eq!(ledger.have().await.unwrap(), *memory.have());
    assert_eq!(&ledger.rows().await.unwrap(), memory.rows());
    let facts = count(ledger.pool(), "SELECT count(*) FROM facts").await;
    assert_eq!(facts as u64, memory.counters().facts);
    let waiting = count(ledger.pool(), "SELECT count(DISTINCT (site, seq)) FROM arrivals").await;
    assert_eq!(waiting as u64, ledger.waiting().await.unwrap());
    assert_eq!(waiting as usize, memory.waiting_count());
    let gaps = count(ledger.pool(), "SELECT max(position) - count(*) FROM outbox").await;
    assert_eq!(gaps, 0, "positions have no gaps");
    let head = count(ledger.pool(), "SELECT position FROM outbox_head").await;
    assert_eq!(head, count(ledger.pool(), "SELECT count(*) FROM outbox").await);

    let lease = ledger
        .acquire_lease("one", HUB_KEY.0, &HUB_KEY.0.0, [[1; 16], [2; 16]])
        .await
        .unwrap()
        .unwrap();
    memory.open_term(HUB_KEY.0, &HUB_KEY.0.0, [[1; 16], [2; 16]]);
    while ledger.is_waiting().await.unwrap() {
        ledger.settle(&lease, 50, NOW_MS, &HUB_KEY).await.unwrap();
    }
    memory.settle(100_000, NOW_MS, &HUB_KEY).unwrap();
    ledger.audit().await.unwrap();
    for card in memory.cards() {
        let found = ledger.card_state(card).await.unwrap().unwrap();
        let expected = memory.card_state(card).unwrap();
        assert_eq!(found.state, expected.state);
        assert_eq!(
            (found.facts, found.facts_hash),
            (expected.facts, expected.facts_hash)
        );
    }
    ledger.pool().close().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn facts_are_settled_while_others_are_taken() {
    let database = Database::new("both").await;
    let sites = sites();
    let ledger = database.ledger().await;
    let lease = ledger
        .acquire_lease("one", HUB_KEY.0, &HUB_KEY.0.0, [[1; 16], [2; 16]])
        .await
        .unwrap()
        .unwrap();
    let mut tasks = Vec::new();
    for process in 0..2 {
        let runs = pieces(&sites, process);
        tasks.push(tokio::spawn(take_all(database.ledger().await, runs)));
    }
    while tasks.iter().any(|task| !task.is_finished()) || ledger.is_waiting().await.unwrap() {
        ledger.settle(&lease, 7, NOW_MS, &HUB_KEY).await.unwrap();
    }
    for task in tasks {
        task.await.unwrap();
    }
    ledger.audit().await.unwrap();
    let (book, histories) = folded(&sites);
    for (card, history) in histories {
        let found = ledger.card_state(card).await.unwrap().unwrap();
        assert_eq!(found.state, *history.state());
        let projection = ledger.projection(card).await.unwrap();
        assert_eq!(projection, history.projection(&book));
    }
    ledger.pool().close().await;
    database.remove().await;
}
