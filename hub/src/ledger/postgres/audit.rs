//! Whether the books agree. The same questions as the ledger in memory asks itself, of the tables.

use std::collections::BTreeMap;

use sqlx::Connection;
use sqlx::postgres::PgConnection;
use sync_protocol::fare::FareBook;
use sync_protocol::id::CardId;
use sync_protocol::ledger::{Account, Posting};
use sync_protocol::money::Money;

use super::columns::{self, StateColumns, account_name, card_id, card_settled, corrupt};
use super::read::folded;
use super::settle::histories;
use super::{LedgerError, PostgresLedger, money, sql};
use crate::ledger::memory::AuditError;
use crate::ledger::{FactRow, JournalEntry};

/// Cards audited in one step.
const CARDS_STEP: i64 = 256;

impl PostgresLedger {
    /// Checks that all accounts and all postings sum to nothing (I2).
    ///
    /// # Errors
    /// They do not: [`LedgerError::Audit`]. Or they cannot be read.
    pub async fn check_sum(&self) -> Result<(), LedgerError> {
        let mut connection = self.pool.acquire().await?;
        check_sum(&mut connection).await
    }

    /// Checks everything anew from the stored facts, as of one moment: sums (I2), each account against its postings,
    /// and per card that its settled state, its journal and its account are what its facts fold to (I8).
    ///
    /// # Errors
    /// The first difference found: [`LedgerError::Audit`]. Or something cannot be read.
    pub async fn audit(&self) -> Result<(), LedgerError> {
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        check_sum(&mut transaction).await?;
        let astray: Option<(String, i64, i64)> = sqlx::query_as(sql::ACCOUNTS_ASTRAY)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some((account, balance, postings)) = astray {
            let (balance, postings) = (Money::hundredths(balance), Money::hundredths(postings));
            let found = format!("holds {balance}, its postings say {postings}");
            return Err(corrupt("an account that is not its postings:", (account, found)));
        }
        let fares = self.read_fares(&mut transaction).await?;
        let mut after = String::new();
        loop {
            let cards: Vec<(String,)> = sqlx::query_as(sql::CARDS_AFTER)
                .bind(&after)
                .bind(CARDS_STEP)
                .fetch_all(&mut *transaction)
                .await?;
            let cards: Vec<String> = cards.into_iter().map(|(card,)| card).collect();
            let Some(last) = cards.last() else { break };
            after.clone_from(last);
            audit_cards(&mut transaction, &fares, &cards).await?;
        }
        transaction.rollback().await?;
        Ok(())
    }

    /// Checks some cards.
    ///
    /// # Errors
    /// The first difference found: [`LedgerError::Audit`]. Or something cannot be read.
    pub async fn audit_cards(&self, cards: &[CardId]) -> Result<(), LedgerError> {
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        let fares = self.read_fares(&mut transaction).await?;
        let names: Vec<String> = cards.iter().map(CardId::to_string).collect();
        audit_cards(&mut transaction, &fares, &names).await?;
        transaction.rollback().await?;
        Ok(())
    }
}

async fn check_sum(connection: &mut PgConnection) -> Result<(), LedgerError> {
    let (accounts, postings): (i64, i64) = sqlx::query_as(sql::SUMS).fetch_one(connection).await?;
    match [accounts, postings].into_iter().find(|sum| *sum != 0) {
        None => Ok(()),
        Some(sum) => Err(AuditError::Sum(Money::hundredths(sum)).into()),
    }
}

/// What the tables say of a card.
#[derive(Default)]
struct Books {
    facts: Vec<FactRow>,
    journal: Vec<JournalEntry>,
    state: sync_protocol::journey::CardState,
    account: Money,
}

async fn audit_cards(
    connection: &mut PgConnection,
    fares: &FareBook,
    cards: &[String],
) -> Result<(), LedgerError> {
    let mut books: BTreeMap<CardId, Books> = BTreeMap::new();
    for card in cards {
        books.insert(card_id(card)?, Books::default());
    }
    for (card, row) in histories(connection, cards).await? {
        books.entry(card).or_default().facts.push(row);
    }
    for entry in money::journal_of(connection, cards).await? {
        books.entry(entry.id.card).or_default().journal.push(entry);
    }
    let states: Vec<StateColumns> = sqlx::query_as(sql::CARD_STATES_OF)
        .bind(cards)
        .fetch_all(&mut *connection)
        .await?;
    for columns in states {
        let settled = card_settled(columns)?;
        books.entry(settled.card).or_default().state = settled.state;
    }
    let accounts: Vec<String> = books
        .keys()
        .map(|card| account_name(Account::Card(*card)))
        .collect();
    let balances: Vec<(String, i64)> = sqlx::query_as(sql::ACCOUNTS_OF)
        .bind(accounts)
        .fetch_all(connection)
        .await?;
    for (name, balance) in balances {
        if let Account::Card(card) = columns::account(&name)? {
            books.entry(card).or_default().account = Money::hundredths(balance);
        }
    }
    for (card, books) in books {
        audit_card(card, fares, books)?;
    }
    Ok(())
}

fn audit_card(card: CardId, fares: &FareBook, books: Books) -> Result<(), AuditError> {
    let history = folded(card, fares, books.facts.into_iter());
    let projection = history.projection(fares);
    if books.state != *history.state() {
        return Err(AuditError::State(card));
    }
    let journal: Money = books.journal.iter().map(JournalEntry::effect).sum();
    if [journal, books.account] != [projection.balance; 2] {
        return Err(AuditError::Balance {
            card,
            journal,
            projection: projection.balance,
        });
    }
    let mut booked: BTreeMap<Posting, i64> = BTreeMap::new();
    for entry in &books.journal {
        *booked.entry(entry.posting).or_insert(0) += if entry.reversal { -1 } else { 1 };
    }
    for posting in projection.postings {
        *booked.entry(posting).or_insert(0) -= 1;
    }
    match booked.into_iter().find(|(_, times)| *times != 0) {
        None => Ok(()),
        Some((posting, times)) => Err(AuditError::Postings {
            card,
            posting: Box::new(posting),
            times,
        }),
    }
}
