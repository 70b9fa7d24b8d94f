//! Logs of others: good, repeated, incomplete, forged, from the future.

use bytes::Bytes;
use edge_node::store::{IngestError, SLICE_CHANGES, Store};
use sync_protocol::changeset::{Change, Content, RunError, Signature, SiteRole};
use sync_protocol::decide::Mode;
use sync_protocol::fact::{CardStatus, Fact, Reason};
use sync_protocol::fare::{FareVersion, OrphanPolicy};
use sync_protocol::have::Range;
use sync_protocol::id::{GateId, NodeId, Seq, SiteId};
use sync_protocol::money::Money;
use sync_protocol::rows::{RowChange, VERSION_MAX, Value, key};
use sync_protocol::time::{HOUR_MS, MINUTE_MS};

use crate::support::*;

fn whole(store: &Store, site: SiteId) -> Vec<sync_protocol::changeset::Run> {
    let range = Range {
        site,
        first: Seq(1),
        last: Seq(u64::MAX),
    };
    store.serve(range, 1 << 20).unwrap()
}

fn row(table: &str, values: &[Value], column: &str, value: Value, col_version: i64) -> Change {
    Change::new(&Content::Row(RowChange {
        table: table.to_owned(),
        key: key::pack(values).unwrap(),
        column: column.to_owned(),
        value,
        col_version,
        causal_length: 1,
        seq: 0,
    }))
}

#[test]
fn repeated_early_and_forged_runs_change_nothing() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let have = store.have().clone();
    let digest = store.digest().unwrap();
    let refused = |result: Result<_, IngestError>| match result {
        Err(IngestError::Run(error)) => error,
        other => panic!("{other:?}"),
    };

    let again = store.ingest(&hub.decisions.whole(), &town.trust);
    assert_eq!(refused(again), RunError::Duplicate);
    hub.state(T0, [top_up(1, 1, "second")]);
    let third = hub.state(T0, [top_up(1, 1, "third")]);
    assert!(matches!(
        refused(store.ingest(&third, &town.trust)),
        RunError::Gap { .. }
    ));
    let mut forged = hub.decisions.run(Seq(2), Seq(3));
    forged.signature = Signature([7; 64]);
    assert_eq!(refused(store.ingest(&forged, &town.trust)), RunError::Signature);
    let mut damaged = hub.decisions.run(Seq(2), Seq(3));
    damaged.bodies[0] = Bytes::from_static(b"something else");
    assert_eq!(refused(store.ingest(&damaged, &town.trust)), RunError::Signature);
    let mut stranger = Pen::new(NodeId(66), SiteRole::Decisions, 66, 1);
    let run = stranger.facts(T0, [top_up(1, 1, "mine")]);
    assert_eq!(
        refused(store.ingest(&run, &town.trust)),
        RunError::NotAdmitted,
        "a gate that calls itself the hub"
    );

    assert_eq!(*store.have(), have);
    assert_eq!(store.digest().unwrap(), digest);
    let counters = store.counters();
    assert_eq!(
        (counters.duplicates, counters.gaps, counters.refused_runs),
        (1, 1, 3)
    );

    // An overlapping run adds what is new.
    let ingested = store.ingest(&hub.decisions.whole(), &town.trust).unwrap();
    assert_eq!((ingested.changesets, ingested.have.head), (2, hub.decisions.head));
}

#[test]
fn what_a_writer_may_not_state_is_put_aside_and_blocks_nothing() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let digest = store.digest().unwrap();

    let mut gate = Pen::new(NodeId(7), SiteRole::Gate(terminal("A")), 7, 9);
    gate.facts(T0, [top_up(1, 1_000_000, "mine")]);
    gate.facts(T0, [status(1, 9, CardStatus::Blocked)]);
    let settled = hub.settle(T0, vec![(store.site(), Seq(u64::MAX))]);
    let stolen = sync_protocol::changeset::Body::decode(&settled.bodies[0]).unwrap();
    gate.changes(T0, stolen.changes);
    let mut elsewhere = town.stocked_gate(2, "B", &mut hub);
    let tap = elsewhere.tap(&entry(1, T0), 0).unwrap().decided.decision.tap;
    gate.facts(T0, [Fact::Tap(tap)]);
    let cheat = sync_protocol::fact::Tap {
        terminal: terminal("A"),
        gate: GateId(7),
        hold: Money::rupiah(-1_000_000),
        ..tap
    };
    gate.facts(T0, [Fact::Tap(cheat)]);
    let borrowed = sync_protocol::fact::Tap {
        terminal: terminal("A"),
        ..tap
    };
    gate.body(Bytes::from_static(b"not a body at all"));
    gate.changes(
        T0,
        [Change {
            at: None,
            content: Bytes::from_static(&[2, 0, 255]),
        }],
    );
    let denial = [
        Value::Text("CARD0001".to_owned()),
        Value::Integer(8),
        Value::Integer(8),
    ];
    gate.changes(T0, [row("deny_list", &denial, "denial", Value::Integer(1), 1)]);
    let good = sync_protocol::fact::Tap {
        gate: GateId(7),
        ..borrowed
    };
    gate.facts(T0, [Fact::Tap(borrowed)]);
    gate.facts(T0, [Fact::Tap(good)]);

    let ingested = store.ingest(&gate.whole(), &town.trust).unwrap();
    assert_eq!(ingested.have.head, gate.head, "the head moves on");
    let put_aside = store.quarantine().unwrap();
    let seqs: Vec<u64> = put_aside.iter().map(|change| change.seq.0).collect();
    assert_eq!(seqs, [1, 2, 3, 3, 3, 3, 4, 5, 6, 7, 8, 9], "{put_aside:#?}");
    assert_eq!(put_aside[8].change, None, "the whole changeset");
    assert_eq!(store.counters().quarantined, 12);

    let view = store.card(card(1)).unwrap();
    assert_eq!(view.view.held, Money::rupiah(9_000), "the last tap counts");
    assert_eq!(view.view.balance, Money::rupiah(50_000));
    assert_eq!(store.digest().unwrap(), digest);
    assert_eq!(whole(&store, gate.site), [gate.whole()], "all of it is passed on");
}

#[test]
fn hostile_row_changes_are_put_aside_and_good_ones_beside_them_merge() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut pen = Pen::new(NodeId(7), SiteRole::Gate(terminal("A")), 7, 9);
    let id = [Value::Integer(1)];
    let text = |text: &str| Value::Text(text.to_owned());
    let changes = [
        row("gates", &id, "mode", text("free_flow"), i64::MAX),
        row("gates", &id, "mode", text("free_flow"), VERSION_MAX + 1),
        row("gates", &id, "mode", Value::Integer(1), 1),
        row("gates", &id, "mode", Value::Null, 1),
        row("gates", &[], "mode", text("closed"), 1),
        row("gates", &id, "mode", text("closed"), 3),
    ];
    let run = pen.changes(T0, changes);
    let ingested = store.ingest(&run, &town.trust).unwrap();
    assert_eq!((ingested.quarantined, ingested.unapplied), (5, 0));
    assert_eq!(store.gate().mode, Mode::Closed);
    let denied = store.tap(&entry(1, T0), 0).unwrap().decided;
    assert_eq!(denied.decision.tap.reason, Reason::GateClosed);

    // Local edits are still captured, and reach a neighbour.
    let run = store.set_gate_mode(GateId(1), Mode::Normal, T0).unwrap().unwrap();
    let mut neighbour = town.gate(2, "A");
    for run in [pen.whole(), whole(&store, store.site())[0].clone()] {
        neighbour.ingest(&run, &town.trust).unwrap();
    }
    assert_eq!(run.last(), neighbour.head(store.site()).seq);
    assert_eq!(neighbour.digest().unwrap().rows, store.digest().unwrap().rows);
}

#[test]
fn what_a_later_version_understands_is_kept_until_then() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let id = [Value::Integer(1)];
    let beyond = |content: &'static [u8]| Change {
        at: None,
        content: Bytes::from_static(content),
    };
    let run = hub.decisions.changes(
        T0,
        [
            beyond(&[2, 200, 1, 2, 3]),
            beyond(&[77]),
            row("gates", &id, "colour", Value::Text("red".to_owned()), 1),
            row("escalators", &id, "speed", Value::Integer(1), 1),
            row("gates", &id, "address", Value::Text("[::1]:7401".to_owned()), 1),
        ],
    );
    let ingested = store.ingest(&run, &town.trust).unwrap();
    assert_eq!((ingested.quarantined, ingested.unapplied), (0, 4));
    assert_eq!(store.set_aside().unwrap(), (0, 4));
    let next = hub.state(T0, [top_up(1, 1, "later")]);
    assert_eq!(
        store.ingest(&next, &town.trust).unwrap().have.head,
        hub.decisions.head
    );

    // The next version knows the column.
    let connection = store.connection();
    crsqlite::begin_alter(connection, "gates").unwrap();
    connection
        .execute_batch("ALTER TABLE gates ADD COLUMN colour TEXT NOT NULL DEFAULT ''")
        .unwrap();
    crsqlite::commit_alter(connection, "gates").unwrap();
    drop(store);
    let store = town.gate(1, "A");
    assert_eq!(store.set_aside().unwrap(), (0, 3));
    let colour: String = store
        .connection()
        .query_row(
            "SELECT colour || ' ' || address FROM gates WHERE id = 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(colour, "red [::1]:7401");
}

#[test]
fn a_run_is_applied_in_slices_with_taps_in_between() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut busy = town.stocked_gate(1, "A", &mut hub);
    for minute in 0..100 {
        busy.tap(
            &entry(1_000 + minute, T0 + i64::from(minute) * MINUTE_MS),
            HOUR_MS,
        )
        .unwrap();
    }
    let site = busy.site();
    let run = whole(&busy, site).remove(0);
    assert_eq!(run.bodies.len(), 100);
    let mut store = town.stocked_gate(2, "A", &mut hub);
    let verified = store.verify(&run, &town.trust).unwrap();
    let first = store.ingest_slice(&verified, SLICE_CHANGES).unwrap();
    assert_eq!(
        (first.complete, first.changesets),
        (false, 63),
        "SiteOpen and 63 taps"
    );
    let reason = store.tap(&entry(1, T0), 0).unwrap().decided.decision.tap.reason;
    assert_eq!(reason, Reason::Accepted);
    assert!(
        whole(&store, site).is_empty(),
        "nothing signed yet, nothing served"
    );

    // A start in between goes on from the durable head.
    drop(store);
    let mut store = town.gate(2, "A");
    assert_eq!(store.head(site).seq, Seq(63));
    let last = store.ingest(&run, &town.trust).unwrap();
    assert_eq!((last.complete, last.changesets), (true, 37));
    assert_eq!(whole(&store, site), [run]);
    assert_eq!(
        store.ingest_slice(&verified, SLICE_CHANGES).unwrap().changesets,
        0,
        "the first try ends quietly"
    );
}

#[test]
fn ranges_are_served_in_signed_pieces_within_the_budget() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    for minute in 0..10 {
        store.tap(&entry(1, T0 + minute * HOUR_MS), 0).unwrap();
    }
    let range = |first, last| Range {
        site: store.site(),
        first: Seq(first),
        last: Seq(last),
    };
    let served = |range, bytes_max| -> (u64, u64) {
        let runs = store.serve(range, bytes_max).unwrap();
        runs.first().map_or((0, 0), |run| (run.first.0, run.last().0))
    };
    assert_eq!(served(range(3, 5), 1 << 20), (3, 5));
    assert_eq!(served(range(3, 500), 1 << 20), (3, 10));
    assert_eq!(served(range(3, 10), 1), (3, 3));
    assert_eq!(served(range(11, 12), 1 << 20), (0, 0));
    assert_eq!(served(range(0, 12), 1 << 20), (0, 0));
    let nowhere = Range {
        site: SiteId([9; 16]),
        ..range(1, 2)
    };
    assert!(store.serve(nowhere, 1).unwrap().is_empty());
}

#[test]
fn older_settled_states_and_damaged_fares_leave_things_as_they_are() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let held = store.card(card(1)).unwrap();

    // A second settled site that starts counting anew.
    let mut late = Hub::new();
    late.settled = Pen::new(NodeId::HUB, SiteRole::Settled, 100, 3);
    late.state(T0, [Fact::CardIssued { card: card(1) }]);
    let run = late.settle(T0, Vec::new());
    store.ingest(&run, &town.trust).unwrap();
    assert_eq!(store.card(card(1)).unwrap(), held, "revision 1 is held already");

    let fares = sample_fares(2, T0);
    let mut content = Change::new(&Content::Fact(Fact::FareVersion(fares)))
        .content
        .to_vec();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    let change = Change {
        at: None,
        content: content.into(),
    };
    let run = hub.decisions.changes(T0, [change]);
    assert_eq!(store.ingest(&run, &town.trust).unwrap().quarantined, 1);
    let other = Fact::FareVersion(sample_fares(1, 5));
    let run = hub.decisions.facts(T0, [other]);
    assert_eq!(store.ingest(&run, &town.trust).unwrap().quarantined, 1);
    assert_eq!(store.fares().iter().count(), 1);
    let tap = store.tap(&entry(1, T0), 0).unwrap().decided.decision.tap;
    assert_eq!((tap.reason, tap.fare_version), (Reason::Accepted, 1));
}

#[test]
fn a_settled_site_is_taken_only_after_the_one_it_follows() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let run = store.tap(&entry(1, T0), 0).unwrap().run;
    hub.read(&run);
    let held = store.card(card(1)).unwrap().view.held;
    assert_eq!(held, Money::rupiah(12_000));

    // The old settler published the card; the new one only covers what came after, and is heard first.
    let old = hub.settle(T0, vec![(store.site(), Seq(1))]);
    let mut new = hub.settled.following(NodeId::HUB, SiteRole::Settled, 100, 3);
    let covered = vec![(store.site(), Seq(2))];
    let new = new.facts(T0, [Fact::SettledUpTo { covered }]);
    assert!(matches!(
        store.ingest(&new, &town.trust),
        Err(IngestError::Predecessor)
    ));
    assert_eq!(
        store.card(card(1)).unwrap().view.held,
        held,
        "the tap is in no state yet"
    );
    store.ingest(&old, &town.trust).unwrap();
    store.ingest(&new, &town.trust).unwrap();
    assert_eq!(store.card(card(1)).unwrap().view.held, held);
}

#[test]
fn taps_beyond_a_group_commit_are_put_aside_as_at_the_hub() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut neighbour = town.stocked_gate(7, "A", &mut hub);
    let tap = neighbour.tap(&entry(1, T0), 0).unwrap().decided.decision.tap;
    let mut pen = Pen::new(NodeId(7), SiteRole::Gate(terminal("A")), 7, 9);
    pen.facts(T0, vec![Fact::Tap(tap); 64]);
    pen.facts(T0, vec![Fact::Tap(tap); 66]);
    let ingested = store.ingest(&pen.whole(), &town.trust).unwrap();
    assert_eq!((ingested.changes, ingested.quarantined), (131, 2));
}

#[test]
fn a_gate_that_holds_all_facts_checks_the_hubs_fold() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    assert_eq!((store.counters().compared, store.counters().divergences), (2, 0));
    let taps = [
        store.tap(&entry(1, T0), 0).unwrap().run,
        store.tap(&exit(1, T0 + 7 * MINUTE_MS), 0).unwrap().run,
    ];
    taps.iter().for_each(|run| hub.read(run));
    let run = hub.settle(T0 + HOUR_MS, vec![(store.site(), Seq(2))]);
    store.ingest(&run, &town.trust).unwrap();
    assert_eq!((store.counters().compared, store.counters().divergences), (4, 0));
    assert_eq!(store.card(card(1)).unwrap().view.balance, hub.balance(card(1)));

    // The same facts, another state: severity 1.
    let body = sync_protocol::changeset::Body::decode(&run.bodies[0]).unwrap();
    let Ok(Some(Content::Fact(Fact::CardSettled(mut settled)))) = body.changes[0].read() else {
        panic!("a settled state comes first");
    };
    settled.revision += 1;
    settled.state.posted += Money::rupiah(1);
    let run = hub.settled.facts(T0 + 2 * HOUR_MS, [Fact::CardSettled(settled)]);
    store.ingest(&run, &town.trust).unwrap();
    assert_eq!((store.counters().compared, store.counters().divergences), (5, 1));
}

#[test]
fn a_state_priced_by_fares_still_on_their_way_is_no_divergence() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut neighbour = town.stocked_gate(2, "B", &mut hub);
    let taps = [
        store.tap(&entry(1, T0), 0).unwrap().run,
        neighbour.tap(&exit(1, T0 + HOUR_MS), 0).unwrap().run,
    ];
    taps.iter().for_each(|run| hub.read(run));
    store.ingest(&taps[1], &town.trust).unwrap();
    // Cheaper from before the journey on, by an operator's override.
    let cheaper = FareVersion::new(
        2,
        T0 - MINUTE_MS,
        OrphanPolicy::Release,
        [(terminal("A"), terminal("B"), Money::rupiah(1_000))],
    );
    let fares = hub.state(T0, [Fact::FareVersion(cheaper.unwrap())]);
    let covered = taps.iter().map(|run| (run.site, run.last())).collect();
    let settled = hub.settle(T0 + 2 * HOUR_MS, covered);
    let before = store.counters().compared;
    store.ingest(&settled, &town.trust).unwrap();
    assert_eq!(
        (store.counters().compared, store.counters().divergences),
        (before, 0)
    );
    store.ingest(&fares, &town.trust).unwrap();
    let settled = hub.settle(T0 + 3 * HOUR_MS, Vec::new());
    store.ingest(&settled, &town.trust).unwrap();
    assert_eq!(
        (store.counters().compared, store.counters().divergences),
        (before + 2, 0)
    );
    assert_eq!(store.card(card(1)).unwrap().view.balance, Money::rupiah(49_000));
}

#[test]
fn a_denial_stands_until_the_hub_lifts_it() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut neighbour = town.stocked_gate(2, "A", &mut hub);
    let run = store.deny_card(card(1), "clone suspected", T0).unwrap().unwrap();
    neighbour.ingest(&run, &town.trust).unwrap();
    let reason = neighbour
        .tap(&entry(1, T0), 0)
        .unwrap()
        .decided
        .decision
        .tap
        .reason;
    assert_eq!(reason, Reason::DenyList, "T-27");

    let lift = [
        Value::Text("CARD0001".to_owned()),
        Value::Integer(1),
        Value::Integer(0),
    ];
    let run = hub.decisions.changes(
        T0,
        [
            row("deny_list", &lift, "denial", Value::Integer(1), 1),
            row("deny_list", &lift, "lifted", Value::Integer(1), 1),
        ],
    );
    neighbour.ingest(&run, &town.trust).unwrap();
    store.ingest(&run, &town.trust).unwrap();
    assert!(!store.card(card(1)).unwrap().denied);
    assert!(!neighbour.card(card(1)).unwrap().denied);
    store.deny_card(card(1), "again", T0).unwrap().unwrap();
    assert!(store.card(card(1)).unwrap().denied, "a second denial counts");
}
