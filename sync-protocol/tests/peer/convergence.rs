//! Any interleaving, loss, repetition and reordering; partitions that heal.

use proptest::prelude::*;
use sync_protocol::id::NodeId;

use crate::network::{Faults, HUB, Network, code};

/// What happens in a generated history.
#[derive(Clone, Debug)]
enum Step {
    Commit { node: usize, bytes: usize },
    Cut { a: usize, b: usize, both_ways: bool },
    Heal,
    Reconnect { a: usize, b: usize },
    Wait { milliseconds: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..8, 0usize..400).prop_map(|(node, bytes)| Step::Commit { node, bytes }),
        1 => (0usize..8, 0usize..8, any::<bool>()).prop_map(|(a, b, both_ways)| Step::Cut { a, b, both_ways }),
        1 => Just(Step::Heal),
        1 => (0usize..8, 0usize..8).prop_map(|(a, b)| Step::Reconnect { a, b }),
        3 => (0i64..3_000).prop_map(|milliseconds| Step::Wait { milliseconds }),
    ]
}

fn faults() -> impl Strategy<Value = Faults> {
    (0u64..300, 0u64..200, 0u64..400, 0u64..200, 0u64..50).prop_map(
        |(loss, repeat, delay_ms, refuse, forget)| Faults {
            loss,
            repeat,
            delay_ms,
            refuse,
            forget,
        },
    )
}

fn perform(network: &mut Network, step: &Step) {
    let nodes: Vec<NodeId> = network.nodes.keys().copied().collect();
    let node = |index: usize| nodes[index % nodes.len()];
    match *step {
        Step::Commit { node: index, bytes } => network.commit(node(index), bytes),
        Step::Cut { a, b, both_ways } => {
            network.cut.insert((node(a), node(b)));
            if both_ways {
                network.cut.insert((node(b), node(a)));
            }
        }
        Step::Heal => network.cut.clear(),
        Step::Reconnect { a, b } if node(a) != node(b) => {
            network.disconnect(node(a), node(b));
            network.connect(node(a), node(b));
        }
        Step::Reconnect { .. } => {}
        Step::Wait { milliseconds } => network.run_for(milliseconds),
    }
}

/// A hub, four gates of terminal A and two of terminal B.
fn two_terminals(seed: u64) -> Network {
    let mut network = Network::terminal(seed, 4);
    for gate in [101, 102] {
        network.add(NodeId(gate), Some(code("B")));
    }
    network.connect_all();
    network
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_history_ends_level(
        seed: u64,
        faults in faults(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut network = two_terminals(seed);
        network.faults = faults;
        for step in &steps {
            perform(&mut network, step);
        }
        network.cut.clear();
        network.faults = Faults { delay_ms: faults.delay_ms, ..Faults::default() };
        // A lost ingest is given up after ten seconds; everything else repairs itself within a few.
        let frames_before = network.frames();
        let end_ms = network.now_ms + 40_000;
        prop_assert!(network.run_until(end_ms, Network::is_level), "not level after forty seconds");
        network.assert_exactly_once();
        let frames = network.frames() - frames_before;
        prop_assert!(frames < 6_000, "{} frames until level", frames);
    }

    #[test]
    fn every_history_ends_level_even_while_frames_are_lost(
        seed: u64,
        faults in faults(),
        steps in prop::collection::vec(step(), 1..30),
    ) {
        let mut network = two_terminals(seed);
        network.faults = faults;
        for step in &steps {
            perform(&mut network, step);
        }
        network.cut.clear();
        let end_ms = network.now_ms + 240_000;
        prop_assert!(network.run_until(end_ms, Network::is_level), "not level after four minutes");
        network.assert_exactly_once();
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut network = two_terminals(seed);
        network.faults = Faults {
            loss: 100,
            repeat: 100,
            delay_ms: 50,
            ..Faults::default()
        };
        for step in 0..20 {
            network.commit(NodeId(step % 5), 10);
            network.run_for(100);
        }
        let sent = network
            .nodes
            .values()
            .map(|node| (node.sent_bytes, node.sent_frames));
        sent.collect::<Vec<_>>()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn a_commit_reaches_the_terminal_and_the_hub_at_once() {
    let mut network = Network::terminal(1, 5);
    network.run_for(1_500);
    network.commit(NodeId(2), 100);
    let end_ms = network.now_ms + 5;
    assert!(network.run_until(end_ms, Network::is_level));
}

#[test]
fn a_commit_of_the_hub_goes_to_one_gate_and_from_there_to_the_others() {
    let mut network = Network::terminal(1, 5);
    network.run_for(1_500);
    let before = network.node(HUB).sent_frames;
    network.commit(HUB, 100);
    assert_eq!(network.node(HUB).sent_frames - before, 1);
    let end_ms = network.now_ms + 10;
    assert!(network.run_until(end_ms, Network::is_level));
}

#[test]
fn a_gate_cut_from_the_hub_reaches_it_through_a_neighbour() {
    for gates in [2, 12, 60] {
        let mut worst_ms = 0;
        for seed in 0..5 {
            let mut network = Network::terminal(seed, gates);
            network.run_for(3_000);
            network.cut(NodeId(1), HUB);
            network.run_for(6_000);
            network.commit(NodeId(1), 100);
            network.commit(HUB, 100);
            let begin_ms = network.now_ms;
            assert!(
                network.run_until(begin_ms + 5_000, Network::is_level),
                "{gates} gates, seed {seed}"
            );
            worst_ms = worst_ms.max(network.now_ms - begin_ms);
        }
        println!("cut from the hub, {gates} gates: level after at most {worst_ms} ms");
    }
}

#[test]
fn sixty_gates_that_were_alone_become_level() {
    let mut network = Network::new(3);
    network.add(HUB, None);
    for gate in 1..=60 {
        network.add(NodeId(gate), Some(code("A")));
        network.commit_alone(NodeId(gate), 50, 80);
    }
    network.connect_all();
    let frames_before = network.frames();
    assert!(network.run_until(30_000, Network::is_level));
    network.assert_exactly_once();
    let frames = network.frames() - frames_before;
    let bytes: u64 = network.nodes.values().map(|node| node.sent_bytes).sum();
    println!(
        "sixty gates with 50 changesets each: level after {} ms, {frames} frames, {bytes} bytes",
        network.now_ms
    );
}
