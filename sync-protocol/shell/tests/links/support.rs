//! An installation in a temporary folder: an authority, and nodes whose links run on loopback.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sync_protocol::changeset::{Run, Signature};
use sync_protocol::id::{NodeId, Seq, SiteId, TerminalCode};
use sync_protocol::time::DAY_MS;
use sync_protocol::wire::Frame;
use sync_shell::identity::{Authority, Identity, NodeKeys};
use sync_shell::links::{Admits, LinkEvent, Links, LinksConfig};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Nothing in these tests takes longer unless it never happens.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// Every start of a node differs.
static STARTS: AtomicU64 = AtomicU64::new(1);

/// This machine's clock, as TLS asks it.
pub(crate) fn now_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "certificates are checked against the real clock"
    )]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}

/// An authority and the keys it issued.
pub(crate) struct Installation {
    folder: TempDir,
    authority: Authority,
}

impl Installation {
    pub(crate) fn new(secret: u8) -> Installation {
        let folder = TempDir::new().unwrap();
        let authority = Authority::init(&folder.path().join("ca"), &[secret; 32], now_ms()).unwrap();
        Installation { folder, authority }
    }

    /// Keys that are valid now.
    pub(crate) fn keys(&self, node: u32) -> Arc<NodeKeys> {
        self.keys_valid(node, -DAY_MS, DAY_MS)
    }

    /// Keys that are valid between two times, relative to now.
    pub(crate) fn keys_valid(&self, node: u32, from_ms: i64, to_ms: i64) -> Arc<NodeKeys> {
        let now_ms = now_ms();
        let folder = self.folder.path().join(format!("{node}"));
        let secret = [u8::try_from(node + 1).unwrap(); 32];
        let issued = self.authority.issue(
            NodeId(node),
            terminal_of(node),
            &secret,
            now_ms + from_ms,
            now_ms + to_ms,
        );
        issued.unwrap().replace(&folder).unwrap();
        Arc::new(NodeKeys::load(&folder).unwrap())
    }

    /// A node that admits everybody, started on a free port.
    pub(crate) fn node(&self, node: u32) -> Node {
        Node::start(self.keys(node), any_port(), everybody())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) fn terminal_of(node: u32) -> Option<TerminalCode> {
    (node != 0).then(|| "A".parse().unwrap())
}

pub(crate) fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub(crate) fn everybody() -> Admits {
    Arc::new(|_: &Identity| true)
}

/// A node's links and what they told.
pub(crate) struct Node {
    pub(crate) links: Links,
    pub(crate) events: mpsc::Receiver<LinkEvent>,
}

impl Node {
    pub(crate) fn start(keys: Arc<NodeKeys>, listen: SocketAddr, admits: Admits) -> Node {
        Node::start_with_events(keys, listen, admits, 1_024)
    }

    pub(crate) fn start_with_events(
        keys: Arc<NodeKeys>,
        listen: SocketAddr,
        admits: Admits,
        capacity: usize,
    ) -> Node {
        let (sender, events) = mpsc::channel(capacity);
        let config = LinksConfig {
            listen,
            keys,
            admits,
            seed: STARTS.fetch_add(1, Ordering::Relaxed),
        };
        Node {
            links: Links::start(config, sender).unwrap(),
            events,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.links.local_address()
    }

    pub(crate) fn dial(&self, others: &[SocketAddr]) {
        let targets: BTreeSet<String> = others.iter().map(SocketAddr::to_string).collect();
        self.links.set_targets(targets);
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> LinkEvent {
        let event = tokio::time::timeout(LIMIT, self.events.recv()).await;
        event.expect("an event comes").expect("the links run")
    }

    /// The next event, which is a Connected.
    pub(crate) async fn connected(&mut self) -> Identity {
        match self.next().await {
            LinkEvent::Connected { peer, .. } => peer,
            other => panic!("expected Connected, got {other:?}"),
        }
    }

    /// The next event, which is a Disconnected.
    pub(crate) async fn disconnected(&mut self) -> (NodeId, String) {
        match self.next().await {
            LinkEvent::Disconnected { peer, reason } => (peer, reason),
            other => panic!("expected Disconnected, got {other:?}"),
        }
    }

    /// The next event, which is a frame in order.
    pub(crate) async fn frame(&mut self) -> (NodeId, Frame) {
        match self.next().await {
            LinkEvent::Frame { peer, frame, .. } => (peer, frame.unwrap()),
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    /// That nothing happened so far.
    pub(crate) fn assert_quiet(&mut self) {
        match self.events.try_recv() {
            Err(mpsc::error::TryRecvError::Empty) => {}
            other => panic!("expected nothing, got {other:?}"),
        }
    }
}

/// Two nodes, linked.
pub(crate) async fn linked_pair(installation: &Installation) -> (Node, Node) {
    let [mut one, mut other] = [installation.node(1), installation.node(2)];
    one.dial(&[other.address()]);
    assert_eq!(one.connected().await.node, NodeId(2));
    assert_eq!(other.connected().await.node, NodeId(1));
    (one, other)
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(
        tokio::time::timeout(LIMIT, waiting).await.is_ok(),
        "never: {what}"
    );
}

/// A small frame that can be told from others.
pub(crate) fn digest(number: u32) -> Frame {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&number.to_le_bytes());
    Frame::HaveDigest(digest)
}

/// A frame of about so many bytes.
pub(crate) fn changesets(bytes: usize) -> Frame {
    const BODY_BYTES: usize = 128 << 10;
    let mut bodies = Vec::new();
    let mut left = bytes;
    while left > 0 {
        let body_bytes = left.min(BODY_BYTES);
        bodies.push(vec![7; body_bytes].into());
        left -= body_bytes;
    }
    Frame::Changesets(vec![Run {
        site: SiteId::default(),
        first: Seq(1),
        bodies,
        signature: Signature([1; 64]),
    }])
}
