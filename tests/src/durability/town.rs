//! The gate that is put to the test, a second store that repeats it, and what others have to tell both.

use std::path::Path;

use anyhow::Context as _;
use edge_node::store::{Opening, Store};
use hub::decisions::{Decision, Terms};
use hub::ledger::memory::MemoryLedger;
use sync_protocol::changeset::{PublicKey, Run, Signature, Signer as _, SiteOpen, Trust};
use sync_protocol::decide::{Gate, GateType, Mode, Policy, Presentation};
use sync_protocol::ed25519::{self, Ed25519Signer};
use sync_protocol::fact::Direction;
use sync_protocol::fare::{FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, GateId};
use sync_protocol::money::Money;
use sync_protocol::time::MINUTE_MS;

/// The gate under test.
pub const GATE: u8 = 1;
/// Its neighbour in the terminal, whose log it takes.
const NEIGHBOUR: u8 = 2;
/// The store that repeats the gate's journal.
pub const WITNESS: u8 = 3;
/// Cards that are presented at the gate under test. The neighbour sees the same number of others, so that the order
/// of arrival of the two logs changes no card.
pub const CARDS: u64 = 40;
/// When it begins, milliseconds since 1970.
pub const START_MS: i64 = 1_760_000_000_000;
/// Changesets of the neighbour, and half as many of the hub.
const NEWS: u64 = 60;

/// Believes every certificate; signatures are checked.
pub struct Everybody;

impl Trust for Everybody {
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        ed25519::verifies(key, message, signature)
    }

    fn admits(&self, _open: &SiteOpen) -> bool {
        true
    }
}

/// A gate's database at `path`, opened by the start that drew this number.
///
/// # Errors
/// See [`Store::open`].
pub fn open(path: &Path, gate: u8, start: u64) -> anyhow::Result<Store> {
    let mut random = [gate; 16];
    random[..8].copy_from_slice(&start.to_le_bytes());
    let opening = Opening {
        gate: Gate {
            id: GateId(u32::from(gate)),
            terminal: "A".parse()?,
            kind: GateType::Bidirectional,
            mode: Mode::Normal,
            uncertainty_ms: 2_000,
        },
        policy: Policy {
            spend_max: Money::rupiah(900_000),
            ..Policy::recommended(Money::rupiah(12_000))
        },
        signer: Box::new(Ed25519Signer::from_secret(&[gate; 32])),
        certificate: Vec::new(),
        random,
        ballast_bytes: 0,
        vfs: None,
    };
    Ok(Store::open(path, opening)?)
}

/// The `number`th presentation, of one of [`CARDS`] cards from the `first` on.
///
/// # Errors
/// There is none.
pub fn presentation(first: u64, number: u64, at_ms: i64) -> anyhow::Result<Presentation> {
    let direction = if (number / CARDS).is_multiple_of(2) {
        Direction::Entry
    } else {
        Direction::Exit
    };
    Ok(Presentation {
        card: card(first + number % CARDS)?,
        direction: Some(direction),
        at_ms,
    })
}

fn card(number: u64) -> anyhow::Result<CardId> {
    Ok(format!("CARD{number:06}").parse()?)
}

/// Every card there is.
///
/// # Errors
/// There is none.
pub fn cards() -> anyhow::Result<Vec<CardId>> {
    (0..2 * CARDS).map(card).collect()
}

/// What the others say, in the order in which the gate hears it: first what it cannot do without (fares, cards with
/// money), then the news, a run each.
///
/// # Errors
/// The hub's or the neighbour's store failed.
pub fn others(folder: &Path) -> anyhow::Result<(Vec<Run>, Vec<Run>)> {
    let signer = Ed25519Signer::from_secret(&[100; 32]);
    let mut hub = MemoryLedger::default();
    hub.open_term(signer.public_key(), &[], [[1; 16], [2; 16]]);
    let terms = Terms {
        now_ms: START_MS - MINUTE_MS,
        lead_time_ms: 0,
        override_lead_time: true,
    };
    let routes = [("A", "B"), ("B", "A")]
        .map(|(from, to)| anyhow::Ok((from.parse()?, to.parse()?, Money::rupiah(5_000))));
    let routes = routes.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let fares = FareVersion::new(1, 0, OrphanPolicy::ChargeMax, routes)?;
    let mut decisions = vec![Decision::Fares(fares)];
    for card in cards()? {
        decisions.push(Decision::Issue { card });
        decisions.push(top_up(card, format!("first-{card}")));
    }
    let mut stock = hub.decide(&decisions, &terms, &signer, &Everybody)?.runs;
    stock.extend(hub.settle(usize::MAX, terms.now_ms, &signer)?);

    let mut store = open(&folder.join("neighbour.db"), NEIGHBOUR, 1)?;
    for run in &stock {
        store.ingest(run, &Everybody)?;
    }
    let mut news = Vec::new();
    for number in 0..NEWS {
        let at_ms = START_MS + number as i64 * MINUTE_MS;
        let run = if number % 5 == 4 {
            store.set_config("neighbour", &number.to_string(), at_ms)?
        } else {
            Some(store.tap(&presentation(CARDS, number, at_ms)?, 0)?.run)
        };
        news.extend(run);
        if number % 2 == 1 {
            let top_up = top_up(card(number % (2 * CARDS))?, format!("news-{number}"));
            news.extend(hub.decide(&[top_up], &terms, &signer, &Everybody)?.runs);
        }
    }
    Ok((stock, news))
}

fn top_up(card: CardId, reference: String) -> Decision {
    Decision::TopUp {
        card,
        amount: Money::rupiah(500_000),
        reference,
    }
}

/// Writes runs into a file, for a process of its own.
///
/// # Errors
/// They do not fit one frame, or the file cannot be written.
pub fn write_runs(path: &Path, runs: &[Run]) -> anyhow::Result<()> {
    let bytes = sync_protocol::wire::Frame::Changesets(runs.to_vec()).encode();
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads them.
///
/// # Errors
/// They cannot be read.
pub fn read_runs(path: &Path) -> anyhow::Result<Vec<Run>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    match sync_protocol::wire::Frame::decode(&bytes)? {
        sync_protocol::wire::Frame::Changesets(runs) => Ok(runs),
        _ => anyhow::bail!("{} holds no runs", path.display()),
    }
}
