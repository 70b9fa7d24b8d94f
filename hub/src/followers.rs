//! What follows the outbox: the projections of the services and the cache, and the ear that hears of news.
//!
//! Each follower runs in a task of its own, when PostgreSQL tells of new events and once a second besides. One that
//! fails tries again with back-off and holds up nobody else: Redis may be gone for a day and nothing but the cache is
//! the worse for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::cache::CacheProjector;
use crate::clock::Clock;
use crate::metrics as names;
use crate::project::{Progress, TerminalProjector, UserProjector};
use crate::stop::Stop;

/// A follower looks at the outbox this often when nothing tells it of news.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Gates' liveness and the fares in force are looked at this often.
const REFRESH_TERMINALS_MS: i64 = 5_000;
/// Recent cards and the fares in force are written to Redis again this often, well before they expire there.
const REFRESH_CACHE_MS: i64 = 600_000;

/// The channels the ledger notifies.
const CHANNELS: [&str; 3] = ["outbox", "decisions", "decided"];

/// How far a follower is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Events it has not applied.
    pub events: i64,
    /// Why it does not move, when it does not.
    pub error: Option<String>,
}

/// How far all of them are.
#[derive(Clone, Debug, Default)]
pub struct Lags(Arc<Mutex<BTreeMap<&'static str, Lag>>>);

impl Lags {
    /// By name.
    #[must_use]
    pub fn read(&self) -> BTreeMap<&'static str, Lag> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn edit(&self, name: &'static str, edit: impl FnOnce(&mut Lag)) {
        let mut lags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        edit(lags.entry(name).or_default());
    }
}

/// Wakes whoever waits for news from PostgreSQL.
#[derive(Clone, Debug)]
pub struct News {
    /// One per follower: an event was added to the outbox.
    pub outbox: Vec<Arc<Notify>>,
    /// A decision was requested.
    pub requested: Arc<Notify>,
    /// Rises when requests have been decided.
    pub decided: watch::Sender<u64>,
}

impl News {
    fn hear(&self, channel: &str) {
        match channel {
            "outbox" => self.outbox.iter().for_each(|follower| follower.notify_one()),
            "decisions" => self.requested.notify_one(),
            _ => self.decided.send_modify(|count| *count = count.wrapping_add(1)),
        }
    }

    fn hear_all(&self) {
        CHANNELS.iter().for_each(|channel| self.hear(channel));
    }

    /// Listens until told to stop. Whenever the connection was lost something may have been missed, so everybody is
    /// woken once it stands again.
    pub async fn listen(self, pool: PgPool, mut stop: Stop) {
        let mut backoff = Backoff::default();
        loop {
            tokio::select! {
                biased;
                () = stop.told() => return,
                error = self.listen_once(&pool, &mut backoff) => {
                    let pause = backoff.failed();
                    if backoff.is_first() {
                        warn!(%error, "PostgreSQL tells no news; it is asked instead");
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    async fn listen_once(&self, pool: &PgPool, backoff: &mut Backoff) -> sqlx::Error {
        let mut listener = match PgListener::connect_with(pool).await {
            Ok(listener) => listener,
            Err(error) => return error,
        };
        if let Err(error) = listener.listen_all(CHANNELS).await {
            return error;
        }
        backoff.worked();
        self.hear_all();
        loop {
            match listener.try_recv().await {
                Ok(Some(news)) => self.hear(news.channel()),
                Ok(None) => self.hear_all(),
                Err(error) => return error,
            }
        }
    }
}

/// Something that follows the outbox.
pub trait Follower {
    /// Its name in logs and metrics.
    const NAME: &'static str;

    /// Applies one batch.
    ///
    /// # Errors
    /// Why it does not move.
    fn step(&self, now_ms: i64) -> impl Future<Output = Result<Progress, String>> + Send;

    /// What it does from time to time besides, and how often, milliseconds.
    fn refresh_every_ms(&self) -> Option<i64> {
        None
    }

    /// Does that.
    ///
    /// # Errors
    /// Why not.
    fn refresh(&self, _now_ms: i64) -> impl Future<Output = Result<(), String>> + Send {
        async { Ok(()) }
    }
}

impl Follower for UserProjector {
    const NAME: &'static str = "users";

    async fn step(&self, _now_ms: i64) -> Result<Progress, String> {
        self.run_once().await.map_err(|error| error.to_string())
    }
}

impl Follower for TerminalProjector {
    const NAME: &'static str = "terminals";

    async fn step(&self, _now_ms: i64) -> Result<Progress, String> {
        self.run_once().await.map_err(|error| error.to_string())
    }

    fn refresh_every_ms(&self) -> Option<i64> {
        Some(REFRESH_TERMINALS_MS)
    }

    async fn refresh(&self, now_ms: i64) -> Result<(), String> {
        TerminalProjector::refresh(self, now_ms)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

impl Follower for Arc<CacheProjector> {
    const NAME: &'static str = "cache";

    async fn step(&self, now_ms: i64) -> Result<Progress, String> {
        self.run_once(now_ms).await.map_err(|error| error.to_string())
    }

    fn refresh_every_ms(&self) -> Option<i64> {
        Some(REFRESH_CACHE_MS)
    }

    async fn refresh(&self, now_ms: i64) -> Result<(), String> {
        CacheProjector::refresh(self, now_ms)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

/// Keeps a follower going until told to stop. `then` is told of every batch it applied: who shows what it writes.
pub async fn follow<F: Follower>(
    follower: F,
    news: Arc<Notify>,
    then: Option<Arc<Notify>>,
    lags: Lags,
    clock: Clock,
    patience: Duration,
    mut stop: Stop,
) {
    let mut backoff = Backoff::default();
    let mut refresh_at_ms = i64::MIN;
    loop {
        let done = tokio::select! {
            biased;
            () = stop.told() => return,
            done = timeout(patience, advance(&follower, &clock, &mut refresh_at_ms)) => done,
        };
        let done = done.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let pause = match done {
            Ok(progress) => {
                if backoff.worked() {
                    info!(follower = F::NAME, "goes on");
                }
                note(F::NAME, &lags, &progress);
                if progress.events > 0
                    && let Some(then) = &then
                {
                    then.notify_one();
                }
                match progress.has_more() {
                    true => Duration::ZERO,
                    false => LOOK_EVERY,
                }
            }
            Err(error) => {
                metrics::counter!(counter_of(F::NAME), "follower" => F::NAME).increment(1);
                let pause = backoff.failed();
                if backoff.is_first() {
                    warn!(follower = F::NAME, error, "does not move; it is tried again");
                }
                lags.edit(F::NAME, |lag| lag.error = Some(error));
                pause
            }
        };
        let failed = backoff.is_failing();
        tokio::select! {
            biased;
            () = stop.told() => return,
            () = news.notified(), if !failed => {}
            () = sleep(pause) => {}
        }
    }
}

async fn advance<F: Follower>(
    follower: &F,
    clock: &Clock,
    refresh_at_ms: &mut i64,
) -> Result<Progress, String> {
    let now_ms = clock.wall_ms();
    if let Some(every_ms) = follower.refresh_every_ms()
        && clock.monotonic_ms() >= *refresh_at_ms
    {
        follower.refresh(now_ms).await?;
        *refresh_at_ms = clock.monotonic_ms() + every_ms;
    }
    follower.step(now_ms).await
}

fn note(name: &'static str, lags: &Lags, progress: &Progress) {
    let lag = usize::try_from(progress.lag()).unwrap_or(0);
    let head = usize::try_from(progress.head).unwrap_or(0);
    metrics::gauge!(names::PROJECTION_LAG, "follower" => name).set(crate::net::ingest::count(lag));
    metrics::gauge!(names::OUTBOX_HEAD).set(crate::net::ingest::count(head));
    lags.edit(name, |known| {
        known.events = progress.lag();
        known.error = None;
    });
}

fn counter_of(name: &str) -> &'static str {
    match name {
        "cache" => names::CACHE_ERRORS,
        _ => names::PROJECTION_ERRORS,
    }
}
