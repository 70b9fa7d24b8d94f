//! What the gate holds about a card: the hub's settled state, and this terminal's uncovered taps folded onto it in
//! the order of their arrival, so that a stamp from a wrong clock cannot hide a hold (design section 3).

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use sync_protocol::changeset::{Body, Content};
use sync_protocol::codec;
use sync_protocol::fact::{CardSettled, Direction, Fact, Knowledge, Reason, Tap};
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, FactId, GateId, OrderKey, Seq, SiteId, TerminalCode};
use sync_protocol::journey::Ignore;
use sync_protocol::money::Money;
use sync_protocol::mutation::{Mutation, is};
use sync_protocol::time::Stamp;

use super::card::{Card, FiledTap};
use super::error::Fault;
use super::sites::{Ordinal, Sites, integer, seq};
use super::sql;
use super::unfiled::Unfiled;

/// Most cards kept in memory; beyond it all are forgotten and read again, but for those with taps that wait to be
/// filed.
const REMEMBERED_MAX: usize = 4_096;
/// Kind of a tap among facts.
const KIND_TAP: u8 = 0;
/// Kind of a card status among facts.
const KIND_CARD_STATUS: u8 = 2;

/// The cards seen last.
#[derive(Debug, Default)]
pub(super) struct Remembered(BTreeMap<CardId, Card>);

impl Remembered {
    pub(super) fn get(&self, card: CardId) -> Option<&Card> {
        self.0.get(&card)
    }

    pub(super) fn put(&mut self, id: CardId, card: Card, unfiled: &Unfiled) {
        if self.0.len() >= REMEMBERED_MAX && !self.0.contains_key(&id) {
            self.0.retain(|id, _| unfiled.has(*id));
        }
        self.0.insert(id, card);
    }

    pub(super) fn forget(&mut self, card: CardId) {
        self.0.remove(&card);
    }

    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }
}

/// Reads a card from the tables, as `terminal` sees it.
pub(super) fn load(
    connection: &Connection,
    sites: &Sites,
    fares: &FareBook,
    terminal: TerminalCode,
    id: CardId,
) -> Result<Card, Fault> {
    let stored = connection
        .prepare_cached(sql::CARD)?
        .query_row([id.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    let settled = match stored {
        Some((revision, state)) => Some((revision.unsigned_abs(), codec::decode(&state)?)),
        None => None,
    };
    let mut card = Card::settled(settled, fares);
    fold_uncovered(connection, sites, fares, terminal, id, &mut card)?;
    let denied = connection
        .prepare_cached(sql::DENIED)?
        .query_row([id.as_str()], |row| row.get(0))?;
    card.set_denied(denied);
    Ok(card)
}

/// Folds what no settled state covers: this terminal's taps, and the hub's changes of the card's status, whose
/// version numbers make a repetition harmless. A block is thus known before the settler has come round to it.
fn fold_uncovered(
    connection: &Connection,
    sites: &Sites,
    fares: &FareBook,
    terminal: TerminalCode,
    id: CardId,
    card: &mut Card,
) -> Result<(), Fault> {
    let mut decoded = Decoded::default();
    let mut statement = connection.prepare_cached(sql::FACTS_OF_CARD)?;
    let mut rows = statement.query([id.as_str()])?;
    while let Some(row) = rows.next()? {
        let (ordinal, position): (Ordinal, Seq) = (row.get(0)?, seq(row.get(1)?));
        let kind: u8 = row.get(3)?;
        if kind == KIND_TAP {
            if sites.is_covered(ordinal, position) && !is(Mutation::CountCoveredTwice) {
                continue;
            }
            let (key, tap) = read_tap(row, sites, id)?;
            if tap.terminal == terminal {
                card.take(&tap, &key, fares);
            }
        } else if kind == KIND_CARD_STATUS {
            let change = row.get(2)?;
            let (key, fact, _) = read_fact(connection, sites, &mut decoded, ordinal, position, change)?;
            card.take_fact(id, &key, &fact, fares);
        }
    }
    Ok(())
}

/// A tap from its row; what the fold does not need stays out.
fn read_tap(row: &rusqlite::Row<'_>, sites: &Sites, card: CardId) -> Result<(OrderKey, Tap), Fault> {
    let id = FactId {
        site: site_id(sites, row.get(0)?)?,
        seq: seq(row.get(1)?),
        index: row.get(2)?,
    };
    let at = Stamp {
        ms: row.get(4)?,
        counter: row.get(5)?,
    };
    let accepted: bool = row.get(7)?;
    let terminal = row
        .get_ref(8)?
        .as_str()
        .map_err(|error| Fault::Content(error.to_string()))?;
    let tap = Tap {
        card,
        direction: if row.get::<_, bool>(6)? {
            Direction::Exit
        } else {
            Direction::Entry
        },
        terminal: terminal
            .parse()
            .map_err(|error| Fault::Content(format!("a tap's terminal: {error}")))?,
        gate: GateId(row.get(9)?),
        uncertainty_ms: row.get(10)?,
        accepted,
        reason: if accepted {
            Reason::Accepted
        } else {
            Reason::GateClosed
        },
        fare_version: row.get(11)?,
        hold: Money::hundredths(row.get(12)?),
        quoted: row.get::<_, Option<i64>>(13)?.map(Money::hundredths),
        knowledge: Knowledge::default(),
    };
    Ok((OrderKey { at, id }, tap))
}

fn site_id(sites: &Sites, ordinal: Ordinal) -> Result<SiteId, Fault> {
    sites
        .id_of(ordinal)
        .ok_or_else(|| Fault::Content(format!("a fact of site {ordinal}, which is in no table")))
}

/// Changesets decoded lately, so that several facts of one need it decoded once.
#[derive(Debug, Default)]
pub(super) struct Decoded(Vec<(Ordinal, Seq, Body)>);

/// Most changesets kept decoded.
const DECODED_MAX: usize = 8;

impl Decoded {
    fn body(&mut self, connection: &Connection, ordinal: Ordinal, position: Seq) -> Result<&Body, Fault> {
        let known = self
            .0
            .iter()
            .position(|(site, seq, _)| (*site, *seq) == (ordinal, position));
        let place = match known {
            Some(place) => place,
            None => {
                let body: Option<Vec<u8>> = connection
                    .prepare_cached(sql::JOURNAL_BODY)?
                    .query_row(params![ordinal, integer(position)], |row| row.get(0))
                    .optional()?;
                let body =
                    body.ok_or_else(|| Fault::Content(format!("changeset {position} of site {ordinal}")))?;
                let body = Body::decode(&body).map_err(|error| Fault::Content(error.to_string()))?;
                if self.0.len() >= DECODED_MAX {
                    self.0.remove(0);
                }
                self.0.push((ordinal, position, body));
                self.0.len() - 1
            }
        };
        Ok(&self.0[place].2)
    }
}

/// A fact from the journal: its key, itself, and its content as it travels.
pub(super) fn read_fact(
    connection: &Connection,
    sites: &Sites,
    decoded: &mut Decoded,
    ordinal: Ordinal,
    position: Seq,
    change: u16,
) -> Result<(OrderKey, Fact, bytes::Bytes), Fault> {
    let missing = || Fault::Content(format!("fact {change} of changeset {position} of site {ordinal}"));
    let body = decoded.body(connection, ordinal, position)?;
    let key = body.order_key(site_id(sites, ordinal)?, position, usize::from(change));
    let content = body.changes.get(usize::from(change)).ok_or_else(missing)?;
    match content.read()? {
        Some(Content::Fact(fact)) => Ok((key, fact, content.content.clone())),
        _ => Err(missing()),
    }
}

/// Files a tap under its card.
pub(super) fn file_tap(
    transaction: &Connection,
    ordinal: Ordinal,
    arrival: i64,
    key: &OrderKey,
    filed: &FiledTap,
) -> Result<(), Fault> {
    let tap = &filed.tap;
    transaction.prepare_cached(sql::FACT_INSERT)?.execute(params![
        tap.card.as_str(),
        arrival,
        ordinal,
        integer(key.id.seq),
        key.id.index,
        KIND_TAP,
        key.at.ms,
        key.at.counter,
        tap.direction == Direction::Exit,
        tap.accepted,
        tap.reason as i64,
        tap.terminal.as_str(),
        tap.gate.0,
        tap.uncertainty_ms,
        tap.fare_version,
        tap.hold.as_hundredths(),
        tap.quoted.map(Money::as_hundredths),
        filed.charged.map(Money::as_hundredths),
        filed.origin.as_ref().map(TerminalCode::as_str),
    ])?;
    Ok(())
}

/// Files a fact of the hub under its card.
pub(super) fn file_hub_fact(
    transaction: &Connection,
    ordinal: Ordinal,
    arrival: i64,
    key: &OrderKey,
    card: CardId,
    kind: u8,
) -> Result<(), Fault> {
    let none: Option<i64> = None;
    transaction.prepare_cached(sql::FACT_INSERT)?.execute(params![
        card.as_str(),
        arrival,
        ordinal,
        integer(key.id.seq),
        key.id.index,
        kind,
        key.at.ms,
        key.at.counter,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
        none,
    ])?;
    Ok(())
}

/// Stores a settled state unless the one held has the same or a higher revision. Returns whether it was news.
pub(super) fn settle(
    transaction: &Connection,
    fares: &FareBook,
    settled: &CardSettled,
) -> Result<bool, Fault> {
    let view = settled.state.finish(fares, &mut Ignore);
    let changed = transaction.prepare_cached(sql::CARD_UPSERT)?.execute(params![
        settled.card.as_str(),
        i64::try_from(settled.revision).unwrap_or(i64::MAX),
        i64::try_from(settled.facts).unwrap_or(i64::MAX),
        settled.facts_hash.to_le_bytes(),
        codec::encode(&settled.state),
        view.balance.as_hundredths(),
        view.held.as_hundredths(),
        view.status as i64,
        view.open
            .map(|open| open.entry.terminal)
            .as_ref()
            .map(TerminalCode::as_str),
        settled.state.order.at.ms,
    ])?;
    Ok(changed > 0)
}

/// Which facts of a card are held.
pub(super) fn facts_held(connection: &Connection, card: CardId) -> Result<Vec<(Ordinal, Seq, u16)>, Fault> {
    let mut statement = connection.prepare_cached(sql::FACTS_OF_CARD)?;
    let rows = statement.query_map([card.as_str()], |row| {
        Ok((row.get(0)?, seq(row.get(1)?), row.get(2)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How many facts of a card are held.
pub(super) fn facts_held_count(connection: &Connection, card: CardId) -> Result<u64, Fault> {
    let count: i64 = connection
        .prepare_cached(sql::FACTS_OF_CARD_COUNT)?
        .query_row([card.as_str()], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}
