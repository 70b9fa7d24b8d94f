//! Decision and commit.

use edge_node::store::Store;
use sync_protocol::decide::GateType;
use sync_protocol::fact::{CardStatus, Reason};
use sync_protocol::id::{GateId, Seq};
use sync_protocol::money::Money;
use sync_protocol::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Stamp};

use crate::support::*;

#[test]
fn a_tap_is_durable_and_seen_after_a_new_start() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let committed = store.tap(&entry(1, T0), 0).unwrap();
    let decided = committed.decided;
    assert_eq!(decided.decision.tap.reason, Reason::Accepted);
    assert_eq!(decided.decision.tap.hold, Money::rupiah(12_000));
    assert_eq!(decided.view.balance, Money::rupiah(50_000));
    assert_eq!(decided.view.held, Money::rupiah(12_000));
    assert_eq!(decided.fact.site, store.site());
    assert_eq!((decided.fact.seq, decided.fact.index), (Seq(1), 1));
    let before = store.card(card(1)).unwrap();
    drop(store);

    let store = town.gate(1, "A");
    let after = store.card(card(1)).unwrap();
    assert_eq!(after, before);
    let recent = store.recent_taps(50).unwrap();
    assert_eq!(recent.len(), 1);
    assert_eq!((recent[0].fact, recent[0].at), (decided.fact, decided.at));
    assert_eq!(recent[0].tap, decided.decision.tap);
    assert_eq!(store.last_stamp(), decided.at);
}

#[test]
fn the_decision_table_holds_at_the_store() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut reason = |presentation, age_ms| {
        let committed = store.tap(&presentation, age_ms).unwrap();
        committed.decided.decision.tap.reason
    };
    assert_eq!(reason(entry(1, T0), 0), Reason::Accepted, "T-01");
    assert_eq!(reason(entry(1, T0 + 5 * SECOND_MS), 0), Reason::DupIn, "T-05");
    assert_eq!(reason(entry(1, T0 + MINUTE_MS), 0), Reason::Passback, "T-06");
    assert_eq!(reason(exit(1, T0 + 2 * MINUTE_MS), 0), Reason::ExitOpen, "T-12");
    assert_eq!(reason(entry(2, T0 + 3 * MINUTE_MS), 0), Reason::Funds, "no money");
    assert_eq!(
        reason(entry(9, T0 + 3 * MINUTE_MS), 0),
        Reason::UnknownCard,
        "T-41, fresh"
    );
    assert_eq!(
        reason(entry(9, T0 + 4 * MINUTE_MS), HOUR_MS),
        Reason::Allowance,
        "T-41, offline within F"
    );
    assert_eq!(reason(exit(9, T0 + HOUR_MS), HOUR_MS), Reason::ExitOpen, "I7");
}

#[test]
fn a_gate_spends_at_most_s_of_what_it_believes_until_the_hub_covers_it() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    // Each journey A to A beyond five minutes costs the lowest fare, 5,000; S is 24,000.
    let mut at_ms = T0;
    for _ in 0..3 {
        let committed = store.tap(&entry(1, at_ms), 0).unwrap();
        assert_eq!(committed.decided.decision.tap.reason, Reason::Accepted);
        store.tap(&exit(1, at_ms + 10 * MINUTE_MS), 0).unwrap();
        at_ms += 20 * MINUTE_MS;
    }
    let denied = store.tap(&entry(1, at_ms), 0).unwrap().decided;
    assert_eq!(denied.decision.tap.reason, Reason::Funds);
    assert_eq!(denied.view.balance, Money::rupiah(35_000));

    // The hub covers this gate's site: the money may be spent again.
    let site = store.site();
    let everything = store
        .serve(
            sync_protocol::have::Range {
                site,
                first: Seq(1),
                last: Seq(100),
            },
            1 << 20,
        )
        .unwrap();
    hub.read(&everything[0]);
    let run = hub.settle(at_ms, vec![(site, store.head(site).seq)]);
    store.ingest(&run, &town.trust).unwrap();
    let knowledge = store.card(card(1)).unwrap();
    assert_eq!(knowledge.view.balance, Money::rupiah(35_000));
    assert_eq!(knowledge.uncovered_entries, 0);
    let accepted = store.tap(&entry(1, at_ms + MINUTE_MS), 0).unwrap().decided;
    assert_eq!(accepted.decision.tap.reason, Reason::Accepted);
}

#[test]
fn status_and_direction_are_kept() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    store.tap(&entry(1, T0), 0).unwrap();
    let run = hub.state(T0 + 1, [status(1, 1, CardStatus::Blocked)]);
    store.ingest(&run, &town.trust).unwrap();
    let blocked = store.tap(&entry(1, T0 + 10 * MINUTE_MS), 0).unwrap().decided;
    assert_eq!(
        blocked.decision.tap.reason,
        Reason::Blocked,
        "T-23, before any settled state says so"
    );
    let exit = store.tap(&exit(1, T0 + 11 * MINUTE_MS), 0).unwrap().decided;
    assert_eq!(exit.decision.tap.reason, Reason::ExitOpen, "T-24");

    let opening = town.opening(2, "A", GateType::Entry);
    let mut one_way = Store::open(town.path(2), opening).unwrap();
    let wrong = one_way.tap(&crate::support::exit(1, T0), 0).unwrap().decided;
    assert_eq!(wrong.decision.tap.reason, Reason::WrongGate, "T-42");
    assert_eq!(wrong.decision.tap.gate, GateId(2));
}

#[test]
fn a_clock_that_runs_back_never_takes_the_stamps_along() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let first = store.tap(&entry(1, T0), 0).unwrap().decided.at;
    let second = store.tap(&exit(1, T0 - HOUR_MS), 0).unwrap().decided.at;
    assert_eq!(second, Stamp { ms: T0, counter: 1 });
    drop(store);
    let mut store = town.gate(1, "A");
    let third = store.tap(&entry(1, T0 - 5), 0).unwrap().decided.at;
    assert_eq!(third, Stamp { ms: T0, counter: 2 });
    assert!(first < second && second < third);
}

#[test]
fn a_group_is_one_changeset_whose_taps_see_each_other() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let group = store
        .taps(
            &[
                entry(1, T0),
                entry(1, T0 + SECOND_MS),
                exit(1, T0 + 2 * SECOND_MS),
            ],
            0,
        )
        .unwrap();
    let run = store.seal().unwrap().unwrap();
    let reasons: Vec<_> = group.iter().map(|decided| decided.decision.tap.reason).collect();
    assert_eq!(reasons, [Reason::Accepted, Reason::DupIn, Reason::ExitOpen]);
    assert_eq!(run.bodies.len(), 1);
    let stamps: Vec<_> = group.iter().map(|decided| decided.at.ms - T0).collect();
    assert_eq!(stamps, [0, SECOND_MS, 2 * SECOND_MS]);

    let many: Vec<_> = (0..64).map(|number| entry(100 + number, T0 + HOUR_MS)).collect();
    let group = store.taps(&many, HOUR_MS).unwrap();
    assert_eq!(group.len(), 64);
    store.seal().unwrap().unwrap();
    let mut neighbour = town.gate(2, "A");
    let everything = store
        .serve(
            sync_protocol::have::Range {
                site: store.site(),
                first: Seq(1),
                last: Seq(2),
            },
            1 << 20,
        )
        .unwrap();
    let ingested = neighbour.ingest(&everything[0], &town.trust).unwrap();
    assert_eq!(
        (ingested.changesets, ingested.changes, ingested.quarantined),
        (2, 68, 0)
    );
    for tap in group {
        assert_eq!(
            neighbour.card(tap.decision.tap.card).unwrap().view.open,
            tap.view.open
        );
    }

    assert!(store.taps(&[], 0).is_err());
    assert!(store.taps(&[entry(1, T0); 65], 0).is_err());
}

#[test]
fn money_is_conserved_between_the_settled_state_and_the_view() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut gates = [
        town.stocked_gate(1, "A", &mut hub),
        town.stocked_gate(2, "A", &mut hub),
    ];
    for (journey, gate) in [0_usize, 1, 1, 0, 1].into_iter().enumerate() {
        let at_ms = T0 + journey as i64 * HOUR_MS;
        let runs = [
            gates[gate].tap(&entry(1, at_ms), 0).unwrap().run,
            gates[gate].tap(&exit(1, at_ms + 6 * MINUTE_MS), 0).unwrap().run,
        ];
        for run in &runs {
            gates[1 - gate].ingest(run, &town.trust).unwrap();
        }
        let accepted = gates[0].card(card(1)).unwrap().view;
        assert_eq!(accepted, gates[1].card(card(1)).unwrap().view);
        assert_eq!(accepted.held, Money::ZERO);
        // S is 24,000: after three journeys of 5,000 the hold of 12,000 is no longer within it.
        let spent = Money::rupiah(5_000 * (journey as i64 + 1).min(3));
        assert_eq!(accepted.balance + spent, Money::rupiah(50_000));
    }
}
