//! Points 1 to 3: which facts count, and in which order they are read.

use sync_protocol::fact::CardStatus;
use sync_protocol::fare::OrphanPolicy::{ChargeMax, Release};
use sync_protocol::id::FactId;
use sync_protocol::journey::Flag;

use crate::history::{Expected, History, MINUTE, SECOND, active, completed, expected, fare, key, unstarted};

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
