//! However nodes dial each other, one link stands and both ends agree which.

use std::collections::BTreeSet;

use sync_protocol::id::NodeId;
use sync_shell::links::LinkEvent;

use super::support::{Installation, LIMIT, Node, digest, linked_pair, until};

/// Takes events up to a frame, and checks their order: never two Connected or two Disconnected in a row.
async fn events_until_frame(node: &mut Node) -> usize {
    let mut linked = false;
    let mut times = 0;
    loop {
        match node.next().await {
            LinkEvent::Connected { .. } => {
                assert!(!linked, "two Connected in a row");
                linked = true;
                times += 1;
            }
            LinkEvent::Disconnected { .. } => {
                assert!(linked, "Disconnected without Connected");
                linked = false;
            }
            LinkEvent::Frame { .. } => {
                assert!(linked, "a frame without link");
                return times;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_dial_each_other_at_once_get_one_link() {
    for round in 0..20 {
        let installation = Installation::new(9);
        let [mut one, mut other] = [installation.node(1), installation.node(2)];
        one.dial(&[other.address()]);
        other.dial(&[one.address()]);
        until("both are linked", || {
            one.links.stats().len() == 1 && other.links.stats().len() == 1
        })
        .await;
        // Whatever was under way has been decided once a dialler would have come back.
        let settled = async {
            loop {
                one.links.send(&[NodeId(2)], &digest(round));
                other.links.send(&[NodeId(1)], &digest(round));
                tokio::task::yield_now().await;
                let [a, b] = [one.links.stats(), other.links.stats()];
                if a.iter().chain(&b).all(|link| link.frames_in > 0) && a.len() + b.len() == 2 {
                    break (a, b);
                }
            }
        };
        let (a, b) = tokio::time::timeout(LIMIT, settled).await.unwrap();
        assert_ne!(
            a[0].dialled, b[0].dialled,
            "both ends speak of the same connection"
        );
        assert_eq!(
            events_until_frame(&mut one).await,
            1,
            "no link is made to be replaced at once"
        );
        assert_eq!(events_until_frame(&mut other).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_linked_already_is_not_dialled_again() {
    let installation = Installation::new(9);
    let (mut one, mut other) = linked_pair(&installation).await;
    // A second name of the same node, and the other node's own dialling.
    let names = [
        other.address().to_string(),
        format!("localhost:{}", other.address().port()),
    ];
    one.links.set_targets(BTreeSet::from(names));
    other.dial(&[one.address()]);
    until("both attempts found that the link stands", || {
        one.links.refusals().duplicates + other.links.refusals().duplicates >= 2
    })
    .await;
    one.links.send(&[NodeId(2)], &digest(1));
    other.links.send(&[NodeId(1)], &digest(2));
    assert_eq!(other.frame().await, (NodeId(1), digest(1)));
    assert_eq!(one.frame().await, (NodeId(2), digest(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_that_all_dial_all_are_all_linked() {
    const NODES: u32 = 8;
    let installation = Installation::new(9);
    let mut nodes: Vec<Node> = (0..NODES).map(|node| installation.node(node)).collect();
    let addresses: Vec<_> = nodes.iter().map(Node::address).collect();
    for node in &nodes {
        // Its own address among them.
        node.dial(&addresses);
    }
    until("everybody is linked with everybody", || {
        nodes
            .iter()
            .all(|node| node.links.stats().len() == NODES as usize - 1)
    })
    .await;
    for (number, node) in (0..).zip(&nodes) {
        let others: Vec<NodeId> = (0..NODES).filter(|other| *other != number).map(NodeId).collect();
        node.links.send(&others, &digest(number));
    }
    for node in &mut nodes {
        let mut heard = BTreeSet::new();
        while heard.len() < NODES as usize - 1 {
            if let LinkEvent::Frame { peer, frame, .. } = node.next().await {
                assert_eq!(frame.unwrap(), digest(peer.0));
                heard.insert(peer);
            }
        }
    }
}
