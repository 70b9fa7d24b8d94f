//! Points 5 to 7: exits without an open journey, or a day too late.

use sync_protocol::fare::OrphanPolicy;
use sync_protocol::fare::OrphanPolicy::{ChargeMax, ChargeMin, Release};
use sync_protocol::id::FactId;
use sync_protocol::journey::Flag;

use crate::history::{
    Expected, HOUR, History, MINUTE, completed, expected, fare, fare_version, incomplete, unstarted,
};

/// "Exit with no open journey, same terminal as the card's last exit (completed …) and at most 5 min after it:
/// DUP_OUT, nothing else."
#[test]
fn rule_05_a_second_exit_within_five_minutes_is_the_same() {
    for apart_ms in [0, 5 * MINUTE] {
        let mut history = History::new(ChargeMax);
        let entry = history.entry(0, "A", 8000);
        let exit = history.exit(20 * MINUTE, "B");
        let again = history.exit(20 * MINUTE + apart_ms, "B");
        history.close(HOUR, again);
        history.expect(Expected {
            balance: -3000,
            journeys: vec![completed(entry, exit, 3000)],
            flags: vec![(Flag::DupOut, again)],
            postings: vec![fare("CAPTURE", 3000)],
            ..expected()
        });
    }
}

/// "… (completed or unstarted) …": measured from the exit that counted, not from its repetition.
#[test]
fn rule_05_a_repeated_exit_does_not_prolong_itself() {
    let mut history = History::new(Release);
    let first = history.exit(0, "B");
    let again = history.exit(4 * MINUTE, "B");
    let second = history.exit(8 * MINUTE, "B");
    history.expect(Expected {
        journeys: vec![unstarted(first, 0), unstarted(second, 0)],
        flags: vec![
            (Flag::Unstarted, first),
            (Flag::DupOut, again),
            (Flag::Unstarted, second),
        ],
        ..expected()
    });
}

/// "… same terminal … at most 5 min after it".
#[test]
fn rule_05_an_exit_elsewhere_or_later_is_another() {
    for (apart_ms, code) in [(5 * MINUTE + 1, "B"), (0, "C")] {
        let mut history = History::new(Release);
        let first = history.exit(0, "B");
        let second = history.exit(apart_ms, code);
        history.expect(Expected {
            journeys: vec![unstarted(first, 0), unstarted(second, 0)],
            flags: vec![(Flag::Unstarted, first), (Flag::Unstarted, second)],
            ..expected()
        });
    }
}

/// "An entry clears 'last exit'."
#[test]
fn rule_05_an_entry_clears_the_last_exit() {
    let mut history = History::new(Release);
    let entry = history.entry(0, "A", 8000);
    let exit = history.exit(20 * MINUTE, "B");
    assert!(history.view().last_exit.is_some());
    let second_entry = history.entry(21 * MINUTE, "B", 6000);
    assert_eq!(history.view().last_exit, None);
    let second_exit = history.exit(22 * MINUTE, "B");
    history.expect(Expected {
        balance: -3000,
        journeys: vec![
            completed(entry, exit, 3000),
            completed(second_entry, second_exit, 0),
        ],
        flags: vec![(Flag::SameStation, second_exit)],
        postings: vec![fare("CAPTURE", 3000)],
        ..expected()
    });
}

/// "Exit more than 24 h after the open entry": at 24 h the journey is merely long.
#[test]
fn rule_06_an_exit_after_a_whole_day_still_completes() {
    let mut history = History::new(Release);
    let entry = history.entry(0, "A", 8000);
    let exit = history.exit(24 * HOUR, "B");
    history.expect(Expected {
        balance: -8000,
        journeys: vec![completed(entry, exit, 8000)],
        flags: vec![(Flag::Overtime, exit)],
        postings: vec![fare("CAPTURE", 8000)],
        ..expected()
    });
}

/// "… OVERDAY on the exit; the entry becomes incomplete as in 4, the exit is then handled by 7."
#[test]
fn rule_06_an_exit_after_more_than_a_day_breaks_the_journey() {
    let mut history = History::new(ChargeMax);
    let entry = history.entry(0, "A", 8000);
    let exit = history.exit(24 * HOUR + 1, "B");
    let again = history.exit(24 * HOUR + MINUTE, "B");
    history.close(30 * HOUR, exit);
    history.expect(Expected {
        balance: -15_000,
        journeys: vec![incomplete(entry, 8000), unstarted(exit, 7000)],
        flags: vec![
            (Flag::Overday, exit),
            (Flag::Incomplete, entry),
            (Flag::Unstarted, exit),
            (Flag::DupOut, again),
        ],
        postings: vec![fare("INCOMPLETE", 8000), fare("UNSTARTED", 7000)],
        ..expected()
    });
}

fn closed_exit(policy: OrphanPolicy) -> (History, FactId) {
    let mut history = History::new(policy);
    let exit = history.exit(0, "B");
    history.close(HOUR, exit);
    (history, exit)
}

/// "journey unstarted, flag UNSTARTED on the exit. It costs nothing until a Close fact names that exit".
#[test]
fn rule_07_an_exit_without_entry_is_free_until_closed() {
    let mut history = History::new(ChargeMax);
    let exit = history.exit(0, "B");
    history.expect(Expected {
        journeys: vec![unstarted(exit, 0)],
        flags: vec![(Flag::Unstarted, exit)],
        ..expected()
    });
}

/// "… then release 0".
#[test]
fn rule_07_release_closes_an_exit_for_nothing() {
    let (history, exit) = closed_exit(Release);
    history.expect(Expected {
        journeys: vec![unstarted(exit, 0)],
        flags: vec![(Flag::Unstarted, exit)],
        ..expected()
    });
}

/// "… charge_max … the highest … fare into the terminal".
#[test]
fn rule_07_charge_max_takes_the_highest_fare_into_the_terminal() {
    let (history, exit) = closed_exit(ChargeMax);
    history.expect(Expected {
        balance: -7000,
        journeys: vec![unstarted(exit, 7000)],
        flags: vec![(Flag::Unstarted, exit)],
        postings: vec![fare("UNSTARTED", 7000)],
        ..expected()
    });
}

/// "… charge_min the … lowest fare into the terminal".
#[test]
fn rule_07_charge_min_takes_the_lowest_fare_into_the_terminal() {
    let (history, exit) = closed_exit(ChargeMin);
    history.expect(Expected {
        balance: -3000,
        journeys: vec![unstarted(exit, 3000)],
        flags: vec![(Flag::Unstarted, exit)],
        postings: vec![fare("UNSTARTED", 3000)],
        ..expected()
    });
}

/// "… in the version effective at the exit", wherever the Close stands in the order.
#[test]
fn rule_07_the_version_at_the_exit_prices_it_even_when_closed_before() {
    let mut history = History::new(Release);
    history.fares(fare_version(2, HOUR, ChargeMax, 500));
    history.fares(fare_version(3, HOUR + 1, ChargeMin, 0));
    let exit = history.exit(HOUR, "B");
    history.close(0, exit);
    history.expect(Expected {
        balance: -7500,
        journeys: vec![unstarted(exit, 7500)],
        flags: vec![(Flag::Unstarted, exit)],
        postings: vec![fare("UNSTARTED", 7500)],
        ..expected()
    });
}
