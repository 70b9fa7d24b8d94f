//! What is drawn, and what passengers do with it.

use super::*;

fn scenario(traffic: &str) -> Scenario {
    let text = format!(
        r#"title = "t"
network = "sample"
starts_at = "07:00"
duration_s = 7200
converge_within_s = 10
[traffic]
cards = 400
trips_per_hour_at_peak = 600
{traffic}
"#
    );
    Scenario::parse("t", "t.toml", &text).unwrap()
}

fn drawn(traffic: &str, seed: u64) -> Traffic {
    let scenario = scenario(traffic);
    Traffic::draw(&scenario, &scenario.topology(), seed)
}

/// Time, gate and direction.
type Tap = (i64, GateId, Direction);

/// Every tap of a trip when each barrier opens or stays shut as `opened` says.
fn taps(traffic: &Traffic, trip: usize, opened: bool) -> Vec<Tap> {
    let first = &traffic.trips[trip];
    let mut waiting = vec![(first.begins_ms(), first.first())];
    let mut taps = Vec::new();
    while let Some((at_ms, step)) = waiting.pop() {
        let tap = traffic.tap(trip, step);
        taps.push((at_ms, tap.gate, tap.direction));
        waiting.extend(
            traffic
                .after(trip, step, opened)
                .map(|(after_ms, step)| (at_ms + after_ms, step)),
        );
    }
    taps.sort_unstable();
    taps
}

#[test]
fn one_seed_draws_one_traffic() {
    assert_eq!(drawn("", 3).trips, drawn("", 3).trips);
    assert_ne!(drawn("", 3).trips, drawn("", 4).trips);
}

#[test]
fn a_trip_is_small() {
    assert!(size_of::<Trip>() <= 32, "{}", size_of::<Trip>());
}

#[test]
fn no_card_begins_a_trip_while_on_another() {
    let mut trips = drawn("same_station_per_mille = 100", 5).trips;
    trips.sort_by_key(|trip| (trip.card(), trip.begins_ms()));
    let overlaps =
        |pair: &[Trip]| pair[0].card() == pair[1].card() && pair[1].begins_ms() < pair[0].ends_ms();
    assert!(!trips.windows(2).any(overlaps));
    assert!(trips.len() > 500, "{}", trips.len());
}

#[test]
fn trips_come_in_order_of_time() {
    let trips = drawn("clone_per_mille = 200", 6).trips;
    assert!(trips.is_sorted_by_key(Trip::begins_ms));
}

#[test]
fn a_passenger_who_is_not_let_in_does_not_come_out() {
    let traffic = drawn("", 1);
    for trip in 0..traffic.trips.len() {
        assert_eq!(taps(&traffic, trip, false).len(), 1);
        let all = taps(&traffic, trip, true);
        assert_eq!((all[0].2, all[1].2), (Direction::Entry, Direction::Exit));
    }
}

/// Shares of trips whose taps look like this.
fn share(traffic: &Traffic, looks: impl Fn(&[Tap]) -> bool) -> usize {
    let all = 0..traffic.trips.len();
    1_000
        * all
            .clone()
            .filter(|trip| looks(&taps(traffic, *trip, true)))
            .count()
        / all.len()
}

#[test]
fn what_goes_wrong_goes_wrong_as_often_as_asked() {
    use Direction::{Entry, Exit};
    let near = |key: &str, looks: &dyn Fn(&[Tap]) -> bool| {
        let share = share(&drawn(&format!("{key} = 300"), 2), looks);
        assert!((240..360).contains(&share), "{key}: {share}");
    };
    let ways = |taps: &[Tap]| taps.iter().map(|tap| tap.2).collect::<Vec<_>>();
    near("missing_exit_per_mille", &|taps| ways(taps) == [Entry]);
    near("missing_entry_per_mille", &|taps| ways(taps) == [Exit]);
    near("repeated_tap_per_mille", &|taps| {
        ways(taps) == [Entry, Entry, Exit] && taps[1].1 == taps[0].1 && taps[1].0 - taps[0].0 <= 2_000
    });
    near("pass_back_per_mille", &|taps| {
        ways(taps) == [Entry, Entry, Exit] && (11_000..300_000).contains(&(taps[1].0 - taps[0].0))
    });
    near("second_exit_per_mille", &|taps| ways(taps) == [Entry, Exit, Exit]);
    near("wrong_way_per_mille", &|taps| {
        [vec![Entry, Entry, Exit], vec![Entry, Exit, Exit]].contains(&ways(taps))
            && taps[1].0 - taps[0].0 <= 2_000_000
    });
    near("long_trip_per_mille", &|taps| {
        taps[1].0 - taps[0].0 > 4 * 3_600_000
    });
    near("overday_trip_per_mille", &|taps| {
        taps[1].0 - taps[0].0 > 24 * 3_600_000
    });
}

#[test]
fn a_copy_of_a_card_travels_at_the_same_time() {
    let traffic = drawn("clone_per_mille = 200", 9);
    let mut trips = traffic.trips.clone();
    trips.sort_by_key(|trip| (trip.card(), trip.begins_ms()));
    let overlaps = trips.windows(2).filter(|pair| {
        pair[0].card() == pair[1].card() && pair[1].begins_ms() - pair[0].begins_ms() <= 180_000
    });
    assert!(overlaps.count() > 100);
}

#[test]
fn strays_are_cards_that_were_never_issued() {
    let traffic = drawn("unknown_card_per_mille = 500", 3);
    let issued: std::collections::BTreeSet<CardId> = traffic.cards.iter().map(|(card, _)| card).collect();
    let strays = traffic
        .trips
        .iter()
        .filter(|trip| !issued.contains(&traffic.cards.id(trip.card())));
    assert!(strays.count() > traffic.trips.len() / 3);
}

#[test]
fn listed_pairs_are_the_only_ones() {
    let traffic = drawn(
        r#"pairs = [{ from = "A", to = "E", weight = 3 }, { from = "D", to = "B", weight = 1 }]"#,
        3,
    );
    let network = Topology::sample();
    let terminal = |gate: Option<GateId>| network.gates[gate.unwrap().0 as usize - 1].terminal.to_string();
    let ends: Vec<_> = traffic
        .trips
        .iter()
        .map(|trip| (terminal(trip.entry_gate()), terminal(trip.exit_gate())))
        .collect();
    let count = |from: &str, to: &str| ends.iter().filter(|(a, b)| a == from && b == to).count();
    assert_eq!(count("A", "E") + count("D", "B"), ends.len());
    assert!(count("A", "E") > 2 * count("D", "B"));
}

#[test]
fn commuters_travel_towards_the_centre_in_the_morning() {
    let traffic = drawn(r#"pairs = "commuter""#, 3);
    let network = Topology::sample();
    // It is cheapest to get to B from everywhere: 5,000 + 6,000 + 8,000 + 11,000.
    let at_centre =
        |gate: Option<GateId>| network.gates[gate.unwrap().0 as usize - 1].terminal.as_str() == "B";
    let into = traffic
        .trips
        .iter()
        .filter(|trip| at_centre(trip.exit_gate()))
        .count();
    let out_of = traffic
        .trips
        .iter()
        .filter(|trip| at_centre(trip.entry_gate()))
        .count();
    assert!(into > 3 * out_of, "{into} into B, {out_of} out of it");
}

#[test]
fn staff_decide_as_often_as_asked() {
    let keys = "top_ups_per_hour = 10\nrepeated_top_up_per_mille = 1000\nblocks_per_hour = 4\nunblocks_per_hour = 3\n\
                refunds_per_hour = 5\nadjustments_per_hour = 6\nwrite_offs_per_hour = 2\ncloses_per_hour = 7";
    let decisions = drawn(keys, 1).decisions;
    assert!(decisions.is_sorted_by_key(|(at_ms, _)| *at_ms));
    let count = |of: fn(&Decision) -> bool| decisions.iter().filter(|(_, decision)| of(decision)).count();
    assert_eq!(count(|decision| matches!(decision, Decision::TopUp { .. })), 40);
    assert_eq!(count(|decision| matches!(decision, Decision::Status { .. })), 14);
    assert_eq!(count(|decision| matches!(decision, Decision::Refund { .. })), 10);
    assert_eq!(count(|decision| matches!(decision, Decision::Adjust { .. })), 12);
    assert_eq!(count(|decision| matches!(decision, Decision::WriteOff { .. })), 4);
    assert_eq!(count(|decision| matches!(decision, Decision::Close { .. })), 14);
}
