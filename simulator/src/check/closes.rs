//! A completed journey costs the same with or without a Close (I4, T-18, T-19).
//!
//! Would fail if closing a journey that was completed after all, or is completed later, moved money. Every completed
//! journey that is looked at gets a Close of its entry, and of its exit, before and after it. Nothing is excused.

use sync_protocol::fact::{Fact, OrderedFact};
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, FactId, OrderKey, Seq, SiteId};
use sync_protocol::journey::history::CardProjection;
use sync_protocol::journey::{Journey, JourneyStatus};
use sync_protocol::money::Money;
use sync_protocol::time::{HOUR_MS, Stamp};

use super::truth::{CardTruth, Truth, production_fold};
use super::{Check, Violations};

/// Cards looked at, at most.
const CARDS_MAX: usize = 300;
/// Journeys of one card looked at, at most.
const JOURNEYS_MAX: usize = 3;
/// When a Close is stamped, from the exit on.
const CLOSED_AFTER_MS: [i64; 2] = [-30 * HOUR_MS, 30 * HOUR_MS];

/// Closes completed journeys and folds again.
#[must_use]
pub fn check(truth: &Truth) -> Check {
    check_fold(truth, production_fold)
}

fn check_fold(truth: &Truth, fold: impl Fn(CardId, &[OrderedFact], &FareBook) -> CardProjection) -> Check {
    let mut violations = Violations::default();
    let mut journeys = 0_u64;
    for truth_of in truth.some_cards(CARDS_MAX) {
        let completed = truth_of.projection.journeys.iter();
        let completed = completed.filter(|journey| journey.status == JourneyStatus::Completed);
        for journey in completed.take(JOURNEYS_MAX) {
            journeys += 1;
            for (tap, after_ms) in closes(journey) {
                let with_close = with_close(truth_of, journey, tap, after_ms);
                let closed = fold(truth_of.card, &with_close, truth.fares());
                if cost(&closed, journey) != Some(journey.fare)
                    || closed.balance != truth_of.projection.balance
                {
                    violations.note(format!(
                        "{}: its journey costs {} and leaves {}; with a Close {after_ms} ms after its exit {:?} and {}",
                        truth_of.card,
                        journey.fare,
                        truth_of.projection.balance,
                        cost(&closed, journey),
                        closed.balance
                    ));
                }
            }
        }
    }
    violations.into_check(
        "a journey costs the same with or without a Close",
        format!("{journeys} completed journeys, each closed in four ways"),
    )
}

/// What is closed and when: both taps, early and late.
fn closes(journey: &Journey) -> impl Iterator<Item = (FactId, i64)> + use<> {
    let taps = [journey.entry, journey.exit].into_iter().flatten();
    taps.flat_map(|tap| CLOSED_AFTER_MS.map(|after_ms| (tap.tap, after_ms)))
}

fn with_close(truth: &CardTruth, journey: &Journey, tap: FactId, after_ms: i64) -> Vec<OrderedFact> {
    let site = SiteId::default();
    let at_ms = journey.exit.map_or(0, |exit| exit.at_ms) + after_ms;
    let (card, seq, index) = (truth.card, Seq(1), 0);
    let close = OrderedFact {
        key: OrderKey {
            at: Stamp::at_ms(at_ms),
            id: FactId { site, seq, index },
        },
        fact: Fact::Close { card, tap },
    };
    let mut facts = truth.facts.clone();
    facts.push(close);
    facts
}

/// What the journey with the same taps costs.
fn cost(projection: &CardProjection, journey: &Journey) -> Option<Money> {
    let mut same = projection
        .journeys
        .iter()
        .filter(|other| (other.entry, other.exit) == (journey.entry, journey.exit));
    same.next().map(|other| other.fare)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_production_fold_passes() {
        let check = check(&sample::truth());
        assert!(check.passed, "{}", check.detail);
        assert!(check.detail.starts_with("2 completed"), "{}", check.detail);
    }

    #[test]
    fn a_close_that_frees_the_passenger_is_noticed() {
        let forgiving = |card, facts: &[OrderedFact], fares: &FareBook| {
            let mut projection = production_fold(card, facts, fares);
            for journey in projection.journeys.iter_mut().filter(|journey| journey.closed) {
                projection.balance += journey.fare;
                journey.fare = Money::ZERO;
            }
            projection
        };
        let check = check_fold(&sample::truth(), forgiving);
        assert!(
            !check.passed && check.detail.contains("CARD0001"),
            "{}",
            check.detail
        );
    }
}
