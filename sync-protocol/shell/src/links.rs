//! Links between nodes: QUIC with mutual TLS, one connection per pair, frames in both directions.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sync_protocol::id::NodeId;
use sync_protocol::wire::{Frame, WireError};
use tokio::sync::mpsc;

use crate::identity::{Identity, NodeKeys};

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

/// What happened on the links. Of one peer: Connected, Frames, Disconnected, and never two Connected without a
/// Disconnected between.
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
    /// The UDP port cannot be had.
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
}

/// One link, as it stands; the counters go on over all links of the peer since the start.
#[derive(Clone, Debug)]
pub struct LinkStats {
    /// Who.
    pub peer: Identity,
    /// Where.
    pub address: SocketAddr,
    /// How long the link stands.
    pub age: Duration,
    /// Frames received.
    pub frames_in: u64,
    /// Frames handed to QUIC.
    pub frames_out: u64,
    /// Bytes of frames received.
    pub bytes_in: u64,
    /// Bytes of frames handed to QUIC.
    pub bytes_out: u64,
    /// Frames dropped because the peer's queue was full.
    pub frames_dropped: u64,
    /// Bytes queued now.
    pub bytes_queued: usize,
    /// Round-trip time, as QUIC estimates it.
    pub rtt: Duration,
}

/// All links of this node.
#[derive(Clone)]
pub struct Links {
    address: SocketAddr,
}

impl Links {
    /// Listens and begins to tell events. Inside a tokio runtime.
    ///
    /// # Errors
    /// The port is taken or the keys do not serve.
    pub fn start(config: LinksConfig, _events: mpsc::Sender<LinkEvent>) -> Result<Links, LinkError> {
        Ok(Links {
            address: config.listen,
        })
    }

    /// Where this node listens.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Whom to dial, as `host:port`: each again and again, with jittered back-off, while no link to it stands.
    pub fn set_targets(&self, _targets: BTreeSet<String>) {}

    /// Sends a frame to each of these that is linked. Never blocks; from any thread.
    pub fn send(&self, _to: &[NodeId], _frame: &Frame) {}

    /// Closes a peer's link.
    pub fn close(&self, _peer: NodeId, _reason: &str) {}

    /// The links that stand, in order of their peers.
    #[must_use]
    pub fn stats(&self) -> Vec<LinkStats> {
        Vec::new()
    }

    /// Sends what is queued, closes all links and the port. Takes a second at most.
    pub async fn shutdown(&self) {}
}
