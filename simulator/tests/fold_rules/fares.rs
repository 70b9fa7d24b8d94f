//! Point 8: what a completed journey costs.

use sync_protocol::fare::FareVersion;
use sync_protocol::fare::OrphanPolicy::{ChargeMax, Release};
use sync_protocol::journey::Flag;
use sync_protocol::money::Money;

use crate::history::{Expected, HOUR, History, MINUTE, completed, expected, fare, fare_version};

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
