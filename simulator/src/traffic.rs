//! Passengers and the hub's staff: who taps where and when, drawn from the seed before the run begins.

use sync_protocol::fact::Direction;
use sync_protocol::id::{CardId, GateId};
use sync_protocol::money::Money;
use sync_protocol::time::{MINUTE_MS, SECOND_MS};

use crate::random::Stream;
use crate::scenario::Scenario;
use crate::topology::{GateService, Topology};

/// Trips per hour of the day, as a share of the busiest, in thousandths: two rushes and a quiet night.
const DAY_CURVE_PER_MILLE: [u32; 24] = [
    10, 5, 5, 10, 60, 350, 900, 1_000, 700, 400, 350, 350, 400, 400, 400, 500, 800, 1_000, 800, 450, 300,
    200, 100, 40,
];
/// Shortest and longest ride.
const RIDE_MS: (i64, i64) = (6 * MINUTE_MS, 25 * MINUTE_MS);
/// A passenger rests at least this long between two trips.
const REST_MS: i64 = 2 * MINUTE_MS;
/// A repeated presentation comes up to this long after the first.
const REPEAT_MS: i64 = 2 * SECOND_MS;

/// One passenger's trip. The exit is tried only if the entry was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    /// The card.
    pub card: CardId,
    /// Where it goes in.
    pub entry_gate: GateId,
    /// Where it comes out; `None` for a passenger who leaves without tapping.
    pub exit_gate: Option<GateId>,
    /// Milliseconds after the start.
    pub entry_at_ms: i64,
    /// How long the ride takes.
    pub ride_ms: i64,
    /// How long after the entry tap the card is presented again, if it is.
    pub repeat_after_ms: Option<i64>,
}

/// What the hub's staff and channels do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A top-up through an online channel; the number makes its reference.
    TopUp {
        /// The card.
        card: CardId,
        /// How much.
        amount: Money,
        /// Counts the top-ups.
        number: u32,
    },
    /// A card is blocked.
    Block {
        /// The card.
        card: CardId,
    },
}

/// Everything that people will do.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// The cards and what each starts with.
    pub cards: Vec<(CardId, Money)>,
    /// The trips, by time.
    pub trips: Vec<Trip>,
    /// The hub's decisions, by time, milliseconds after the start.
    pub decisions: Vec<(i64, Decision)>,
}

impl Traffic {
    /// Draws the traffic of a scenario.
    #[must_use]
    pub fn draw(scenario: &Scenario, network: &Topology, seed: u64) -> Traffic {
        let cards = draw_cards(scenario, network, &mut Stream::new(seed, "cards"));
        Traffic {
            trips: draw_trips(scenario, network, &cards, &mut Stream::new(seed, "trips")),
            decisions: draw_decisions(scenario, &cards, &mut Stream::new(seed, "decisions")),
            cards,
        }
    }
}

fn draw_cards(scenario: &Scenario, network: &Topology, stream: &mut Stream) -> Vec<(CardId, Money)> {
    let highest = network.highest_fare().as_hundredths() / 100;
    let numbers = 1..=scenario.traffic.cards.get();
    let draw = |number: i64| {
        let poor = stream.chance(scenario.traffic.poor_card_per_mille.share());
        let (low, high) = if poor {
            (0, highest)
        } else {
            (2 * highest, 12 * highest)
        };
        // Channels sell whole thousands of rupiah.
        let balance = Money::rupiah(stream.between(low, high) / 1_000 * 1_000);
        let card = format!("CARD{number:04}")
            .parse()
            .expect("BUG: CARD and four to seven digits are a card");
        (card, balance)
    };
    numbers.map(draw).collect()
}

fn draw_trips(
    scenario: &Scenario,
    network: &Topology,
    cards: &[(CardId, Money)],
    stream: &mut Stream,
) -> Vec<Trip> {
    let serving = |direction| -> Vec<(GateId, &crate::topology::GateSite)> {
        let gates = network.deciding_gates();
        let open =
            gates.filter(|(gate, site)| gate.kind.serves(direction) && site.status == GateService::Online);
        open.map(|(gate, site)| (gate.id, site)).collect()
    };
    let (entries, exits) = (serving(Direction::Entry), serving(Direction::Exit));
    let mut free_from_ms = vec![0_i64; cards.len()];
    let mut trips = Vec::new();
    for at_ms in arrivals(scenario, stream) {
        let Some(&(entry_gate, origin)) = stream.pick(&entries) else {
            break;
        };
        let elsewhere: Vec<_> = exits
            .iter()
            .filter(|(_, site)| site.terminal != origin.terminal)
            .collect();
        let Some(&&(exit_gate, _)) = stream.pick(&elsewhere) else {
            break;
        };
        // A card on a trip cannot begin another one; a few draws find a free one, else the passenger stays at home.
        let drawn = (0..8)
            .map(|_| stream.below(cards.len() as u64) as usize)
            .find(|card| free_from_ms[*card] <= at_ms);
        let Some(card) = drawn else { continue };
        let ride_ms = stream.between(RIDE_MS.0, RIDE_MS.1);
        let missing = stream.chance(scenario.traffic.missing_exit_per_mille.share());
        let repeated = stream.chance(scenario.traffic.repeated_tap_per_mille.share());
        free_from_ms[card] = at_ms + ride_ms + REST_MS;
        trips.push(Trip {
            card: cards[card].0,
            entry_gate,
            exit_gate: (!missing).then_some(exit_gate),
            entry_at_ms: at_ms,
            ride_ms,
            repeat_after_ms: repeated.then(|| stream.between(500, REPEAT_MS)),
        });
    }
    trips
}

/// Times at which trips begin: minute by minute, as many as the day's curve says, the fraction left to chance.
fn arrivals(scenario: &Scenario, stream: &mut Stream) -> Vec<i64> {
    let peak = scenario.traffic.trips_per_hour_at_peak.get();
    let mut times = Vec::new();
    for minute in 0..scenario.duration_s / 60 {
        let hour = usize::try_from((scenario.starts_at.minutes() + minute) / 60 % 24).unwrap_or(0);
        let share = i64::from(DAY_CURVE_PER_MILLE[hour]);
        let per_60_000 = peak * share;
        let certain = per_60_000 / 60_000;
        let rest = u64::try_from(per_60_000 % 60_000).unwrap_or(0);
        let count = certain + i64::from(stream.below(60_000) < rest);
        times.extend((0..count).map(|_| minute * MINUTE_MS + stream.between(0, MINUTE_MS - 1)));
    }
    times.sort_unstable();
    times
}

fn draw_decisions(
    scenario: &Scenario,
    cards: &[(CardId, Money)],
    stream: &mut Stream,
) -> Vec<(i64, Decision)> {
    let per_run = |per_hour: i64| per_hour * scenario.duration_s / 3_600;
    let mut decisions = Vec::new();
    for number in 0..per_run(scenario.traffic.top_ups_per_hour.get()) {
        let Some(&(card, _)) = stream.pick(cards) else {
            break;
        };
        let amount = Money::rupiah(stream.between(2, 10) * 10_000);
        let top_up = Decision::TopUp {
            card,
            amount,
            number: u32::try_from(number).unwrap_or(u32::MAX),
        };
        decisions.push((stream.between(0, scenario.duration_s * SECOND_MS), top_up));
    }
    for _ in 0..per_run(scenario.traffic.blocks_per_hour.get()) {
        let Some(&(card, _)) = stream.pick(cards) else {
            break;
        };
        decisions.push((
            stream.between(0, scenario.duration_s * SECOND_MS),
            Decision::Block { card },
        ));
    }
    decisions.sort_by_key(|(at_ms, _)| *at_ms);
    decisions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64) -> Traffic {
        let scenario = Scenario::find("terminal-c-island").unwrap();
        Traffic::draw(&scenario, &scenario.topology(), seed)
    }

    #[test]
    fn one_seed_draws_one_traffic() {
        assert_eq!(drawn(3).trips, drawn(3).trips);
        assert_ne!(drawn(3).trips, drawn(4).trips);
    }

    #[test]
    fn no_card_begins_a_trip_while_on_another() {
        let mut trips = drawn(5).trips;
        trips.sort_by_key(|trip| (trip.card, trip.entry_at_ms));
        let overlaps = |pair: &[Trip]| {
            pair[0].card == pair[1].card && pair[1].entry_at_ms < pair[0].entry_at_ms + pair[0].ride_ms
        };
        assert!(!trips.windows(2).any(overlaps));
        assert!(trips.len() > 500, "{}", trips.len());
    }
}
