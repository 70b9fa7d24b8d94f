//! Points 12 and 13: money without a journey, and the status at a tap.

use sync_protocol::fact::{CardStatus, Fact, OrderedFact};
use sync_protocol::fare::OrphanPolicy::Release;
use sync_protocol::journey::Flag;

use crate::history::{
    Expected, HOUR, History, MINUTE, active, card, completed, expected, fare, key, unstarted,
};

/// "TOPUP: debit topup_float, credit card; REFUND: debit fare_revenue, credit card; WRITEOFF: debit writeoff, credit
/// card. ADJUST > 0: debit adjustments, credit card; < 0 the reverse. … Balance = credits - debits of card."
#[test]
fn rule_12_money_moves_between_its_accounts() {
    let mut history = History::new(Release);
    history.top_up(0, 10_000, "r1");
    history.refund(1, 200);
    history.write_off(2, 30);
    history.adjust(3, 4);
    history.adjust(4, -5000);
    history.expect(Expected {
        balance: 5234,
        postings: vec![
            ("TOPUP", "topup_float", "card", 10_000),
            ("REFUND", "fare_revenue", "card", 200),
            ("WRITEOFF", "writeoff", "card", 30),
            ("ADJUST", "adjustments", "card", 4),
            ("ADJUST", "card", "adjustments", 5000),
        ],
        ..expected()
    });
}

/// The same top-up reference twice: the first in order counts.
#[test]
fn rule_12_a_reference_counts_once() {
    let mut history = History::new(Release);
    history.top_up(HOUR, 10_000, "r1");
    history.top_up(0, 7000, "r1");
    history.top_up(2 * HOUR, 500, "r2");
    history.expect(Expected {
        balance: 7500,
        postings: vec![
            ("TOPUP", "topup_float", "card", 7000),
            ("TOPUP", "topup_float", "card", 500),
        ],
        ..expected()
    });
}

/// "Zero amounts make no posting" (point 9), of any rule; a reference is used up by nothing as well.
#[test]
fn rule_12_zero_amounts_make_no_posting() {
    let mut history = History::new(Release);
    history.top_up(0, 0, "r1");
    history.top_up(1, 10_000, "r1");
    history.refund(2, 0);
    history.write_off(3, 0);
    history.adjust(4, 0);
    history.expect(expected());
}

/// "Balance below 0: flag DEBT (no fact)."
#[test]
fn rule_12_only_a_balance_below_zero_is_debt() {
    for (amount, in_debt) in [(-1, true), (0, false), (1, false)] {
        let mut history = History::new(Release);
        history.adjust(0, amount);
        assert_eq!(history.fold().in_debt(), in_debt, "{amount}");
    }
}

/// "Status at a tap = the card_status of the highest version among those not after the tap in the order of point 1".
#[test]
fn rule_13_the_highest_version_so_far_is_the_status() {
    let mut history = History::new(Release);
    history.status(0, 2, CardStatus::Blocked);
    history.status(1, 1, CardStatus::Active);
    let entry = history.entry(MINUTE, "A", 8000);
    history.status(10 * MINUTE, 3, CardStatus::Suspended);
    let exit = history.exit(20 * MINUTE, "B");
    history.status(30 * MINUTE, 4, CardStatus::Closed);
    let closed = history.exit(40 * MINUTE, "B");
    history.status(50 * MINUTE, 5, CardStatus::Active);
    let fine = history.exit(60 * MINUTE, "B");
    history.expect(Expected {
        balance: -3000,
        journeys: vec![
            completed(entry, exit, 3000),
            unstarted(closed, 0),
            unstarted(fine, 0),
        ],
        flags: vec![
            (Flag::AcceptedWhileBlocked, entry),
            (Flag::AcceptedWhileSuspended, exit),
            (Flag::AcceptedWhileClosed, closed),
            (Flag::Unstarted, closed),
            (Flag::Unstarted, fine),
        ],
        postings: vec![fare("CAPTURE", 3000)],
        ..expected()
    });
}

/// "… in the order of point 1": a swap does not change what was known at a tap.
#[test]
fn rule_13_a_swap_does_not_change_the_status_at_a_tap() {
    let mut history = History::new(Release);
    let exit = history.exit(0, "B");
    history.status(1, 1, CardStatus::Blocked);
    let entry = history.entry(2, "A", 8000);
    history.expect(Expected {
        balance: -3000,
        journeys: vec![completed(entry, exit, 3000)],
        flags: vec![(Flag::ClockSkew, exit), (Flag::AcceptedWhileBlocked, entry)],
        postings: vec![fare("CAPTURE", 3000)],
        ..expected()
    });
}

/// Of two card_status facts with one version the first in order counts.
#[test]
fn rule_13_a_version_stated_twice_counts_as_stated_first() {
    let mut history = History::new(Release);
    history.status(1, 1, CardStatus::Active);
    history.status(0, 1, CardStatus::Blocked);
    let entry = history.entry(MINUTE, "A", 8000);
    history.expect(Expected {
        held: 8000,
        journeys: vec![active(entry)],
        flags: vec![(Flag::AcceptedWhileBlocked, entry)],
        ..expected()
    });
    assert_eq!(history.fold().status, CardStatus::Blocked);
}

/// "Every card mentioned" has a projection: one that was only issued is empty.
#[test]
fn rule_14_an_untouched_card_is_empty() {
    let mut history = History::new(Release);
    history.facts.push(OrderedFact {
        key: key(b'H', 1, 0, 0),
        fact: Fact::CardIssued { card: card() },
    });
    history.expect(expected());
}
