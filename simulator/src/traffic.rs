//! Passengers and the hub's staff: who taps where and when, drawn from the seed before the run begins.
//!
//! A trip takes 32 bytes and a card two, so that a day of millions fits in memory. What follows a tap depends on
//! whether the barrier opened, so a trip is carried out step by step: [`Traffic::tap`] says what a step is,
//! [`Traffic::after`] what comes next.

mod cards;
mod decisions;
mod destinations;
mod trip;
mod trips;

use sync_protocol::fact::Direction;
use sync_protocol::id::{CardId, GateId};
use sync_protocol::time::SECOND_MS;

pub use cards::Cards;
pub use decisions::Decision;
pub use trip::{Aside, Step, Trip};

use crate::random::Stream;
use crate::scenario::Scenario;
use crate::topology::Topology;

/// A card at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedTap {
    /// The gate.
    pub gate: GateId,
    /// The card.
    pub card: CardId,
    /// Which way its passenger wants.
    pub direction: Direction,
}

/// Everything that people will do.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// The cards and what each starts with.
    pub cards: Cards,
    /// The trips, by time.
    pub trips: Vec<Trip>,
    /// The hub's decisions, by time, milliseconds after the start.
    pub decisions: Vec<(i64, Decision)>,
    ends_ms: i64,
}

impl Traffic {
    /// Draws the traffic of a scenario.
    #[must_use]
    pub fn draw(scenario: &Scenario, network: &Topology, seed: u64) -> Traffic {
        let cards = Cards::draw(scenario, network, &mut Stream::new(seed, "cards"));
        let trips = trips::draw(scenario, network, cards.count(), &mut Stream::new(seed, "trips"));
        let decisions = decisions::draw(
            scenario,
            &trips,
            cards.count(),
            &mut Stream::new(seed, "decisions"),
        );
        let last_ms = trips.iter().map(Trip::ends_ms).max().unwrap_or(0);
        Traffic {
            ends_ms: last_ms.max(scenario.duration_s * SECOND_MS),
            cards,
            trips,
            decisions,
        }
    }

    /// When the last passenger has left and the traffic is over, milliseconds after the start.
    #[must_use]
    pub const fn ends_ms(&self) -> i64 {
        self.ends_ms
    }

    /// The tap of a step of a trip.
    ///
    /// # Panics
    /// Never for a step that [`Trip::first`] or [`Traffic::after`] has named.
    #[must_use]
    pub fn tap(&self, trip: usize, step: Step) -> PlannedTap {
        let trip = &self.trips[trip];
        let (gate, direction) = trip
            .place(step)
            .expect("BUG: a trip is carried out by the steps that it has");
        PlannedTap {
            gate,
            card: self.cards.id(trip.card()),
            direction,
        }
    }

    /// What its passenger does after a step: how long after it, in milliseconds, and which step. At most two.
    pub fn after(&self, trip: usize, step: Step, opened: bool) -> impl Iterator<Item = (i64, Step)> {
        self.trips[trip].after(step, opened)
    }
}

#[cfg(test)]
mod tests;
