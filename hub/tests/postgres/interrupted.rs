//! A connection that dies in the middle of a transaction, at every table it writes to.

use std::future::Future;
use std::pin::pin;

use hub::ledger::postgres::{LedgerError, PostgresLedger};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Connection};
use sync_protocol::changeset::{Change, Content, Run, Signature};
use sync_protocol::fact::Fact;
use sync_protocol::rows::{RowChange, Value, key};

use crate::database::{Database, count};
use crate::network::*;
use crate::pair::{NOW_MS, Pair};
use crate::random::history;

/// Most looks at what the victim does.
const LOOKS_MAX: usize = 100_000;

const INGEST_TABLES: [&str; 11] = [
    "sites",
    "changesets",
    "arrivals",
    "facts",
    "top_ups",
    "rows",
    "quarantine",
    "refused_count",
    "refused",
    "outbox_head",
    "outbox",
];
const SETTLE_TABLES: [&str; 16] = [
    "settler_lease",
    "sites",
    "changesets",
    "hub_sites",
    "coverage",
    "arrivals",
    "fare_versions",
    "card_states",
    "settled_digest",
    "accounting_days",
    "transfers",
    "accounts",
    "pending_transfers",
    "announced",
    "outbox_head",
    "outbox",
];

/// The victim's connections are named after the table: one that was killed before may still be about to go.
const KILL_WAITING: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = $1 AND wait_event_type = 'Lock'";

/// Carries out a call while another connection holds `table`, and kills the call's connection where it waits.
async fn killed_at<T>(
    bystander: &PgPool,
    table: &str,
    call: impl Future<Output = Result<T, LedgerError>>,
) -> LedgerError {
    let mut holder = bystander.acquire().await.unwrap();
    let mut hold = holder.begin().await.unwrap();
    let lock = AssertSqlSafe(format!("LOCK TABLE {table} IN EXCLUSIVE MODE"));
    sqlx::raw_sql(lock).execute(&mut *hold).await.unwrap();
    let mut call = pin!(call);
    let mut killed = 0;
    for _ in 0..LOOKS_MAX {
        let look = sqlx::query_scalar::<_, i64>(KILL_WAITING).bind(table);
        let look = look.fetch_one(bystander);
        // The victim may be gone before the answer to the look is here.
        let result = tokio::select! {
            biased;
            result = &mut call => result,
            found = look => {
                killed += found.unwrap();
                if killed == 0 {
                    continue;
                }
                call.await
            }
        };
        hold.rollback().await.unwrap();
        match result {
            Err(error) => return error,
            Ok(_) => {
                return LedgerError::Raced;
            }
        }
    }
    panic!("the call never came to {table}");
}

/// A history with everything in it: late facts, fares, money, rows, a change without right, a damaged run.
fn sites() -> Vec<Site> {
    let mut runner = TestRunner::deterministic();
    let tree = history(4, 120, 60)
        .prop_filter("a long one", |history| {
            history
                .sites()
                .iter()
                .map(|site| site.bodies.len())
                .sum::<usize>()
                > 60
        })
        .new_tree(&mut runner)
        .unwrap();
    let mut sites = tree.current().sites();
    let row = RowChange {
        table: "gates".to_owned(),
        key: key::pack(&[Value::Integer(1)]).unwrap(),
        column: "status".to_owned(),
        value: Value::Text("error".into()),
        col_version: 1,
        causal_length: 1,
        seq: 0,
    };
    let row = Change::new(&Content::Row(row));
    let wrong = Change::new(&Content::Fact(Fact::SettledUpTo { covered: Vec::new() }));
    sites[0].write(0, vec![row, wrong]);
    // Whatever else is open, this hold is new at the end.
    sites[0].state(vec![(minutes(9_000), entry(card(9), "A", 1))]);
    sites
}

fn runs(sites: &[Site]) -> Vec<Run> {
    let mut damaged = sites[0].log();
    damaged.signature = Signature([0; 64]);
    // First: once the true one is taken, a damaged copy is only a duplicate.
    [damaged].into_iter().chain(sites.iter().map(Site::log)).collect()
}

async fn victim(database: &Database, table: &str) -> PostgresLedger {
    PostgresLedger::connect(database.pool(table).await).await.unwrap()
}

#[tokio::test]
async fn an_ingest_that_dies_anywhere_leaves_nothing_and_is_done_again() {
    let database = Database::new("ingest_dies").await;
    let sites = sites();
    let bystander = database.pool("bystander").await;
    for table in INGEST_TABLES {
        database.clear(&bystander).await;
        let mut pair = Pair::new(database.ledger().await).await;
        let victim = victim(&database, table).await;
        let runs = runs(&sites);
        let error = killed_at(&bystander, table, victim.ingest(&runs, &Roster)).await;
        assert!(error.is_retryable(), "at {table}: {error}");
        for table in [
            "sites",
            "changesets",
            "facts",
            "arrivals",
            "rows",
            "outbox",
            "quarantine",
            "refused",
        ] {
            let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
            let left: i64 = sqlx::query_scalar(sql).fetch_one(&bystander).await.unwrap();
            assert_eq!(left, 0, "{table}");
        }
        pair.ingest(&runs).await;
        pair.settle_all().await;
        pair.compare().await;
        pair.postgres.pool().close().await;
    }
    database.remove().await;
}

#[tokio::test]
async fn a_settling_that_dies_anywhere_leaves_nothing_and_is_done_again() {
    let database = Database::new("settle_dies").await;
    let sites = sites();
    let bystander = database.pool("bystander").await;
    for table in SETTLE_TABLES {
        database.clear(&bystander).await;
        let mut pair = Pair::new(database.ledger().await).await;
        // Something is settled before, so that later facts are late and holds are open.
        let early: Vec<Run> = sites
            .iter()
            .map(|site| site.run(1, site.bodies.len() as u64 / 2 + 1))
            .collect();
        pair.ingest(&early).await;
        pair.settle_all().await;
        pair.ingest(&runs(&sites)).await;
        let victim = victim(&database, table).await;
        let settling = victim.settle(&pair.lease, 1_000, NOW_MS, &HUB_KEY);
        let error = killed_at(&bystander, table, settling).await;
        assert!(error.is_retryable(), "at {table}: {error}");
        pair.compare().await;
        pair.settle_all().await;
        pair.compare().await;
        pair.postgres.pool().close().await;
    }
    database.remove().await;
}

#[tokio::test]
async fn requests_whose_taking_dies_anywhere_are_taken_once() {
    use hub::decisions::Decision;
    use hub::ledger::postgres::{Request, RequestOutcome};
    use sync_protocol::money::Money;

    let database = Database::new("taking_dies").await;
    let bystander = database.pool("bystander").await;
    for table in [
        "settler_lease",
        "changesets",
        "facts",
        "hub_sites",
        "decision_requests",
    ] {
        database.clear(&bystander).await;
        let mut pair = Pair::new(database.ledger().await).await;
        pair.decide(vec![vec![Decision::Issue { card: card(1) }]]).await;
        let request = Request {
            idempotency_key: Some("one".into()),
            decisions: vec![Decision::TopUp {
                card: card(1),
                amount: Money::rupiah(5_000),
                reference: "one".into(),
            }],
            override_lead_time: false,
            requested_by: "the test".into(),
        };
        let id = pair.postgres.submit(&request).await.unwrap().id;
        let victim = victim(&database, table).await;
        let taking = victim.take_requests(&pair.lease, 10, NOW_MS, &HUB_KEY, &Roster);
        let error = killed_at(&bystander, table, taking).await;
        assert!(error.is_retryable(), "at {table}: {error}");
        let outcome = pair.postgres.outcome(id).await.unwrap();
        assert_eq!(outcome, Some(RequestOutcome::Pending));
        for _ in 0..2 {
            pair.postgres
                .take_requests(&pair.lease, 10, NOW_MS, &HUB_KEY, &Roster)
                .await
                .unwrap();
        }
        let top_ups = count(&bystander, "SELECT count(*) FROM top_ups").await;
        assert_eq!(top_ups, 1);
        pair.postgres.pool().close().await;
    }
    database.remove().await;
}
