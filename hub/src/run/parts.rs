//! The parts of a running hub, each in tasks of its own.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use sync_protocol::have::Have;
use sync_shell::http::{Token, serve};
use sync_shell::identity::NodeKeys;
use sync_shell::links::{LinkEvent, Links};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinSet;
use tracing::warn;

use super::HubConfig;
use crate::cache::{Cache, CacheProjector};
use crate::certifier::OwnCertificate;
use crate::clock::Clock;
use crate::databases::Pools;
use crate::followers::{Lags, News, follow};
use crate::http::{self, App, Shared};
use crate::ledger::postgres::PostgresLedger;
use crate::net::beats::{OwnBeat, Verifier};
use crate::net::serve::{READERS, SERVES_MAX, read_ranges};
use crate::net::{self, Engine, Queues, Report, SharedStanding, ingest};
use crate::observer::Observer;
use crate::people::People;
use crate::project::{TerminalProjector, UserProjector};
use crate::settler::{Authority, Settler};
use crate::stop::Stop;

/// What all parts stand on.
pub(super) struct Ground {
    pub(super) config: HubConfig,
    pub(super) clock: Clock,
    pub(super) random: fn() -> [u8; 32],
    pub(super) keys: Arc<NodeKeys>,
    pub(super) pools: Pools,
    pub(super) ledger: PostgresLedger,
    pub(super) links: Links,
    pub(super) metrics: PrometheusHandle,
    pub(super) renewing: OwnCertificate,
    pub(super) seed: u64,
    pub(super) stop: Stop,
}

impl Ground {
    fn patience(&self) -> Duration {
        Duration::from_millis(self.config.database.transaction_timeout_ms)
    }
}

type Tasks = JoinSet<&'static str>;

fn spawn(tasks: &mut Tasks, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
    tasks.spawn(async move {
        work.await;
        name
    });
}

/// Starts everything.
pub(super) fn start(
    ground: Ground,
    have: Have,
    authority: Authority,
    events: mpsc::Receiver<LinkEvent>,
    door: (TcpListener, Option<Token>),
    tasks: &mut Tasks,
) {
    let (reports, reported) = mpsc::channel(net::REPORTS_MAX);
    let arrived = Arc::new(Notify::new());
    let standing = SharedStanding::default();
    let queues = start_workers(&ground, &authority, &reports, &arrived, tasks);
    let engine = Engine::new(
        have,
        ground.seed,
        ground.config.sync.in_flight_bytes,
        ground.links.clone(),
        queues,
        standing.clone(),
        ground.clock,
    );
    spawn(tasks, "engine", engine.run(events, reported, ground.stop.clone()));
    let revoked = crate::revoked::keep(
        ground.ledger.clone(),
        ground.links.clone(),
        ground.patience(),
        ground.stop.clone(),
    );
    spawn(tasks, "revoked keys", revoked);
    let renewing = ground.renewing.clone().keep(
        Arc::clone(&ground.keys),
        ground.links.clone(),
        ground.stop.clone(),
    );
    spawn(tasks, "own certificate", renewing);
    let observer = Observer {
        ledger: ground.ledger.clone(),
        links: ground.links.clone(),
        reports: reports.clone(),
        clock: ground.clock,
        patience: ground.patience(),
    };
    spawn(tasks, "observer", observer.run(ground.stop.clone()));
    let (decided, decided_heard) = watch::channel(0);
    let mut news = News {
        outbox: Vec::new(),
        requested: Arc::new(Notify::new()),
        decided,
    };
    let lags = Lags::default();
    let cache = start_followers(&ground, &mut news, &lags, tasks);
    start_settler(
        &ground,
        authority,
        &reports,
        arrived,
        &news.requested,
        standing.clone(),
        tasks,
    );
    let shared = Shared {
        ledger: ground.ledger.clone(),
        pools: ground.pools.clone(),
        people: People::new(ground.pools.users.clone()),
        cache,
        decided: decided_heard,
        requested: Arc::clone(&news.requested),
        decision_wait: Duration::from_millis(ground.config.http.decision_wait_ms),
        patience: ground.patience(),
        standing,
        lags,
        clock: ground.clock,
        metrics: ground.metrics.clone(),
    };
    spawn(
        tasks,
        "listener",
        news.listen(ground.pools.transactions.clone(), ground.stop.clone()),
    );
    let (listener, token) = door;
    let router = http::router(App(Arc::new(shared)), &ground.config.http, token);
    let mut stop = ground.stop.clone();
    spawn(tasks, "http", async move {
        let stopped = async move {
            stop.told().await;
        };
        if let Err(error) = serve(listener, router, stopped).await {
            warn!(%error, "the HTTP interface ended");
        }
    });
}

fn start_workers(
    ground: &Ground,
    authority: &Authority,
    reports: &mpsc::Sender<Report>,
    arrived: &Arc<Notify>,
    tasks: &mut Tasks,
) -> Queues {
    let (queue, source) = ingest::queue(ground.config.sync.in_flight_bytes);
    let writer = ingest::Writer {
        ledger: ground.ledger.clone(),
        trust: authority.trust.clone(),
        reports: reports.clone(),
        arrived: Arc::clone(arrived),
        patience: ground.patience(),
        clock: ground.clock,
    };
    for _ in 0..ingest::WRITERS {
        spawn(tasks, "ingest", writer.clone().run(source.clone()));
    }
    let (serve, wanted) = mpsc::channel(SERVES_MAX);
    let wanted = Arc::new(Mutex::new(wanted));
    for _ in 0..READERS {
        let reader = read_ranges(
            ground.ledger.clone(),
            Arc::clone(&wanted),
            reports.clone(),
            ground.patience(),
        );
        spawn(tasks, "serve", reader);
    }
    let (beats, heard) = mpsc::channel(net::BEATS_MAX);
    let verifier = Verifier::new(
        ground.ledger.clone(),
        authority.trust.clone(),
        reports.clone(),
        ground.clock,
        ground.patience(),
    );
    spawn(tasks, "heartbeats", verifier.run(heard));
    Queues {
        ingest: queue,
        serve,
        beats,
    }
}

fn start_settler(
    ground: &Ground,
    authority: Authority,
    reports: &mpsc::Sender<Report>,
    arrived: Arc<Notify>,
    requested: &Arc<Notify>,
    standing: SharedStanding,
    tasks: &mut Tasks,
) {
    let (sites, own_sites) = watch::channel(None);
    let own_beat = OwnBeat {
        ledger: ground.ledger.clone(),
        signer: ground.keys.signer(),
        reports: reports.clone(),
        sites: own_sites,
        clock: ground.clock,
        patience: ground.patience(),
    };
    spawn(tasks, "own heartbeat", own_beat.run());
    let settle = &ground.config.settle;
    let settler = Settler {
        ledger: ground.ledger.clone(),
        authority,
        reports: reports.clone(),
        arrived,
        requested: Arc::clone(requested),
        standing,
        sites,
        holder: holder(&(ground.random)()),
        random: ground.random,
        clock: ground.clock,
        spacing: Duration::from_millis(settle.spacing_ms),
        changesets_max: settle.changesets_max,
        patience: ground.patience(),
    };
    spawn(tasks, "settler", settler.run(ground.stop.clone()));
}

/// Names this start of this process in the lease.
fn holder(random: &[u8; 32]) -> String {
    format!(
        "process {}, start {:02x}{:02x}{:02x}{:02x}",
        std::process::id(),
        random[0],
        random[1],
        random[2],
        random[3]
    )
}

fn start_followers(
    ground: &Ground,
    news: &mut News,
    lags: &Lags,
    tasks: &mut Tasks,
) -> Option<Arc<CacheProjector>> {
    let Pools {
        transactions,
        users,
        terminals,
        ..
    } = &ground.pools;
    let mut told = || {
        let notify = Arc::new(Notify::new());
        news.outbox.push(Arc::clone(&notify));
        notify
    };
    let (clock, patience, stop) = (ground.clock, ground.patience(), &ground.stop);
    // The cache shows users as their projection has them, so it looks again once that has moved.
    let cache_news = told();
    let user_projector = UserProjector::new(transactions.clone(), users.clone());
    let follower = follow(
        user_projector,
        told(),
        Some(Arc::clone(&cache_news)),
        lags.clone(),
        clock,
        patience,
        stop.clone(),
    );
    spawn(tasks, "users", follower);
    let terminal_projector = TerminalProjector::new(transactions.clone(), terminals.clone(), users.clone());
    let follower = follow(
        terminal_projector,
        told(),
        None,
        lags.clone(),
        clock,
        patience,
        stop.clone(),
    );
    spawn(tasks, "terminals", follower);
    if ground.config.redis_url.is_empty() {
        return None;
    }
    let cache = match Cache::open(&ground.config.redis_url, &ground.config.database_prefix) {
        Ok(cache) => cache,
        Err(error) => {
            warn!(%error, "nothing is cached: correct redis_url, or set it to \"\"");
            return None;
        }
    };
    let cache = Arc::new(CacheProjector::new(transactions.clone(), users.clone(), cache));
    let follower = follow(
        Arc::clone(&cache),
        cache_news,
        None,
        lags.clone(),
        clock,
        patience,
        stop.clone(),
    );
    spawn(tasks, "cache", follower);
    Some(cache)
}
