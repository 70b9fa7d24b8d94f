//! A log that is written twice: whoever meets both branches proves it, shows the hub, and goes on with everything else.

use sync_protocol::changeset::SiteRole;
use sync_protocol::id::{NodeId, SiteId};
use sync_protocol::peer::Input;

use crate::journal::Writer;
use crate::network::{HUB, Network, code};

const FORGER: NodeId = NodeId(9);
const ONE: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);

/// Gives a node a part of the forger's log, without any frame.
fn give(network: &mut Network, node: NodeId, writer: &mut Writer, changesets: usize) {
    let run = writer.write(&vec![20; changesets]);
    let have = network.node_mut(node).journal.ingest(&run).expect("it follows");
    let site = run.site;
    network.input(node, Input::Ingested { site, have });
}

/// Three gates and the hub, not connected. One holds a branch of the forger's log, another the other; the hub one of
/// the two, or none. Both branches begin with `common` changesets.
fn forked(common: usize, one: usize, other: usize, hub_holds_one: bool) -> (Network, SiteId) {
    let mut network = Network::new(3);
    network.add(HUB, None);
    for gate in 1..=3 {
        network.add(NodeId(gate), Some(code("A")));
    }
    let mut writer = Writer::new(FORGER, SiteRole::Gate(code("A")), 1);
    let site = writer.site;
    let opening = writer.write(&vec![10; common]);
    for node in [HUB, ONE, OTHER] {
        let have = network.node_mut(node).journal.ingest(&opening).expect("it opens");
        network.input(node, Input::Ingested { site, have });
    }
    let mut second = writer.clone();
    let tail = second.write(&vec![33; other]);
    let have = network.node_mut(OTHER).journal.ingest(&tail).expect("it follows");
    network.input(OTHER, Input::Ingested { site, have });
    if hub_holds_one {
        let mut copy = writer.clone();
        give(&mut network, HUB, &mut copy, one);
    }
    give(&mut network, ONE, &mut writer, one);
    (network, site)
}

fn proven_by(network: &Network, node: NodeId) -> u64 {
    network
        .node(node)
        .peer
        .stats()
        .map(|(_, stats)| stats.forks_proven)
        .sum()
}

#[test]
fn two_branches_of_any_length_are_proven_at_both_ends_and_to_the_hub() {
    for (common, one, other) in [
        (1, 1, 1),
        (3, 5, 2),
        (3, 2, 5),
        (300, 40, 40),
        (2, 900, 700),
        (900, 1, 400),
    ] {
        let (mut network, site) = forked(common, one, other, true);
        network.connect_all();
        let end_ms = network.now_ms + 60_000;
        let proven = network.run_until(end_ms, |network| {
            [HUB, OTHER].into_iter().all(|node| proven_by(network, node) > 0)
        });
        let told = [HUB, ONE, OTHER].map(|node| proven_by(&network, node));
        assert!(proven, "{common} common, {one} and {other}: {told:?}");
        // Nobody changed what it holds.
        let seq = |node| network.node(node).journal.have().seq(site).0;
        assert_eq!(seq(OTHER), (common + other) as u64);
        assert_eq!(seq(HUB), (common + one) as u64);
    }
}

#[test]
fn a_gate_that_holds_another_branch_shows_it_to_the_hub_though_only_neighbours_differ() {
    let (mut network, _) = forked(4, 3, 2, true);
    // The gate with the other branch does not hear the hub; its neighbour does.
    network.connect(ONE, OTHER);
    network.connect(ONE, HUB);
    let end_ms = network.now_ms + 60_000;
    assert!(network.run_until(end_ms, |network| proven_by(network, ONE) > 0
        && proven_by(network, OTHER) > 0));
}

#[test]
fn everything_else_goes_on_beside_a_fork_and_the_talk_about_it_is_bounded() {
    let (mut network, site) = forked(3, 4, 4, true);
    network.connect_all();
    network.run_for(20_000);
    for gate in 1..=3 {
        network.commit(NodeId(gate), 30);
    }
    network.run_for(2_000);
    let hub = network.node(HUB).journal.have();
    for gate in 1..=3 {
        let written = network.node(NodeId(gate)).writer.site;
        assert_eq!(hub.seq(written).0, 1, "gate {gate}");
    }
    let before: Vec<u64> = (0..=3)
        .map(|node| network.node(NodeId(node)).sent_bytes)
        .collect();
    network.run_for(60_000);
    for (node, before) in (0..).zip(before) {
        let a_second = (network.node(NodeId(node)).sent_bytes - before) / 60;
        assert!(
            a_second < 3_000,
            "node {node} sends {a_second} bytes a second over a fork"
        );
    }
    assert!(proven_by(&network, HUB) < 40, "{}", proven_by(&network, HUB));
    assert_eq!(network.node(HUB).journal.have().seq(site).0, 7);
}
