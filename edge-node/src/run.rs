//! A whole gate, started and stopped: the only place that reads clocks and entropy, besides the program itself.

mod error;
mod surroundings;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sync_protocol::changeset::{PublicKey, Signer};
use sync_protocol::fact::Direction;
use sync_protocol::id::{CardId, NodeId};
use sync_shell::http::{self as shell_http, Token};
use sync_shell::identity::{Identity, NodeKeys};
use sync_shell::links::{Links, LinksConfig};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use crate::config::GateConfig;
pub use crate::taps::{TapRefusal, Taps};
pub use crate::writer::Heads;
pub use error::{StartError, StopError};
pub use surroundings::{Surroundings, system_clock};

use crate::answer::Answer;
use crate::http::{self, App, Parts as AppParts};
use crate::metrics::Metrics;
use crate::node::{Node, Parts, Roster, Snapshot, revoked_keys};
use crate::renewal::Renewer;
use crate::status::Own;
use crate::store::{Opening, Store, StoreError};
use crate::writer::{CONTROL_QUEUE_MAX, Control, EVENT_QUEUE_MAX, Queues, TAP_QUEUE_MAX, Writer};

/// A gate has this long to stop in order.
pub const STOP_MAX: Duration = Duration::from_secs(5);
/// Histograms are tidied this often.
const UPKEEP: Duration = Duration::from_secs(5);
/// What an operator changes when the HTTP port is taken.
const HTTP_SETTING: &str = "http.listen (EDGE_HTTP__LISTEN, --http)";

/// What the writer returns when it ends.
type Ended = oneshot::Receiver<Result<(), StoreError>>;

/// A running gate.
pub struct Gate {
    http: SocketAddr,
    sync: SocketAddr,
    token: Token,
    taps: Taps,
    controls: mpsc::Sender<Control>,
    heads: watch::Receiver<Heads>,
    links: Links,
    http_stop: oneshot::Sender<()>,
    http_task: JoinHandle<std::io::Result<()>>,
    upkeep: JoinHandle<()>,
    renewal: JoinHandle<()>,
    ended: Option<Ended>,
    config: GateConfig,
}

impl Gate {
    /// Starts a gate on the system's clocks, inside a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`]: each says what happened and what to do.
    pub async fn start(config: GateConfig) -> Result<Gate, StartError> {
        Gate::start_in(config, Surroundings::system()).await
    }

    /// Starts a gate in given surroundings.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_in(config: GateConfig, surroundings: Surroundings) -> Result<Gate, StartError> {
        config.check()?;
        let keys = Arc::new(load_keys(&config)?);
        std::fs::create_dir_all(&config.data_dir).map_err(|source| StartError::DataFolder {
            folder: config.data_dir.clone(),
            source,
        })?;
        let token = Token::load_or_create(&config.token(), &surroundings.entropy()?)?;
        let store = open_store(&config, &keys, &surroundings)?;
        let listener = shell_http::bind(config.http.listen, HTTP_SETTING).await?;
        let http = listener.local_addr().map_err(StartError::HttpAddress)?;
        let (events, heard) = mpsc::channel(EVENT_QUEUE_MAX);
        let revoked = revoked_keys(&store)?;
        let links = Links::start(links_config(&config, &keys, &surroundings)?, events)?;
        links.set_revoked(revoked);
        let renewer = Renewer::new(
            Arc::clone(&keys),
            config.keys_dir(),
            config.sync.hub.clone(),
            links.clone(),
            surroundings.clock.clone(),
        );
        let own = Own {
            code: config.gate.code,
            certificate: renewer.watch(),
        };

        let metrics = Arc::new(Metrics::new().map_err(|error| StartError::Metrics(error.to_string()))?);
        let (tap_queue, taps) = mpsc::channel(TAP_QUEUE_MAX);
        let (controls, asked) = mpsc::channel(CONTROL_QUEUE_MAX);
        let (advanced, heads) = watch::channel(Heads::new());
        let node = Node::new(
            node_parts(&config, &keys, store, &surroundings)?,
            surroundings.clock.now(),
        )?;
        let queues = Queues {
            taps,
            events: heard,
            controls: asked,
        };
        let taps = Taps::new(tap_queue, surroundings.clock.clone(), Arc::clone(&metrics));
        let writer = Writer::new(
            node,
            surroundings.clock,
            queues,
            links.clone(),
            surroundings.barrier,
            Arc::clone(&metrics),
            advanced,
        );
        let ended = begin(writer)?;
        let app = App::new(AppParts {
            taps: taps.clone(),
            controls: controls.clone(),
            links: links.clone(),
            metrics: Arc::clone(&metrics),
            database: config.database(),
            own,
            language: config.language,
        });
        let (http_stop, http_task) = serve(listener, app, token.clone(), &config);
        write_address(&config, http)?;
        Ok(Gate {
            http,
            sync: links.local_address(),
            token,
            taps,
            controls,
            heads,
            links,
            http_stop,
            http_task,
            upkeep: tokio::spawn(keep_up(metrics)),
            renewal: tokio::spawn(renewer.run()),
            ended: Some(ended),
            config,
        })
    }

    /// Where the HTTP interface listens.
    #[must_use]
    pub const fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Where other nodes reach this one (UDP).
    #[must_use]
    pub const fn sync_address(&self) -> SocketAddr {
        self.sync
    }

    /// The token that HTTP requests must carry.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.text()
    }

    /// The way of a card to the writer.
    #[must_use]
    pub const fn taps(&self) -> &Taps {
        &self.taps
    }

    /// Presents a card; the answer comes once the tap is durable.
    ///
    /// # Errors
    /// See [`TapRefusal`].
    pub async fn tap(&self, card: CardId, direction: Option<Direction>) -> Result<Answer, TapRefusal> {
        self.taps.tap(card, direction).await
    }

    /// Tells each advance of other nodes' logs, once durable here.
    #[must_use]
    pub fn heads(&self) -> watch::Receiver<Heads> {
        self.heads.clone()
    }

    /// The links, for looking at.
    #[must_use]
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// How the gate stands; `None` when its writer has ended.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        let (answer, answered) = oneshot::channel();
        self.controls.send(Control::Snapshot(answer)).await.ok()?;
        answered.await.ok()
    }

    /// Waits until the writer ends, which it does by itself only when something is broken.
    pub async fn ended(&mut self) -> StopError {
        let Some(ended) = &mut self.ended else {
            return StopError::Ended;
        };
        let end = ended.await;
        self.ended = None;
        outcome(end).err().unwrap_or(StopError::Ended)
    }

    /// Stops in order: takes no more taps, answers those in the queue, makes everything durable, closes the links.
    ///
    /// # Errors
    /// Not everything was done within [`STOP_MAX`], or the database could not be closed. Every answered tap is
    /// durable nevertheless.
    pub async fn stop(self) -> Result<(), StopError> {
        let stopped = tokio::time::timeout(STOP_MAX, self.stop_in_order()).await;
        stopped.unwrap_or(Err(StopError::TooSlow))
    }

    async fn stop_in_order(self) -> Result<(), StopError> {
        // A writer that has ended takes no orders; what it left says so below.
        let _ = self.controls.send(Control::Stop).await;
        let closed = match self.ended {
            Some(ended) => outcome(ended.await),
            None => Err(StopError::Ended),
        };
        // Links send what the writer gave them last, while HTTP answers what it was asked last.
        let _ = self.http_stop.send(());
        self.renewal.abort();
        let (_, served) = tokio::join!(self.links.shutdown(), self.http_task);
        self.upkeep.abort();
        // The file only helps to find the port; it may be gone.
        let _ = std::fs::remove_file(self.config.address_file());
        match served {
            Ok(Err(error)) => tracing::warn!(%error, "the HTTP interface did not end in order"),
            Err(error) => tracing::warn!(%error, "the HTTP interface did not end in order"),
            Ok(Ok(())) => {}
        }
        closed
    }
}

/// How the writer ended: what it returned, or nothing when it panicked.
fn outcome(end: Result<Result<(), StoreError>, oneshot::error::RecvError>) -> Result<(), StopError> {
    match end {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(StopError::Store(error)),
        Err(_) => Err(StopError::Broken),
    }
}

/// Reads the keys and checks that they are this gate's.
///
/// # Errors
/// A file is missing or malformed, or the certificate names another node or terminal.
pub fn load_keys(config: &GateConfig) -> Result<NodeKeys, StartError> {
    let keys = NodeKeys::load(&config.keys_dir())?;
    let identity = *keys.identity();
    if identity.node != config.gate.id.node() || identity.terminal != Some(config.gate.terminal) {
        return Err(StartError::Identity {
            folder: config.keys_dir(),
            certificate: identity.to_string(),
            configured: format!("{} of terminal {}", config.gate.id.node(), config.gate.terminal),
        });
    }
    Ok(keys)
}

/// Opens the database and begins a site in it.
///
/// # Errors
/// It cannot be opened, is open elsewhere, or is newer than this program.
pub fn open_store(
    config: &GateConfig,
    keys: &NodeKeys,
    surroundings: &Surroundings,
) -> Result<Store, StartError> {
    let opening = Opening {
        gate: config.decider(),
        policy: config.policy.policy(sync_protocol::money::Money::ZERO),
        signer: Box::new(keys.signer()),
        certificate: keys.certificate().to_vec(),
        random: surroundings.entropy()?,
        ballast_bytes: config.ballast_bytes(),
        vfs: None,
    };
    Ok(Store::open(config.database(), opening)?)
}

/// What the core is made of.
///
/// # Errors
/// The system gives no entropy.
pub fn node_parts(
    config: &GateConfig,
    keys: &NodeKeys,
    store: Store,
    surroundings: &Surroundings,
) -> Result<Parts<sync_shell::identity::CertificateTrust>, StartError> {
    let configured: BTreeSet<String> = config
        .sync
        .neighbours
        .iter()
        .chain(config.sync.hub.as_ref())
        .cloned()
        .collect();
    let signer: Box<dyn Signer + Send> = Box::new(keys.signer());
    Ok(Parts {
        store,
        trust: keys.trust(),
        signer,
        policy: config.policy.clone(),
        roster: Roster::new(configured, config.sync.advertise.clone()),
        uncertainty_ms: config.clock.uncertainty_ms,
        retention: config.retention.retention(),
        seed: u64::from_le_bytes(surroundings.entropy()?),
    })
}

fn links_config(
    config: &GateConfig,
    keys: &Arc<NodeKeys>,
    surroundings: &Surroundings,
) -> Result<LinksConfig, StartError> {
    let own: (NodeId, PublicKey) = (keys.identity().node, keys.identity().key);
    let terminal = config.gate.terminal;
    let admits = move |identity: &Identity| {
        let is_near = identity.terminal.is_none() || identity.terminal == Some(terminal);
        is_near && identity.node != own.0
    };
    Ok(LinksConfig {
        listen: config.sync.listen,
        keys: Arc::clone(keys),
        admits: Arc::new(admits),
        seed: u64::from_le_bytes(surroundings.entropy()?),
    })
}

/// Begins the writer's thread; what it returns comes when it ends.
fn begin<T: sync_protocol::changeset::Trust + Send + 'static>(
    writer: Writer<T>,
) -> Result<Ended, StartError> {
    let (end, ended) = oneshot::channel();
    let work = move || {
        // Nobody may be left who waits for it.
        let _ = end.send(writer.run());
    };
    std::thread::Builder::new()
        .name("writer".to_owned())
        .spawn(work)
        .map_err(StartError::Thread)?;
    Ok(ended)
}

fn serve(
    listener: TcpListener,
    app: App,
    token: Token,
    config: &GateConfig,
) -> (oneshot::Sender<()>, JoinHandle<std::io::Result<()>>) {
    let (stop, stopped) = oneshot::channel();
    let router = http::router(app, token, &config.http.hosts);
    let shutdown = async {
        // A gate that was dropped stops serving too.
        let _ = stopped.await;
    };
    (stop, tokio::spawn(shell_http::serve(listener, router, shutdown)))
}

/// Tells the command line where the gate listens, when its port was chosen by the system.
fn write_address(config: &GateConfig, http: SocketAddr) -> Result<(), StartError> {
    let path = config.address_file();
    std::fs::write(&path, format!("{http}\n"))
        .map_err(|source| StartError::DataFolder { folder: path, source })
}

async fn keep_up(metrics: Arc<Metrics>) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.upkeep();
    }
}
