//! Nodes that stop, are killed, and come again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sync_protocol::id::NodeId;
use sync_shell::identity::NodeKeys;
use sync_shell::links::LinkEvent;
use tokio::runtime::Builder;

use super::support::{Installation, LIMIT, Node, any_port, changesets, digest, everybody, linked_pair};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_sends_what_is_queued_and_says_good_bye() {
    let installation = Installation::new(9);
    let (mut one, other) = linked_pair(&installation).await;
    for number in 0..200 {
        other.links.send(&[NodeId(1)], &digest(number));
    }
    other.links.send(&[NodeId(1)], &changesets(600_000));
    let stopping = tokio::spawn(async move { other.links.shutdown().await });
    let mut frames = 0;
    let reason = loop {
        match one.next().await {
            LinkEvent::Frame { .. } => frames += 1,
            LinkEvent::Disconnected { reason, .. } => break reason,
            other @ LinkEvent::Connected { .. } => panic!("{other:?}"),
        }
    };
    assert_eq!(frames, 201, "everything queued arrived before the end");
    assert_eq!(reason, "the other end stops");
    stopping.await.unwrap();
}

/// Starts a node in a runtime of its own and throws that away once the node is linked: like a killed process, it says
/// nothing more.
async fn start_and_kill(start: impl FnOnce() -> Node + Send + 'static) -> SocketAddr {
    let killed = tokio::task::spawn_blocking(move || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut node = runtime.block_on(async { start() });
        runtime.block_on(async { node.connected().await });
        // Waits for the tasks to be gone, and with them the socket.
        runtime.shutdown_timeout(LIMIT);
        node.address()
    });
    killed.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_that_comes_again_on_its_port_is_linked_again_soon() {
    let installation = Installation::new(9);
    let keys = installation.keys(2);
    // Of a lower and of a higher number, so that either end decides.
    for number in [1, 3] {
        let mut one = installation.node(number);
        let (first, links) = (Arc::clone(&keys), one.links.clone());
        let start = move || {
            let node = Node::start(first, any_port(), everybody());
            links.set_targets(BTreeSet::from([node.address().to_string()]));
            node
        };
        let listen = start_and_kill(start).await;
        assert_eq!(one.connected().await.node, NodeId(2));
        let mut again = Node::start(Arc::clone(&keys), listen, everybody());
        // Sooner than by silence: the new start resets the connections of the old one.
        let back = async {
            let (peer, reason) = one.disconnected().await;
            assert_eq!(
                (peer, reason.as_str()),
                (NodeId(2), "the other end has started anew")
            );
            assert_eq!(one.connected().await.node, NodeId(2));
        };
        tokio::time::timeout(LIMIT, back).await.unwrap();
        assert_eq!(again.connected().await.node, NodeId(number));
        one.links.send(&[NodeId(2)], &digest(7));
        assert_eq!(again.frame().await, (NodeId(number), digest(7)));
    }
}

/// A node that dials this address.
fn dialling(keys: Arc<NodeKeys>, address: SocketAddr) -> Node {
    let node = Node::start(keys, any_port(), everybody());
    node.dial(&[address]);
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_that_dials_again_replaces_its_old_link() {
    let installation = Installation::new(9);
    let keys = installation.keys(2);
    for number in [1, 3] {
        let mut one = installation.node(number);
        let address = one.address();
        let first = Arc::clone(&keys);
        start_and_kill(move || dialling(first, address)).await;
        assert_eq!(one.connected().await.node, NodeId(2));
        let mut again = dialling(Arc::clone(&keys), address);
        // Not by silence, which takes seconds: the deciding end sees that the node has started anew.
        let (peer, reason) = one.disconnected().await;
        assert_eq!(peer, NodeId(2));
        assert!(reason.contains("newer connection"), "{reason}");
        assert_eq!(one.connected().await.node, NodeId(2));
        assert_eq!(again.connected().await.node, NodeId(number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_that_stays_away_is_told_gone_within_five_seconds() {
    let installation = Installation::new(9);
    let keys = installation.keys(2);
    let mut one = installation.node(1);
    let address = one.address();
    start_and_kill(move || dialling(keys, address)).await;
    assert_eq!(one.connected().await.node, NodeId(2));
    let gone = tokio::time::timeout(Duration::from_millis(6_000), one.disconnected()).await;
    assert_eq!(gone.unwrap(), (NodeId(2), "nothing heard for 4 s".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_closed_by_the_engine_tells_both_ends_why_and_is_dialled_again() {
    let installation = Installation::new(9);
    let (mut one, mut other) = linked_pair(&installation).await;
    other.links.close(NodeId(1), "its wire version is another one");
    let (_, reason) = one.disconnected().await;
    assert!(reason.contains("its wire version is another one"), "{reason}");
    assert_eq!(
        other.disconnected().await,
        (NodeId(1), "its wire version is another one".to_owned())
    );
    let back = async {
        one.connected().await;
        other.connected().await;
    };
    tokio::time::timeout(LIMIT, back).await.unwrap();
}
