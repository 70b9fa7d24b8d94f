//! Stopping in order and starting again: nothing answered is lost, nothing is there twice.

use std::collections::BTreeSet;

use edge_node::run::{Gate, TapRefusal};
use edge_node::store::Inspection;
use sync_protocol::fact::Direction;

use crate::support::{Town, card};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_stops_answers_what_waits_and_keeps_it() {
    let mut town = Town::new();
    let gate = town.gate(1, &[]).await;
    let database = town.config(1, &[]).database();
    let asked: Vec<_> = (0..400)
        .map(|number| {
            let taps = gate.taps().clone();
            tokio::spawn(async move { taps.tap(card(number % 50), Some(Direction::Exit)).await })
        })
        .collect();
    gate.stop().await.unwrap();
    let mut facts = BTreeSet::new();
    for tap in asked {
        match tap.await.unwrap() {
            Ok(answer) => assert!(facts.insert(answer.fact.unwrap().to_string())),
            Err(refusal) => assert!(matches!(refusal, TapRefusal::Stopping), "{refusal}"),
        }
    }
    let inspection = Inspection::open(database).unwrap();
    let kept = inspection.recent_taps(1_000).unwrap();
    let kept: BTreeSet<String> = kept.iter().map(|tap| tap.fact.to_string()).collect();
    assert_eq!(kept, facts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_starts_again_writes_a_new_log_and_knows_the_old_one() {
    let mut town = Town::new();
    let gate = town.gate(1, &[]).await;
    let first = gate.tap(card(1), Some(Direction::Entry)).await.unwrap();
    gate.stop().await.unwrap();
    let gate = Gate::start(town.config(1, &[])).await.unwrap();
    let again = gate.tap(card(1), Some(Direction::Entry)).await.unwrap();
    assert_eq!(again.reason(), "DUP_IN");
    assert_ne!(again.fact.unwrap().site, first.fact.unwrap().site);
    let snapshot = gate.snapshot().await.unwrap();
    assert_eq!(snapshot.uncovered, 2);
    gate.stop().await.unwrap();
}
