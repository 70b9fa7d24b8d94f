//! The cache: what Redis shows of cards, trips and fares. Everything in it can be rebuilt, nothing depends on it.
//!
//! | Key | Type | Content | Lives |
//! |---|---|---|---|
//! | `user:{id}` | hash | id, card_id, balance, status, full_name, updated_at, revision, person_revision (R-20) | 1 h |
//! | `active_trip:{id}` | hash | card_id, checkin_terminal, checkin_time, expected_fare, revision (R-22) | 2 h |
//! | `fare:{origin}:{destination}` | hash | price, version, updated_at (R-21, D-22), by terminal codes (D-46) | 24 h |
//! | `card:{card_id}` | string | the user's id | 1 h |
//! | `fares:version` | string | the fare version that is shown | 24 h |
//! | `cache:position` | string | the last event of the outbox that is shown here | for good |
//!
//! An absent key means "unknown", never "no trip" and never "no such card" (D-46). The name in `user:{id}` is personal
//! data; it is in no other key.
//!
//! Invariant: a value is never replaced by an older one, in whatever order writes arrive: scripts compare revisions and
//! set the fields together with their time to live (`tests/project/cache.rs`). The guard of a trip that has ended is
//! the revision in the user's hash; when Redis evicted or expired both hashes, a write that was under way for that
//! long could show an old trip, until the card's next event or two hours.
//!
//! In a Redis Cluster all keys have to be in one slot, because a script writes several: give a key prefix with a hash
//! tag, such as `{tickets}:`.
//!
//! Every call has a deadline. When Redis does not answer, calls fail at once for a moment, so that nobody waits in line
//! for it.

mod follow;
mod read;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, Script};

pub use follow::CacheProjector;
pub use read::{CachedFare, CachedTrip, CachedUser};
pub use write::{CardEntry, FareEntry, TripEntry};

use crate::project::ProjectError;

/// `user:{id}` lives this long.
pub const USER_TTL_S: u64 = 3_600;
/// `fare:{origin}:{destination}` lives this long.
pub const FARE_TTL_S: u64 = 86_400;
/// `active_trip:{id}` lives this long.
pub const TRIP_TTL_S: u64 = 7_200;
/// A read that takes longer is given up.
pub const READ_DEADLINE: Duration = Duration::from_millis(50);
/// A write that takes longer is given up.
pub const WRITE_DEADLINE: Duration = Duration::from_millis(500);
/// After Redis did not answer, calls fail at once for this long.
pub const PAUSE: Duration = Duration::from_millis(250);
/// Most cards in one script: Redis does nothing else meanwhile.
pub const CARDS_PER_CALL: usize = 64;
/// Most routes in one script.
pub const FARES_PER_CALL: usize = 256;
/// Longest key prefix in bytes.
pub const PREFIX_BYTES_MAX: usize = 64;

/// Why the cache was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Not a URL of Redis.
    #[error("{0:?} is not a Redis URL: write redis://user:password@host:6379/0")]
    Url(String),
    /// A key prefix that is too long.
    #[error("a key prefix of {0} bytes: at most {PREFIX_BYTES_MAX} are allowed")]
    Prefix(usize),
    /// No answer in time.
    #[error("Redis did not answer within {0} ms: check that it runs; nothing but the cache depends on it")]
    Deadline(u128),
    /// It did not answer a moment ago.
    #[error("Redis did not answer a moment ago: it is asked again soon")]
    Pausing,
    /// It answered with an error.
    #[error("Redis: {0}: check that it runs and takes writes; nothing but the cache depends on it")]
    Redis(#[from] RedisError),
    /// What is to be shown cannot be read.
    #[error(transparent)]
    Source(#[from] ProjectError),
}

/// A connection to Redis that comes back by itself. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache {
    connection: ConnectionManager,
    prefix: Arc<str>,
    scripts: Arc<Scripts>,
    state: Arc<State>,
}

#[derive(Debug)]
struct Scripts {
    cards: Script,
    fares: Script,
    position: Script,
}

#[derive(Debug, Default)]
struct State {
    pausing: AtomicBool,
    errors: AtomicU64,
}

impl Cache {
    /// A cache at this URL whose keys begin with `prefix` (usually empty). Does not connect yet, so Redis may be away.
    /// To be called in a Tokio runtime.
    ///
    /// # Errors
    /// Not a URL of Redis, or the prefix is too long.
    pub fn open(url: &str, prefix: &str) -> Result<Cache, CacheError> {
        if prefix.len() > PREFIX_BYTES_MAX {
            return Err(CacheError::Prefix(prefix.len()));
        }
        // The URL may hold a password.
        let shown = || {
            url.rsplit('@')
                .next()
                .unwrap_or_default()
                .chars()
                .take(80)
                .collect()
        };
        let client = redis::Client::open(url).map_err(|_| CacheError::Url(shown()))?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(WRITE_DEADLINE))
            .set_response_timeout(Some(WRITE_DEADLINE));
        Ok(Cache {
            connection: ConnectionManager::new_lazy_with_config(client, config)?,
            prefix: prefix.into(),
            scripts: Arc::new(Scripts {
                cards: Script::new(include_str!("cache/cards.lua")),
                fares: Script::new(include_str!("cache/fares.lua")),
                position: Script::new(include_str!("cache/position.lua")),
            }),
            state: Arc::default(),
        })
    }

    /// How many calls failed since the start.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.state.errors.load(Ordering::Relaxed)
    }

    fn key(&self, name: impl std::fmt::Display) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Runs a call within its deadline.
    async fn call<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, CacheError> {
        if self.state.pausing.load(Ordering::Relaxed) {
            return Err(CacheError::Pausing);
        }
        let (error, is_silent) = match tokio::time::timeout(deadline, call).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => {
                let is_silent = error.is_io_error() || error.is_timeout() || error.is_connection_dropped();
                (CacheError::Redis(error), is_silent)
            }
            Err(_) => (CacheError::Deadline(deadline.as_millis()), true),
        };
        self.state.errors.fetch_add(1, Ordering::Relaxed);
        if is_silent && !self.state.pausing.swap(true, Ordering::Relaxed) {
            let state = Arc::clone(&self.state);
            tokio::spawn(async move {
                tokio::time::sleep(PAUSE).await;
                state.pausing.store(false, Ordering::Relaxed);
            });
        }
        Err(error)
    }
}
