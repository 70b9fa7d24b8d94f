//! Points 9 to 11: how journeys are booked, what is open at the end, and what a Close changes.

use sync_protocol::fare::OrphanPolicy::{ChargeMax, ChargeMin, Release};
use sync_protocol::journey::Flag;
use sync_protocol::money::Money;

use crate::history::{
    Expected, HOUR, History, MINUTE, SECOND, active, completed, expected, fare, incomplete,
};

/// "CAPTURE min(fare, hold) …; the part above the hold is OVER_HOLD, flag FARE_OVER_HOLD on the exit."
#[test]
fn rule_09_the_part_above_the_hold_is_booked_apart() {
    let mut history = History::new(Release);
    let entry = history.entry(0, "A", 5000);
    let exit = history.exit(20 * MINUTE, "D");
    history.expect(Expected {
        balance: -8000,
        journeys: vec![completed(entry, exit, 8000)],
        flags: vec![(Flag::FareOverHold, exit)],
        postings: vec![fare("CAPTURE", 5000), fare("OVER_HOLD", 3000)],
        ..expected()
    });
}

/// "Zero amounts make no posting": nothing held, all above.
#[test]
fn rule_09_a_zero_hold_makes_no_capture() {
    let mut history = History::new(Release);
    let entry = history.entry(0, "A", 0);
    let exit = history.exit(20 * MINUTE, "D");
    history.expect(Expected {
        balance: -8000,
        journeys: vec![completed(entry, exit, 8000)],
        flags: vec![(Flag::FareOverHold, exit)],
        postings: vec![fare("OVER_HOLD", 8000)],
        ..expected()
    });
}

/// "… or LATE_FARE for that part when a Close names its entry (flag LATE_CAPTURE on the exit)", before the exit or
/// after it.
#[test]
fn rule_09_a_closed_journey_is_captured_late() {
    for close_ms in [-MINUTE, 10 * MINUTE, HOUR] {
        let mut history = History::new(ChargeMax);
        let entry = history.entry(0, "A", 5000);
        let exit = history.exit(20 * MINUTE, "D");
        history.close(close_ms, entry);
        history.expect(Expected {
            balance: -8000,
            journeys: vec![completed(entry, exit, 8000)],
            flags: vec![(Flag::FareOverHold, exit), (Flag::LateCapture, exit)],
            postings: vec![fare("LATE_FARE", 5000), fare("OVER_HOLD", 3000)],
            ..expected()
        });
    }
}

/// "… flag LATE_CAPTURE on the exit", though nothing is to be paid.
#[test]
fn rule_09_a_free_journey_is_captured_late_as_well() {
    let mut history = History::new(ChargeMax);
    let entry = history.entry(0, "A", 8000);
    let exit = history.exit(MINUTE, "A");
    history.close(HOUR, entry);
    history.expect(Expected {
        journeys: vec![completed(entry, exit, 0)],
        flags: vec![(Flag::SameStation, exit), (Flag::LateCapture, exit)],
        ..expected()
    });
}

/// "… when a Close names its entry": not its exit, and not another card's Close.
#[test]
fn rule_09_only_a_close_of_the_entry_counts() {
    let mut history = History::new(ChargeMax);
    let entry = history.entry(0, "A", 8000);
    let exit = history.exit(20 * MINUTE, "B");
    history.close(HOUR, exit);
    history.expect(Expected {
        balance: -3000,
        journeys: vec![completed(entry, exit, 3000)],
        postings: vec![fare("CAPTURE", 3000)],
        ..expected()
    });
}

/// "At the end: a journey still open is active and holds its hold".
#[test]
fn rule_10_an_open_journey_holds_its_hold() {
    let mut history = History::new(ChargeMax);
    history.top_up(-HOUR, 20_000, "r1");
    let entry = history.entry(0, "A", 8000);
    history.expect(Expected {
        balance: 20_000,
        held: 8000,
        journeys: vec![active(entry)],
        postings: vec![("TOPUP", "topup_float", "card", 20_000)],
        ..expected()
    });
}

/// "… unless a Close names its entry: then it is incomplete as in 4."
#[test]
fn rule_10_a_closed_open_journey_is_incomplete() {
    for (policy, charge) in [(ChargeMax, 8000), (ChargeMin, 3000)] {
        let mut history = History::new(policy);
        let entry = history.entry(0, "A", 7500);
        history.close(6 * HOUR, entry);
        history.expect(Expected {
            balance: -charge,
            journeys: vec![incomplete(entry, charge)],
            flags: vec![(Flag::Incomplete, entry)],
            postings: vec![fare("INCOMPLETE", charge)],
            ..expected()
        });
    }
}

/// "At the end": until then a closed journey is open, so a pass-back after the Close is one.
#[test]
fn rule_10_a_close_ends_nothing_before_the_end() {
    let mut history = History::new(ChargeMax);
    let entry = history.entry(0, "A", 8000);
    history.close(SECOND, entry);
    let passback = history.entry(MINUTE, "A", 8000);
    history.expect(Expected {
        balance: -8000,
        journeys: vec![incomplete(entry, 8000)],
        flags: vec![(Flag::PassbackIn, passback), (Flag::Incomplete, entry)],
        postings: vec![fare("INCOMPLETE", 8000)],
        ..expected()
    });
}

/// "Close never changes the money of a completed journey."
#[test]
fn rule_11_a_close_changes_no_money_of_a_completed_journey() {
    let mut history = History::new(ChargeMax);
    history.entry(0, "A", 5000);
    history.exit(5 * HOUR, "D");
    let before = history.fold();
    let taps = [history.facts[0].key.id, history.facts[1].key.id];
    for tap in taps {
        history.close(6 * HOUR, tap);
    }
    let after = history.fold();
    assert_eq!(after.balance, before.balance);
    assert_eq!(after.journeys[0].fare, before.journeys[0].fare);
    assert_eq!(after.balance, Money::rupiah(-8000));
}
