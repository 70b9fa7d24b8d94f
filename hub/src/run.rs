//! A hub process from start to stop: everything is made here, wired, started, and ended in order.
//!
//! ```text
//!  gates ══ links ══> engine ──> ingest ──> PostgreSQL <── settler ──> engine ══> gates
//!                       │  └──> serve ──────────^  ^  ^
//!                       └─────> beats ─────────────┘  └── followers (users, terminals, Redis) · HTTP
//! ```
//! Invariant: nothing that matters is only in memory. A process may be killed at any moment and start again.

mod parts;
mod start;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use rand_core::TryRngCore as _;
use sync_shell::links::Links;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

pub use crate::config::HubConfig;
pub use start::{StartError, load_authority};

use crate::clock::Clock;
use crate::databases::Pools;
use crate::stop::Stopper;

/// What is under way when the hub is told to stop has this long to end.
pub const STOP_MAX: Duration = Duration::from_secs(10);

/// A running hub.
pub struct Hub {
    http_address: SocketAddr,
    sync_address: SocketAddr,
    token: Option<String>,
    stop: Stopper,
    tasks: JoinSet<&'static str>,
    links: Links,
    pools: Pools,
}

impl Hub {
    /// Where the HTTP interface listens.
    #[must_use]
    pub const fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// Where gates connect.
    #[must_use]
    pub const fn sync_address(&self) -> SocketAddr {
        self.sync_address
    }

    /// The bearer token of the HTTP interface, when one is asked for.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Waits until a part of the hub ends that should not: a defect. Gives its name.
    pub async fn ended(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(name)) => name.to_owned(),
            Some(Err(error)) => error.to_string(),
            None => "everything".to_owned(),
        }
    }

    /// Stops: no new work is taken, what is under way ends, the lease is given back.
    pub async fn stop(mut self) {
        self.stop.stop();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(STOP_MAX, all).await.is_err() {
            warn!("something did not end in time and is cut off; nothing is lost by it");
            self.tasks.shutdown().await;
        }
        self.links.shutdown().await;
        let _ = timeout(STOP_MAX, self.pools.close()).await;
        info!("stopped");
    }
}

/// The clocks of this machine.
#[must_use]
pub fn clock() -> Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the process reads the wall clock here and nowhere else"
    )]
    Clock::new(SystemTime::now)
}

/// 32 random bytes of this machine.
///
/// # Panics
/// The operating system gives none: no key may be made then.
#[must_use]
pub fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand_core::OsRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system gives no random bytes");
    bytes
}
