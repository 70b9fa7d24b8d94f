//! What settling reads.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use sync_protocol::fact::Fact;
use sync_protocol::fare::{FareBook, FareVersion};
use sync_protocol::id::{CardId, Seq, SiteId};

use super::super::columns::{
    self, FactColumns, StateColumns, card_id, card_settled, corrupt, fact_id, fact_row, site_id, stored_seq,
    uuid,
};
use super::super::snapshot::{Folded, SettleSnapshot};
use super::super::{LedgerError, PostgresLedger, money, sql};
use super::digest;
use crate::ledger::{Arrival, FactRow};
use crate::outbox::Transition;
use crate::recovery::Recovery;

/// Changesets that wait, with their numbers in the queue.
pub(in super::super) struct Waiting {
    pub(in super::super) numbers: Vec<i64>,
    pub(in super::super) arrivals: Vec<Arrival>,
}

/// The oldest changesets that wait, with their facts.
pub(super) async fn waiting(
    connection: &mut PgConnection,
    changesets_max: usize,
) -> Result<Waiting, LedgerError> {
    let queue: Vec<(i64, Uuid, i64)> = sqlx::query_as(sql::ARRIVALS_OLDEST)
        .bind(columns::count(changesets_max as u64))
        .fetch_all(&mut *connection)
        .await?;
    let mut waiting = Waiting {
        numbers: Vec::with_capacity(queue.len()),
        arrivals: Vec::with_capacity(queue.len()),
    };
    if queue.is_empty() {
        return Ok(waiting);
    }
    let (sites, seqs): (Vec<Uuid>, Vec<i64>) = queue.iter().map(|(_, site, seq)| (*site, *seq)).unzip();
    let facts: Vec<FactColumns> = sqlx::query_as(sql::FACTS_OF_CHANGESETS)
        .bind(sites)
        .bind(seqs)
        .fetch_all(connection)
        .await?;
    let mut by_changeset: BTreeMap<(SiteId, Seq), Vec<FactRow>> = BTreeMap::new();
    for columns in facts {
        let row = fact_row(columns)?;
        let id = row.key.id;
        by_changeset.entry((id.site, id.seq)).or_default().push(row);
    }
    for (number, site, seq) in queue {
        let (site, seq) = (site_id(site), stored_seq(seq)?);
        let facts = by_changeset.remove(&(site, seq)).unwrap_or_default();
        waiting.numbers.push(number);
        waiting.arrivals.push(Arrival { site, seq, facts });
    }
    Ok(waiting)
}

impl PostgresLedger {
    /// What a plan for these changesets reads, but for the histories of cards.
    pub(super) async fn snapshot(
        &self,
        connection: &mut PgConnection,
        arrivals: &[Arrival],
        recovery: &Recovery,
    ) -> Result<SettleSnapshot, LedgerError> {
        let mut snapshot = SettleSnapshot::default();
        snapshot.recovery = recovery.clone();
        snapshot.covered = coverage(connection, arrivals).await?;
        snapshot.fares = self.read_fares(connection).await?;
        let facts = || arrivals.iter().flat_map(|arrival| &arrival.facts);
        let mut cards: BTreeSet<CardId> = facts().filter_map(|row| row.fact.card()).collect();
        cards.extend(&recovery.restate);
        let mut states: Vec<StateColumns> = Vec::new();
        if !cards.is_empty() {
            states = sqlx::query_as(sql::CARD_STATES_OF)
                .bind(texts(&cards))
                .fetch_all(&mut *connection)
                .await?;
        }
        // A fare version may concern cards that nothing else in the batch is about.
        let effective = facts().filter_map(|row| match &row.fact {
            Fact::FareVersion(fares) => Some(fares.effective_from_ms),
            _ => None,
        });
        if let Some(from_ms) = effective.min() {
            let later: Vec<StateColumns> = sqlx::query_as(sql::CARD_STATES_FROM)
                .bind(from_ms)
                .fetch_all(&mut *connection)
                .await?;
            states.extend(later);
        }
        for columns in states {
            let settled = card_settled(columns)?;
            snapshot.settled.insert(settled.card, settled);
        }
        snapshot.references = references(connection, facts()).await?;
        snapshot.digest = digest::read(connection, &snapshot.fares).await?;
        Ok(snapshot)
    }

    /// The fare versions of what is settled. Read once; later only what came since.
    pub(in super::super) async fn read_fares(
        &self,
        connection: &mut PgConnection,
    ) -> Result<FareBook, LedgerError> {
        let mut book = self.known_fares().clone();
        let known: Vec<i64> = book.iter().map(|table| i64::from(table.fact().version)).collect();
        let new: Vec<(Vec<u8>,)> = sqlx::query_as(sql::FARE_VERSIONS_BEYOND)
            .bind(known)
            .fetch_all(connection)
            .await?;
        if new.is_empty() {
            return Ok(book);
        }
        for (bytes,) in new {
            let fares: FareVersion = sync_protocol::codec::decode(&bytes)
                .map_err(|error| corrupt("an unreadable fare version:", error))?;
            book.insert(fares);
        }
        // The caller's transaction has written no fare version yet, so what it read is committed.
        *self.known_fares() = book.clone();
        Ok(book)
    }

    fn known_fares(&self) -> std::sync::MutexGuard<'_, FareBook> {
        self.fares
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn texts<'a>(cards: impl IntoIterator<Item = &'a CardId>) -> Vec<String> {
    cards.into_iter().map(CardId::to_string).collect()
}

async fn coverage(
    connection: &mut PgConnection,
    arrivals: &[Arrival],
) -> Result<BTreeMap<SiteId, Seq>, LedgerError> {
    let sites: BTreeSet<SiteId> = arrivals.iter().map(|arrival| arrival.site).collect();
    let sites: Vec<Uuid> = sites.into_iter().map(uuid).collect();
    let covered: Vec<(Uuid, i64)> = sqlx::query_as(sql::COVERAGE_OF)
        .bind(sites)
        .fetch_all(connection)
        .await?;
    covered
        .into_iter()
        .map(|(site, seq)| Ok((site_id(site), stored_seq(seq)?)))
        .collect()
}

async fn references(
    connection: &mut PgConnection,
    facts: impl Iterator<Item = &FactRow>,
) -> Result<BTreeSet<(CardId, Vec<u8>)>, LedgerError> {
    let wanted = facts.filter_map(|row| match &row.fact {
        Fact::TopUp { reference, .. } => Some(reference.as_bytes()),
        _ => None,
    });
    let wanted: BTreeSet<&[u8]> = wanted.collect();
    if wanted.is_empty() {
        return Ok(BTreeSet::new());
    }
    let wanted: Vec<&[u8]> = wanted.into_iter().collect();
    let found: Vec<(String, Vec<u8>)> = sqlx::query_as(sql::REFERENCES_SETTLED)
        .bind(wanted)
        .fetch_all(connection)
        .await?;
    found
        .into_iter()
        .map(|(card, reference)| Ok((card_id(&card)?, reference)))
        .collect()
}

/// Adds the histories of cards that are folded again.
pub(super) async fn folded(
    connection: &mut PgConnection,
    snapshot: &mut SettleSnapshot,
    cards: &BTreeSet<CardId>,
) -> Result<(), LedgerError> {
    for card in cards {
        snapshot.folded.insert(*card, Folded::default());
    }
    let names = texts(cards);
    for (card, row) in histories(connection, &names).await? {
        if let Some(folded) = snapshot.folded.get_mut(&card) {
            folded.history.push(row);
        }
    }
    for entry in money::journal_of(connection, &names).await? {
        if let Some(folded) = snapshot.folded.get_mut(&entry.id.card) {
            *folded.booked.entry(entry.posting).or_insert(0) += if entry.reversal { -1 } else { 1 };
        }
    }
    let announced: Vec<(String, Uuid, i64, i32, String)> = sqlx::query_as(sql::ANNOUNCED_OF)
        .bind(&names)
        .fetch_all(connection)
        .await?;
    for (card, site, seq, index, word) in announced {
        let transition = Transition::from_word(&word).ok_or_else(|| corrupt("a transition", &word))?;
        if let Some(folded) = snapshot.folded.get_mut(&card_id(&card)?) {
            folded.announced.insert((fact_id(site, seq, index)?, transition));
        }
    }
    for folded in snapshot.folded.values_mut() {
        folded.booked.retain(|_, times| *times != 0);
    }
    Ok(())
}

/// The settled facts of cards, by card and in the order of the fold.
pub(in super::super) async fn histories(
    connection: &mut PgConnection,
    cards: &[String],
) -> Result<Vec<(CardId, FactRow)>, LedgerError> {
    type Columns = (Uuid, i64, i32, i64, i64, Vec<u8>, Vec<u8>, String);
    let facts: Vec<Columns> = sqlx::query_as(sql::HISTORY_OF)
        .bind(cards)
        .fetch_all(connection)
        .await?;
    facts
        .into_iter()
        .map(|(site, seq, index, at_ms, at_counter, content, hash, card)| {
            let row = fact_row((site, seq, index, at_ms, at_counter, content, hash))?;
            Ok((card_id(&card)?, row))
        })
        .collect()
}
