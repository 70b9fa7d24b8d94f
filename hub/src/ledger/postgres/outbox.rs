//! Events in the order of their commit, numbered without gaps under the lock of `outbox_head`.

use serde_json::Value;
use sqlx::postgres::PgConnection;

use super::{LedgerError, PostgresLedger, columns, sql};
use crate::outbox::Event;

/// Most events read at once.
pub const EVENTS_MAX: usize = 10_000;

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Counts from 1 in the order of commit, without gaps.
    pub position: u64,
    /// Its own name: [`crate::outbox::EventKey`] as text.
    pub event_key: String,
    /// The name of its family.
    pub name: String,
    /// The card it is about.
    pub card: Option<String>,
    /// The card's revision in which it came about.
    pub revision: Option<u64>,
    /// See [`Event::payload`].
    pub payload: Value,
}

impl PostgresLedger {
    /// Events after a position, at most `events_max` ([`EVENTS_MAX`]), in order.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn outbox(&self, after: u64, events_max: usize) -> Result<Vec<StoredEvent>, LedgerError> {
        type Columns = (i64, String, String, Option<String>, Option<i64>, String);
        let events: Vec<Columns> = sqlx::query_as(sql::OUTBOX_FROM)
            .bind(columns::count(after))
            .bind(events_max.min(EVENTS_MAX) as i64)
            .fetch_all(&self.pool)
            .await?;
        let event = |(position, event_key, name, card, revision, payload): Columns| {
            let payload = serde_json::from_str(&payload);
            Ok(StoredEvent {
                position: columns::stored_count(position, "a position")?,
                payload: payload.map_err(|_| columns::corrupt("an unreadable payload of", &event_key))?,
                revision: revision
                    .map(|revision| columns::stored_count(revision, "a revision"))
                    .transpose()?,
                event_key,
                name,
                card,
            })
        };
        events.into_iter().map(event).collect()
    }
}

/// Appends events that were not told before. The last thing a transaction locks.
pub(super) async fn append(
    connection: &mut PgConnection,
    events: &[Event],
    booked_ms: i64,
) -> Result<(), LedgerError> {
    if events.is_empty() {
        return Ok(());
    }
    let position: i64 = sqlx::query_scalar(sql::OUTBOX_LOCK)
        .fetch_one(&mut *connection)
        .await?;
    let mut seen = std::collections::BTreeSet::new();
    let (mut keys, mut names, mut cards, mut revisions, mut payloads) =
        (vec![], vec![], vec![], vec![], vec![]);
    for event in events.iter().filter(|event| seen.insert(event.key())) {
        keys.push(event.key().to_string());
        names.push(event.name());
        cards.push(event.card().map(|card| card.to_string()));
        revisions.push(event.revision().map(columns::count));
        payloads.push(event.payload(booked_ms).to_string());
    }
    sqlx::query(sql::OUTBOX_APPEND)
        .bind(position)
        .bind(keys)
        .bind(names)
        .bind(cards)
        .bind(revisions)
        .bind(payloads)
        .execute(&mut *connection)
        .await?;
    sqlx::query(sql::OUTBOX_NOTIFY).execute(connection).await?;
    Ok(())
}
