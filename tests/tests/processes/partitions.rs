//! Links that are cut, one-way, or bad.

use std::time::Duration;

use tests::harness::gate::{A_ENTRY, A_EXIT, B_ENTRY, B_EXIT};
use tests::harness::network::{Databases, HUB, SOON, case};
use tests::harness::proxy::Weather;

use crate::load::{self, Load};

const CARD: &str = "TESTCARD0001";

#[test]
fn a_terminal_cut_from_the_hub_goes_on_and_converges() {
    case("island", Databases::Shared, |network| {
        network.issue(CARD, "50000.00")?;
        network.cut(A_ENTRY.id, HUB);
        network.cut(A_EXIT.id, HUB);
        let entry = network.pass(A_ENTRY, CARD)?;
        // The island tells itself: its other gate knows of the trip.
        network.wait_for_trip(A_EXIT, CARD, true)?;
        // B cannot know of it, and lets everybody out all the same.
        let exit = network.pass(B_EXIT, CARD)?;
        assert_eq!(
            exit.reason, "EXIT_OPEN",
            "an exit without a known entry: {}",
            exit.whole
        );
        network.wait_for_fact(exit.fact()?, SOON)?;
        assert!(!network.has_fact(entry.fact()?)?, "the cut let something through");

        network.heal();
        network.wait_for_fact(entry.fact()?, SOON)?;
        for name in [A_ENTRY, A_EXIT, B_ENTRY, B_EXIT] {
            network.wait_for_balance(name, CARD, "45000.00")?;
        }
        Ok(())
    });
}

#[test]
fn a_gate_cut_from_the_hub_reaches_it_through_its_neighbour() {
    case("relay", Databases::Shared, |network| {
        network.issue(CARD, "50000.00")?;
        network.cut(A_ENTRY.id, HUB);
        let entry = network.pass(A_ENTRY, CARD)?;
        network.wait_for_fact(entry.fact()?, SOON)?;
        // And back: what the hub settles comes to the gate the same way.
        let exit = network.pass(B_EXIT, CARD)?;
        network.wait_for_fact(exit.fact()?, SOON)?;
        network.wait_for_balance(A_ENTRY, CARD, "45000.00")
    });
}

#[test]
fn a_link_that_carries_one_way_only_is_gone_round() {
    case("one-way", Databases::Shared, |network| {
        network.issue(CARD, "50000.00")?;
        network.set_weather(A_ENTRY.id, HUB, Weather::cut());
        let entry = network.pass(A_ENTRY, CARD)?;
        network.wait_for_fact(entry.fact()?, SOON)?;
        network.heal();
        network.set_weather(HUB, A_ENTRY.id, Weather::cut());
        let exit = network.pass(B_EXIT, CARD)?;
        network.wait_for_fact(exit.fact()?, SOON)?;
        network.wait_for_balance(A_ENTRY, CARD, "45000.00")
    });
}

#[test]
fn every_link_loses_delays_and_reorders_and_nothing_is_lost() {
    case("bad-weather", Databases::Shared, |network| {
        let load = Load::start(network)?;
        network.set_weather_everywhere(Weather {
            lost_permille: 50,
            delay: Duration::from_millis(10),
            late_permille: 200,
            late_by: Duration::from_millis(40),
            ..Weather::default()
        });
        load.more(800)?;
        let answers = load.finish()?;
        network.heal();
        assert_eq!(answers.unanswered, 0, "no link of passengers was touched");
        load::check(network, &answers).map(drop)
    });
}

#[test]
fn links_that_flap_every_moment_end_level() {
    case("flapping", Databases::Shared, |network| {
        let load = Load::start(network)?;
        for round in 1..=8 {
            load.more(60)?;
            let (one, other) = if round % 2 == 0 {
                (A_ENTRY, B_EXIT)
            } else {
                (A_EXIT, B_ENTRY)
            };
            network.heal();
            network.cut(one.id, HUB);
            network.cut(other.id, HUB);
            network.cut(A_ENTRY.id, A_EXIT.id);
        }
        let answers = load.finish()?;
        network.heal();
        load::check(network, &answers).map(drop)
    });
}
