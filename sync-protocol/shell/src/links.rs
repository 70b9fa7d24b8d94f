//! Links between nodes: QUIC with mutual TLS, one connection per pair, frames in both directions.
//!
//! # A link
//! Either node dials the other's UDP port as [`COMMON_NAME`](crate::identity::COMMON_NAME), TLS 1.3, ALPN `gatesync/1`.
//! Each proves its certificate; then each opens two streams towards the other, *live* and *bulk*, and begins each with
//! ```text
//! kind: 1 byte (1 live, 2 bulk) | start: 8 bytes, random per start of the node | choice: u64 LE
//! ```
//! then `length: u32 LE | frame` again and again. Frames over [`LIVE_FRAME_BYTES_MAX`] go on the bulk stream, which
//! yields to the live one, so that a fresh tap never waits behind a backlog.
//!
//! # One link per pair
//! Nodes that dial each other at the same time make two connections. The node with the **higher number decides** which
//! one counts, alone, so both ends agree: the other one begins its streams at once, the deciding one only on the
//! connection it takes, counting its choices up; it closes the rest. It keeps a link that stands, unless the peer has
//! started anew since (another `start`) or has dialled again itself (so it has lost the old one): then the new
//! connection replaces it. The end that dials looks first whether it is linked with that node already.
//!
//! Where two processes run with one node's key ([`Links::twins`]) they would replace each other's links without end: a
//! link of the one stands for [`limits::TURN_MIN`] before the other takes its turn.
//!
//! # The end of a link
//! A node that stops finishes both its streams; the other end closes when it has read them. A link from which nothing
//! came for 4-5 s is closed, which the other end hears even if only this direction fails. A node that was killed and
//! started again answers what its peers still send with a stateless reset, so they know at once.
//!
//! # A node that certifies
//! The hub answers requests for certificates on the same port ([`crate::certify`]). It lets everybody through the
//! handshake who holds a key, and asks of whoever wants a link afterwards what the handshake asks elsewhere.
//!
//! # Invariants
//! - Whoever does not prove an admitted certificate causes no [`LinkEvent`] and gets no frame
//!   (`tests/links/strangers.rs`).
//! - Of one peer: Connected, Frames, Disconnected; never two Connected in a row (`tests/links/duplicates.rs`).
//! - Memory per peer is bounded whatever it sends or does not read, see [`limits`]; a consumer that does not take its
//!   events slows its peers down (`tests/links/limits.rs`).

mod accept;
mod dial;
mod establish;
mod jitter;
mod lane;
pub mod limits;
mod link;
mod registry;
mod stats;
mod supervise;
pub(crate) mod tls;
mod twins;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use sync_protocol::changeset::PublicKey;
use sync_protocol::id::NodeId;
use sync_protocol::wire::{Frame, WireError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::certify::Certifier;
use crate::identity::{Identity, NodeKeys};
use lane::Lane;
use limits::{CLOSE_MAX, FLUSH_MAX, LIVE_FRAME_BYTES_MAX, SOCKET_BUFFER_BYTES};
use link::code;
use registry::Registry;
use stats::RefusalCounters;
pub use stats::{LinkStats, Refusals};

/// Whether a peer whose certificate is in order may link: the roster's word.
pub type Admits = Arc<dyn Fn(&Identity) -> bool + Send + Sync>;

/// How to link.
#[derive(Clone)]
pub struct LinksConfig {
    /// The UDP address to listen on and to dial from.
    pub listen: SocketAddr,
    /// Who this node is and whom it believes.
    pub keys: Arc<NodeKeys>,
    /// Who may link. Called with the peer's verified identity, from any thread; must not block.
    pub admits: Admits,
    /// Random, drawn anew at every start: spreads back-offs and tells this start of the node from an earlier one.
    pub seed: u64,
}

/// What happened on the links.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// A link to an admitted peer stands.
    Connected {
        /// Who its certificate says it is.
        peer: Identity,
        /// Where it is.
        address: SocketAddr,
    },
    /// The link is gone.
    Disconnected {
        /// Which.
        peer: NodeId,
        /// Why, for the log.
        reason: String,
    },
    /// A frame came.
    Frame {
        /// From.
        peer: NodeId,
        /// Decoded, or why not.
        frame: Result<Frame, WireError>,
        /// Its bytes, without the length before it.
        bytes: usize,
    },
}

/// Why links cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Another process has the port.
    #[error(
        "UDP {address} is taken: another node listens there; stop it, or choose another address to listen on"
    )]
    Taken {
        /// Which.
        address: SocketAddr,
    },
    /// The port cannot be had for another reason.
    #[error("cannot listen for links on UDP {address}: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The key or the certificates do not serve for TLS.
    #[error("the node's key and certificates do not serve for links: {0}")]
    Tls(String),
    /// A renewed certificate that is for another node or another key.
    #[error("the renewed certificate is for another node or another key: it is not used")]
    OtherIdentity,
    /// Not called from a runtime.
    #[error("links must be started inside a tokio runtime")]
    Runtime,
}

/// All links of this node. Ends with [`Links::shutdown`] or the runtime, not by being dropped.
#[derive(Clone)]
pub struct Links {
    shared: Arc<Shared>,
}

/// What the tasks of all links share.
struct Shared {
    identity: Identity,
    address: SocketAddr,
    endpoint: Endpoint,
    client: RwLock<quinn::ClientConfig>,
    admits: Admits,
    /// At a node that certifies: what the handshake left to be asked, and who answers requests.
    certifies: Option<(tls::Admission, Certifier)>,
    events: mpsc::Sender<LinkEvent>,
    registry: Registry,
    refusals: RefusalCounters,
    /// This start of the node.
    start: [u8; 8],
    seed: u64,
    runtime: Handle,
    /// Keys that link no more, whatever their certificates say.
    revoked: RwLock<BTreeSet<PublicKey>>,
    targets: Mutex<BTreeMap<String, AbortHandle>>,
    stopping: watch::Sender<bool>,
}

impl Shared {
    fn is_revoked(&self, key: &PublicKey) -> bool {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        revoked.contains(key)
    }
}

impl Links {
    /// Listens, and from now on tells what happens on `events`. Must be called inside a tokio runtime, which then
    /// carries the links.
    ///
    /// # Errors
    /// The port is taken or the keys do not serve.
    pub fn start(config: LinksConfig, events: mpsc::Sender<LinkEvent>) -> Result<Links, LinkError> {
        Links::start_with(config, None, events)
    }

    /// As [`Links::start`], and answers requests for certificates on the same port.
    ///
    /// # Errors
    /// As [`Links::start`].
    pub fn start_certifying(
        config: LinksConfig,
        certifier: Certifier,
        events: mpsc::Sender<LinkEvent>,
    ) -> Result<Links, LinkError> {
        Links::start_with(config, Some(certifier), events)
    }

    fn start_with(
        config: LinksConfig,
        certifier: Option<Certifier>,
        events: mpsc::Sender<LinkEvent>,
    ) -> Result<Links, LinkError> {
        let runtime = Handle::try_current().map_err(|_| LinkError::Runtime)?;
        let server = tls::server(&config.keys, certifier.is_some())?;
        let certifies = match certifier {
            Some(certifier) => Some((tls::Admission::new(&config.keys)?, certifier)),
            None => None,
        };
        let client = tls::client(&config.keys)?;
        let (endpoint, address) = listen(config.listen, tls::endpoint(&config.keys, config.seed), server)?;
        let shared = Arc::new(Shared {
            identity: *config.keys.identity(),
            address,
            endpoint,
            client: RwLock::new(client),
            admits: config.admits,
            certifies,
            events,
            registry: Registry::default(),
            refusals: RefusalCounters::default(),
            start: jitter::start_of(config.seed),
            seed: config.seed,
            runtime,
            revoked: RwLock::default(),
            targets: Mutex::default(),
            stopping: watch::Sender::new(false),
        });
        shared.runtime.spawn(accept::accept_all(Arc::clone(&shared)));
        Ok(Links { shared })
    }

    /// Where this node listens.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Whom to dial, as `host:port`, resolved anew at every attempt: each again and again, with jittered back-off,
    /// while no link to the node there stands. A link that stands stays when its target is no longer named.
    pub fn set_targets(&self, targets: BTreeSet<String>) {
        if *self.shared.stopping.borrow() {
            return;
        }
        let mut dialled = self.shared.targets.lock().unwrap_or_else(PoisonError::into_inner);
        dialled.retain(|target, dialling| {
            let stays = targets.contains(target);
            if !stays {
                dialling.abort();
            }
            stays
        });
        for target in targets {
            dialled.entry(target).or_insert_with_key(|target| {
                let dialling = dial::keep_dialling(Arc::clone(&self.shared), target.clone());
                self.shared.runtime.spawn(dialling).abort_handle()
            });
        }
    }

    /// Sends a frame to each of these that is linked; encodes it once. Never blocks, and may be called from any
    /// thread. A peer whose queue is full does not get it: that is counted, and anti-entropy repairs it.
    pub fn send(&self, to: &[NodeId], frame: &Frame) {
        let links = self.shared.registry.find(to);
        if links.is_empty() {
            return;
        }
        let Some(message) = lane::message(frame) else {
            tracing::error!("BUG: a frame that is larger than any peer takes was not sent");
            return;
        };
        let lane = if lane::frame_bytes(&message) > LIVE_FRAME_BYTES_MAX {
            Lane::Bulk
        } else {
            Lane::Live
        };
        for link in links {
            link.push(lane, message.clone());
        }
    }

    /// Closes a peer's link, if there is one; the peer is told why.
    pub fn close(&self, peer: NodeId, reason: &str) {
        for link in self.shared.registry.find(&[peer]) {
            link.close(code::CLOSED, reason);
        }
    }

    /// Links with these keys no more, from now on: closes what stands, and refuses them. Replaces what was said before.
    pub fn set_revoked(&self, keys: BTreeSet<PublicKey>) {
        let revoked = &self.shared.revoked;
        *revoked.write().unwrap_or_else(PoisonError::into_inner) = keys;
        // Whoever is entered after this look sees the keys itself: see `establish`.
        for link in self.shared.registry.all() {
            if self.shared.is_revoked(&link.peer.key) {
                link.close(code::NOT_ADMITTED, "its key is revoked");
            }
        }
    }

    /// Uses a renewed certificate from the next handshake on. Links that stand go on.
    ///
    /// # Errors
    /// The certificate does not serve, or is another node's or key's: then the old one stays in use.
    pub fn reload(&self, keys: &NodeKeys) -> Result<(), LinkError> {
        if *keys.identity() != self.shared.identity {
            return Err(LinkError::OtherIdentity);
        }
        let server = tls::server(keys, self.shared.certifies.is_some())?;
        let client = tls::client(keys)?;
        self.shared.endpoint.set_server_config(Some(server));
        *self.shared.client.write().unwrap_or_else(PoisonError::into_inner) = client;
        Ok(())
    }

    /// The links that stand, in order of their peers.
    #[must_use]
    pub fn stats(&self) -> Vec<LinkStats> {
        let links = self.shared.registry.all();
        links
            .iter()
            .filter(|link| link.is_up())
            .map(|link| link.stats())
            .collect()
    }

    /// Nodes of which two processes link in turn, and how often they did since the start: a disk or a machine was copied,
    /// and both run. Neither replaces the other's link before it has stood for [`limits::TURN_MIN`].
    #[must_use]
    pub fn twins(&self) -> Vec<(NodeId, u64)> {
        self.shared.registry.twins()
    }

    /// How often a link was refused, by reason, since the start.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.shared.refusals.snapshot()
    }

    /// Stops: dials and accepts no more, sends what is queued as far as peers take it within [`FLUSH_MAX`], and closes
    /// all links and the port. Whoever takes the events should go on doing so meanwhile.
    pub async fn shutdown(&self) {
        self.shared.stopping.send_replace(true);
        self.set_no_targets();
        let registry = &self.shared.registry;
        // Whoever is late is cut off.
        let _ = tokio::time::timeout(FLUSH_MAX, registry.wait_empty()).await;
        self.shared.endpoint.close(code::STOPPING, b"the node stops");
        let _ = tokio::time::timeout(CLOSE_MAX, registry.wait_empty()).await;
        let _ = tokio::time::timeout(CLOSE_MAX, self.shared.endpoint.wait_idle()).await;
    }

    fn set_no_targets(&self) {
        let mut dialled = self.shared.targets.lock().unwrap_or_else(PoisonError::into_inner);
        dialled.values().for_each(AbortHandle::abort);
        dialled.clear();
    }
}

fn listen(
    address: SocketAddr,
    config: EndpointConfig,
    server: quinn::ServerConfig,
) -> Result<(Endpoint, SocketAddr), LinkError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => LinkError::Taken { address },
        _ => LinkError::Bind { address, source },
    };
    let socket = UdpSocket::bind(address).map_err(failed)?;
    widen_buffers(&socket).map_err(failed)?;
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new(config, Some(server), socket, runtime).map_err(failed)?;
    let address = endpoint.local_addr().map_err(failed)?;
    Ok((endpoint, address))
}

/// The system's default buffers hold a few milliseconds of a backlog; what it grants of these is good enough.
fn widen_buffers(socket: &UdpSocket) -> std::io::Result<()> {
    let state = quinn::udp::UdpSocketState::new(socket.into())?;
    let _ = state.set_recv_buffer_size(socket.into(), SOCKET_BUFFER_BYTES);
    let _ = state.set_send_buffer_size(socket.into(), SOCKET_BUFFER_BYTES);
    Ok(())
}
