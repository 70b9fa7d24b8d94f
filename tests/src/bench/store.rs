//! How much a tap costs beyond its commit.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use edge_node::store::{Opening, Store};
use hub::decisions::{Decision, Terms};
use hub::ledger::memory::MemoryLedger;
use rusqlite::Connection;
use sync_protocol::changeset::{PublicKey, Signature, Signer as _, SiteOpen, Trust};
use sync_protocol::decide::{Gate, GateType, Mode, Policy, Presentation};
use sync_protocol::ed25519::{self, Ed25519Signer};
use sync_protocol::fact::Direction;
use sync_protocol::id::{CardId, GateId};
use sync_protocol::money::Money;
use sync_protocol::time::MINUTE_MS;

use super::Figure;
use super::clock::{percentile_us, timed};

const CARDS: i64 = 500;
const TAPS: i64 = 5_000;
const START_MS: i64 = 1_734_300_000_000;
/// Bytes of the first bare row; each later one has as many as the tap before it.
const BODY_BYTES: usize = 100;
/// How often nobody waits and the store may file.
const TAPS_BETWEEN_IDLE_MOMENTS: i64 = 16;

/// Believes every certificate; signatures are checked.
struct Everybody;

impl Trust for Everybody {
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        ed25519::verifies(key, message, signature)
    }

    fn admits(&self, _open: &SiteOpen) -> bool {
        true
    }
}

/// What was taken in turn, so that a slow moment of the disk falls on all alike.
#[derive(Default)]
struct Taken {
    /// [`Store::taps`] with one tap: until the barrier may open.
    commits: Vec<Duration>,
    /// The same with [`Store::seal`]: until the run can be sent.
    cycles: Vec<Duration>,
    /// A bare commit of as many bytes.
    rows: Vec<Duration>,
}

/// `tap_commit_p50_us` and `tap_commit_p99_us`: decide and commit a tap in the gate's store, on the disk of the build
/// folder, until it is durable and the barrier may open. As in production, signing follows after that, and so does
/// filing, now and then, when nobody waits: neither is in these two figures.
///
/// `tap_cycle_p50_us`: the same tap with signing, until its run can be sent.
///
/// Floor of all: a bare one-row commit of as many bytes with synchronous=FULL, taken in turn with the taps.
///
/// # Errors
/// A store failed, or the benchmark's own data is wrong.
pub fn tap_commit() -> anyhow::Result<Vec<Figure>> {
    let mut taken = take()?;
    let mut figure = |name, percentile, of: fn(&mut Taken) -> &mut Vec<Duration>| {
        let value = percentile_us(of(&mut taken), percentile);
        Figure::new(name, "us", value, percentile_us(&mut taken.rows, percentile))
    };
    Ok(vec![
        figure("tap_commit_p50_us", 50, |taken| &mut taken.commits),
        figure("tap_commit_p99_us", 99, |taken| &mut taken.commits),
        figure("tap_cycle_p50_us", 50, |taken| &mut taken.cycles),
    ])
}

fn take() -> anyhow::Result<Taken> {
    std::fs::create_dir_all("target").context("cannot make target/")?;
    let folder = tempfile::tempdir_in("target").context("cannot make a folder in target/")?;
    let mut store = stocked_store(folder.path())?;
    let bare = bare_database(folder.path())?;
    let mut insert = bare.prepare("INSERT INTO t (bytes) VALUES (?1)")?;
    let mut taken = Taken::default();
    let mut row = vec![0x5a_u8; BODY_BYTES];
    let mut accepted = 0;
    for turn in 0..TAPS {
        let (inserted, took) = timed(|| insert.execute([row.as_slice()]));
        inserted?;
        taken.rows.push(took);
        let direction = if turn / CARDS % 2 == 0 {
            Direction::Entry
        } else {
            Direction::Exit
        };
        let presentation = Presentation {
            card: card(turn % CARDS)?,
            direction: Some(direction),
            at_ms: START_MS + turn * MINUTE_MS,
        };
        let (decided, commit) = timed(|| store.taps(&[presentation], 0));
        accepted += i64::from(decided?[0].decision.tap.accepted);
        let (run, seal) = timed(|| store.seal());
        let run = run?.context("a tap was sealed without a run")?;
        taken.commits.push(commit);
        taken.cycles.push(commit.saturating_add(seal));
        row.resize(run.body_bytes(), 0x5a);
        if turn % TAPS_BETWEEN_IDLE_MOMENTS == 0 {
            store.file()?;
        }
    }
    anyhow::ensure!(
        accepted > TAPS / 2,
        "most taps were meant to open: {accepted} of {TAPS} did"
    );
    Ok(taken)
}

fn card(number: i64) -> anyhow::Result<CardId> {
    Ok(format!("CARD{number:06}").parse()?)
}

fn bare_database(folder: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(folder.join("bare.db"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
    )?;
    Ok(connection)
}

/// A gate's store that has heard from a hub of fares and of cards with money.
fn stocked_store(folder: &Path) -> anyhow::Result<Store> {
    let hub_signer = Ed25519Signer::from_secret(&[1; 32]);
    let mut ledger = MemoryLedger::default();
    ledger.open_term(hub_signer.public_key(), &[], [[1; 16], [2; 16]]);
    let fares = super::fold::fares()?;
    let fares = fares
        .iter()
        .next()
        .context("the benchmark's fares are missing")?
        .fact()
        .clone();
    let mut decisions = vec![Decision::Fares(fares)];
    for number in 0..CARDS {
        decisions.push(Decision::Issue { card: card(number)? });
        let (amount, reference) = (Money::rupiah(1_000_000), format!("first-{number}"));
        decisions.push(Decision::TopUp {
            card: card(number)?,
            amount,
            reference,
        });
    }
    let terms = Terms {
        now_ms: START_MS - MINUTE_MS,
        lead_time_ms: 0,
        override_lead_time: true,
    };
    let mut runs = ledger.decide(&decisions, &terms, &hub_signer, &Everybody)?.runs;
    runs.extend(ledger.settle(usize::MAX, START_MS - MINUTE_MS, &hub_signer)?);

    let mut store = Store::open(
        folder.join("gate.db"),
        Opening {
            gate: Gate {
                id: GateId(1),
                terminal: "A".parse()?,
                kind: GateType::Bidirectional,
                mode: Mode::Normal,
                uncertainty_ms: 2_000,
            },
            policy: Policy {
                spend_max: Money::rupiah(900_000),
                ..Policy::recommended(Money::rupiah(12_000))
            },
            signer: Box::new(Ed25519Signer::from_secret(&[2; 32])),
            certificate: Vec::new(),
            random: [3; 16],
            ballast_bytes: 0,
            vfs: None,
        },
    )?;
    for run in &runs {
        store.ingest(run, &Everybody)?;
    }
    Ok(store)
}
