//! Nodes that stop, are killed, and come again.

use std::time::Duration;

use sync_protocol::id::NodeId;
use sync_shell::links::LinkEvent;

use super::support::{Installation, LIMIT, Node, changesets, digest, everybody, linked_pair};

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

/// Runs a node in a runtime of its own, which is then thrown away: like a killed process, it says nothing more.
async fn kill(node: impl FnOnce() -> Node + Send + 'static, linked: impl FnOnce(Node) + Send + 'static) {
    let killed = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut node = runtime.block_on(async { node() });
        runtime.block_on(async { node.connected().await });
        runtime.shutdown_background();
        linked(node);
    });
    killed.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_that_comes_again_on_its_port_is_linked_again_soon() {
    let installation = Installation::new(9);
    let keys = installation.keys(2);
    // Lower and higher, as who dials and who decides.
    for node in [1, 3] {
        let mut one = installation.node(node);
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let listen = port.local_addr().unwrap();
        drop(port);
        one.dial(&[listen]);
        let first = std::sync::Arc::clone(&keys);
        kill(move || Node::start(first, listen, everybody()), drop).await;
        assert_eq!(one.connected().await.node, NodeId(2));
        let mut again = Node::start(std::sync::Arc::clone(&keys), listen, everybody());
        // Sooner than the idle time: the new start resets the connections of the old one.
        let back = async {
            assert_eq!(one.disconnected().await.0, NodeId(2));
            assert_eq!(one.connected().await.node, NodeId(2));
        };
        tokio::time::timeout(Duration::from_secs(4), back).await.unwrap();
        assert_eq!(again.connected().await.node, NodeId(node));
        one.links.send(&[NodeId(2)], &digest(7));
        assert_eq!(again.frame().await, (NodeId(node), digest(7)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_that_dials_again_replaces_its_old_link_at_once() {
    let installation = Installation::new(9);
    let keys = installation.keys(2);
    for node in [1, 3] {
        let mut one = installation.node(node);
        let address = one.address();
        let first = std::sync::Arc::clone(&keys);
        let dial = move || {
            let node = Node::start(first, "127.0.0.1:0".parse().unwrap(), everybody());
            node.dial(&[address]);
            node
        };
        kill(dial, drop).await;
        assert_eq!(one.connected().await.node, NodeId(2));
        let mut again = Node::start(
            std::sync::Arc::clone(&keys),
            "127.0.0.1:0".parse().unwrap(),
            everybody(),
        );
        again.dial(&[address]);
        let back = async {
            let (peer, reason) = one.disconnected().await;
            assert_eq!(peer, NodeId(2));
            assert!(reason.contains("newer connection"), "{reason}");
            assert_eq!(one.connected().await.node, NodeId(2));
            assert_eq!(again.connected().await.node, NodeId(node));
        };
        tokio::time::timeout(Duration::from_secs(1), back).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_that_stays_away_is_told_gone_within_five_seconds() {
    let installation = Installation::new(9);
    let keys = installation.keys(2);
    let mut one = installation.node(1);
    let address = one.address();
    let dial = move || {
        let node = Node::start(keys, "127.0.0.1:0".parse().unwrap(), everybody());
        node.dial(&[address]);
        node
    };
    kill(dial, drop).await;
    assert_eq!(one.connected().await.node, NodeId(2));
    let gone = tokio::time::timeout(Duration::from_millis(5_500), one.disconnected()).await;
    assert_eq!(gone.unwrap().0, NodeId(2));
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
