//! What a network says when nothing happens.

use sync_protocol::id::{NodeId, Seq};

use crate::network::{HUB, Network};

/// Frame bytes a gate may send per second in a terminal of sixty with nothing to do.
const IDLE_BYTES_PER_SECOND_MAX: u64 = 2_000;

#[test]
fn an_idle_terminal_is_quiet() {
    const SECONDS: u64 = 120;
    for gates in [2, 12, 60] {
        let mut network = Network::terminal(9, gates);
        for gate in network.nodes.keys().copied().collect::<Vec<_>>() {
            network.commit(gate, 50);
        }
        network.start_beats();
        network.run_for(20_000);
        assert!(network.is_level());
        let sent = |network: &Network| -> Vec<(u64, u64)> {
            let gates = network.nodes.iter().filter(|(id, _)| !id.is_hub());
            gates
                .map(|(_, node)| (node.sent_bytes, node.sent_frames))
                .collect()
        };
        let before = sent(&network);
        network.run_for(SECONDS as i64 * 1_000);
        let after = sent(&network);
        let per_second = before
            .iter()
            .zip(&after)
            .map(|(before, after)| (after.0 - before.0) / SECONDS);
        let worst = per_second.max().unwrap_or_default();
        let frames: u64 = before
            .iter()
            .zip(&after)
            .map(|(before, after)| after.1 - before.1)
            .sum();
        let frames_per_second = frames / SECONDS / u64::from(gates);
        println!("idle, {gates} gates: {worst} bytes/s and {frames_per_second} frames/s per gate");
        assert!(
            worst <= IDLE_BYTES_PER_SECOND_MAX,
            "{worst} bytes per second with {gates} gates"
        );
    }
}

#[test]
fn a_gate_learns_at_once_that_a_second_node_holds_what_it_wrote() {
    let mut network = Network::terminal(1, 4);
    network.run_for(2_000);
    let gate = NodeId(1);
    network.commit(gate, 50);
    let site = network.node(gate).writer.site;
    let known = |network: &Network, peer| network.node(gate).peer.known_of(peer, site);
    assert_eq!(
        network.node(gate).peer.copied(site),
        Seq::NONE,
        "nobody has said so"
    );
    network.run_until(network.now_ms + 200, |network| {
        known(network, NodeId(2)) == Seq(1)
    });
    assert_eq!(
        known(&network, NodeId(2)),
        Seq(1),
        "the lowest of the others says so"
    );
    assert_eq!(network.node(gate).peer.copied(site), Seq(1));
    for silent in [NodeId(3), NodeId(4), HUB] {
        assert_eq!(known(&network, silent), Seq::NONE, "one answer is enough");
    }
    network.run_for(10_000);
    assert_eq!(known(&network, NodeId(4)), Seq(1));
    assert_eq!(known(&network, HUB), Seq(1));
}

#[test]
fn the_hub_answers_a_gate_without_neighbours() {
    let mut network = Network::terminal(1, 1);
    network.run_for(2_000);
    network.commit(NodeId(1), 50);
    let site = network.node(NodeId(1)).writer.site;
    let copied = |network: &Network| network.node(NodeId(1)).peer.copied(site) == Seq(1);
    assert!(network.run_until(network.now_ms + 200, copied));
}
