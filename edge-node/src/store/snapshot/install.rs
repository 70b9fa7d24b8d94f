//! Taking over a snapshot that is proven.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use sync_protocol::changeset::Body;
use sync_protocol::codec;
use sync_protocol::fare::FareVersion;
use sync_protocol::have::SiteHave;
use sync_protocol::id::{Seq, SiteId};
use sync_protocol::rows::RowChange;
use sync_protocol::snapshot::{Base, CardRow};
use sync_protocol::time::Stamp;

use super::super::apply::{Applier, Effects, Failure};
use super::super::cards::{self, Decoded};
use super::super::error::Fault;
use super::super::sites::{Site, integer};
use super::super::wal::WAL_PAGES;
use super::super::{Installing, Store, StoreError, sql};
use super::{Gathered, INSTALLING, Kind, card_row, forget, load, parts, settled};

/// What a step of taking over did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// Sites that begin elsewhere now, and what is held of them.
    pub sites: Vec<(SiteId, SiteHave)>,
    /// Whether the snapshot is taken over as a whole.
    pub complete: bool,
}

impl Store {
    /// Whether a proven snapshot is to be taken over.
    #[must_use]
    pub const fn is_installing(&self) -> bool {
        self.installing.is_some()
    }

    /// Does the next step of taking over a proven snapshot: first everything that belongs together, then `cards_max`
    /// cards at a time.
    ///
    /// # Errors
    /// The database failed. Nothing of this step is done, and it is tried again.
    pub fn install_snapshot(&mut self, cards_max: usize) -> Result<Installed, StoreError> {
        let result = self.try_install(cards_max);
        self.named(result)
    }

    fn try_install(&mut self, cards_max: usize) -> Result<Installed, Fault> {
        self.unsynced.check()?;
        let Some((INSTALLING, gathered)) = load(&self.replica)? else {
            self.installing = None;
            return Ok(Installed {
                complete: true,
                ..Installed::default()
            });
        };
        // What is known of cards is written before it is replaced.
        self.file_unfiled()?;
        self.commit_late()?;
        let installed = if self.installing == Some(Installing::Cards) {
            self.move_cards(cards_max)?
        } else {
            let sites = self.switch(&gathered)?;
            self.installing = Some(Installing::Cards);
            Installed {
                sites,
                complete: false,
            }
        };
        self.bound_wal(WAL_PAGES);
        Ok(installed)
    }

    /// Heads, coverage, fares, shared rows, and the cards that were tapped here, in one transaction. Done again after a
    /// crash it changes nothing more.
    fn switch(&mut self, gathered: &Gathered) -> Result<Vec<(SiteId, SiteHave)>, Fault> {
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)?;
        let mut moved = Vec::new();
        let mut ordinal = self.sites.next_ordinal();
        for base in parts::<Base>(&transaction, Kind::Base)? {
            let known = self.sites.get(base.site()).copied();
            let behind = known.is_none_or(|site| site.head.seq < base.floor.seq);
            if base.floor.seq == Seq::NONE || !behind || base.site() == self.writer.site {
                continue;
            }
            let site = begin(&transaction, known, &base, ordinal)?;
            ordinal += i64::from(known.is_none());
            moved.push(site);
        }
        transaction.prepare_cached(sql::FACTS_BELOW_FLOORS)?.execute([])?;
        let mut applier = Applier {
            transaction: &transaction,
            sites: &self.sites,
            fares: &self.fares,
            schema: &self.schema,
            writes: self.writer.site,
            arrival: self.arrival,
            effects: Effects::default(),
            decoded: Decoded::default(),
        };
        let newest = gathered.tail.map_or_else(SiteId::default, |tail| tail.site);
        let rows: Vec<RowChange> = parts(&transaction, Kind::Row)?;
        let rows: Vec<RowChange> = rows
            .into_iter()
            .filter(|row| self.schema.check(row).is_ok())
            .collect();
        match applier.merge(newest, &rows) {
            Ok(()) => {}
            Err(Failure::Fault(fault)) => return Err(fault),
            Err(Failure::Rows(reason)) => return Err(Fault::Content(reason)),
        }
        for fares in parts::<FareVersion>(&transaction, Kind::Fares)? {
            applier.known_fares(fares)?;
        }
        applier.covered(parts(&transaction, Kind::Coverage)?)?;
        let mut effects = applier.effects;
        for card in read_cards(&transaction, sql::SNAPSHOT_CARDS_TAPPED, None)? {
            cards::settle(&transaction, &self.fares, &settled(&card)?)?;
            effects.cards.push(card.card);
        }
        transaction.commit()?;

        for site in &moved {
            self.pieces.remove(&site.ordinal);
            self.sites.put(*site);
            if let Some(marks) = self.marks.get_mut(&site.ordinal) {
                marks.forget(site.floor.seq);
            }
        }
        self.learn(effects)?;
        Ok(moved.iter().map(|site| (site.id, site.have())).collect())
    }

    fn move_cards(&mut self, cards_max: usize) -> Result<Installed, Fault> {
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)?;
        let some = read_cards(&transaction, sql::SNAPSHOT_CARDS_FIRST, Some(cards_max))?;
        let Some(last) = some.last() else {
            forget(&transaction)?;
            transaction.commit()?;
            self.installing = None;
            self.counters.snapshots += 1;
            return Ok(Installed {
                complete: true,
                ..Installed::default()
            });
        };
        for card in &some {
            cards::settle(&transaction, &self.fares, &settled(card)?)?;
        }
        transaction
            .prepare_cached(sql::SNAPSHOT_CARDS_TAKEN)?
            .execute([last.card.as_str()])?;
        transaction.commit()?;
        for card in &some {
            self.remembered.forget(card.card);
        }
        Ok(Installed::default())
    }
}

/// Begins a site at the base, in place of what is held of it.
fn begin(
    transaction: &Connection,
    known: Option<Site>,
    base: &Base,
    next_ordinal: i64,
) -> Result<Site, Fault> {
    let stamp = base.proof.bodies.first().and_then(|body| Body::decode(body).ok());
    let begun = Site {
        ordinal: known.map_or(next_ordinal, |site| site.ordinal),
        id: base.site(),
        role: base.open.role,
        node: base.open.node,
        key: base.open.public_key,
        own: known.is_some_and(|site| site.own),
        floor: base.floor,
        head: base.floor,
        journal_bytes: 0,
        stamp: stamp.map_or_else(Stamp::default, |body| body.at),
        arrival: known.map_or(0, |site| site.arrival),
    };
    if known.is_some() {
        let upper = params![begun.ordinal, integer(begun.floor.seq)];
        transaction
            .prepare_cached(sql::JOURNAL_KEEP_BODIES)?
            .execute(upper)?;
        transaction.prepare_cached(sql::JOURNAL_PRUNE)?.execute(upper)?;
        transaction
            .prepare_cached(sql::HELD_MARKS_PRUNE)?
            .execute(upper)?;
        begun.advance(transaction)?;
    } else {
        begun.insert(transaction)?;
    }
    begun.cut(transaction)?;
    transaction
        .prepare_cached(sql::SITE_OPENING_SET)?
        .execute(params![begun.ordinal, codec::encode(&base.open)])?;
    Ok(begun)
}

fn read_cards(
    connection: &Connection,
    statement: &str,
    count_max: Option<usize>,
) -> Result<Vec<CardRow>, Fault> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = match count_max {
        Some(count_max) => statement.query([i64::try_from(count_max).unwrap_or(i64::MAX)])?,
        None => statement.query([])?,
    };
    let mut cards = Vec::new();
    while let Some(row) = rows.next()? {
        cards.push(card_row(row)?);
    }
    Ok(cards)
}
