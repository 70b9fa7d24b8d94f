//! Logs of which two branches exist: proven, told, decided; nothing stops.

use sync_protocol::changeset::{Head, RunError, SiteRole};
use sync_protocol::fact::{Direction, Fact};
use sync_protocol::id::{NodeId, Seq};
use sync_protocol::money::Money;

use edge_node::store::{IngestError, Store};

use crate::support::*;

fn is_fork(result: Result<edge_node::store::Ingested, IngestError>) -> bool {
    matches!(result, Err(IngestError::Run(RunError::Fork)))
}

/// Gate 7 of the same terminal, before its log parts.
fn forger() -> Pen {
    let mut pen = Pen::new(NodeId(7), SiteRole::Gate(terminal("A")), 7, 7);
    pen.facts(T0, [tap_of(7, 1, Direction::Exit)]);
    pen.facts(T0 + 1, [tap_of(7, 1, Direction::Exit)]);
    pen
}

fn copy_of(pen: &Pen) -> Pen {
    let mut copy = forger();
    assert_eq!(copy.head, pen.head);
    copy.facts(T0 + 2, [tap_of(7, 2, Direction::Entry)]);
    copy
}

fn tap_of(gate: u32, number: u32, direction: Direction) -> Fact {
    Fact::Tap(sync_protocol::fact::Tap {
        card: card(number),
        direction,
        terminal: terminal("A"),
        gate: sync_protocol::id::GateId(gate),
        uncertainty_ms: 2_000,
        accepted: true,
        reason: sync_protocol::fact::Reason::ExitOpen,
        fare_version: 1,
        hold: Money::ZERO,
        quoted: None,
        knowledge: Default::default(),
    })
}

#[test]
fn a_second_branch_is_proven_whatever_its_length_and_the_one_that_is_held_stays() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut held = forger();
    let mut other = copy_of(&held);
    held.facts(T0 + 2, [tap_of(7, 1, Direction::Entry)]);
    held.facts(T0 + 3, [tap_of(7, 1, Direction::Exit)]);
    store.ingest(&held.whole(), &town.trust).unwrap();
    let head = store.head(held.site);
    // Shorter, as long, longer; from the beginning, and from where they part.
    for _ in 0..3 {
        for first in 1..=3 {
            assert!(
                is_fork(store.ingest(&other.run(Seq(first), other.head.seq), &town.trust)),
                "{first}"
            );
        }
        other.facts(T0 + 5, [tap_of(7, 2, Direction::Exit)]);
    }
    // What begins beyond that place verifies with nothing that is held, and proves nothing.
    let beyond = store.ingest(&other.run(Seq(4), other.head.seq), &town.trust);
    assert!(matches!(beyond, Err(IngestError::Run(RunError::Signature))));
    // A copy of what is held is a duplicate, a damaged one proves nothing.
    let again = store.ingest(&held.whole(), &town.trust);
    assert!(matches!(again, Err(IngestError::Run(RunError::Duplicate))));
    let mut damaged = other.whole();
    damaged.signature = sync_protocol::changeset::Signature([0; 64]);
    assert!(!is_fork(store.ingest(&damaged, &town.trust)));
    assert_eq!(store.forks().get(&held.site), Some(&Seq(3)));
    assert_eq!(store.head(held.site), head);
    assert_eq!(store.counters().forks, 9);
    assert!(!store.is_written_twice());
    // Nothing stops.
    store
        .ingest(&held.facts(T0 + 9, [tap_of(7, 1, Direction::Entry)]), &town.trust)
        .unwrap();
    assert!(
        store
            .tap(&entry(1, T0 + 10_000), 0)
            .unwrap()
            .decided
            .decision
            .tap
            .accepted
    );
}

fn decide(hub: &mut Hub, store: &mut Store, town: &Town, site: sync_protocol::id::SiteId, head: Head) {
    let word = hub.state(T0 + 100, [Fact::SiteFork { site, head }]);
    store.ingest(&word, &town.trust).unwrap();
}

#[test]
fn by_the_hubs_word_the_other_branch_is_dropped_and_the_one_that_counts_is_taken() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut counts = forger();
    let other = copy_of(&counts);
    counts.facts(T0 + 2, [tap_of(7, 1, Direction::Entry)]);
    let parted = counts.head;
    counts.facts(T0 + 3, [tap_of(7, 1, Direction::Exit)]);
    store.ingest(&other.whole(), &town.trust).unwrap();
    assert!(is_fork(store.ingest(&counts.whole(), &town.trust)));

    decide(&mut hub, &mut store, &town, counts.site, parted);
    assert_eq!(store.take_reverted(), [(counts.site, None)]);
    assert!(store.take_reverted().is_empty() && store.forks().is_empty());
    // The branch that does not count is not taken again, now or after a start.
    assert!(is_fork(store.ingest(&other.whole(), &town.trust)));
    drop(store);
    let mut store = town.gate(1, "A");
    assert!(is_fork(store.ingest(&other.whole(), &town.trust)));
    store.ingest(&counts.whole(), &town.trust).unwrap();
    assert_eq!(store.head(counts.site), counts.head);
    // As a gate that never held the other one.
    let mut clean = town.gate(2, "A");
    for run in [hub.decisions.whole(), hub.settled.whole(), counts.whole()] {
        clean.ingest(&run, &town.trust).unwrap();
    }
    assert_eq!(store.digest().unwrap(), clean.digest().unwrap());
    for number in 1..=2 {
        assert_eq!(
            store.card(card(number)).unwrap(),
            clean.card(card(number)).unwrap()
        );
    }
}

#[test]
fn the_hubs_word_for_the_branch_that_is_held_changes_nothing() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let held = copy_of(&forger());
    store.ingest(&held.whole(), &town.trust).unwrap();
    decide(&mut hub, &mut store, &town, held.site, held.head);
    assert!(store.take_reverted().is_empty());
    assert_eq!(store.head(held.site), held.head);
}

#[test]
fn a_copy_of_the_running_gate_that_writes_its_log_is_told_and_the_gate_goes_on() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let first = store.tap(&entry(1, T0), 0).unwrap().run;
    let own = store.site();
    // The copy: the same key, the same log up to here, and another tap.
    let mut copy = Pen::new(NodeId(1), SiteRole::Gate(terminal("A")), 1, 0);
    copy.adopt(own, &first.bodies);
    let one_more = copy.facts(T0 + 7, [tap_of(1, 2, Direction::Exit)]);
    assert!(is_fork(store.ingest(&one_more, &town.trust)));
    assert!(store.is_written_twice());
    assert!(
        store
            .tap(&exit(1, T0 + 60_000), 0)
            .unwrap()
            .decided
            .decision
            .tap
            .accepted
    );
    assert!(
        is_fork(store.ingest(&one_more, &town.trust)),
        "as long, and another one"
    );
    assert_eq!(store.head(own).seq, Seq(2));
}

#[test]
fn what_others_remember_of_an_older_copy_comes_back_and_is_counted() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let opened = store.tap(&entry(1, T0), 0).unwrap().run;
    store.close().unwrap();
    let copy = std::fs::read(town.path(1)).unwrap();
    let mut store = town.gate(1, "A");
    let site = store.site();
    let later = [
        store.tap(&exit(1, T0 + 60_000), 0).unwrap().run,
        store.tap(&entry(1, T0 + 600_000), 0).unwrap().run,
    ];
    store.close().unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", town.path(1).display()));
    }
    std::fs::write(town.path(1), copy).unwrap();
    let mut store = town.gate(1, "A");
    assert_eq!(store.head(opened.site).seq, Seq(1));
    for run in later {
        store.ingest(&run, &town.trust).unwrap();
    }
    assert_eq!(store.head(site).seq, Seq(2));
    assert_eq!(store.counters().taken_back, 2);
}
