//! No money depends on a clock other than that of the gate that signed the tap (I10).
//!
//! Two things are looked at. First, the hub's clock prices nothing: with all facts of the hub stamped earlier or
//! later, alike, the production fold makes the same postings and journeys. What a fare version says about its own
//! beginning is content, not a clock. Second, a tap's stamp is the reading of its gate's own wall clock at that
//! moment, or follows the gate's own last stamp, or what its own heartbeat declared, when the clock reads earlier: no
//! frame that a gate ever heard moves its stamps. Nothing is excused; wrong clocks are wrong for their own taps only.

use std::collections::BTreeMap;

use sync_protocol::fact::OrderedFact;
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, NodeId};
use sync_protocol::journey::Journey;
use sync_protocol::journey::history::CardProjection;
use sync_protocol::ledger::Posting;
use sync_protocol::money::Money;
use sync_protocol::time::{DAY_MS, Stamp};

use super::truth::{Truth, production_fold};
use super::{Check, Violations, second};

/// Cards looked at, at most.
const CARDS_MAX: usize = 500;
/// How far the hub's clock is put off, milliseconds.
const SHIFTS_MS: [i64; 3] = [-400 * DAY_MS, -3 * DAY_MS, 3 * DAY_MS];

/// A tap with its stamp, and what its gate's clock read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// Which gate.
    pub gate: NodeId,
    /// The card.
    pub card: CardId,
    /// When, milliseconds after the start.
    pub at_ms: i64,
    /// What the gate's own wall clock read then, milliseconds since 1970.
    pub wall_ms: i64,
    /// The stamp it gave.
    pub stamp: Stamp,
}

/// Shifts the hub's clock, and adds what the stamps showed.
#[must_use]
pub fn check(truth: &Truth, stamps: &Stamps) -> Check {
    check_fold(truth, stamps, production_fold)
}

fn check_fold(
    truth: &Truth,
    stamps: &Stamps,
    fold: impl Fn(CardId, &[OrderedFact], &FareBook) -> CardProjection,
) -> Check {
    let mut violations = stamps.violations.clone();
    let mut cards = 0_u64;
    for truth_of in truth.some_cards(CARDS_MAX) {
        cards += 1;
        let expected = money(fold(truth_of.card, &truth_of.facts, truth.fares()));
        for shift_ms in SHIFTS_MS {
            let shifted = with_hub_shifted(&truth_of.facts, shift_ms);
            let folded = money(fold(truth_of.card, &shifted, truth.fares()));
            if folded != expected {
                let (was, is) = (expected.0, folded.0);
                violations.note(format!(
                    "{}: with the hub's clock {shift_ms} ms off its balance is {is}, not {was}, or its postings differ",
                    truth_of.card
                ));
            }
        }
    }
    let stamps = stamps.count;
    violations.into_check(
        "no money by another node's clock",
        format!(
            "{cards} cards with the hub's clock put off; {stamps} taps stamped by their own gate's clock"
        ),
    )
}

/// Balance, postings and what journeys cost. Flags of the card's status do depend on the order with the hub's facts,
/// and move no money (domain 4.8, point 13).
fn money(projection: CardProjection) -> (Money, Money, Vec<Posting>, Vec<Journey>) {
    (
        projection.balance,
        projection.held,
        projection.postings,
        projection.journeys,
    )
}

fn with_hub_shifted(facts: &[OrderedFact], shift_ms: i64) -> Vec<OrderedFact> {
    let mut facts = facts.to_vec();
    for fact in facts.iter_mut().filter(|fact| fact.fact.is_hub_only()) {
        fact.key.at.ms += shift_ms;
    }
    facts
}

/// The taps' stamps, looked at as they are given.
#[derive(Debug, Default)]
pub struct Stamps {
    count: u64,
    latest: BTreeMap<NodeId, i64>,
    violations: Violations,
}

impl Stamps {
    /// Notes a stamp that neither the gate's own clock nor its own earlier stamps explain.
    pub fn note(&mut self, tap: Stamped) {
        self.count += 1;
        let own_latest_ms = self.latest.entry(tap.gate).or_insert(i64::MIN);
        // A gate that started from an older disk knows an earlier last stamp, never a later one.
        let by_clock = tap.stamp.ms == tap.wall_ms;
        let by_last = tap.stamp.ms > tap.wall_ms && tap.stamp.ms <= own_latest_ms.saturating_add(1);
        if !by_clock && !by_last {
            self.violations.note(format!(
                "the tap of {} at {} ({}) is stamped {} while its clock read {}",
                tap.card,
                tap.gate,
                second(tap.at_ms),
                tap.stamp.ms,
                tap.wall_ms
            ));
        }
        *own_latest_ms = tap.stamp.ms.max(*own_latest_ms);
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::fact::Fact;

    use super::super::sample;
    use super::*;

    fn stamps(taps: &[(i64, i64, i64)]) -> Stamps {
        let mut stamps = Stamps::default();
        for (at_ms, wall_ms, stamp_ms) in taps {
            stamps.note(Stamped {
                gate: NodeId(1),
                card: sample::card(1),
                at_ms: *at_ms,
                wall_ms: *wall_ms,
                stamp: Stamp::at_ms(*stamp_ms),
            });
        }
        stamps
    }

    #[test]
    fn the_production_fold_and_a_clock_set_back_pass() {
        let stamps = stamps(&[(0, 100, 100), (1, 40, 100), (2, 101, 101)]);
        let check = check(&sample::truth(), &stamps);
        assert!(check.passed, "{}", check.detail);
        assert!(check.detail.ends_with("3 taps stamped by their own gate's clock"));
    }

    #[test]
    fn a_stamp_that_a_peer_dragged_along_is_noticed() {
        let stamps = stamps(&[(0, 100, 100), (1_000, 1_100, 60_000)]);
        let check = check(&sample::truth(), &stamps);
        assert!(
            !check.passed && check.detail.contains("gate 1 (second 1"),
            "{}",
            check.detail
        );
    }

    #[test]
    fn a_price_by_the_hubs_clock_is_noticed() {
        let by_hub = |card, facts: &[OrderedFact], fares: &FareBook| {
            let mut projection = production_fold(card, facts, fares);
            let paid_in = facts.iter().find(|fact| matches!(fact.fact, Fact::TopUp { .. }));
            if paid_in.is_some_and(|fact| fact.key.at.ms > DAY_MS) {
                projection.balance -= Money::rupiah(1);
            }
            projection
        };
        let check = check_fold(&sample::truth(), &Stamps::default(), by_hub);
        assert!(
            !check.passed && check.detail.contains("CARD0002"),
            "{}",
            check.detail
        );
    }
}
