//! What projectors read of the system of record: the outbox, and the settled states as of the same moment.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Postgres, Row, Transaction};
use sync_protocol::codec;
use sync_protocol::fare::FareVersion;
use sync_protocol::id::CardId;
use sync_protocol::journey::{CardState, OpenJourney};
use sync_protocol::money::Money;
use sync_protocol::rows::RowSet;

use super::{ProjectError, TRANSACTIONS, shared_rows, sql};

/// A card was issued.
pub(crate) const CARD_ISSUED: &str = "user.card.issued";
/// A movement of money was booked.
pub(crate) const BALANCE_UPDATED: &str = "user.balance.updated";
/// Begins the names of what journeys go through.
pub(crate) const JOURNEY: &str = "journey.";
/// A fare version prices from here on.
pub(crate) const FARES_PUBLISHED: &str = "fare.version.published";
/// A row of a shared table changed.
pub(crate) const ROW_MERGED: &str = "terminal.row.merged";

/// One event of the outbox.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its place in the outbox.
    pub(crate) position: i64,
    /// Its family.
    pub(crate) name: String,
    /// The card it is about.
    pub(crate) card: Option<CardId>,
    /// The card's revision in which it came about.
    pub(crate) revision: Option<i64>,
    /// What it says.
    pub(crate) payload: Json,
    /// When the hub booked it, milliseconds since 1970.
    pub(crate) created_ms: i64,
}

impl Event {
    /// A member of the payload that has to be there.
    pub(crate) fn required<'a, T>(
        &'a self,
        member: &str,
        read: impl FnOnce(&'a Json) -> Option<T>,
    ) -> Result<T, ProjectError> {
        let value = self.payload.get(member).and_then(read);
        value.ok_or_else(|| self.damaged(format!("{} has no {member} that can be read", self.name)))
    }

    /// The payload cannot be read.
    pub(crate) fn damaged(&self, detail: impl ToString) -> ProjectError {
        ProjectError::unreadable(format!("outbox position {}", self.position), detail)
    }
}

/// A card as it is settled.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    /// The card.
    pub(crate) card: CardId,
    /// The watermark.
    pub(crate) revision: i64,
    /// The fold's state.
    pub(crate) state: CardState,
    /// The posted balance, within what NUMERIC(15,2) holds.
    pub(crate) balance: Money,
    /// Status as text.
    pub(crate) status: String,
    /// The stamp of the last fact covered, milliseconds since 1970.
    pub(crate) order_ms: i64,
}

impl Settled {
    /// The journey under way: one that the hub closed is over.
    pub(crate) fn trip(&self) -> Option<OpenJourney> {
        self.state.open.filter(|open| !open.closed)
    }
}

/// The system of record, for reading.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pool: PgPool,
}

/// The system of record at one moment.
pub(crate) struct Snapshot {
    transaction: Transaction<'static, Postgres>,
}

impl Source {
    pub(crate) const fn new(pool: PgPool) -> Source {
        Source { pool }
    }

    /// What holds now, and does not change while it is read.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, ProjectError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let transaction = self.pool.begin_with(begin).await.map_err(failed)?;
        Ok(Snapshot { transaction })
    }

    /// The last event of the outbox; 0 before any.
    pub(crate) async fn head(&self) -> Result<i64, ProjectError> {
        let row = sqlx::query(sql::OUTBOX_HEAD).fetch_one(&self.pool).await;
        row.and_then(|row| row.try_get(0)).map_err(failed)
    }

    /// The position before the events of the last `ms` milliseconds, of which at most `most` are looked at.
    pub(crate) async fn since(&self, ms: i64, most: i64) -> Result<i64, ProjectError> {
        let row = sqlx::query(sql::OUTBOX_SINCE).bind(ms).bind(most);
        let row = row.fetch_one(&self.pool).await;
        row.and_then(|row| row.try_get(0)).map_err(failed)
    }

    /// The cards of the next events after one position and up to another, and the last event looked at; `None` when
    /// there is none.
    pub(crate) async fn cards_between(
        &self,
        after: i64,
        up_to: i64,
        most: i64,
    ) -> Result<Option<(Vec<CardId>, i64)>, ProjectError> {
        let row = sqlx::query(sql::OUTBOX_CARDS_BETWEEN)
            .bind(after)
            .bind(up_to)
            .bind(most);
        let row = row.fetch_one(&self.pool).await.map_err(failed)?;
        let Some(last) = row.try_get("position").map_err(failed)? else {
            return Ok(None);
        };
        let cards: Vec<String> = row.try_get("cards").map_err(failed)?;
        let cards = cards.iter().map(|text| card(text)).collect::<Result<_, _>>()?;
        Ok(Some((cards, last)))
    }

    /// The fare version in force.
    pub(crate) async fn fare_in_force(&self, now_ms: i64) -> Result<Option<u32>, ProjectError> {
        let row = sqlx::query(sql::FARE_IN_FORCE)
            .bind(now_ms)
            .fetch_one(&self.pool)
            .await;
        let version: Option<i64> = row.and_then(|row| row.try_get(0)).map_err(failed)?;
        Ok(version.and_then(|version| u32::try_from(version).ok()))
    }
}

fn failed(error: sqlx::Error) -> ProjectError {
    ProjectError::of(TRANSACTIONS)(error)
}

impl Snapshot {
    /// The last event of the outbox; 0 before any.
    pub(crate) async fn head(&mut self) -> Result<i64, ProjectError> {
        let row = sqlx::query(sql::OUTBOX_HEAD)
            .fetch_one(&mut *self.transaction)
            .await;
        row.and_then(|row| row.try_get(0)).map_err(failed)
    }

    /// The first event there is; 1 when there is none.
    pub(crate) async fn first(&mut self) -> Result<i64, ProjectError> {
        let row = sqlx::query(sql::OUTBOX_FIRST)
            .fetch_one(&mut *self.transaction)
            .await;
        row.and_then(|row| row.try_get(0)).map_err(failed)
    }

    /// The next events: about `most` of them, and never only a part of a revision of a card, whose movements of money
    /// come before its journeys.
    pub(crate) async fn events(&mut self, after: i64, most: i64) -> Result<Vec<Event>, ProjectError> {
        let mut limit = most;
        loop {
            let rows = sqlx::query(sql::OUTBOX_AFTER).bind(after).bind(limit);
            let rows = rows.fetch_all(&mut *self.transaction).await.map_err(failed)?;
            let is_full = usize::try_from(limit).is_ok_and(|limit| rows.len() >= limit);
            let mut events = rows.iter().map(event).collect::<Result<Vec<Event>, _>>()?;
            if is_full {
                trim_begun(&mut events);
            }
            if !is_full || !events.is_empty() {
                return Ok(events);
            }
            limit = limit.saturating_mul(4);
        }
    }

    /// Cards as they are settled.
    pub(crate) async fn settled(&mut self, cards: &[&str]) -> Result<Vec<Settled>, ProjectError> {
        let rows = sqlx::query(sql::CARD_STATES).bind(cards);
        let rows = rows.fetch_all(&mut *self.transaction).await.map_err(failed)?;
        rows.iter().map(settled).collect()
    }

    /// When cards were issued, milliseconds since 1970.
    pub(crate) async fn issued(&mut self, cards: &[&str]) -> Result<BTreeMap<CardId, i64>, ProjectError> {
        let rows = sqlx::query(sql::CARDS_ISSUED).bind(cards);
        let rows = rows.fetch_all(&mut *self.transaction).await.map_err(failed)?;
        let issued = rows.iter().map(|row| {
            let card = card(row.try_get("card").map_err(failed)?)?;
            Ok((card, row.try_get("at_ms").map_err(failed)?))
        });
        issued.collect()
    }

    /// The merged rows of terminals and gates.
    pub(crate) async fn shared_rows(&mut self) -> Result<RowSet, ProjectError> {
        let rows = sqlx::query(sql::SHARED_ROWS)
            .fetch_all(&mut *self.transaction)
            .await;
        shared_rows::merged(&rows.map_err(failed)?)
    }

    /// The fare versions that price, ascending, each with the time it was settled.
    pub(crate) async fn fare_versions(&mut self) -> Result<Vec<(FareVersion, i64)>, ProjectError> {
        let rows = sqlx::query(sql::FARE_VERSIONS)
            .fetch_all(&mut *self.transaction)
            .await;
        let rows = rows.map_err(failed)?;
        let versions = rows.iter().map(|row| {
            let fact: Vec<u8> = row.try_get("fact").map_err(failed)?;
            let version =
                codec::decode(&fact).map_err(|error| ProjectError::unreadable("fare_versions", error))?;
            Ok((version, row.try_get("settled_ms").map_err(failed)?))
        });
        versions.collect()
    }

    /// When each node was last heard, milliseconds since 1970 by the hub's clock.
    pub(crate) async fn heard(&mut self) -> Result<BTreeMap<i64, i64>, ProjectError> {
        let rows = sqlx::query(sql::HEARTBEATS)
            .fetch_all(&mut *self.transaction)
            .await;
        let rows = rows.map_err(failed)?;
        let heard = rows.iter().map(|row| {
            Ok((
                row.try_get("node").map_err(failed)?,
                row.try_get("heard_ms").map_err(failed)?,
            ))
        });
        heard.collect()
    }
}

/// Cuts off the last revision of a card, which the next read takes whole.
fn trim_begun(events: &mut Vec<Event>) {
    let Some((card, revision)) = events.last().map(|last| (last.card, last.revision)) else {
        return;
    };
    if card.is_none() {
        return;
    }
    let same = |event: &Event| event.card == card && event.revision == revision;
    while events.last().is_some_and(same) {
        events.pop();
    }
}

/// Cards as they are bound.
pub(crate) fn texts(cards: &BTreeSet<CardId>) -> Vec<&str> {
    cards.iter().map(CardId::as_str).collect()
}

fn card(text: &str) -> Result<CardId, ProjectError> {
    text.parse()
        .map_err(|error| ProjectError::unreadable(format!("card {text:?}"), error))
}

fn event(row: &PgRow) -> Result<Event, ProjectError> {
    let of: Option<&str> = row.try_get("card").map_err(failed)?;
    Ok(Event {
        position: row.try_get("position").map_err(failed)?,
        name: row.try_get("name").map_err(failed)?,
        card: of.map(card).transpose()?,
        revision: row.try_get("revision").map_err(failed)?,
        payload: row.try_get("payload").map_err(failed)?,
        created_ms: row.try_get("created_ms").map_err(failed)?,
    })
}

fn settled(row: &PgRow) -> Result<Settled, ProjectError> {
    let card = card(row.try_get("card").map_err(failed)?)?;
    let state: Vec<u8> = row.try_get("state").map_err(failed)?;
    let balance: i64 = row.try_get("balance").map_err(failed)?;
    let most = Money::AMOUNT_MAX;
    Ok(Settled {
        card,
        revision: row.try_get("revision").map_err(failed)?,
        state: codec::decode(&state)
            .map_err(|error| ProjectError::unreadable(format!("state of card {card}"), error))?,
        balance: Money::hundredths(balance).clamp(-most, most),
        status: row.try_get("status").map_err(failed)?,
        order_ms: row.try_get("order_ms").map_err(failed)?,
    })
}
