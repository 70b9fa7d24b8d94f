//! Cuts: what is published covers whole changesets and never more cards than one changeset holds.

use hub::ledger::memory::ExecuteError;
use hub::settle::{CARDS_MAX, plan_settle};
use proptest::prelude::*;
use sync_protocol::fact::Fact;

use crate::listener::Listener;
use crate::network::*;

/// Gates 1 to 4 with changesets of these cards.
fn sites(changesets: &[(usize, Vec<u32>)]) -> Vec<Site> {
    let codes = ["A", "A", "B", "C"];
    let mut sites: Vec<Site> = (1..)
        .zip(codes)
        .map(|(gate, code)| Site::gate(gate, code))
        .collect();
    for (minute, (gate, cards)) in changesets.iter().enumerate() {
        let tap = |number: &u32| {
            let entry = entry(card(*number), codes[*gate], *gate as u32 + 1);
            (minutes(minute as i64), entry)
        };
        sites[*gate].state(cards.iter().map(tap).collect());
    }
    sites
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_published_neither_counts_a_tap_twice_nor_loses_one(
        changesets in prop::collection::vec((0..4_usize, prop::collection::vec(0..400_u32, 1..40)), 1..24),
        most in 1..30_usize,
    ) {
        let sites = sites(&changesets);
        let mut ledger = ledger();
        let logs: Vec<_> = sites.iter().map(Site::log).collect();
        ledger.ingest(&logs, &Roster).unwrap();
        let mut listener = Listener::default();
        while ledger.waiting_count() > 0 {
            for run in ledger.settle(most, minutes(0), &HUB_KEY).unwrap() {
                listener.hear(&run, &sites);
            }
        }
        ledger.audit().unwrap();
        prop_assert_eq!(listener.card_rows(), ledger.card_rows().collect::<Vec<_>>());
    }
}

#[test]
fn a_full_changeset_is_one_cut() {
    let cards: Vec<u32> = (0..CARDS_MAX as u32).collect();
    let sites = sites(&[(0, cards.clone()), (2, cards), (3, vec![900])]);
    let mut ledger = ledger();
    ledger
        .ingest(&sites.iter().map(Site::log).collect::<Vec<_>>(), &Roster)
        .unwrap();
    let Ok(plan) = plan_settle(&ledger, &ledger.waiting(100));
    let cards: Vec<usize> = plan.cuts.iter().map(|cut| cut.states.len()).collect();
    assert_eq!(cards, [64, 1]);
}

#[test]
fn more_taps_than_settle_together_are_not_believed() {
    let sites = sites(&[(0, (0..66).collect())]);
    let mut ledger = ledger();
    ledger.ingest(&[sites[0].log()], &Roster).unwrap();
    assert_eq!(
        ledger.counters().quarantined,
        2,
        "no honest gate commits 66 taps at once"
    );
    let Ok(plan) = plan_settle(&ledger, &ledger.waiting(100));
    let cut = plan.cuts.last().unwrap();
    let sizes: Vec<usize> = cut.changesets().iter().map(Vec::len).collect();
    assert_eq!(sizes, [65], "64 states with what is covered, applied as one");
}

#[test]
fn a_card_with_thousands_of_exits_without_entry_is_still_published() {
    let mut gate = Site::gate(1, "A");
    for changeset in 0..125 {
        let exits = (0..48).map(|place| (minutes(6 * (48 * changeset + place)), exit(card(1), "A", 1)));
        gate.state(exits.collect());
    }
    let mut ledger = ledger();
    ledger.ingest(&[gate.log()], &Roster).unwrap();
    let mut listener = Listener::default();
    while ledger.waiting_count() > 0 {
        for run in ledger.settle(20, minutes(0), &HUB_KEY).unwrap() {
            listener.hear(&run, std::slice::from_ref(&gate));
        }
    }
    ledger.audit().unwrap();
    let (_, settled) = (listener.card_rows(), ledger.card_state(card(1)).unwrap());
    assert_eq!(listener.card_rows(), ledger.card_rows().collect::<Vec<_>>());
    assert_eq!(settled.facts, 6_000);
}

#[test]
fn a_plan_is_executed_once() {
    let sites = sites(&[(0, vec![1, 2]), (1, vec![2])]);
    let mut ledger = ledger();
    let logs: Vec<_> = sites.iter().map(Site::log).collect();
    let Ok(merge) = hub::ingest::plan_merge(&ledger, &logs, &Roster);
    ledger.execute_merge(merge.clone()).unwrap();
    assert!(matches!(
        ledger.execute_merge(merge),
        Err(ExecuteError::Stale { .. })
    ));
    let Ok(plan) = plan_settle(&ledger, &ledger.waiting(100));
    ledger.execute_settle(plan.clone(), 0, &HUB_KEY).unwrap();
    let before = ledger.cards_digest();
    assert!(matches!(
        ledger.execute_settle(plan, 0, &HUB_KEY),
        Err(ExecuteError::Stale { .. })
    ));
    assert_eq!(ledger.cards_digest(), before);
    assert_eq!(ledger.counters().facts, 3);
    assert_eq!(ledger.counters().settled, 3);
}

#[test]
fn changesets_out_of_turn_are_left_for_later() {
    let sites = sites(&[(0, vec![1]), (0, vec![2]), (0, vec![3])]);
    let mut ledger = ledger();
    ledger.ingest(&[sites[0].log()], &Roster).unwrap();
    let waiting = ledger.waiting(100);
    let Ok(plan) = plan_settle(&ledger, &waiting[2..]);
    assert!(plan.cuts.is_empty());
    let Ok(plan) = plan_settle(
        &ledger,
        &[waiting[0].clone(), waiting[1].clone(), waiting[3].clone()],
    );
    assert_eq!(plan.cuts[0].states.len(), 1);
    assert_eq!(plan.cuts[0].covered[0].to.0, 2);
}

#[test]
fn facts_without_a_card_are_covered_too() {
    let mut gate = Site::gate(1, "A");
    gate.write(
        0,
        vec![sync_protocol::changeset::Change::new(
            &sync_protocol::changeset::Content::Fact(Fact::SettledUpTo { covered: vec![] }),
        )],
    );
    let mut ledger = ledger();
    ledger.ingest(&[gate.log()], &Roster).unwrap();
    let runs = ledger.settle(100, 0, &HUB_KEY).unwrap();
    let mut listener = Listener::default();
    listener.hear(&runs[0], &[gate]);
    assert_eq!(ledger.waiting_count(), 0);
    assert_eq!(ledger.counters().quarantined, 1);
}
