//! Databases of gates with much in them, made in memory and then put where a gate expects its own.

use std::path::Path;

use anyhow::Context as _;
use edge_node::config::GateConfig;
use edge_node::store::{Opening, Store};
use sync_protocol::changeset::{Body, Change, Content, Head, Run, Signer as _, SiteOpen, SiteRole};
use sync_protocol::decide::{Policy, Presentation};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::fact::{CardSettled, Direction, Fact, OrderedFact};
use sync_protocol::id::{CardId, FactId, NodeId, OrderKey, Seq};
use sync_protocol::journey::history::CardHistory;
use sync_protocol::money::Money;
use sync_protocol::time::{MINUTE_MS, Stamp};
use sync_shell::identity::NodeKeys;
use tempfile::TempDir;

use super::gates::{CARDS, Everybody, card};

/// When the first tap was; each later one a second after it.
const FIRST_MS: i64 = 1_734_300_060_000;
/// Settled cards in a changeset, as the hub states them.
const CARDS_PER_CHANGESET: usize = 64;
/// Changesets in a run.
const CHANGESETS_PER_RUN: usize = 64;

/// A gate's database that is worked on in memory.
pub(super) struct Workshop {
    folder: TempDir,
}

impl Workshop {
    pub(super) fn new() -> anyhow::Result<Workshop> {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        Ok(Workshop {
            folder: folder.context("cannot make a folder")?,
        })
    }

    /// Takes over a gate's database, or makes one.
    pub(super) fn open(&self, config: &GateConfig, random: u8) -> anyhow::Result<Store> {
        let database = self.folder.path().join("gate.db");
        if config.database().is_file() && !database.is_file() {
            std::fs::copy(config.database(), &database).context("cannot copy the gate's database")?;
        }
        let keys = NodeKeys::load(&config.keys_dir())?;
        Ok(Store::open(
            database,
            Opening {
                gate: config.decider(),
                policy: Policy {
                    spend_max: Money::rupiah(900_000),
                    offline_entries_max: u32::MAX,
                    ..Policy::recommended(Money::rupiah(12_000))
                },
                signer: Box::new(keys.signer()),
                certificate: keys.certificate().to_vec(),
                random: [random; 16],
                ballast_bytes: 0,
                vfs: None,
            },
        )?)
    }

    /// Puts the finished database where the gate's process opens it.
    pub(super) fn deliver(&self, store: Store, config: &GateConfig) -> anyhow::Result<()> {
        store.close()?;
        std::fs::copy(self.folder.path().join("gate.db"), config.database())
            .context("cannot copy the database to the gate")?;
        Ok(())
    }
}

/// A tap: the cards take turns, in and out.
pub(super) fn tap(number: usize) -> anyhow::Result<Presentation> {
    let direction = if (number / CARDS).is_multiple_of(2) {
        Direction::Entry
    } else {
        Direction::Exit
    };
    Ok(Presentation {
        card: card(number)?,
        direction: Some(direction),
        at_ms: FIRST_MS + i64::try_from(number)? * 1_000,
    })
}

/// One tap, one changeset, one signature, so many times. Returns their runs.
pub(super) fn taps_one_by_one(store: &mut Store, count: usize) -> anyhow::Result<Vec<Run>> {
    let mut runs = Vec::with_capacity(count);
    for number in 0..count {
        store.taps(&[tap(number)?], 0)?;
        runs.push(store.seal()?.context("a tap was sealed without a run")?);
        if number % 16 == 0 {
            store.file()?;
        }
    }
    store.file()?;
    Ok(runs)
}

/// So many cards with money, as the hub settles them.
pub(super) fn settled_cards(store: &mut Store, count: usize) -> anyhow::Result<()> {
    let signer = Ed25519Signer::from_secret(&[1; 32]);
    let open = SiteOpen {
        node: NodeId::HUB,
        role: SiteRole::Settled,
        public_key: signer.public_key(),
        random: [77; 16],
        certificate: Vec::new(),
        previous: None,
    };
    let site = open.site();
    let mut head = Head::empty(site);
    let mut changes = vec![Change::new(&Content::SiteOpen(Box::new(open)))];
    let mut bodies = Vec::new();
    for number in 0..count {
        let settled = settled_card(store, number)?;
        changes.push(Change::new(&Content::Fact(Fact::CardSettled(Box::new(settled)))));
        if changes.len() < CARDS_PER_CHANGESET && number + 1 < count {
            continue;
        }
        let body = Body {
            at: Stamp::at_ms(FIRST_MS),
            changes: std::mem::take(&mut changes),
        };
        bodies.push(body.encode().context("a changeset of settled cards")?);
        if bodies.len() < CHANGESETS_PER_RUN && number + 1 < count {
            continue;
        }
        let first = head.seq.next();
        head = bodies.iter().fold(head, |head, body| head.then(body));
        let run = Run {
            site,
            first,
            bodies: std::mem::take(&mut bodies),
            signature: signer.sign(&head.signed_message(site)),
        };
        store.ingest(&run, &Everybody)?;
    }
    Ok(())
}

fn settled_card(store: &Store, number: usize) -> anyhow::Result<CardSettled> {
    let card = far_card(number)?;
    let mut history = CardHistory::new(card);
    let issued = Fact::CardIssued { card };
    let top_up = Fact::TopUp {
        card,
        amount: Money::rupiah(100_000),
        reference: format!("first-{number}"),
    };
    for (index, fact) in (0_u16..).zip([issued, top_up]) {
        let id = FactId {
            site: store.site(),
            seq: Seq(number as u64 + 1),
            index,
        };
        let at = Stamp::at_ms(FIRST_MS - MINUTE_MS);
        let key = OrderKey { at, id };
        history.insert(store.fares(), OrderedFact { key, fact });
    }
    Ok(CardSettled {
        card,
        revision: 2,
        state: history.state().clone(),
        fare_version: store.fares().newest(),
        facts: 2,
        facts_hash: 0,
    })
}

/// A card of the many.
pub(super) fn far_card(number: usize) -> anyhow::Result<CardId> {
    Ok(format!("FAR{number:08}").parse()?)
}
