//! `terminal_service_db`: terminals and gates of the merged shared tables, fares of the published versions, balance
//! holds of the journeys.
//!
//! Tables are small but for the holds: when a shared row changed, all of them are judged again and the differences
//! written. Holds are read, moved on ([`holds`]) and written back, one statement each for a whole batch.

mod gates;
mod prices;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::{PgPool, Postgres, Transaction};
use sync_protocol::id::CardId;

use super::checkpoint::Checkpoint;
use super::holds::{self, Note, UnderWay};
use super::source::{Event, FARES_PUBLISHED, ROW_MERGED, Settled, Snapshot, Source, texts};
use super::{BATCH_EVENTS, OFFLINE_AFTER_MS, Progress, ProjectError, TERMINALS, USERS, shared_rows, sql};
use crate::reference;

const CHECKPOINT: Checkpoint = Checkpoint {
    name: "terminals",
    database: TERMINALS,
};

/// Fills `terminal_service_db`.
#[derive(Clone, Debug)]
pub struct TerminalProjector {
    source: Source,
    terminals: PgPool,
    users: PgPool,
    /// The latest time that is known here: of the last refresh.
    refreshed_ms: Arc<AtomicI64>,
}

impl TerminalProjector {
    /// Reads `transaction_service_db`, writes `terminal_service_db`. Users get their ids in `user_service_db`.
    #[must_use]
    pub fn new(transactions: PgPool, terminals: PgPool, users: PgPool) -> TerminalProjector {
        TerminalProjector {
            source: Source::new(transactions),
            terminals,
            users,
            refreshed_ms: Arc::default(),
        }
    }

    /// Applies the next batch of events.
    ///
    /// # Errors
    /// A database does not answer, is not migrated, or holds what this version cannot read. Nothing is applied then.
    pub async fn run_once(&self) -> Result<Progress, ProjectError> {
        let mut transaction = self.terminals.begin().await.map_err(failed)?;
        let Some(position) = CHECKPOINT.lock(&mut transaction).await? else {
            drop(transaction);
            return CHECKPOINT
                .look_on(&self.terminals, self.source.head().await?)
                .await;
        };
        let mut snapshot = self.source.snapshot().await?;
        let head = snapshot.head().await?;
        CHECKPOINT.check(position, head)?;
        let events = snapshot.events(position, BATCH_EVENTS).await?;
        let progress = |events, position| Progress {
            events,
            position,
            head,
            busy: false,
        };
        let Some(last) = events.last().map(|event| event.position) else {
            return Ok(progress(0, position));
        };
        self.apply_network(&mut transaction, &mut snapshot, &events)
            .await?;
        self.apply_journeys(&mut transaction, &mut snapshot, &events)
            .await?;
        CHECKPOINT.move_to(&mut transaction, last).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(progress(events.len(), last))
    }

    /// Derives what changes with time alone: which gates are heard (D-45) and which fare version is in force. To be
    /// called every few seconds.
    ///
    /// # Errors
    /// See [`TerminalProjector::run_once`].
    pub async fn refresh(&self, now_ms: i64) -> Result<(), ProjectError> {
        self.refreshed_ms.fetch_max(now_ms, Ordering::Relaxed);
        let mut snapshot = self.source.snapshot().await?;
        let heard = snapshot.heard().await?;
        let versions = snapshot.fare_versions().await?;
        drop(snapshot);
        let mut transaction = self.terminals.begin().await.map_err(failed)?;
        gates::liveness(&mut transaction, &heard, now_ms, OFFLINE_AFTER_MS).await?;
        prices::in_force(&mut transaction, &versions, now_ms).await?;
        transaction.commit().await.map_err(failed)
    }

    /// Projects everything anew. What is shown stays until its new value is there.
    ///
    /// # Errors
    /// See [`TerminalProjector::run_once`]; or the outbox does not begin at 1. Called again, it starts over.
    pub async fn rebuild(&self) -> Result<Progress, ProjectError> {
        let mut snapshot = self.source.snapshot().await?;
        let (first, head) = (snapshot.first().await?, snapshot.head().await?);
        drop(snapshot);
        if first > 1 {
            let name = CHECKPOINT.name;
            return Err(ProjectError::Pruned { name, first });
        }
        let mut transaction = self.terminals.begin().await.map_err(failed)?;
        if CHECKPOINT.lock(&mut transaction).await?.is_none() {
            return CHECKPOINT.look_on(&self.terminals, head).await;
        }
        let reset = sqlx::query(sql::HOLDS_RESET).execute(&mut *transaction).await;
        reset.map_err(failed)?;
        CHECKPOINT.move_to(&mut transaction, 0).await?;
        transaction.commit().await.map_err(failed)?;
        let mut total = 0;
        loop {
            let progress = self.run_once().await?;
            total += progress.events;
            if progress.position >= head {
                let cleared = sqlx::query(sql::HOLDS_CLEAR).execute(&self.terminals).await;
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

    /// Terminals, gates and fares, when the events are about any.
    async fn apply_network(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        snapshot: &mut Snapshot,
        events: &[Event],
    ) -> Result<(), ProjectError> {
        let rows = events.iter().filter(|event| event.name == ROW_MERGED);
        let mut moved = Vec::new();
        if let Some(at_ms) = rows.map(|event| event.created_ms).max() {
            let judged = shared_rows::judge(&snapshot.shared_rows().await?);
            moved = gates::project(transaction, &judged, at_ms).await?;
            write::hold_terminals(transaction, &moved).await?;
        }
        let published: BTreeSet<u64> = events
            .iter()
            .filter(|event| event.name == FARES_PUBLISHED)
            .map(|event| event.required("version", serde_json::Value::as_u64))
            .collect::<Result<_, _>>()?;
        if moved.is_empty() && published.is_empty() {
            return Ok(());
        }
        let versions = snapshot.fare_versions().await?;
        // Terminals that are new or have another code concern every version.
        let is_concerned = |version: u32| !moved.is_empty() || published.contains(&u64::from(version));
        prices::project(transaction, &versions, is_concerned).await?;
        // A version is settled before anybody travels by it: where no refresh said so, it is as late as that at least.
        let settled_ms = versions.iter().map(|(_, settled_ms)| *settled_ms).max();
        let now_ms = self
            .refreshed_ms
            .load(Ordering::Relaxed)
            .max(settled_ms.unwrap_or_default());
        prices::in_force(transaction, &versions, now_ms).await
    }

    async fn apply_journeys(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        snapshot: &mut Snapshot,
        events: &[Event],
    ) -> Result<(), ProjectError> {
        let notes = events.iter().filter_map(|event| holds::note(event).transpose());
        let notes = notes.collect::<Result<Vec<Note>, _>>()?;
        let booked: BTreeMap<CardId, i64> = events
            .iter()
            .filter_map(|event| Some((event.card?, event.created_ms)))
            .collect();
        let cards: BTreeSet<CardId> = booked.keys().copied().collect();
        if cards.is_empty() {
            return Ok(());
        }
        let settled = snapshot.settled(&texts(&cards)).await?;
        // A settled state may be ahead of this batch: a journey that has ended then is shown so a little early, and the
        // event that ends it says how.
        let under_way: Vec<UnderWay> = settled
            .iter()
            .map(|settled| under_way(settled, &booked))
            .collect();

        let open = under_way
            .iter()
            .filter_map(|known| known.entry)
            .map(reference::of);
        let references: BTreeSet<String> = notes
            .iter()
            .map(|note| note.reference.clone())
            .chain(open)
            .collect();
        let mut held = write::read_holds(transaction, &references, &texts(&cards)).await?;
        let changed = holds::apply(&mut held, &notes, &under_way);
        held.retain(|reference, _| changed.contains(reference));
        if held.is_empty() {
            return Ok(());
        }
        let of_holds: BTreeSet<CardId> = held.values().map(|hold| hold.card).collect();
        let ids = self.user_ids(&of_holds).await?;
        write::write_holds(transaction, &held, &ids).await
    }

    /// The ids of cards in `user_service_db`; those it does not know yet get theirs.
    async fn user_ids(&self, cards: &BTreeSet<CardId>) -> Result<BTreeMap<CardId, i64>, ProjectError> {
        let error = ProjectError::of(USERS);
        let ensured = sqlx::query(sql::USERS_ENSURE)
            .bind(texts(cards))
            .execute(&self.users)
            .await;
        ensured.map_err(error)?;
        let rows = sqlx::query(sql::USERS_IDS)
            .bind(texts(cards))
            .fetch_all(&self.users)
            .await;
        write::ids(&rows.map_err(error)?)
    }
}

fn under_way(settled: &Settled, booked: &BTreeMap<CardId, i64>) -> UnderWay {
    UnderWay {
        card: settled.card,
        entry: settled.trip().map(|open| open.entry.tap),
        booked_ms: booked.get(&settled.card).copied().unwrap_or_default(),
    }
}

fn failed(error: sqlx::Error) -> ProjectError {
    ProjectError::of(TERMINALS)(error)
}
