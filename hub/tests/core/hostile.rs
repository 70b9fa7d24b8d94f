//! Runs and facts that nobody should believe.

use bytes::Bytes;
use hub::ingest::{QuarantineReason, RefusedReason, plan_merge};
use proptest::prelude::*;
use sync_protocol::changeset::{Change, Content, PublicKey, Run, RunError, Signature, SiteRole};
use sync_protocol::fact::{Direction, Fact, Tap};
use sync_protocol::have::Range;
use sync_protocol::id::{Seq, SiteId};
use sync_protocol::judge::Refusal;
use sync_protocol::money::Money;
use sync_protocol::rows::{RowChange, VERSION_MAX, Value, key};

use crate::network::*;

/// What one run of a fresh ledger is refused for.
fn refusal(run: Run) -> RefusedReason {
    let ledger = ledger();
    let Ok(plan) = plan_merge(&ledger, &[run], &Roster);
    assert!(plan.changesets.is_empty() && plan.facts.is_empty() && plan.moved.is_empty());
    plan.refused[0].reason
}

/// What facts of one changeset of a gate at A are quarantined for; the head moves all the same.
fn quarantine(mut site: Site, facts: Vec<Fact>) -> Vec<Refusal> {
    let count = facts.len();
    site.state(facts.into_iter().map(|fact| (minutes(0), fact)).collect());
    let mut ledger = ledger();
    ledger.ingest(&[site.log()], &Roster).unwrap();
    let reasons: Vec<_> = ledger
        .quarantined()
        .iter()
        .map(|kept| match &kept.reason {
            QuarantineReason::Judged(refusal) => refusal.clone(),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(ledger.have().head(site.id()).seq, Seq(2));
    assert_eq!(ledger.counters().facts as usize, count - reasons.len());
    ledger.settle(10, 0, &HUB_KEY).unwrap();
    ledger.audit().unwrap();
    reasons
}

fn taken(site: &mut Site, number: u32) {
    site.state(vec![(minutes(0), entry(card(number), "A", 1))]);
}

#[test]
fn a_forged_run_is_refused_and_the_true_one_still_taken() {
    let mut site = Site::gate(1, "A");
    taken(&mut site, 1);
    let mut forged = site.log();
    forged.bodies[1] = Bytes::from_static(b"forged");
    assert_eq!(refusal(forged.clone()), RunError::Signature.into());
    let mut unsigned = site.log();
    unsigned.signature = Signature([0; 64]);
    assert_eq!(refusal(unsigned.clone()), RunError::Signature.into());
    let mut ledger = ledger();
    let ingested = ledger.ingest(&[forged, unsigned, site.log()], &Roster).unwrap();
    assert_eq!(ingested.rejected, 2);
    assert_eq!(ingested.moved[0].1.to.seq, Seq(2));
    assert_eq!(ledger.refused().len(), 2, "the evidence is kept");
}

#[test]
fn strangers_and_false_openings_are_refused() {
    let mut stranger = Site::gate(1, "A");
    stranger.open.certificate = b"another".to_vec();
    let stranger = Site::reopened(&stranger);
    assert_eq!(refusal(stranger.log()), RunError::NotAdmitted.into());
    let mut other = Site::gate(1, "A").log();
    other.site = SiteId([9; 16]);
    assert_eq!(refusal(other), RunError::SiteOpen.into());
    let mut empty = Site::gate(1, "A").log();
    empty.bodies.clear();
    assert_eq!(refusal(empty), RunError::Malformed.into());
    assert_eq!(
        refusal(Site::new(1, SiteRole::Decisions).log()),
        RunError::NotAdmitted.into()
    );
    assert_eq!(
        refusal(Site::new(1, SiteRole::Settled).log()),
        RunError::NotAdmitted.into()
    );
    assert_eq!(refusal(Site::gate(0, "A").log()), RunError::NotAdmitted.into());
}

#[test]
fn a_second_branch_of_a_log_is_proven_and_kept() {
    let (mut one, mut other) = (Site::gate(1, "A"), Site::gate(1, "A"));
    taken(&mut one, 1);
    taken(&mut one, 2);
    taken(&mut other, 9);
    let mut ledger = ledger();
    ledger.ingest(&[one.log()], &Roster).unwrap();
    // Shorter than what is held, and longer.
    for _ in 0..2 {
        let Ok(plan) = plan_merge(&ledger, &[other.log()], &Roster);
        assert_eq!(plan.refused[0].reason, RefusedReason::Fork);
        taken(&mut other, 10);
        taken(&mut other, 11);
    }
    // A damaged copy proves nothing.
    let mut damaged = one.log();
    damaged.bodies[1] = Bytes::from_static(b"damaged");
    let Ok(plan) = plan_merge(&ledger, &[damaged], &Roster);
    assert_eq!(plan.refused[0].reason, RunError::Signature.into());
    assert_eq!(ledger.have().head(one.id()).seq, Seq(3));
}

#[test]
fn runs_in_pieces_overlap_and_leave_gaps() {
    let mut site = Site::gate(1, "A");
    (0..8).for_each(|number| taken(&mut site, number));
    let mut ledger = ledger();
    let ingested = ledger.ingest(&[site.run(4, 5)], &Roster).unwrap();
    let gap = |first, last| Range {
        site: site.id(),
        first: Seq(first),
        last: Seq(last),
    };
    assert_eq!(ingested.gaps, [gap(1, 3)]);
    // Several runs of one site in one call, in order, overlapping, with a gap at the end.
    let runs = [
        site.run(1, 3),
        site.run(2, 5),
        site.run(1, 4),
        site.run(5, 6),
        site.run(8, 9),
    ];
    let ingested = ledger.ingest(&runs, &Roster).unwrap();
    assert_eq!(ingested.gaps, [gap(7, 7)]);
    assert_eq!(ingested.moved[0].1.to.seq, Seq(6));
    assert_eq!(ledger.counters().duplicates, 1);
    assert_eq!(ledger.counters().facts, 5);
}

#[test]
fn gates_state_taps_of_their_own_only() {
    let honest = tap(card(1), Direction::Entry, "A", 1);
    let elsewhere = Tap {
        terminal: terminal("B"),
        ..honest
    };
    let other_gate = tap(card(1), Direction::Entry, "A", 2);
    let top_up = Fact::TopUp {
        card: card(1),
        amount: Money::rupiah(1_000_000),
        reference: "free money".into(),
    };
    let reasons = quarantine(
        Site::gate(1, "A"),
        vec![
            Fact::Tap(honest),
            Fact::Tap(elsewhere),
            Fact::Tap(other_gate),
            top_up,
            Fact::SettledUpTo { covered: vec![] },
        ],
    );
    let expected = [
        Refusal::Terminal(terminal("B")),
        Refusal::Gate(other_gate.gate),
        Refusal::HubOnly,
        Refusal::HubOnly,
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn hostile_amounts_are_never_folded() {
    let honest = tap(card(1), Direction::Exit, "A", 1);
    let amounts = [
        Money::hundredths(-1),
        Money::hundredths(i64::MIN),
        Money::hundredths(i64::MAX),
    ];
    let holds = amounts.map(|hold| Fact::Tap(Tap { hold, ..honest }));
    let quoted = amounts.map(|quoted| {
        Fact::Tap(Tap {
            quoted: Some(quoted),
            ..honest
        })
    });
    let reasons = quarantine(Site::gate(1, "A"), holds.into_iter().chain(quoted).collect());
    let expected = [amounts, amounts].concat().into_iter().map(Refusal::Amount);
    assert_eq!(reasons, expected.collect::<Vec<_>>());

    let hub = Site::new(0, SiteRole::Decisions);
    let credit = |amount| Fact::TopUp {
        card: card(1),
        amount,
        reference: "r".into(),
    };
    let reasons = quarantine(hub, amounts.map(credit).to_vec());
    assert_eq!(reasons, amounts.map(Refusal::Amount));
}

#[test]
fn the_hub_s_sites_keep_to_their_own_facts() {
    let reasons = quarantine(
        Site::new(0, SiteRole::Decisions),
        vec![entry(card(1), "A", 1), Fact::SettledUpTo { covered: vec![] }],
    );
    assert_eq!(reasons, [Refusal::GateOnly, Refusal::WrongSite]);
    let mut settled = Site::new(0, SiteRole::Settled);
    settled.state(vec![(0, Fact::CardIssued { card: card(1) })]);
    let mut ledger = ledger();
    ledger.ingest(&[settled.log()], &Roster).unwrap();
    assert_eq!(ledger.quarantined()[0].reason, Refusal::WrongSite.into());
    assert_eq!(ledger.waiting_count(), 0, "settled states are not settled again");
}

#[test]
fn a_damaged_fare_version_is_quarantined() {
    let fares = fares(1, 0, sync_protocol::fare::OrphanPolicy::Release);
    let mut damaged = fares.clone();
    damaged.effective_from_ms = 1;
    let reasons = quarantine(
        Site::new(0, SiteRole::Decisions),
        vec![Fact::FareVersion(damaged)],
    );
    assert!(matches!(reasons.as_slice(), [Refusal::Fare(_)]));
}

#[test]
fn what_cannot_be_read_is_stored_and_passed_on() {
    let mut site = Site::gate(1, "A");
    let later = Change {
        at: None,
        content: Bytes::from_static(&[200, 1, 2, 3]),
    };
    let later_fact = Change {
        at: None,
        content: Bytes::from_static(&[2, 99, 1]),
    };
    let damaged = Change {
        at: None,
        content: Bytes::from_static(&[2, 0, 1]),
    };
    let opening = Change::new(&Content::SiteOpen(Box::new(site.open.clone())));
    site.write(0, vec![later, later_fact, damaged, opening]);
    site.write_bytes(Bytes::from_static(b"no body at all"));
    taken(&mut site, 1);
    let mut ledger = ledger();
    let Ok(plan) = plan_merge(&ledger, &[site.log()], &Roster);
    let opaque: Vec<u16> = plan.opaque.iter().map(|id| id.index).collect();
    assert_eq!(opaque, [0, 1]);
    assert!(matches!(
        plan.quarantined
            .iter()
            .map(|kept| &kept.reason)
            .collect::<Vec<_>>()[..],
        [
            QuarantineReason::Content(_),
            QuarantineReason::Judged(Refusal::SiteOpen),
            QuarantineReason::Body(_)
        ]
    ));
    ledger.execute_merge(plan).unwrap();
    ledger.settle(10, 0, &HUB_KEY).unwrap();
    assert_eq!(ledger.view(card(1)).unwrap().held, Money::rupiah(12_000));
    let everything = Range {
        site: site.id(),
        first: Seq(1),
        last: Seq(4),
    };
    assert_eq!(ledger.serve(&everything, 1 << 20), Some(site.log()));
}

#[test]
fn row_changes_that_would_do_harm_are_quarantined() {
    let row = RowChange {
        table: "gates".into(),
        key: key::pack(&[Value::Integer(1)]).unwrap(),
        column: "status".into(),
        value: Value::Text("offline".into()),
        col_version: 1,
        causal_length: 1,
        seq: 0,
    };
    let harmful = RowChange {
        col_version: VERSION_MAX + 1,
        ..row.clone()
    };
    let mut site = Site::gate(1, "A");
    let changes = [row.clone(), harmful].map(|row| Change::new(&Content::Row(row)));
    site.write(0, changes.to_vec());
    let mut ledger = ledger();
    ledger.ingest(&[site.log()], &Roster).unwrap();
    assert!(matches!(
        ledger.quarantined(),
        [hub::ingest::Quarantined {
            reason: QuarantineReason::Judged(Refusal::Row(_)),
            ..
        }]
    ));
    let merged = ledger.rows().row("gates", &row.key).unwrap();
    assert_eq!(merged.value("status"), Some(&row.value));
}

#[test]
fn a_denial_in_another_node_s_name_is_quarantined_as_at_a_gate() {
    let denial = |declared_by: i64, written_by: i64| RowChange {
        table: "deny_list".into(),
        key: key::pack(&[
            Value::Text("CARD0001".into()),
            Value::Integer(declared_by),
            Value::Integer(written_by),
        ])
        .unwrap(),
        column: "denial".into(),
        value: Value::Integer(1),
        col_version: 1,
        causal_length: 1,
        seq: 0,
    };
    let rows = [denial(1, 1), denial(2, 2), denial(2, 1), denial(1, 0)];
    let changes = rows.clone().map(|row| Change::new(&Content::Row(row))).to_vec();
    let mut gate = Site::gate(1, "A");
    gate.write(0, changes.clone());
    let mut ledger = ledger();
    ledger.ingest(&[gate.log()], &Roster).unwrap();
    assert_eq!(ledger.counters().quarantined, 3);
    assert_eq!(
        ledger.rows().live_rows("deny_list").count(),
        1,
        "its own denial only"
    );
    let mut hub = Site::new(0, SiteRole::Decisions);
    hub.write(0, changes);
    ledger.ingest(&[hub.log()], &Roster).unwrap();
    assert_eq!(
        ledger.rows().live_rows("deny_list").count(),
        4,
        "the hub lifts and passes on"
    );
}

#[test]
fn status_versions_count_from_one() {
    let status = |version| Fact::CardStatus {
        card: card(1),
        version,
        status: sync_protocol::fact::CardStatus::Blocked,
    };
    let reasons = quarantine(
        Site::new(0, SiteRole::Decisions),
        vec![status(0), status(1), status(u64::MAX)],
    );
    assert_eq!(reasons, [Refusal::Version(0), Refusal::Version(u64::MAX)]);
}

#[test]
fn a_closed_site_that_writes_on_is_taken_and_reported() {
    let mut site = Site::gate(1, "A");
    taken(&mut site, 1);
    let mut hub = Site::new(0, SiteRole::Decisions);
    let closed = Fact::SiteClosed {
        site: site.id(),
        last: Seq(2),
    };
    let mut ledger = ledger();
    ledger.ingest(&[site.log()], &Roster).unwrap();
    hub.state(vec![(0, closed)]);
    ledger.ingest(&[hub.log()], &Roster).unwrap();
    let closed = |ledger: &hub::ledger::memory::MemoryLedger| {
        ledger.sites().find(|(id, _)| *id == site.id()).unwrap().1.closed
    };
    assert_eq!(closed(&ledger), Some(Seq(2)));
    let mut on = site.clone();
    taken(&mut on, 2);
    ledger.ingest(&[on.log()], &Roster).unwrap();
    assert_eq!(closed(&ledger), None);
    assert_eq!(ledger.counters().reopened, 1);
    assert_eq!(ledger.counters().facts, 3);
}

proptest! {
    #[test]
    fn random_bytes_never_stop_the_hub(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
        first in prop_oneof![0..5_u64, Just(u64::MAX), any::<u64>()],
        signed in any::<bool>(),
        of_known_site in any::<bool>(),
    ) {
        let mut site = Site::gate(1, "A");
        let mut ledger = ledger();
        ledger.ingest(&[site.log()], &Roster).unwrap();
        let run = if signed {
            bodies.iter().for_each(|body| { site.write_bytes(body.clone().into()); });
            Run { first: Seq(first.clamp(1, site.bodies.len() as u64)), ..site.log() }
        } else {
            Run {
                site: if of_known_site { site.id() } else { SiteId([3; 16]) },
                first: Seq(first),
                bodies: bodies.into_iter().map(Bytes::from).collect(),
                signature: Signature([0; 64]),
            }
        };
        ledger.ingest(&[run], &Roster).unwrap();
        ledger.settle(100, 0, &HUB_KEY).unwrap();
        ledger.audit().unwrap();
        prop_assert_eq!(ledger.counters().facts, 0);
    }
}

#[test]
fn another_key_for_a_known_site_is_refused() {
    let site = Site::gate(1, "A");
    let mut ledger = ledger();
    ledger.ingest(&[site.log()], &Roster).unwrap();
    let mut thief = Site::with_key(
        1,
        SiteRole::Gate(terminal("A")),
        Keyed(PublicKey([8; 32])),
        [7; 16],
    );
    taken(&mut thief, 1);
    let run = Run {
        site: site.id(),
        ..thief.run(2, 2)
    };
    let Ok(plan) = plan_merge(&ledger, &[run], &Roster);
    assert_eq!(plan.refused[0].reason, RunError::Signature.into());
}
