//! What is booked, line by line.

use hub::ledger::memory::{AuditError, MemoryLedger};
use hub::ledger::{EntryId, JournalEntry};
use hub::settle::plan_settle;
use sync_protocol::fact::{Direction, Fact, Tap};
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::id::FactId;
use sync_protocol::ledger::{Account, Posting, Rule};
use sync_protocol::money::Money;

use crate::network::*;

fn publish(ledger: &mut MemoryLedger, site: &Site) {
    ledger.ingest(&[site.log()], &Roster).unwrap();
    ledger.settle(100, 0, &HUB_KEY).unwrap();
    ledger.audit().unwrap();
}

/// (revision, line, rule, effect on the card) of each entry.
fn lines(ledger: &MemoryLedger, number: u32) -> Vec<(u64, u32, Rule, i64)> {
    let rupiah = |money: Money| money.as_hundredths() / 100;
    ledger
        .journal(card(number))
        .iter()
        .map(|entry| {
            (
                entry.id.revision,
                entry.id.line,
                entry.posting.rule,
                rupiah(entry.effect()),
            )
        })
        .collect()
}

fn hub_site() -> Site {
    let mut site = Site::new(0, sync_protocol::changeset::SiteRole::Decisions);
    site.state(vec![(
        minutes(-10_000),
        Fact::FareVersion(fares(1, minutes(-5_000), OrphanPolicy::ChargeMax)),
    )]);
    site
}

#[test]
fn a_journey_costs_its_fare_in_one_line() {
    let mut ledger = ledger();
    publish(&mut ledger, &hub_site());
    let (mut a, mut b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    a.state(vec![(minutes(0), entry(card(1), "A", 1))]);
    publish(&mut ledger, &a);
    assert_eq!(ledger.view(card(1)).unwrap().held, Money::rupiah(12_000));
    b.state(vec![(minutes(30), exit(card(1), "B", 2))]);
    publish(&mut ledger, &b);
    assert_eq!(lines(&ledger, 1), [(2, 0, Rule::Capture, -5_100)]);
    assert_eq!(ledger.account(Account::FareRevenue), Money::rupiah(5_100));
}

#[test]
fn a_posting_that_leaves_the_projection_and_comes_back_is_booked_under_new_names() {
    let mut ledger = ledger();
    publish(&mut ledger, &hub_site());
    let (mut a, mut b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    a.state(vec![(minutes(0), entry(card(1), "A", 1))]);
    b.state(vec![(minutes(60), exit(card(1), "B", 2))]);
    publish(&mut ledger, &a);
    publish(&mut ledger, &b);
    // A late entry three minutes before makes the known one a pass-back: the journey begins there instead.
    a.state(vec![(minutes(-3), entry(card(1), "A", 1))]);
    publish(&mut ledger, &a);
    // An even later exit two minutes after that ends it, and the known entry counts again.
    a.state(vec![(minutes(-1), exit(card(1), "A", 1))]);
    publish(&mut ledger, &a);
    let expected = [
        (2, 0, Rule::Capture, -5_100),
        (3, 0, Rule::Capture, 5_100),
        (3, 1, Rule::Capture, -5_100),
        (4, 0, Rule::Capture, 5_100),
        (4, 1, Rule::Capture, -5_100),
    ];
    assert_eq!(lines(&ledger, 1), expected);
    let journal = ledger.journal(card(1));
    assert_eq!(journal[0].posting, journal[4].posting, "the same posting");
    assert_ne!(journal[0].id, journal[4].id, "under two names");
    assert_eq!(ledger.account(Account::FareRevenue), Money::rupiah(5_100));
}

#[test]
fn a_fare_over_the_hold_is_two_lines_of_one_revision() {
    let mut ledger = ledger();
    publish(&mut ledger, &hub_site());
    let (mut a, mut b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    let small = Tap {
        hold: Money::rupiah(5_000),
        ..tap(card(1), Direction::Entry, "A", 1)
    };
    a.state(vec![(minutes(0), Fact::Tap(small))]);
    publish(&mut ledger, &a);
    b.state(vec![(minutes(30), exit(card(1), "B", 2))]);
    publish(&mut ledger, &b);
    let expected = [(2, 0, Rule::Capture, -5_000), (2, 1, Rule::OverHold, -100)];
    assert_eq!(lines(&ledger, 1), expected);
}

#[test]
fn an_audit_finds_what_does_not_agree() {
    let mut ledger = ledger();
    publish(&mut ledger, &hub_site());
    let mut a = Site::gate(1, "A");
    a.state(vec![(minutes(0), entry(card(1), "A", 1))]);
    ledger.ingest(&[a.log()], &Roster).unwrap();
    let Ok(mut plan) = plan_settle(&ledger, &ledger.waiting(10));
    let posting = Posting::fare(Rule::Capture, card(1), Money::rupiah(1), FactId::default(), None);
    plan.cuts[0].entries.push(JournalEntry {
        id: EntryId {
            card: card(1),
            revision: 1,
            line: 0,
        },
        posting,
        reversal: false,
    });
    ledger.execute_settle(plan, 0, &HUB_KEY).unwrap();
    assert!(matches!(ledger.audit(), Err(AuditError::Balance { .. })));
    ledger.check_sum().unwrap();
}
