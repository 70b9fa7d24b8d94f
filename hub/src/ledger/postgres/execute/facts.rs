//! Facts as columns.

use sqlx::postgres::PgConnection;
use sync_protocol::fact::{Fact, Tap};
use sync_protocol::id::CardId;
use sync_protocol::money::Money;

use super::super::columns::{self, direction, kind, readable, status};
use super::super::{LedgerError, sql};
use super::FactIds;
use crate::ingest::TakenFact;

/// Stores facts; top-ups also by their references.
pub(super) async fn store(connection: &mut PgConnection, facts: &[TakenFact]) -> Result<(), LedgerError> {
    if facts.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::with_capacity(facts.len());
    facts.iter().for_each(|taken| columns.push(taken));
    columns.insert(connection).await?;
    store_top_ups(connection, facts).await
}

/// What a person looks for in a fact, column by column.
#[derive(Default)]
struct Columns<'a> {
    ids: FactIds,
    at_ms: Vec<i64>,
    at_counter: Vec<i64>,
    kinds: Vec<&'static str>,
    cards: Vec<Option<String>>,
    directions: Vec<Option<&'static str>>,
    terminals: Vec<Option<String>>,
    gates: Vec<Option<i64>>,
    accepted: Vec<Option<bool>>,
    reasons: Vec<Option<String>>,
    holds: Vec<Option<i64>>,
    quoted: Vec<Option<i64>>,
    uncertainties: Vec<Option<i64>>,
    fare_versions: Vec<Option<i64>>,
    statuses: Vec<Option<&'static str>>,
    status_versions: Vec<Option<i64>>,
    amounts: Vec<Option<i64>>,
    contents: Vec<&'a [u8]>,
    hashes: Vec<Vec<u8>>,
}

/// The columns of one fact that depend on its kind.
#[derive(Default)]
struct Readable<'a> {
    tap: Option<&'a Tap>,
    reason: Option<String>,
    fare_version: Option<u32>,
    status: Option<(&'static str, u64)>,
    amount: Option<Money>,
}

impl Readable<'_> {
    fn of(fact: &Fact) -> Readable<'_> {
        let mut columns = Readable::default();
        match fact {
            Fact::Tap(tap) => {
                columns.tap = Some(tap);
                columns.reason = Some(columns::reason(tap.reason).to_owned());
                columns.fare_version = Some(tap.fare_version);
            }
            Fact::CardStatus {
                version, status: new, ..
            } => columns.status = Some((status(*new), *version)),
            Fact::TopUp { amount, .. } => columns.amount = Some(*amount),
            Fact::Adjust { amount, reason, .. }
            | Fact::Refund { amount, reason, .. }
            | Fact::WriteOff { amount, reason, .. } => {
                columns.amount = Some(*amount);
                columns.reason = Some(readable(reason.as_str()));
            }
            Fact::FareVersion(fares) => columns.fare_version = Some(fares.version),
            _ => {}
        }
        columns
    }
}

impl<'a> Columns<'a> {
    fn with_capacity(facts: usize) -> Columns<'a> {
        Columns {
            contents: Vec::with_capacity(facts),
            ..Columns::default()
        }
    }

    fn push(&mut self, taken: &'a TakenFact) {
        let (key, fact) = (&taken.row.key, &taken.row.fact);
        self.ids.push(key.id);
        self.at_ms.push(key.at.ms);
        self.at_counter.push(i64::from(key.at.counter));
        self.kinds.push(kind(fact));
        self.cards.push(fact.card().as_ref().map(CardId::to_string));
        let Readable {
            tap,
            reason,
            fare_version,
            status,
            amount,
        } = Readable::of(fact);
        self.directions.push(tap.map(|tap| direction(tap.direction)));
        self.terminals.push(tap.map(|tap| tap.terminal.to_string()));
        self.gates.push(tap.map(|tap| i64::from(tap.gate.0)));
        self.accepted.push(tap.map(|tap| tap.accepted));
        self.reasons.push(reason);
        self.holds.push(tap.map(|tap| tap.hold.as_hundredths()));
        self.quoted
            .push(tap.and_then(|tap| tap.quoted).map(Money::as_hundredths));
        self.uncertainties
            .push(tap.map(|tap| i64::from(tap.uncertainty_ms)));
        self.fare_versions.push(fare_version.map(i64::from));
        self.statuses.push(status.map(|(name, _)| name));
        self.status_versions
            .push(status.map(|(_, version)| columns::count(version)));
        self.amounts.push(amount.map(Money::as_hundredths));
        self.contents.push(taken.content.as_ref());
        self.hashes.push(taken.row.hash.to_le_bytes().to_vec());
    }

    async fn insert(self, connection: &mut PgConnection) -> Result<(), LedgerError> {
        sqlx::query(sql::FACTS_INSERT)
            .bind(self.ids.sites)
            .bind(self.ids.seqs)
            .bind(self.ids.indexes)
            .bind(self.at_ms)
            .bind(self.at_counter)
            .bind(self.kinds)
            .bind(self.cards)
            .bind(self.directions)
            .bind(self.terminals)
            .bind(self.gates)
            .bind(self.accepted)
            .bind(self.reasons)
            .bind(self.holds)
            .bind(self.quoted)
            .bind(self.uncertainties)
            .bind(self.fare_versions)
            .bind(self.statuses)
            .bind(self.status_versions)
            .bind(self.amounts)
            .bind(self.contents)
            .bind(self.hashes)
            .execute(connection)
            .await?;
        Ok(())
    }
}

async fn store_top_ups(connection: &mut PgConnection, facts: &[TakenFact]) -> Result<(), LedgerError> {
    let mut ids = FactIds::default();
    let (mut references, mut cards, mut amounts) = (vec![], vec![], vec![]);
    for taken in facts {
        if let Fact::TopUp {
            card,
            amount,
            reference,
        } = &taken.row.fact
        {
            ids.push(taken.row.key.id);
            references.push(reference.as_bytes());
            cards.push(card.to_string());
            amounts.push(amount.as_hundredths());
        }
    }
    if references.is_empty() {
        return Ok(());
    }
    sqlx::query(sql::TOP_UPS_INSERT)
        .bind(ids.sites)
        .bind(ids.seqs)
        .bind(ids.indexes)
        .bind(references)
        .bind(cards)
        .bind(amounts)
        .execute(connection)
        .await?;
    Ok(())
}
