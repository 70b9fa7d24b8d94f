//! Point 4: entries while a journey is open.

use sync_protocol::fare::OrphanPolicy;
use sync_protocol::fare::OrphanPolicy::{ChargeMax, ChargeMin, Release};
use sync_protocol::id::FactId;
use sync_protocol::journey::Flag;

use crate::history::{
    Expected, HOUR, History, MINUTE, SECOND, active, expected, fare, fare_version, incomplete,
};

/// Two entries at one terminal, `apart_ms` from each other.
fn two_entries(apart_ms: i64) -> (History, FactId, FactId) {
    let mut history = History::new(ChargeMax);
    let first = history.entry(0, "A", 8000);
    let second = history.entry(apart_ms, "A", 7000);
    (history, first, second)
}

/// "Entry while a journey is open, same terminal, at most 10 s after its entry: DUP_IN … the new tap changes nothing."
#[test]
fn rule_04_a_second_entry_within_ten_seconds_is_the_same() {
    for apart_ms in [0, 10 * SECOND] {
        let (history, first, second) = two_entries(apart_ms);
        history.expect(Expected {
            held: 8000,
            journeys: vec![active(first)],
            flags: vec![(Flag::DupIn, second)],
            ..expected()
        });
    }
}

/// "… at most 5 min: PASSBACK_IN; in both the new tap changes nothing."
#[test]
fn rule_04_a_second_entry_within_five_minutes_is_a_passback() {
    for apart_ms in [10 * SECOND + 1, 5 * MINUTE] {
        let (history, first, second) = two_entries(apart_ms);
        history.expect(Expected {
            held: 8000,
            journeys: vec![active(first)],
            flags: vec![(Flag::PassbackIn, second)],
            ..expected()
        });
    }
}

/// "… the new tap changes nothing": the five minutes count from the entry that opened the journey.
#[test]
fn rule_04_a_passback_does_not_prolong_itself() {
    let mut history = History::new(ChargeMax);
    let first = history.entry(0, "A", 8000);
    let passback = history.entry(4 * MINUTE, "A", 8000);
    let second = history.entry(8 * MINUTE, "A", 8000);
    history.expect(Expected {
        balance: -8000,
        held: 8000,
        journeys: vec![incomplete(first, 8000), active(second)],
        flags: vec![(Flag::PassbackIn, passback), (Flag::Incomplete, first)],
        postings: vec![fare("INCOMPLETE", 8000)],
    });
}

/// "Otherwise the open journey becomes incomplete (flag INCOMPLETE on its entry …) and the new one opens with the
/// hold stated on its tap."
#[test]
fn rule_04_a_second_entry_after_five_minutes_abandons_the_journey() {
    let (history, first, second) = two_entries(5 * MINUTE + 1);
    history.expect(Expected {
        balance: -8000,
        held: 7000,
        journeys: vec![incomplete(first, 8000), active(second)],
        flags: vec![(Flag::Incomplete, first)],
        postings: vec![fare("INCOMPLETE", 8000)],
    });
}

fn entry_elsewhere(policy: OrphanPolicy) -> (History, FactId, FactId) {
    let mut history = History::new(policy);
    let first = history.entry(0, "A", 7500);
    let second = history.entry(SECOND, "B", 6000);
    (history, first, second)
}

/// "… charge per orphan policy …: release 0".
#[test]
fn rule_04_release_abandons_for_nothing() {
    let (history, first, second) = entry_elsewhere(Release);
    history.expect(Expected {
        held: 6000,
        journeys: vec![incomplete(first, 0), active(second)],
        flags: vec![(Flag::Incomplete, first)],
        ..expected()
    });
}

/// "… charge_max the highest … fare from its origin": the fare, not what was held.
#[test]
fn rule_04_charge_max_takes_the_highest_fare_from_the_origin() {
    let (history, first, second) = entry_elsewhere(ChargeMax);
    history.expect(Expected {
        balance: -8000,
        held: 6000,
        journeys: vec![incomplete(first, 8000), active(second)],
        flags: vec![(Flag::Incomplete, first)],
        postings: vec![fare("INCOMPLETE", 8000)],
    });
}

/// "… charge_min the lowest fare from its origin".
#[test]
fn rule_04_charge_min_takes_the_lowest_fare_from_the_origin() {
    let (history, first, second) = entry_elsewhere(ChargeMin);
    history.expect(Expected {
        balance: -3000,
        held: 6000,
        journeys: vec![incomplete(first, 3000), active(second)],
        flags: vec![(Flag::Incomplete, first)],
        postings: vec![fare("INCOMPLETE", 3000)],
    });
}

/// "… of the fare version effective at its entry".
#[test]
fn rule_04_the_version_at_the_entry_prices_an_abandoned_journey() {
    let mut history = History::new(Release);
    history.fares(fare_version(2, 0, ChargeMax, 500));
    history.fares(fare_version(3, 1, ChargeMin, 0));
    let first = history.entry(0, "A", 8500);
    let second = history.entry(HOUR, "B", 6000);
    history.expect(Expected {
        balance: -8500,
        held: 6000,
        journeys: vec![incomplete(first, 8500), active(second)],
        flags: vec![(Flag::Incomplete, first)],
        postings: vec![fare("INCOMPLETE", 8500)],
    });
}

/// Where no version is in force at the entry, or none knows the terminal, an abandoned journey costs nothing.
#[test]
fn rule_04_without_a_fare_an_abandoned_journey_is_free() {
    let mut history = History::without_fares();
    history.fares(fare_version(1, SECOND, ChargeMax, 0));
    let before_any = history.entry(0, "A", 8000);
    let unknown = history.entry(HOUR, "Z", 8000);
    let last = history.entry(2 * HOUR, "A", 8000);
    history.expect(Expected {
        held: 8000,
        journeys: vec![incomplete(before_any, 0), incomplete(unknown, 0), active(last)],
        flags: vec![(Flag::Incomplete, before_any), (Flag::Incomplete, unknown)],
        ..expected()
    });
}
