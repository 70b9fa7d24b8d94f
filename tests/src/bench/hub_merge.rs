//! How many taps a second the hub takes into PostgreSQL, settled and booked.
#![expect(clippy::float_arithmetic, reason = "figures are measurements, not money")]

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use hub::decisions::Decision;
use hub::ledger::postgres::{PostgresLedger, Request};
use hub::migrate::{Databases, Service};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use sync_protocol::changeset::{Body, Change, Content, Head, Run, Signer as _, SiteOpen, SiteRole};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::fact::{Direction, Fact, Knowledge, Reason, Tap};
use sync_protocol::id::{CardId, GateId, NodeId};
use sync_protocol::money::Money;
use sync_protocol::time::{MINUTE_MS, Stamp};

use super::Figure;
use super::clock::timed_async;
use super::gates::Everybody;
use crate::harness::scratch::Scratch;
use crate::harness::services::{Server, postgres_is_installed};

const GATES: usize = 40;
const TAPS_PER_GATE: usize = 1_500;
const TAPS: usize = GATES * TAPS_PER_GATE;
const CARDS: usize = 12_000;
/// Changesets of one run, as a gate sends them while it catches up.
const CHANGESETS_PER_RUN: usize = 100;
/// Runs in one transaction, and changesets in one settling.
const RUNS_PER_INGEST: usize = 10;
const CHANGESETS_PER_SETTLING: usize = RUNS_PER_INGEST * CHANGESETS_PER_RUN;
const START_MS: i64 = 1_734_300_000_000;
/// Bytes of a copied row beside its keys: a fact with its hash.
const ROW_BYTES: usize = 96;

/// `hub_merge_per_s`: taps of 40 gates, one in a changeset, signed runs of 100, verified, stored, folded, booked in
/// double entry and told in the outbox; ingest and settling in turn over one connection each. Floor: COPY of as many
/// fact-sized rows into a table with two indexes, in the same durable cluster.
///
/// `hub_merge_vs_copy_ratio`: the first over the second.
///
/// # Errors
/// PostgreSQL did not start, or the ledger refused.
pub fn hub_merge() -> anyhow::Result<Vec<Figure>> {
    if !postgres_is_installed() {
        println!(
            "hub_merge_per_s, hub_merge_vs_copy_ratio: skipped, PostgreSQL is not installed (.ci/setup up)"
        );
        return Ok(Vec::new());
    }
    let scratch = Scratch::new("bench-hub")?;
    let server = Server::postgres(scratch.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let databases = Databases::new(&server.url(), "bench_")?;
        databases.migrate_one(Service::Transaction).await?;
        let pool = PgPoolOptions::new().max_connections(4);
        let pool = pool.connect_with(databases.options(Service::Transaction)).await?;
        let before = copy(&pool, "before").await?;
        let merged = merge(&pool).await?;
        let floor = f64::midpoint(before, copy(&pool, "after").await?);
        Ok(vec![
            Figure::new("hub_merge_per_s", "1/s", merged, floor),
            Figure::new("hub_merge_vs_copy_ratio", "", merged / floor, 1.0),
        ])
    })
}

async fn merge(pool: &PgPool) -> anyhow::Result<f64> {
    let ledger = PostgresLedger::connect(pool.clone()).await?;
    let signer = Ed25519Signer::from_secret(&[1; 32]);
    let lease = ledger
        .acquire_lease("bench", signer.public_key(), &[], [[1; 16], [2; 16]])
        .await?;
    let lease = lease.context("nobody else settles here")?;
    let fares = super::fold::fares()?;
    let fares = fares.iter().next().context("the benchmark's fares are missing")?;
    let request = Request {
        idempotency_key: None,
        decisions: vec![Decision::Fares(fares.fact().clone())],
        override_lead_time: true,
        requested_by: "bench".to_owned(),
    };
    ledger.submit(&request).await?;
    ledger
        .take_requests(&lease, 1, START_MS, &signer, &Everybody)
        .await?;
    let runs = runs()?;
    let (settled, took) = timed_async(async {
        let mut settled = 0;
        for runs in runs.chunks(RUNS_PER_INGEST) {
            ledger.ingest(runs, &Everybody).await?;
            let done = ledger
                .settle(&lease, CHANGESETS_PER_SETTLING, START_MS, &signer)
                .await?;
            settled += done.facts;
        }
        while ledger.is_waiting().await? {
            let done = ledger
                .settle(&lease, CHANGESETS_PER_SETTLING, START_MS, &signer)
                .await?;
            settled += done.facts;
        }
        Ok::<_, anyhow::Error>(settled)
    })
    .await;
    let settled = settled?;
    anyhow::ensure!(settled >= TAPS, "{settled} facts were settled, of {TAPS} taps");
    ledger.audit().await?;
    Ok(per_s(TAPS, took))
}

/// The logs of all gates, in turn, as they come in while all of them work.
fn runs() -> anyhow::Result<Vec<Run>> {
    let mut logs = (0..GATES).map(log).collect::<anyhow::Result<Vec<_>>>()?;
    let mut runs = Vec::new();
    while !logs.iter().all(Vec::is_empty) {
        for log in logs.iter_mut().filter(|log| !log.is_empty()) {
            runs.push(log.remove(0));
        }
    }
    Ok(runs)
}

/// A gate's log: entries at even gates, which stand in A, exits at odd ones, which stand in B.
fn log(gate: usize) -> anyhow::Result<Vec<Run>> {
    let number = u32::try_from(gate)? + 1;
    let mut secret = [7; 32];
    secret[..4].copy_from_slice(&number.to_le_bytes());
    let signer = Ed25519Signer::from_secret(&secret);
    let terminal = if gate.is_multiple_of(2) { "A" } else { "B" }.parse()?;
    let open = SiteOpen {
        node: NodeId(number),
        role: SiteRole::Gate(terminal),
        public_key: signer.public_key(),
        random: [7; 16],
        certificate: Vec::new(),
        previous: None,
    };
    let site = open.site();
    let mut changes = vec![Change::new(&Content::SiteOpen(Box::new(open)))];
    let mut head = Head::empty(site);
    let mut runs = Vec::new();
    for first in (0..TAPS_PER_GATE).step_by(CHANGESETS_PER_RUN) {
        let first_seq = head.seq.next();
        let mut bodies = Vec::with_capacity(CHANGESETS_PER_RUN);
        for tap in first..first + CHANGESETS_PER_RUN {
            let (card, at_ms) = who_and_when(gate, tap)?;
            changes.push(Change::new(&Content::Fact(Fact::Tap(Tap {
                card,
                direction: if gate.is_multiple_of(2) {
                    Direction::Entry
                } else {
                    Direction::Exit
                },
                terminal,
                gate: GateId(number),
                uncertainty_ms: 2_000,
                accepted: true,
                reason: Reason::Accepted,
                fare_version: 1,
                hold: if gate.is_multiple_of(2) {
                    Money::rupiah(12_000)
                } else {
                    Money::ZERO
                },
                quoted: None,
                knowledge: Knowledge::default(),
            }))));
            let at = Stamp::at_ms(at_ms);
            let body = Body {
                at,
                changes: std::mem::take(&mut changes),
            }
            .encode()?;
            head = head.then(&body);
            bodies.push(body);
        }
        let signature = signer.sign(&head.signed_message(site));
        runs.push(Run {
            site,
            first: first_seq,
            bodies,
            signature,
        });
    }
    Ok(runs)
}

/// Each card enters at an even gate, and leaves half an hour later at the odd gate after it.
fn who_and_when(gate: usize, tap: usize) -> anyhow::Result<(CardId, i64)> {
    let passenger = gate / 2 * TAPS_PER_GATE + tap;
    let card = format!("CARD{:06}", passenger % CARDS).parse()?;
    let minutes = i64::try_from(passenger / CARDS * 60 + gate % 2 * 30)?;
    Ok((card, START_MS + minutes * MINUTE_MS))
}

/// COPY into a table of its own.
async fn copy(pool: &PgPool, name: &str) -> anyhow::Result<f64> {
    let table = format!(
        "CREATE TABLE bench_{name} (site uuid, seq bigint, index int, card text, at_ms bigint, content bytea,
                                    PRIMARY KEY (site, seq, index));
         CREATE INDEX ON bench_{name} (card, at_ms)"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(table)).execute(pool).await?;
    let content = "5a".repeat(ROW_BYTES);
    let mut rows = String::new();
    for tap in 0..TAPS {
        let (gate, seq) = (tap % GATES, tap / GATES);
        let (card, at_ms) = who_and_when(gate, seq)?;
        writeln!(rows, "{gate:032x}\t{seq}\t0\t{card}\t{at_ms}\t\\\\x{content}")?;
    }
    let (copied, took) = timed_async(async {
        let mut connection = pool.acquire().await?;
        let statement = format!("COPY bench_{name} FROM STDIN");
        let mut copy = connection.copy_in_raw(&statement).await?;
        copy.send(rows.as_bytes()).await?;
        Ok::<_, anyhow::Error>(copy.finish().await?)
    })
    .await;
    anyhow::ensure!(copied? == TAPS as u64, "not every row was copied");
    Ok(per_s(TAPS, took))
}

fn per_s(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
