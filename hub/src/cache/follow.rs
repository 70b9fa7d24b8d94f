//! The cache follows the projection of users, which follows the outbox.
//!
//! How far it is, is kept in Redis itself: after a flush, or when Redis came back with an old copy of its memory, the
//! position says so, and what has changed recently is written again. Older cards are unknown until somebody asks.

use std::collections::BTreeSet;

use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use sync_protocol::fare::FareVersion;
use sync_protocol::id::{CardId, TerminalCode};
use tokio::sync::Mutex;

use super::{Cache, CacheError, CardEntry, FareEntry, TRIP_TTL_S, TripEntry, USER_TTL_S};
use crate::project::{BATCH_EVENTS, Progress, ProjectError, Source, USERS, fares, sql};

/// After a flush, events of this long are shown again: as long as anything lives that they made.
const REFILL_MS: i64 = 1_000 * TRIP_TTL_S as i64;
/// The cards of this long are shown again by [`CacheProjector::refresh`].
const REFRESH_MS: i64 = 1_000 * USER_TTL_S as i64;
/// Most events looked at for either.
const REFILL_EVENTS_MAX: i64 = 100_000;

/// Keeps the cache up with `user_service_db` and the fare versions.
#[derive(Debug)]
pub struct CacheProjector {
    source: Source,
    users: PgPool,
    cache: Cache,
    /// Events whose cards are to be shown again: after the first, up to the second position.
    again: Mutex<Option<(i64, i64)>>,
}

impl CacheProjector {
    /// Reads `transaction_service_db` and `user_service_db`, writes Redis.
    #[must_use]
    pub fn new(transactions: PgPool, users: PgPool, cache: Cache) -> CacheProjector {
        CacheProjector {
            source: Source::new(transactions),
            users,
            cache,
            again: Mutex::new(None),
        }
    }

    /// The cache it writes.
    #[must_use]
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Shows the cards of the next batch of events that the users' projection has applied, and the fare version in
    /// force when another one is shown. With nothing new, goes on with a refresh.
    ///
    /// # Errors
    /// Redis does not answer in time, or a database does not. Called again, it does the same.
    pub async fn run_once(&self, now_ms: i64) -> Result<Progress, CacheError> {
        let (shown, version) = self.cache.shown().await?;
        let head = self.applied().await?;
        if version != self.source.fare_in_force(now_ms).await? {
            self.refresh_fares(now_ms).await?;
        }
        let from = match shown {
            Some(position) if position <= head => position,
            // Flushed; or the outbox ends before it, because PostgreSQL was restored to an earlier state.
            _ => self.source.since(REFILL_MS, REFILL_EVENTS_MAX).await?.min(head),
        };
        let batch = self.source.cards_between(from, head, BATCH_EVENTS).await?;
        let Some((cards, last)) = batch else {
            if shown != Some(from) {
                self.cache.move_position(shown, from).await?;
            }
            self.go_on_refreshing().await?;
            return Ok(Progress {
                events: 0,
                position: from,
                head,
                busy: false,
            });
        };
        let events = usize::try_from(last - from).unwrap_or(usize::MAX);
        self.refresh_cards(&cards).await?;
        // Not moved: flushed in between, or another process was faster. Either way the next call sees.
        self.cache.move_position(shown, last).await?;
        Ok(Progress {
            events,
            position: last,
            head,
            busy: false,
        })
    }

    /// Shows the fares in force again, and begins to do so with the cards of the last hour, which
    /// [`CacheProjector::run_once`] goes on with when there is nothing new. To be called every few minutes.
    ///
    /// # Errors
    /// See [`CacheProjector::run_once`].
    pub async fn refresh(&self, now_ms: i64) -> Result<(), CacheError> {
        self.refresh_fares(now_ms).await?;
        let head = self.applied().await?;
        let from = self.source.since(REFRESH_MS, REFILL_EVENTS_MAX).await?;
        *self.again.lock().await = (from < head).then_some((from, head));
        Ok(())
    }

    /// Shows cards as `user_service_db` has them. What it does not have is not shown. Returns how many were written.
    ///
    /// # Errors
    /// See [`CacheProjector::run_once`].
    pub async fn refresh_cards(&self, cards: &[CardId]) -> Result<usize, CacheError> {
        if cards.is_empty() {
            return Ok(0);
        }
        let cards: Vec<&str> = cards.iter().map(CardId::as_str).collect();
        let rows = sqlx::query(sql::USERS_CACHED)
            .bind(cards)
            .fetch_all(&self.users)
            .await;
        let rows = rows.map_err(ProjectError::of(USERS))?;
        let entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>();
        self.cache
            .write_cards(&entries.map_err(ProjectError::of(USERS))?)
            .await
    }

    /// Shows the fare version in force.
    ///
    /// # Errors
    /// See [`CacheProjector::run_once`].
    pub async fn refresh_fares(&self, now_ms: i64) -> Result<(), CacheError> {
        let mut snapshot = self.source.snapshot().await?;
        let versions = snapshot.fare_versions().await?;
        drop(snapshot);
        let facts = versions.iter().map(|(version, _)| version);
        let Some(current) = fares::in_force(facts.clone(), now_ms) else {
            return Ok(());
        };
        let settled_ms = versions
            .iter()
            .find(|(version, _)| version.version == current.version);
        let updated_at_s = settled_ms.map_or(0, |(_, settled_ms)| settled_ms.div_euclid(1_000));
        let routes = routes(current, facts);
        self.cache
            .write_fares(current.version, updated_at_s, &routes)
            .await
    }

    async fn go_on_refreshing(&self) -> Result<(), CacheError> {
        let mut again = self.again.lock().await;
        let Some((from, to)) = *again else {
            return Ok(());
        };
        *again = match self.source.cards_between(from, to, BATCH_EVENTS).await? {
            Some((cards, last)) => {
                self.refresh_cards(&cards).await?;
                (last < to).then_some((last, to))
            }
            None => None,
        };
        Ok(())
    }

    /// The last event that the projection of users has applied.
    async fn applied(&self) -> Result<i64, ProjectError> {
        let row = sqlx::query(sql::CHECKPOINT_READ)
            .bind("users")
            .fetch_one(&self.users)
            .await;
        row.and_then(|row| row.try_get(0))
            .map_err(ProjectError::of(USERS))
    }
}

/// The routes of the version in force, and without a price those that only others have.
fn routes<'a>(current: &FareVersion, all: impl Iterator<Item = &'a FareVersion>) -> Vec<FareEntry> {
    let priced: Vec<FareEntry> = current
        .fares()
        .map(|(origin, destination, price)| FareEntry {
            origin,
            destination,
            price: Some(price),
        })
        .collect();
    let known: BTreeSet<(TerminalCode, TerminalCode)> = priced
        .iter()
        .map(|route| (route.origin, route.destination))
        .collect();
    let others: BTreeSet<(TerminalCode, TerminalCode)> = all
        .flat_map(|version| {
            version
                .fares()
                .map(|(origin, destination, _)| (origin, destination))
        })
        .filter(|route| !known.contains(route))
        .collect();
    let gone = others.into_iter().map(|(origin, destination)| FareEntry {
        origin,
        destination,
        price: None,
    });
    priced.into_iter().chain(gone).collect()
}

fn entry(row: &PgRow) -> Result<CardEntry, sqlx::Error> {
    fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, sqlx::Error>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        text.parse()
            .map_err(|error: T::Err| sqlx::Error::Decode(Box::new(error)))
    }
    let terminal: Option<&str> = row.try_get("current_trip_terminal")?;
    let trip = match terminal {
        Some(terminal) => Some(TripEntry {
            terminal: parsed(terminal)?,
            started_at_s: row.try_get("trip_started_at")?,
            hold: parsed(row.try_get("trip_hold")?)?,
        }),
        None => None,
    };
    Ok(CardEntry {
        user_id: row.try_get("id")?,
        card: parsed(row.try_get("card_id")?)?,
        balance: parsed(row.try_get("balance")?)?,
        status: row.try_get("status")?,
        full_name: row.try_get("full_name")?,
        updated_at_s: row.try_get("updated_at")?,
        revision: row.try_get("revision")?,
        person_revision: row.try_get("person_revision")?,
        trip,
    })
}
