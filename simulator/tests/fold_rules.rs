//! The definition of the fold (domain 4.8), sentence by sentence: each test quotes what it shows, and states every
//! number that the card's holder would see.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod fold_support;

use fold_support::{
    Expected, HOUR, History, MINUTE, SECOND, active, card, completed, fare, fare_version, incomplete, key,
    unstarted,
};
use sync_protocol::fact::{CardStatus, Fact, OrderedFact};
use sync_protocol::fare::OrphanPolicy::{ChargeMax, ChargeMin, Release};
use sync_protocol::fare::{FareVersion, OrphanPolicy};
use sync_protocol::id::FactId;
use sync_protocol::journey::Flag;
use sync_protocol::money::Money;

fn expected() -> Expected {
    Expected::default()
}

/// "Facts are united by (site, seq, index) … Duplicates vanish."
#[test]
fn rule_01_duplicates_vanish() {
    let mut history = History::new(Release);
    let entry = history.entry(0, "A", 8000);
    let exit = history.exit(20 * MINUTE, "B");
    history.top_up(30 * MINUTE, 10_000, "r1");
    history.facts.extend_from_within(..);
    history.facts.extend_from_within(2..4);
    history.expect(Expected {
        balance: 7_000,
        journeys: vec![completed(entry, exit, 3000)],
        postings: vec![("TOPUP", "topup_float", "card", 10_000), fare("CAPTURE", 3000)],
        ..expected()
    });
}

/// "… ordered by (time ms, counter, site, seq, index)": time before all else.
#[test]
fn rule_01_time_decides_first() {
    let mut history = History::new(Release);
    let exit = history.exit(20 * MINUTE, "B");
    let entry = history.entry(0, "D", 9000);
    history.expect(Expected {
        balance: -7000,
        journeys: vec![completed(entry, exit, 7000)],
        postings: vec![fare("CAPTURE", 7000)],
        ..expected()
    });
}

/// An entry and an exit of one millisecond at one terminal, where only counter, site or seq tells which is first.
fn same_millisecond(entry_key: (u8, u64, u32), exit_key: (u8, u64, u32)) -> (History, FactId, FactId) {
    let mut history = History::new(Release);
    history.entry(0, "A", 8000);
    history.exit(0, "A");
    let keys = [entry_key, exit_key].map(|(site, seq, counter)| key(site, seq, 0, counter));
    for (fact, key) in history.facts.iter_mut().zip(keys) {
        fact.key = key;
    }
    (history, keys[0].id, keys[1].id)
}

/// "… (time ms, counter, …": the counter before the site.
#[test]
fn rule_01_counter_decides_second() {
    let (history, entry, exit) = same_millisecond((b'Z', 9, 0), (b'A', 1, 1));
    history.expect(Expected {
        journeys: vec![completed(entry, exit, 0)],
        flags: vec![(Flag::SameStation, exit)],
        ..expected()
    });
}

/// "… counter, site, …": the site before the seq.
#[test]
fn rule_01_site_decides_third() {
    let (history, entry, exit) = same_millisecond((b'Z', 1, 0), (b'A', 9, 0));
    history.expect(Expected {
        held: 8000,
        journeys: vec![unstarted(exit, 0), active(entry)],
        flags: vec![(Flag::Unstarted, exit)],
        ..expected()
    });
}

/// "… site, seq, …": the seq within one site.
#[test]
fn rule_01_seq_decides_fourth() {
    let (history, entry, exit) = same_millisecond((b'A', 9, 0), (b'A', 10, 0));
    history.expect(Expected {
        journeys: vec![completed(entry, exit, 0)],
        flags: vec![(Flag::SameStation, exit)],
        ..expected()
    });
}

/// "… seq, index)": the index within one changeset.
#[test]
fn rule_01_index_decides_last() {
    let (mut history, mut entry, mut exit) = same_millisecond((b'A', 9, 0), (b'A', 9, 0));
    (entry.index, exit.index) = (1, 2);
    history.facts[0].key.id = entry;
    history.facts[1].key.id = exit;
    history.expect(Expected {
        journeys: vec![completed(entry, exit, 0)],
        flags: vec![(Flag::SameStation, exit)],
        ..expected()
    });
}

/// "Only accepted taps make journeys; denied taps are kept as evidence only."
#[test]
fn rule_02_denied_taps_make_nothing() {
    let mut history = History::new(ChargeMax);
    history.denied_entry(0, "A", 8000);
    history.status(MINUTE, 1, CardStatus::Blocked);
    history.denied_entry(2 * MINUTE, "B", 6000);
    history.expect(expected());
}

/// "Only accepted taps make journeys": a denied tap between two others neither abandons a journey nor keeps an exit
/// and the entry after it from being swapped.
#[test]
fn rule_02_a_denied_tap_stands_between_nothing() {
    let mut history = History::new(ChargeMax);
    let exit = history.exit(0, "B");
    history.denied_entry(SECOND, "C", 5500);
    let entry = history.entry(2 * SECOND, "A", 8000);
    history.denied_entry(3 * SECOND, "C", 5500);
    history.expect(Expected {
        balance: -3000,
        journeys: vec![completed(entry, exit, 3000)],
        flags: vec![(Flag::ClockSkew, exit)],
        postings: vec![fare("CAPTURE", 3000)],
        ..expected()
    });
}

/// "… an exit is directly followed by an entry at another terminal no later than the sum of the two uncertainties,
/// read entry then exit; flag CLOCK_SKEW on the exit … times stay as stamped; a negative duration counts as 0."
#[test]
fn rule_03_an_exit_up_to_both_uncertainties_before_its_entry_is_swapped() {
    let mut history = History::new(Release);
    history.uncertainty_ms = 60_000;
    let exit = history.exit(0, "D");
    history.uncertainty_ms = 2_000;
    let entry = history.entry(62_000, "A", 8000);
    history.expect(Expected {
        balance: -8000,
        journeys: vec![completed(entry, exit, 8000)],
        flags: vec![(Flag::ClockSkew, exit)],
        postings: vec![fare("CAPTURE", 8000)],
        ..expected()
    });
}

/// "… no later than the sum of the two uncertainties".
#[test]
fn rule_03_a_millisecond_more_is_not_swapped() {
    let mut history = History::new(Release);
    history.uncertainty_ms = 60_000;
    let exit = history.exit(0, "D");
    history.uncertainty_ms = 2_000;
    let entry = history.entry(62_001, "A", 8000);
    history.expect(Expected {
        held: 8000,
        journeys: vec![unstarted(exit, 0), active(entry)],
        flags: vec![(Flag::Unstarted, exit)],
        ..expected()
    });
}

/// "… the sum of the two uncertainties", which may be as large as their type allows.
#[test]
fn rule_03_the_largest_uncertainties_add_up() {
    let mut history = History::new(Release);
    history.uncertainty_ms = u32::MAX;
    let exit = history.exit(0, "D");
    let entry = history.entry(2 * i64::from(u32::MAX), "A", 8000);
    history.expect(Expected {
        balance: -8000,
        journeys: vec![completed(entry, exit, 8000)],
        flags: vec![(Flag::ClockSkew, exit)],
        postings: vec![fare("CAPTURE", 8000)],
        ..expected()
    });
}

/// "… an entry at another terminal".
#[test]
fn rule_03_taps_at_one_terminal_are_not_swapped() {
    let mut history = History::new(Release);
    let exit = history.exit(0, "A");
    let entry = history.entry(SECOND, "A", 8000);
    history.expect(Expected {
        held: 8000,
        journeys: vec![unstarted(exit, 0), active(entry)],
        flags: vec![(Flag::Unstarted, exit)],
        ..expected()
    });
}

/// "… when the tap before is not an entry".
#[test]
fn rule_03_an_exit_with_its_own_entry_before_it_is_not_swapped() {
    let mut history = History::new(Release);
    let first = history.entry(0, "A", 8000);
    let exit = history.exit(20 * MINUTE, "B");
    let second = history.entry(20 * MINUTE + SECOND, "C", 5500);
    history.expect(Expected {
        balance: -3000,
        held: 5500,
        journeys: vec![completed(first, exit, 3000), active(second)],
        postings: vec![fare("CAPTURE", 3000)],
        ..expected()
    });
}

/// "… when the tap before is not an entry": a repeated entry is one, though it changes nothing else.
#[test]
fn rule_03_a_repeated_entry_is_an_entry_before() {
    let mut history = History::new(Release);
    let first = history.entry(0, "A", 8000);
    let again = history.entry(5 * SECOND, "A", 8000);
    let exit = history.exit(6 * SECOND, "B");
    let second = history.entry(7 * SECOND, "C", 5500);
    history.expect(Expected {
        balance: -3000,
        held: 5500,
        journeys: vec![completed(first, exit, 3000), active(second)],
        flags: vec![(Flag::DupIn, again)],
        postings: vec![fare("CAPTURE", 3000)],
    });
}

/// "… directly followed by": only the last of two exits meets the entry.
#[test]
fn rule_03_only_the_exit_right_before_the_entry_is_swapped() {
    let mut history = History::new(Release);
    let lost = history.exit(0, "B");
    let exit = history.exit(SECOND, "D");
    let entry = history.entry(2 * SECOND, "A", 8000);
    history.expect(Expected {
        balance: -8000,
        journeys: vec![unstarted(lost, 0), completed(entry, exit, 8000)],
        flags: vec![(Flag::Unstarted, lost), (Flag::ClockSkew, exit)],
        postings: vec![fare("CAPTURE", 8000)],
        ..expected()
    });
}

/// "… (nor the pair just swapped)": the exit of a swapped pair is not swapped again.
#[test]
fn rule_03_the_exit_of_a_swapped_pair_is_not_swapped_again() {
    let mut history = History::new(Release);
    let exit = history.exit(0, "B");
    let first = history.entry(SECOND, "A", 8000);
    let second = history.entry(2 * SECOND, "C", 5500);
    history.expect(Expected {
        balance: -3000,
        held: 5500,
        journeys: vec![completed(first, exit, 3000), active(second)],
        flags: vec![(Flag::ClockSkew, exit)],
        postings: vec![fare("CAPTURE", 3000)],
    });
}

/// "one left-to-right pass": a swapped pair ends in an exit, so the next pair may be swapped as well.
#[test]
fn rule_03_two_pairs_in_a_row_are_both_swapped() {
    let mut history = History::new(Release);
    let exits = [history.exit(0, "B"), history.exit(2 * SECOND, "D")];
    let entries = [
        history.entry(SECOND, "A", 8000),
        history.entry(3 * SECOND, "C", 5500),
    ];
    history.expect(Expected {
        balance: -5500,
        journeys: vec![
            completed(entries[0], exits[0], 3000),
            completed(entries[1], exits[1], 2500),
        ],
        flags: vec![(Flag::ClockSkew, exits[0]), (Flag::ClockSkew, exits[1])],
        postings: vec![fare("CAPTURE", 3000), fare("CAPTURE", 2500)],
        ..expected()
    });
}

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
    let second_entry = history.entry(21 * MINUTE, "B", 6000);
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

/// "Exit with an open journey completes it. Fare: another terminal: the fare".
#[test]
fn rule_08_an_exit_elsewhere_costs_the_fare_of_the_route() {
    let mut history = History::new(Release);
    let entry = history.entry(0, "D", 9000);
    let exit = history.exit(4 * HOUR, "B");
    history.expect(Expected {
        balance: -7000,
        journeys: vec![completed(entry, exit, 7000)],
        postings: vec![fare("CAPTURE", 7000)],
        ..expected()
    });
}

/// "… in the version effective at the entry time (highest version number among those with
/// effective_from <= entry time)".
#[test]
fn rule_08_the_highest_version_in_force_at_the_entry_counts() {
    for (entry_ms, price) in [(HOUR - 1, 3000), (HOUR, 3200), (2 * HOUR, 3200)] {
        let mut history = History::new(Release);
        history.fares(fare_version(3, HOUR, Release, 200));
        history.fares(fare_version(2, HOUR, Release, 100));
        history.fares(fare_version(4, 2 * HOUR + 1, Release, 300));
        let entry = history.entry(entry_ms, "A", 8000);
        let exit = history.exit(entry_ms + 30 * MINUTE, "B");
        history.expect(Expected {
            balance: -price,
            journeys: vec![completed(entry, exit, price)],
            postings: vec![fare("CAPTURE", price)],
            ..expected()
        });
    }
}

/// "… highest version number": a later effective_from does not beat a higher number.
#[test]
fn rule_08_the_number_decides_not_the_time() {
    let mut history = History::without_fares();
    history.fares(fare_version(2, 0, Release, 100));
    history.fares(fare_version(1, HOUR, Release, 0));
    let entry = history.entry(2 * HOUR, "A", 8000);
    let exit = history.exit(3 * HOUR, "B");
    history.expect(Expected {
        balance: -3100,
        journeys: vec![completed(entry, exit, 3100)],
        postings: vec![fare("CAPTURE", 3100)],
        ..expected()
    });
}

/// Of two facts with one version number the first in order counts.
#[test]
fn rule_08_a_version_stated_twice_counts_as_stated_first() {
    let mut history = History::new(Release);
    history.fares(fare_version(1, -2 * HOUR, ChargeMax, 900));
    let entry = history.entry(0, "A", 8000);
    let exit = history.exit(HOUR, "B");
    history.expect(Expected {
        balance: -3000,
        journeys: vec![completed(entry, exit, 3000)],
        postings: vec![fare("CAPTURE", 3000)],
        ..expected()
    });
}

/// "… if the exit quotes a lower fare, the quoted one, flag STALE_FARE."
#[test]
fn rule_08_a_lower_quote_wins() {
    let mut history = History::new(Release);
    let entry = history.entry(0, "A", 8000);
    let exit = history.exit_quoting(20 * MINUTE, "B", 2999);
    history.expect(Expected {
        balance: -2999,
        journeys: vec![completed(entry, exit, 2999)],
        flags: vec![(Flag::StaleFare, exit)],
        postings: vec![fare("CAPTURE", 2999)],
        ..expected()
    });
}

/// "… a lower fare": neither the same nor a higher one.
#[test]
fn rule_08_a_quote_that_is_not_lower_is_ignored() {
    for quoted in [3000, 3001] {
        let mut history = History::new(Release);
        let entry = history.entry(0, "A", 8000);
        let exit = history.exit_quoting(20 * MINUTE, "B", quoted);
        history.expect(Expected {
            balance: -3000,
            journeys: vec![completed(entry, exit, 3000)],
            postings: vec![fare("CAPTURE", 3000)],
            ..expected()
        });
    }
}

/// "Same terminal: 0 up to 5 min …; flag SAME_STATION on the exit." It needs no fare, and ignores quotes.
#[test]
fn rule_08_out_again_within_five_minutes_is_free() {
    for mut history in [History::new(Release), History::without_fares()] {
        let entry = history.entry(0, "A", 8000);
        let exit = history.exit_quoting(5 * MINUTE, "A", 1000);
        history.expect(Expected {
            journeys: vec![completed(entry, exit, 0)],
            flags: vec![(Flag::SameStation, exit)],
            ..expected()
        });
    }
}

/// "… else the lowest fare from there", whatever the exit quotes.
#[test]
fn rule_08_out_again_later_costs_the_lowest_fare() {
    let mut history = History::new(Release);
    let entry = history.entry(0, "B", 6000);
    let exit = history.exit_quoting(5 * MINUTE + 1, "B", 1000);
    history.expect(Expected {
        balance: -3500,
        journeys: vec![completed(entry, exit, 3500)],
        flags: vec![(Flag::SameStation, exit)],
        postings: vec![fare("CAPTURE", 3500)],
        ..expected()
    });
}

/// "Longer than max_journey (4 h): max(fare, hold), flag OVERTIME on the exit."
#[test]
fn rule_08_a_long_journey_costs_its_hold() {
    let mut history = History::new(Release);
    let entry = history.entry(0, "A", 8000);
    let exit = history.exit_quoting(4 * HOUR + 1, "B", 1000);
    history.expect(Expected {
        balance: -8000,
        journeys: vec![completed(entry, exit, 8000)],
        flags: vec![(Flag::StaleFare, exit), (Flag::Overtime, exit)],
        postings: vec![fare("CAPTURE", 8000)],
        ..expected()
    });
}

/// "… max(fare, hold)": never less than the fare, at one station as well.
#[test]
fn rule_08_a_long_journey_costs_its_fare_when_that_is_more() {
    for (code, price, flags) in [("D", 8000, vec![]), ("A", 3000, vec![Flag::SameStation])] {
        let mut history = History::new(Release);
        let entry = history.entry(0, "A", 1000);
        let exit = history.exit(5 * HOUR, code);
        let flags = flags
            .into_iter()
            .chain([Flag::Overtime, Flag::FareOverHold])
            .map(|flag| (flag, exit));
        history.expect(Expected {
            balance: -price,
            journeys: vec![completed(entry, exit, price)],
            flags: flags.collect(),
            postings: vec![fare("CAPTURE", 1000), fare("OVER_HOLD", price - 1000)],
            ..expected()
        });
    }
}

/// Where no fare is known the exit costs the hold, flag NO_FARE, whatever it quotes.
#[test]
fn rule_08_without_a_fare_the_exit_costs_the_hold() {
    let no_route = |history: &mut History| {
        let route = ("A".parse().unwrap(), "C".parse().unwrap(), Money::rupiah(1000));
        history.fares(FareVersion::new(2, 0, Release, [route]).unwrap());
    };
    let mut without_route = History::new(Release);
    no_route(&mut without_route);
    for mut history in [History::without_fares(), without_route] {
        let entry = history.entry(0, "A", 8000);
        let exit = history.exit_quoting(20 * MINUTE, "B", 1000);
        history.expect(Expected {
            balance: -8000,
            journeys: vec![completed(entry, exit, 8000)],
            flags: vec![(Flag::NoFare, exit)],
            postings: vec![fare("CAPTURE", 8000)],
            ..expected()
        });
    }
}

/// Where no fare is known from a terminal, going out there again after five minutes costs the hold.
#[test]
fn rule_08_without_a_lowest_fare_the_exit_costs_the_hold() {
    let mut history = History::without_fares();
    let entry = history.entry(0, "A", 8000);
    let exit = history.exit(20 * MINUTE, "A");
    history.expect(Expected {
        balance: -8000,
        journeys: vec![completed(entry, exit, 8000)],
        flags: vec![(Flag::NoFare, exit), (Flag::SameStation, exit)],
        postings: vec![fare("CAPTURE", 8000)],
        ..expected()
    });
}

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
