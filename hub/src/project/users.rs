//! `user_service_db`: one row per card, as it is settled.
//!
//! Events only name the cards; what a row shows is the card's settled state as of the read, with its revision as the
//! guard. So a correction needs no case of its own, and replaying old events changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, PgPool};
use sync_protocol::id::{CardId, TerminalCode};
use tokio::sync::Mutex;

use super::checkpoint::Checkpoint;
use super::source::{CARD_ISSUED, Event, ROW_MERGED, Settled, Source, texts};
use super::{BATCH_EVENTS, Progress, ProjectError, USERS, shared_rows, shown_ms, sql};

const CHECKPOINT: Checkpoint = Checkpoint {
    name: "users",
    database: USERS,
};

/// Fills `user_service_db`.
#[derive(Debug)]
pub struct UserProjector {
    source: Source,
    users: PgPool,
    /// Ids of terminals, as of the last batch this process applied.
    terminals: Mutex<Option<Known>>,
}

/// Terminals as they were known once the event at `position` was applied.
#[derive(Debug)]
struct Known {
    position: i64,
    ids: BTreeMap<TerminalCode, i32>,
}

impl UserProjector {
    /// Reads `transaction_service_db`, writes `user_service_db`.
    #[must_use]
    pub fn new(transactions: PgPool, users: PgPool) -> UserProjector {
        UserProjector {
            source: Source::new(transactions),
            users,
            terminals: Mutex::new(None),
        }
    }

    /// Applies the next batch of events.
    ///
    /// # Errors
    /// A database does not answer, is not migrated, or holds what this version cannot read. Nothing is applied then.
    pub async fn run_once(&self) -> Result<Progress, ProjectError> {
        let mut transaction = self.users.begin().await.map_err(failed)?;
        let Some(position) = CHECKPOINT.lock(&mut transaction).await? else {
            drop(transaction);
            return CHECKPOINT.look_on(&self.users, self.source.head().await?).await;
        };
        let mut snapshot = self.source.snapshot().await?;
        let head = snapshot.head().await?;
        CHECKPOINT.check(position, head)?;
        let events = snapshot.events(position, BATCH_EVENTS).await?;
        let Some(last) = events.last().map(|event| event.position) else {
            return Ok(Progress {
                events: 0,
                position,
                head,
                busy: false,
            });
        };
        let mut known = self.terminals.lock().await;
        let moved = events.iter().any(|event| event.name == ROW_MERGED);
        let stale = known.as_ref().is_none_or(|known| known.position != position);
        if moved || stale {
            let ids = shared_rows::judge(&snapshot.shared_rows().await?).ids();
            terminal_ids(&mut transaction, &ids).await?;
            *known = Some(Known { position, ids });
        }
        let known = known.as_mut().expect("BUG: terminals were read just now");
        let cards = touched(&events);
        let settled = snapshot.settled(&texts(&cards)).await?;
        let new: Vec<&str> = events
            .iter()
            .filter(|event| event.name == CARD_ISSUED)
            .filter_map(|event| event.card.as_ref())
            .map(CardId::as_str)
            .collect();
        let issued = snapshot.issued(&new).await?;
        project(&mut transaction, &settled, &issued, &known.ids).await?;
        CHECKPOINT.move_to(&mut transaction, last).await?;
        transaction.commit().await.map_err(failed)?;
        known.position = last;
        Ok(Progress {
            events: events.len(),
            position: last,
            head,
            busy: false,
        })
    }

    /// Projects everything anew. What is shown stays until its new value is there; persons stay.
    ///
    /// # Errors
    /// See [`UserProjector::run_once`]; or the outbox does not begin at 1. Called again, it starts over.
    pub async fn rebuild(&self) -> Result<Progress, ProjectError> {
        let mut snapshot = self.source.snapshot().await?;
        let (first, head) = (snapshot.first().await?, snapshot.head().await?);
        drop(snapshot);
        if first > 1 {
            let name = CHECKPOINT.name;
            return Err(ProjectError::Pruned { name, first });
        }
        let mut transaction = self.users.begin().await.map_err(failed)?;
        if CHECKPOINT.lock(&mut transaction).await?.is_none() {
            return CHECKPOINT.look_on(&self.users, head).await;
        }
        sqlx::query(sql::USERS_RESET)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        CHECKPOINT.move_to(&mut transaction, 0).await?;
        transaction.commit().await.map_err(failed)?;
        *self.terminals.lock().await = None;
        let mut total = 0;
        loop {
            let progress = self.run_once().await?;
            total += progress.events;
            if progress.position >= head {
                let cleared = sqlx::query(sql::USERS_CLEAR).execute(&self.users).await;
                cleared.map_err(failed)?;
            }
            if progress.position >= head || progress.busy {
                return Ok(Progress {
                    events: total,
                    ..progress
                });
            }
        }
    }
}

fn failed(error: sqlx::Error) -> ProjectError {
    ProjectError::of(USERS)(error)
}

/// The cards that events are about.
fn touched(events: &[Event]) -> BTreeSet<CardId> {
    events.iter().filter_map(|event| event.card).collect()
}

async fn terminal_ids(
    connection: &mut PgConnection,
    ids: &BTreeMap<TerminalCode, i32>,
) -> Result<(), ProjectError> {
    let codes: Vec<&str> = ids.keys().map(TerminalCode::as_str).collect();
    let ids: Vec<i32> = ids.values().copied().collect();
    let given = sqlx::query(sql::USERS_TERMINAL_IDS).bind(codes).bind(ids);
    given.execute(connection).await.map(|_| ()).map_err(failed)
}

/// The rows of an UNNEST, column by column.
#[derive(Default)]
struct Columns<'a> {
    cards: Vec<&'a str>,
    balances: Vec<i64>,
    statuses: Vec<&'a str>,
    trips: Vec<Option<&'a str>>,
    trip_ids: Vec<Option<i32>>,
    started_ms: Vec<Option<i64>>,
    holds: Vec<Option<i64>>,
    registered_ms: Vec<Option<i64>>,
    updated_ms: Vec<i64>,
    revisions: Vec<i64>,
}

async fn project(
    connection: &mut PgConnection,
    settled: &[Settled],
    issued: &BTreeMap<CardId, i64>,
    terminals: &BTreeMap<TerminalCode, i32>,
) -> Result<(), ProjectError> {
    let mut columns = Columns::default();
    let trips: Vec<_> = settled.iter().map(Settled::trip).collect();
    for (settled, trip) in settled.iter().zip(&trips) {
        columns.cards.push(settled.card.as_str());
        columns.balances.push(settled.balance.as_hundredths());
        columns.statuses.push(&settled.status);
        columns
            .trips
            .push(trip.as_ref().map(|trip| trip.entry.terminal.as_str()));
        let id = trip.as_ref().and_then(|trip| terminals.get(&trip.entry.terminal));
        columns.trip_ids.push(id.copied());
        columns
            .started_ms
            .push(trip.as_ref().map(|trip| shown_ms(trip.entry.at_ms)));
        columns
            .holds
            .push(trip.as_ref().map(|trip| trip.hold.as_hundredths()));
        columns
            .registered_ms
            .push(issued.get(&settled.card).copied().map(shown_ms));
        columns.updated_ms.push(shown_ms(settled.order_ms));
        columns.revisions.push(settled.revision);
    }
    let written = sqlx::query(sql::USERS_PROJECT)
        .bind(columns.cards)
        .bind(columns.balances)
        .bind(columns.statuses)
        .bind(columns.trips)
        .bind(columns.trip_ids)
        .bind(columns.started_ms)
        .bind(columns.holds)
        .bind(columns.registered_ms)
        .bind(columns.updated_ms)
        .bind(columns.revisions);
    written.execute(connection).await.map(|_| ()).map_err(failed)
}
