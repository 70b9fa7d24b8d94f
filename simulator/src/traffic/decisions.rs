//! What the hub's staff and channels do, and when.

use sync_protocol::fact::CardStatus;
use sync_protocol::money::Money;
use sync_protocol::time::{MINUTE_MS, SECOND_MS};

use super::trip::Trip;
use crate::random::Stream;
use crate::scenario::{PerHour, Scenario};

/// What a card is set to when it is blocked: blocked six times in nine, suspended twice, closed once.
const BLOCKS: [(CardStatus, u32); 3] = [
    (CardStatus::Blocked, 6),
    (CardStatus::Suspended, 2),
    (CardStatus::Closed, 1),
];
/// Staff close a journey this long after its first tap, during the ride or after it.
const CLOSE_AFTER_MS: (i64, i64) = (10 * SECOND_MS, 20 * MINUTE_MS);
/// Most of a refund, an adjustment or a write-off, thousands of rupiah.
const CORRECTION_THOUSANDS_MAX: i64 = 15;
/// Channels deliver a top-up again this much later at most.
const REPEATED_TOP_UP_MS: i64 = 10 * MINUTE_MS;

/// What the hub's staff and channels do. Cards are numbers among the [`super::Cards`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A top-up through an online channel; the number makes its reference.
    TopUp {
        /// The card.
        card: u32,
        /// How much.
        amount: Money,
        /// Counts the top-ups.
        number: u32,
    },
    /// A card's status changes.
    Status {
        /// The card.
        card: u32,
        /// Its new status.
        status: CardStatus,
    },
    /// Fare money is given back.
    Refund {
        /// The card.
        card: u32,
        /// How much.
        amount: Money,
    },
    /// A correction either way.
    Adjust {
        /// The card.
        card: u32,
        /// Added when positive, taken when negative.
        amount: Money,
    },
    /// Debt is given up.
    WriteOff {
        /// The card.
        card: u32,
        /// How much.
        amount: Money,
    },
    /// The last journey of a card that the hub knows of, or its exit without entry, is closed; nothing for a card
    /// without any.
    Close {
        /// The card.
        card: u32,
    },
    /// A fare version is published.
    Fares {
        /// Which of the scenario's fare changes.
        change: usize,
    },
}

/// Draws every decision, by time.
pub(super) fn draw(
    scenario: &Scenario,
    trips: &[Trip],
    cards: usize,
    stream: &mut Stream,
) -> Vec<(i64, Decision)> {
    let mut drawn = Draw {
        duration_ms: scenario.duration_s * SECOND_MS,
        cards: cards as u64,
        decisions: Vec::new(),
        stream,
    };
    let table = &scenario.traffic;
    drawn.top_ups(table.top_ups_per_hour, table.repeated_top_up_per_mille.share());
    drawn.statuses(table.blocks_per_hour, table.unblocks_per_hour);
    for _ in 0..drawn.count(table.refunds_per_hour) {
        let (card, amount) = (drawn.card(), drawn.correction());
        drawn.at_any_time(Decision::Refund { card, amount });
    }
    for number in 0..drawn.count(table.adjustments_per_hour) {
        let (card, amount) = (drawn.card(), drawn.correction());
        let amount = if number % 2 == 0 { -amount } else { amount };
        drawn.at_any_time(Decision::Adjust { card, amount });
    }
    for _ in 0..drawn.count(table.write_offs_per_hour) {
        let (card, amount) = (drawn.card(), drawn.correction());
        drawn.at_any_time(Decision::WriteOff { card, amount });
    }
    drawn.closes(table.closes_per_hour, trips);
    let changes = scenario.fare_changes.iter().enumerate();
    drawn.decisions.extend(changes.map(|(index, change)| {
        let published_s = change.at_s.get() - change.lead_s.get();
        (published_s * SECOND_MS, Decision::Fares { change: index })
    }));
    let mut decisions = drawn.decisions;
    decisions.sort_by_key(|(at_ms, _)| *at_ms);
    decisions
}

struct Draw<'stream> {
    duration_ms: i64,
    cards: u64,
    decisions: Vec<(i64, Decision)>,
    stream: &'stream mut Stream,
}

impl Draw<'_> {
    fn count(&self, per_hour: PerHour) -> i64 {
        per_hour.get() * (self.duration_ms / SECOND_MS) / 3_600
    }

    fn card(&mut self) -> u32 {
        u32::try_from(self.stream.below(self.cards)).unwrap_or(0)
    }

    fn correction(&mut self) -> Money {
        Money::rupiah(self.stream.between(1, CORRECTION_THOUSANDS_MAX) * 1_000)
    }

    fn any_time(&mut self) -> i64 {
        self.stream.between(0, self.duration_ms)
    }

    fn at_any_time(&mut self, decision: Decision) {
        let at_ms = self.any_time();
        self.decisions.push((at_ms, decision));
    }

    fn top_ups(&mut self, per_hour: PerHour, repeated_per_mille: u32) {
        for number in 0..self.count(per_hour) {
            let top_up = Decision::TopUp {
                card: self.card(),
                amount: Money::rupiah(self.stream.between(2, 10) * 10_000),
                number: u32::try_from(number).unwrap_or(u32::MAX),
            };
            let at_ms = self.any_time();
            self.decisions.push((at_ms, top_up));
            if self.stream.chance(repeated_per_mille) {
                let again_ms = at_ms + self.stream.between(0, REPEATED_TOP_UP_MS);
                self.decisions.push((again_ms.min(self.duration_ms), top_up));
            }
        }
    }

    /// Cards are made active again some time after they were blocked; without blocks any card is.
    fn statuses(&mut self, blocks: PerHour, unblocks: PerHour) {
        let mut blocked = Vec::new();
        for _ in 0..self.count(blocks) {
            let card = self.card();
            let status = BLOCKS[self.stream.weighted(&BLOCKS.map(|(_, weight)| weight))].0;
            let at_ms = self.any_time();
            self.decisions.push((at_ms, Decision::Status { card, status }));
            blocked.push((at_ms, card));
        }
        for _ in 0..self.count(unblocks) {
            let (from_ms, card) = self.stream.pick(&blocked).copied().unwrap_or_default();
            let card = if blocked.is_empty() { self.card() } else { card };
            let status = CardStatus::Active;
            let at_ms = self.stream.between(from_ms, self.duration_ms);
            self.decisions.push((at_ms, Decision::Status { card, status }));
        }
    }

    /// Staff close what cards that travel do: open journeys, finished ones and exits without entry.
    fn closes(&mut self, per_hour: PerHour, trips: &[Trip]) {
        for _ in 0..self.count(per_hour) {
            let Some(trip) = self.stream.pick(trips).copied() else {
                return;
            };
            if u64::from(trip.card()) >= self.cards {
                continue;
            }
            let after_ms = self.stream.between(CLOSE_AFTER_MS.0, CLOSE_AFTER_MS.1);
            let close = Decision::Close { card: trip.card() };
            let at_ms = (trip.begins_ms() + after_ms).min(self.duration_ms);
            self.decisions.push((at_ms, close));
        }
    }
}
