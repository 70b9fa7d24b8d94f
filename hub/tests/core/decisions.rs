//! What people decide at the hub.

use hub::decisions::{DecideError, Decision, Refusal, Terms};
use hub::ledger::memory::{Decided, DecisionError, ExecuteError, MemoryLedger};
use sync_protocol::changeset::{PublicKey, SiteRole};
use sync_protocol::fact::{CardStatus, Fact};
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::id::{FactId, Seq, SiteId};
use sync_protocol::journey::{Flag, JourneyStatus};
use sync_protocol::ledger::{Account, Rule};
use sync_protocol::money::Money;
use sync_protocol::rows::{RowChange, Value, key};
use sync_protocol::time::HOUR_MS;

use crate::network::*;

fn decide(ledger: &mut MemoryLedger, decisions: &[Decision]) -> Decided {
    let decided = ledger
        .decide(decisions, &terms(minutes(0)), &HUB_KEY, &Roster)
        .unwrap();
    ledger.settle(1_000, minutes(0), &HUB_KEY).unwrap();
    ledger.audit().unwrap();
    decided
}

fn refused(ledger: &mut MemoryLedger, decision: Decision) -> Refusal {
    let before = ledger.have().clone();
    let issue = Decision::Issue { card: card(77) };
    let decided = ledger.decide(&[issue, decision], &terms(minutes(0)), &HUB_KEY, &Roster);
    assert_eq!(*ledger.have(), before, "all or none");
    match decided {
        Err(DecisionError::Decide(DecideError::Refused { index: 1, refusal })) => refusal,
        other => panic!("{other:?}"),
    }
}

fn issue(number: u32) -> Decision {
    Decision::Issue { card: card(number) }
}

fn top_up(number: u32, rupiah: i64, reference: &str) -> Decision {
    Decision::TopUp {
        card: card(number),
        amount: Money::rupiah(rupiah),
        reference: reference.into(),
    }
}

fn close(number: u32, tap: FactId) -> Decision {
    Decision::Close {
        card: card(number),
        tap,
    }
}

/// A ledger in which a fare version that charges the highest fare holds, and card 1 is issued.
fn prepared() -> MemoryLedger {
    let mut ledger = ledger();
    let fares = fares(1, minutes(-60), OrphanPolicy::ChargeMax);
    let early = Terms {
        override_lead_time: true,
        ..terms(minutes(-1_000))
    };
    ledger
        .decide(&[Decision::Fares(fares), issue(1)], &early, &HUB_KEY, &Roster)
        .unwrap();
    ledger.settle(100, minutes(-1_000), &HUB_KEY).unwrap();
    ledger
}

fn balance(ledger: &MemoryLedger, number: u32) -> Money {
    ledger.account(Account::Card(card(number)))
}

#[test]
fn the_same_top_up_counts_once() {
    let mut ledger = prepared();
    let twice = [top_up(1, 50_000, "bank-1"), top_up(1, 50_000, "bank-1")];
    let first = decide(&mut ledger, &twice);
    assert_eq!(first.facts[0], first.facts[1]);
    let again = decide(&mut ledger, &[top_up(1, 50_000, "bank-1")]);
    assert_eq!(again.facts, [first.facts[0]]);
    assert!(again.runs.is_empty(), "nothing is published");
    assert_eq!(balance(&ledger, 1), Money::rupiah(50_000));
    let other_amount = refused(&mut ledger, top_up(1, 60_000, "bank-1"));
    assert!(matches!(other_amount, Refusal::ReferenceTaken { .. }));
    decide(&mut ledger, &[issue(2)]);
    let other_card = refused(&mut ledger, top_up(2, 50_000, "bank-1"));
    assert!(
        matches!(other_card, Refusal::ReferenceTaken { .. }),
        "one in the whole network"
    );
}

#[test]
fn the_same_reference_from_two_terms_counts_once_in_the_order_of_the_fold() {
    // Two terms of the hub that did not know of each other; the fold counts the first in order (T-30).
    let site = |key, minute, amount| {
        let signer = Keyed(PublicKey([key; 32]));
        let mut site = Site::with_key(0, SiteRole::Decisions, signer, [key; 16]);
        let fact = Fact::TopUp {
            card: card(1),
            amount: Money::rupiah(amount),
            reference: "bank-1".into(),
        };
        site.state(vec![(minutes(minute), fact)]);
        site
    };
    let (early, late) = (site(50, 1, 10_000), site(51, 2, 30_000));
    for order in [[&early, &late], [&late, &early]] {
        let mut ledger = ledger();
        for site in order {
            ledger.ingest(&[site.log()], &Roster).unwrap();
            ledger.settle(10, 0, &HUB_KEY).unwrap();
            ledger.audit().unwrap();
        }
        assert_eq!(balance(&ledger, 1), Money::rupiah(10_000));
    }
}

#[test]
fn status_versions_are_counted_by_the_hub() {
    let mut ledger = prepared();
    let status = |status| Decision::Status {
        card: card(1),
        status,
    };
    decide(
        &mut ledger,
        &[status(CardStatus::Blocked), status(CardStatus::Active)],
    );
    decide(&mut ledger, &[status(CardStatus::Suspended)]);
    let state = &ledger.card_state(card(1)).unwrap().state;
    assert_eq!((state.status, state.status_version), (CardStatus::Suspended, 3));
}

#[test]
fn money_is_checked() {
    let mut ledger = prepared();
    assert_eq!(
        refused(&mut ledger, top_up(5, 1, "r")),
        Refusal::UnknownCard(card(5))
    );
    assert!(matches!(
        refused(&mut ledger, top_up(1, 1, "")),
        Refusal::Text { .. }
    ));
    let long = "x".repeat(201);
    assert!(matches!(
        refused(&mut ledger, top_up(1, 1, &long)),
        Refusal::Text { .. }
    ));
    for rupiah in [0, -1, i64::MAX] {
        let refusal = refused(&mut ledger, top_up(1, rupiah, "r"));
        assert!(matches!(refusal, Refusal::Amount(_)), "{rupiah}");
    }
    let (card, reason) = (card(1), String::from("goodwill"));
    let amount = Money::rupiah(-700);
    let adjust = Decision::Adjust {
        card,
        amount,
        reason: reason.clone(),
    };
    let refund = |amount| Decision::Refund {
        card,
        amount,
        reason: reason.clone(),
    };
    assert!(matches!(refused(&mut ledger, refund(amount)), Refusal::Amount(_)));
    let write_off = Decision::WriteOff {
        card,
        amount: Money::rupiah(100),
        reason: reason.clone(),
    };
    decide(&mut ledger, &[adjust, refund(Money::rupiah(200)), write_off]);
    assert_eq!(balance(&ledger, 1), Money::rupiah(-400));
    assert_eq!(ledger.account(Account::Writeoff), Money::rupiah(-100));
    let entries = ledger.journal(card);
    assert_eq!(entries.len(), 3, "several lines of one revision");
    assert!(
        entries
            .iter()
            .all(|entry| entry.id.revision == entries[0].id.revision)
    );
    assert_eq!(
        entries.iter().map(|entry| entry.id.line).collect::<Vec<_>>(),
        [0, 1, 2]
    );
}

#[test]
fn fare_versions_are_published_ahead_and_in_turn() {
    let mut ledger = prepared();
    let day = minutes(0) + 24 * HOUR_MS;
    let version = |version, from| Decision::Fares(fares(version, from, OrphanPolicy::Release));
    let late = refused(&mut ledger, version(2, day - 1));
    assert!(
        matches!(late, Refusal::LeadTime { late_ms: 1, .. }),
        "T-22b: {late}"
    );
    let skipped = refused(&mut ledger, version(3, day));
    assert_eq!(skipped, Refusal::FareVersion { version: 3, next: 2 });
    let mut damaged = fares(2, day, OrphanPolicy::Release);
    damaged.effective_from_ms += 1;
    let damaged = refused(&mut ledger, Decision::Fares(damaged));
    assert!(matches!(damaged, Refusal::Fares(_)));
    decide(&mut ledger, &[version(2, day), version(3, day)]);
    assert_eq!(ledger.fare_book().iter().count(), 3);
}

#[test]
fn a_late_fare_version_prices_again_what_it_concerns_and_nothing_else() {
    let mut ledger = prepared();
    let (mut a, mut b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    a.state(vec![
        (minutes(0), entry(card(1), "A", 1)),
        (minutes(100), entry(card(2), "A", 1)),
    ]);
    b.state(vec![
        (minutes(20), exit(card(1), "B", 2)),
        (minutes(120), exit(card(2), "B", 2)),
    ]);
    ledger.ingest(&[a.log(), b.log()], &Roster).unwrap();
    ledger.settle(100, 0, &HUB_KEY).unwrap();
    let before = [1, 2].map(|number| ledger.card_state(card(number)).unwrap().revision);
    let late = Terms {
        override_lead_time: true,
        ..terms(minutes(200))
    };
    let fares = Decision::Fares(fares(2, minutes(60), OrphanPolicy::Release));
    ledger.decide(&[fares], &late, &HUB_KEY, &Roster).unwrap();
    ledger.settle(100, 0, &HUB_KEY).unwrap();
    ledger.audit().unwrap();
    assert_eq!(
        [1, 2].map(|number| balance(&ledger, number)),
        [-5_100, -5_200].map(Money::rupiah)
    );
    let after = [1, 2].map(|number| ledger.card_state(card(number)).unwrap().revision);
    assert_eq!(after, [before[0], before[1] + 1]);
}

#[test]
fn a_closed_exit_without_entry_is_priced() {
    let mut ledger = prepared();
    let mut b = Site::gate(2, "B");
    let [exit] = b.state(vec![(minutes(0), exit(card(1), "B", 2))])[..] else {
        panic!()
    };
    ledger.ingest(&[b.log()], &Roster).unwrap();
    ledger.settle(10, 0, &HUB_KEY).unwrap();
    assert_eq!(balance(&ledger, 1), Money::ZERO);
    decide(&mut ledger, &[close(1, exit)]);
    let [entry] = ledger.journal(card(1)) else {
        panic!()
    };
    assert_eq!(entry.posting.rule, Rule::Unstarted);
    assert_eq!(
        balance(&ledger, 1),
        Money::rupiah(-11_100),
        "the highest fare into B"
    );
    // Its entry turns up: the charge is booked back and the journey costs what it costs (T-18).
    let mut a = Site::gate(1, "A");
    a.state(vec![(minutes(-30), crate::network::entry(card(1), "A", 1))]);
    ledger.ingest(&[a.log()], &Roster).unwrap();
    ledger.settle(10, 0, &HUB_KEY).unwrap();
    ledger.audit().unwrap();
    assert_eq!(balance(&ledger, 1), Money::rupiah(-5_100));
}

#[test]
fn a_closed_journey_whose_exit_comes_late_costs_the_same() {
    let mut ledger = prepared();
    let (mut a, mut b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    let [entered] = a.state(vec![(minutes(0), entry(card(1), "A", 1))])[..] else {
        panic!()
    };
    ledger.ingest(&[a.log()], &Roster).unwrap();
    ledger.settle(10, 0, &HUB_KEY).unwrap();
    decide(&mut ledger, &[close(1, entered)]);
    assert_eq!(
        balance(&ledger, 1),
        Money::rupiah(-6_100),
        "the highest fare from A"
    );
    b.state(vec![(minutes(40), exit(card(1), "B", 2))]);
    ledger.ingest(&[b.log()], &Roster).unwrap();
    ledger.settle(10, 0, &HUB_KEY).unwrap();
    ledger.audit().unwrap();
    let rules: Vec<_> = ledger
        .journal(card(1))
        .iter()
        .map(|entry| (entry.posting.rule, entry.reversal))
        .collect();
    let expected = [
        (Rule::Incomplete, false),
        (Rule::Incomplete, true),
        (Rule::LateFare, false),
    ];
    assert_eq!(rules, expected);
    assert_eq!(balance(&ledger, 1), Money::rupiah(-5_100), "T-18: as T-02");
    let projection = ledger.projection(card(1));
    assert_eq!(projection.journeys[0].status, JourneyStatus::Completed);
    assert!(
        projection
            .flags
            .iter()
            .any(|(flag, _)| *flag == Flag::LateCapture)
    );
    // A Close of what is finished needs the history, and changes no money (4.8 point 11).
    decide(&mut ledger, &[close(1, entered)]);
    assert_eq!(balance(&ledger, 1), Money::rupiah(-5_100));
}

#[test]
fn only_an_accepted_tap_of_the_card_is_closed() {
    let mut ledger = prepared();
    let nothing = FactId::default();
    let unknown = refused(&mut ledger, close(1, nothing));
    assert_eq!(
        unknown,
        Refusal::NoTap {
            card: card(1),
            tap: nothing
        }
    );
    let mut a = Site::gate(1, "A");
    let [tap] = a.state(vec![(minutes(0), entry(card(2), "A", 1))])[..] else {
        panic!()
    };
    ledger.ingest(&[a.log()], &Roster).unwrap();
    assert!(matches!(
        refused(&mut ledger, close(1, tap)),
        Refusal::NoTap { .. }
    ));
}

#[test]
fn sites_are_closed_at_their_head() {
    let mut ledger = prepared();
    let gate = Site::gate(1, "A");
    ledger.ingest(&[gate.log()], &Roster).unwrap();
    let closed = |site, last| Decision::SiteClosed {
        site,
        last: Seq(last),
    };
    let unknown = SiteId([4; 16]);
    assert_eq!(
        refused(&mut ledger, closed(unknown, 1)),
        Refusal::UnknownSite(unknown)
    );
    let end = refused(&mut ledger, closed(gate.id(), 2));
    assert!(matches!(end, Refusal::SiteEnd { head: Seq(1), .. }));
    decide(&mut ledger, &[closed(gate.id(), 1)]);
    let record = ledger.sites().find(|(site, _)| *site == gate.id()).unwrap().1;
    assert_eq!(record.closed, Some(Seq(1)));
}

#[test]
fn many_decisions_fill_several_changesets() {
    let mut ledger = prepared();
    let row = |id| {
        Decision::Row(RowChange {
            table: "gates".into(),
            key: key::pack(&[Value::Integer(id)]).unwrap(),
            column: "status".into(),
            value: Value::Text("maintenance".into()),
            col_version: 1,
            causal_length: 1,
            seq: 0,
        })
    };
    let mut decisions: Vec<Decision> = (100..300).map(issue).collect();
    decisions.extend((0..20).map(row));
    let decided = decide(&mut ledger, &decisions);
    let bodies: usize = decided.runs.iter().map(|run| run.bodies.len()).sum();
    assert!(bodies >= 4, "64 facts to a changeset");
    assert_eq!(ledger.rows().live_rows("gates").count(), 20);
    for (decision, fact) in decisions.iter().zip(&decided.facts).take(200) {
        let Decision::Issue { card } = decision else {
            panic!()
        };
        assert_eq!(ledger.projection(*card).card, *card);
        assert_eq!(decide(&mut ledger, std::slice::from_ref(decision)).facts, [*fact]);
    }
}

#[test]
fn without_a_term_nothing_is_written() {
    let mut ledger = MemoryLedger::default();
    let error = ledger
        .decide(&[issue(1)], &terms(0), &HUB_KEY, &Roster)
        .unwrap_err();
    assert!(matches!(error, DecisionError::Execute(ExecuteError::NoTerm)));
}

#[test]
fn a_new_term_goes_on_where_the_last_one_ended() {
    let mut ledger = prepared();
    decide(&mut ledger, &[top_up(1, 10_000, "one")]);
    let before = ledger.have().clone();
    ledger.open_term(HUB_KEY.0, &HUB_KEY.0.0, [[3; 16], [4; 16]]);
    let decided = decide(&mut ledger, &[top_up(1, 10_000, "one"), top_up(1, 5_000, "two")]);
    assert_eq!(decided.facts[1].seq, Seq(2), "a new site: its opening, then this");
    assert_eq!(balance(&ledger, 1), Money::rupiah(15_000));
    let after = ledger.have();
    assert_eq!(after.wanted_by(None).count(), before.wanted_by(None).count() + 2);
}
