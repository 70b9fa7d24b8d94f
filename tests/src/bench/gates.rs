//! Gates for benchmarks, stocked with fares and cards as if they had heard them from a hub.

use std::path::Path;

use anyhow::Context as _;
use edge_node::config::{ENVIRONMENT_PREFIX, GateConfig};
use edge_node::store::{Opening, Store};
use hub::decisions::{Decision, Terms};
use hub::ledger::memory::MemoryLedger;
use sync_protocol::changeset::{PublicKey, Run, Signature, Signer as _, SiteOpen, Trust};
use sync_protocol::decide::Policy;
use sync_protocol::ed25519::{self, Ed25519Signer};
use sync_protocol::id::{CardId, NodeId};
use sync_protocol::money::Money;
use sync_shell::identity::{Authority, NodeKeys};
use sync_shell::settings;

use crate::harness::gate::{Gate, GateName, Neighbourhood};
use crate::harness::program;
use crate::harness::scratch::Scratch;

/// Cards that travel.
pub(super) const CARDS: usize = 500;
const MONEY: Money = Money::rupiah(1_000_000);
/// When the cards were issued and the fares published: well before any clock that runs this.
const STOCKED_MS: i64 = 1_734_300_000_000;
/// Certificates are valid from then on, for a hundred years.
const VALID_MS: i64 = 100 * 365 * sync_protocol::time::DAY_MS;

/// Gates of one terminal that know each other.
pub(super) struct Gates {
    /// They.
    pub(super) gates: Vec<Gate>,
    /// A folder beside theirs, on the same disk.
    pub(super) scratch: Scratch,
}

/// Makes `count` gates, of which nothing runs yet.
pub(super) fn make(count: u32) -> anyhow::Result<Gates> {
    let scratch = Scratch::new("bench")?;
    let authority = Authority::init(&scratch.path().join("ca"), &[9; 32], STOCKED_MS)?;
    let runs = hub_runs()?;
    let mut gates = Vec::new();
    for id in 1..=count {
        let name = GateName {
            id,
            code: "A-BI-01",
            terminal: "A",
            kind: "bidirectional",
        };
        let gate = Gate::new(name, &scratch.path().join(id.to_string()))?;
        let mut secret = [0; 32];
        secret[..4].copy_from_slice(&id.to_le_bytes());
        let (terminal, until) = (Some("A".parse()?), STOCKED_MS + VALID_MS);
        let issued = authority.issue(NodeId(id), terminal, &secret, STOCKED_MS, until)?;
        issued.write(&gate.folder().join("keys"))?;
        gates.push(gate);
    }
    for gate in &gates {
        let others = gates.iter().filter(|other| other.name.id != gate.name.id);
        let around = Neighbourhood {
            hub: None,
            gates: others.map(Gate::sync_address).collect(),
        };
        gate.configure(&around)?;
        trust_cards(gate)?;
        stock(gate, &runs)?;
    }
    Ok(Gates { gates, scratch })
}

/// The configuration of a gate, as its process reads it.
pub(super) fn config(gate: &Gate) -> anyhow::Result<GateConfig> {
    let file = gate.config_file();
    Ok(settings::load(
        Some(&file),
        ENVIRONMENT_PREFIX,
        std::iter::empty(),
    )?)
}

/// The card with a number.
pub(super) fn card(number: usize) -> anyhow::Result<CardId> {
    Ok(format!("CARD{:06}", number % CARDS).parse()?)
}

/// Hours without a hub count as old knowledge, under which cards may spend little: here they may go on.
fn trust_cards(gate: &Gate) -> anyhow::Result<()> {
    let file = gate.config_file();
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let policy = "\n[policy]\nspend_max = \"900000.00\"\noffline_entries_max = 1000000000\n";
    std::fs::write(&file, text + policy).with_context(|| format!("cannot write {}", file.display()))
}

/// What a hub said of fares and cards.
fn hub_runs() -> anyhow::Result<Vec<Run>> {
    let signer = Ed25519Signer::from_secret(&[1; 32]);
    let mut ledger = MemoryLedger::default();
    ledger.open_term(signer.public_key(), &[], [[1; 16], [2; 16]]);
    let fares = super::fold::fares()?;
    let fares = fares.iter().next().context("the benchmark's fares are missing")?;
    let mut decisions = vec![Decision::Fares(fares.fact().clone())];
    for number in 0..CARDS {
        let card = card(number)?;
        decisions.push(Decision::Issue { card });
        let (amount, reference) = (MONEY, format!("first-{number}"));
        decisions.push(Decision::TopUp {
            card,
            amount,
            reference,
        });
    }
    let terms = Terms {
        now_ms: STOCKED_MS,
        lead_time_ms: 0,
        override_lead_time: true,
    };
    let mut runs = ledger.decide(&decisions, &terms, &signer, &Everybody)?.runs;
    runs.extend(ledger.settle(usize::MAX, STOCKED_MS, &signer)?);
    Ok(runs)
}

fn stock(gate: &Gate, runs: &[Run]) -> anyhow::Result<()> {
    let config = config(gate)?;
    let keys = NodeKeys::load(&config.keys_dir())?;
    std::fs::create_dir_all(&config.data_dir)?;
    let mut store = Store::open(
        config.database(),
        Opening {
            gate: config.decider(),
            policy: Policy::recommended(Money::rupiah(12_000)),
            signer: Box::new(keys.signer()),
            certificate: keys.certificate().to_vec(),
            random: [3; 16],
            ballast_bytes: 0,
            vfs: None,
        },
    )?;
    for run in runs {
        store.ingest(run, &Everybody)?;
    }
    Ok(())
}

/// Believes every certificate; signatures are checked.
pub(super) struct Everybody;

impl Trust for Everybody {
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        ed25519::verifies(key, message, signature)
    }

    fn admits(&self, _open: &SiteOpen) -> bool {
        true
    }
}

/// Whether the program of a gate was built as this one was.
pub(super) fn program_is_built() -> bool {
    program::path("edge-node").is_ok()
}

/// A bare database on the disk of `folder`, committed as durably as a gate's.
pub(super) fn bare_database(folder: &Path) -> anyhow::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(folder.join("bare.db"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
    )?;
    Ok(connection)
}
