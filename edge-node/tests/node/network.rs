//! Two gates of one terminal, with real links between them.

use edge_node::answer::Why;
use sync_protocol::fact::{Direction, Reason};
use sync_protocol::id::Seq;

use crate::support::{Town, card, until, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tap_at_one_gate_is_durable_at_the_other_and_counts_there() {
    let mut town = Town::new();
    let one = town.gate(1, &[]).await;
    let two = town.gate(2, &[&one.sync_address().to_string()]).await;
    let answer = one.tap(card(1), Some(Direction::Entry)).await.unwrap();
    assert!(answer.opens, "{answer:?}");
    let fact = answer.fact.unwrap();
    until(&mut two.heads(), |heads| heads.get(&fact.site) >= Some(&fact.seq)).await;

    let again = two.tap(card(1), Some(Direction::Entry)).await.unwrap();
    assert_eq!(
        again.why,
        Why::Decided(Reason::DupIn),
        "the same presentation at the gate beside it"
    );
    let out = two.tap(card(1), Some(Direction::Exit)).await.unwrap();
    assert!(out.opens);
    let fact = out.fact.unwrap();
    until(&mut one.heads(), |heads| heads.get(&fact.site) >= Some(&fact.seq)).await;

    // Each knows by and by that the other holds what it wrote.
    let copied = |snapshot: &Option<edge_node::node::Snapshot>| {
        snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.single_copy == Some(0))
    };
    wait_for("the second copy", || one.snapshot(), copied).await;
    let status = two.snapshot().await.unwrap();
    assert_eq!(status.head, Seq(2));
    assert_eq!(status.live.len(), 1);
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_whose_neighbour_is_gone_goes_on_and_tells_it_all_when_it_comes_back() {
    let mut town = Town::new();
    let one = town.gate(1, &[]).await;
    let address = one.sync_address().to_string();
    let two = town.gate(2, &[&address]).await;
    one.tap(card(1), Some(Direction::Entry)).await.unwrap();
    let site = one.snapshot().await.unwrap().site;
    until(&mut two.heads(), |heads| heads.get(&site) == Some(&Seq(1))).await;
    one.stop().await.unwrap();

    let mut last = None;
    for _ in 0..100 {
        last = two.tap(card(1), Some(Direction::Exit)).await.unwrap().fact;
    }
    let last = last.unwrap();
    let mut config = town.config(1, &[]);
    config.sync.listen = address.parse().unwrap();
    let one = edge_node::run::Gate::start(config).await.unwrap();
    until(&mut one.heads(), |heads| heads.get(&last.site) >= Some(&last.seq)).await;
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}
