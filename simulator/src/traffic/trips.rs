//! Drawing the trips: when they begin, where they lead, with which card, and what goes wrong about them.

use sync_protocol::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

use super::destinations::{Destinations, Doors};
use super::trip::{Aside, Trip};
use crate::random::Stream;
use crate::scenario::{Scenario, Traffic as Table};
use crate::topology::Topology;

/// A passenger rests at least this long between two trips.
const REST_MS: i64 = 2 * MINUTE_MS;
/// Draws that look for a card that is not on a trip.
const CARD_DRAWS_MAX: usize = 8;
/// A repeated presentation comes this long after the first.
const REPEAT_MS: (i64, i64) = (500, 2 * SECOND_MS);
/// A card that was handed back comes this long after the first.
const PASS_BACK_MS: (i64, i64) = (11 * SECOND_MS, 290 * SECOND_MS);
/// A second exit that the rules take for the first.
const SECOND_EXIT_MS: (i64, i64) = (SECOND_MS, 290 * SECOND_MS);
/// A second exit that they do not.
const LATE_SECOND_EXIT_MS: (i64, i64) = (310 * SECOND_MS, 15 * MINUTE_MS);
/// Share of second exits that come late.
const LATE_SECOND_EXIT_PER_MILLE: u32 = 250;
/// Who has tried the wrong gate finds the right one this soon.
const WRONG_WAY_MS: (i64, i64) = (3 * SECOND_MS, 20 * SECOND_MS);
/// Who changes their mind at once, and who stays a while.
const SAME_STATION_MS: [(i64, i64); 2] = [
    (10 * SECOND_MS, 290 * SECOND_MS),
    (310 * SECOND_MS, 40 * MINUTE_MS),
];
/// Longer than four hours, and longer than a day (domain 7).
const LONG_MS: (i64, i64) = (4 * HOUR_MS + 5 * MINUTE_MS, 10 * HOUR_MS);
const OVERDAY_MS: (i64, i64) = (24 * HOUR_MS + 5 * MINUTE_MS, 28 * HOUR_MS);
/// The copy of a card is presented this long after the card.
const CLONE_AFTER_MS: (i64, i64) = (0, 3 * MINUTE_MS);
/// Different cards that were never issued.
const STRAYS: u64 = 1_000;

/// Draws every trip, by time.
pub(super) fn draw(scenario: &Scenario, network: &Topology, cards: usize, stream: &mut Stream) -> Vec<Trip> {
    let table = &scenario.traffic;
    let destinations = Destinations::new(&table.pairs, network);
    let mut free_from_ms = vec![0_u32; cards];
    let mut trips = Vec::new();
    for_each_arrival(scenario, stream, |at_ms, hour, stream| {
        let Some((origin, destination)) = destinations.draw(hour, stream) else {
            return;
        };
        let same_station = stream.chance(table.same_station_per_mille.share());
        let origin = destinations.doors(origin);
        // Nobody turns round where no gate lets out.
        let turns_round = same_station && !origin.exits.is_empty();
        let destination = if turns_round {
            origin
        } else {
            destinations.doors(destination)
        };
        let ride_ms = draw_ride(table, turns_round, stream);
        let stray = stream.chance(table.unknown_card_per_mille.share());
        let card = if stray {
            u32::try_from(cards as u64 + stream.below(STRAYS)).ok()
        } else {
            draw_card(&free_from_ms, at_ms, stream)
        };
        let Some(card) = card else { return };
        let Some(trip) = draw_trip(table, card, at_ms, ride_ms, origin, destination, stream) else {
            return;
        };
        if let Some(free_from_ms) = free_from_ms.get_mut(card as usize) {
            *free_from_ms = u32::try_from(trip.ends_ms().max(at_ms + ride_ms) + REST_MS).unwrap_or(u32::MAX);
        }
        trips.push(trip);
        if stream.chance(table.clone_per_mille.share()) {
            trips.extend(draw_clone(table, &trip, hour, &destinations, stream));
        }
    });
    trips.sort_by_key(Trip::begins_ms);
    trips
}

/// A card that is not on a trip. A few draws find one, else the passenger stays at home.
fn draw_card(free_from_ms: &[u32], at_ms: i64, stream: &mut Stream) -> Option<u32> {
    (0..CARD_DRAWS_MAX)
        .map(|_| stream.below(free_from_ms.len() as u64) as usize)
        .find(|card| i64::from(free_from_ms[*card]) <= at_ms)
        .and_then(|card| u32::try_from(card).ok())
}

fn draw_ride(table: &Table, turns_round: bool, stream: &mut Stream) -> i64 {
    let overday = stream.chance(table.overday_trip_per_mille.share());
    let long = stream.chance(table.long_trip_per_mille.share());
    let (low, high) = match (overday, long, turns_round) {
        (true, _, _) => OVERDAY_MS,
        (_, true, _) => LONG_MS,
        (_, _, true) => SAME_STATION_MS[usize::from(stream.chance(500))],
        _ => (
            table.ride_min_s.get() * SECOND_MS,
            table.ride_max_s.get() * SECOND_MS,
        ),
    };
    stream.between(low, high)
}

fn draw_trip(
    table: &Table,
    card: u32,
    at_ms: i64,
    ride_ms: i64,
    origin: &Doors,
    destination: &Doors,
    stream: &mut Stream,
) -> Option<Trip> {
    let mut trip = Trip {
        card,
        entry_gate: *stream.pick(&origin.entries)?,
        exit_gate: *stream.pick(&destination.exits)?,
        begins_ms: u32::try_from(at_ms).ok()?,
        ride_ms: u32::try_from(ride_ms).ok()?,
        aside: Aside::None,
    };
    if stream.chance(table.missing_exit_per_mille.share()) {
        trip.exit_gate = 0;
    } else if stream.chance(table.missing_entry_per_mille.share()) {
        trip.entry_gate = 0;
    }
    trip.aside = draw_aside(table, &trip, origin, destination, stream);
    Some(trip)
}

/// What the passenger does besides: of several the first that is drawn.
fn draw_aside(table: &Table, trip: &Trip, origin: &Doors, destination: &Doors, stream: &mut Stream) -> Aside {
    let repeats = stream.chance(table.repeated_tap_per_mille.share());
    let passes_back = stream.chance(table.pass_back_per_mille.share());
    let leaves_again = stream.chance(table.second_exit_per_mille.share());
    let wrong_way = stream.chance(table.wrong_way_per_mille.share());
    let (enters, leaves) = (trip.entry_gate != 0, trip.exit_gate != 0);
    let mut after = |(low, high)| u32::try_from(stream.between(low, high)).unwrap_or(0);
    if repeats && enters {
        let (gate, after_ms) = (trip.entry_gate, after(REPEAT_MS));
        return Aside::EntersAgain { gate, after_ms };
    }
    if passes_back && enters {
        let after_ms = after(PASS_BACK_MS);
        let gate = stream.pick(&origin.entries).copied().unwrap_or(trip.entry_gate);
        return Aside::EntersAgain { gate, after_ms };
    }
    if leaves_again && leaves {
        let late = stream.chance(LATE_SECOND_EXIT_PER_MILLE);
        let (low, high) = if late { LATE_SECOND_EXIT_MS } else { SECOND_EXIT_MS };
        let after_ms = u32::try_from(stream.between(low, high)).unwrap_or(0);
        let gate = stream.pick(&destination.exits).copied().unwrap_or(trip.exit_gate);
        return Aside::LeavesAgain { gate, after_ms };
    }
    if wrong_way {
        let after_ms = after(WRONG_WAY_MS);
        let (way_in, way_out) = (
            stream.pick(&origin.exits_only).copied(),
            stream.pick(&destination.entries_only),
        );
        match (way_in.filter(|_| enters), way_out.filter(|_| leaves)) {
            (Some(gate), None) => return Aside::WrongWayIn { gate, after_ms },
            (None, Some(gate)) => {
                return Aside::WrongWayOut {
                    gate: *gate,
                    after_ms,
                };
            }
            (Some(_), Some(gate)) if stream.chance(500) => {
                return Aside::WrongWayOut {
                    gate: *gate,
                    after_ms,
                };
            }
            (Some(gate), Some(_)) => return Aside::WrongWayIn { gate, after_ms },
            (None, None) => {}
        }
    }
    Aside::None
}

/// The trip of a copy of the card, from another terminal, which begins while the card itself travels.
fn draw_clone(
    table: &Table,
    trip: &Trip,
    hour: i64,
    destinations: &Destinations,
    stream: &mut Stream,
) -> Option<Trip> {
    let (origin, destination) = destinations.draw(hour, stream)?;
    let (origin, destination) = (destinations.doors(origin), destinations.doors(destination));
    let at_ms = trip.begins_ms() + stream.between(CLONE_AFTER_MS.0, CLONE_AFTER_MS.1);
    let ride_ms = draw_ride(table, false, stream);
    draw_trip(table, trip.card, at_ms, ride_ms, origin, destination, stream)
        .filter(|copy| copy.entry_gate != trip.entry_gate)
}

/// Calls `arrive` with every time at which a trip begins and its hour of the day, minute by minute: as many as the
/// day's curve says, the fraction left to chance.
fn for_each_arrival(scenario: &Scenario, stream: &mut Stream, mut arrive: impl FnMut(i64, i64, &mut Stream)) {
    let peak = scenario.traffic.trips_per_hour_at_peak.get();
    let mut times = Vec::new();
    for minute in 0..scenario.duration_s / 60 {
        let hour = (scenario.starts_at.minutes() + minute) / 60 % 24;
        let per_60_000 = peak * i64::from(scenario.traffic.day_curve.share(hour));
        let certain = per_60_000 / 60_000;
        let rest = u64::try_from(per_60_000 % 60_000).unwrap_or(0);
        let count = certain + i64::from(stream.below(60_000) < rest);
        times.clear();
        times.extend((0..count).map(|_| minute * MINUTE_MS + stream.between(0, MINUTE_MS - 1)));
        times.sort_unstable();
        for at_ms in &times {
            arrive(*at_ms, hour, stream);
        }
    }
}
