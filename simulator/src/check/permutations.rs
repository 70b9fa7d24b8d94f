//! Any order, any repetition and any batching of a card's facts gives the same bytes (I1).
//!
//! Would fail if the production fold depended on when a fact came: nodes that hold the same facts would then show
//! different money. Nothing is excused. The facts of the run are shuffled by the run's own randomness.

use sync_protocol::fact::OrderedFact;
use sync_protocol::fare::FareBook;
use sync_protocol::id::CardId;
use sync_protocol::journey::history::{CardHistory, CardProjection};

use super::truth::{Truth, production_fold};
use super::{Check, Violations};
use crate::random::Stream;

/// Cards shuffled at most.
const CARDS_MAX: usize = 500;
/// How often each card's facts are shuffled.
const SHUFFLES: u64 = 2;
/// Facts that come a second time, in thousandths.
const REPEATED_PER_MILLE: u32 = 200;
/// Most facts of a batch.
const BATCH_MAX: u64 = 4;

/// Shuffles the facts of cards and folds them.
#[must_use]
pub fn check(truth: &Truth, seed: u64) -> Check {
    check_fold(truth, seed, fold_batches)
}

/// Holds a fold, given the batches in which facts come, against the facts all at once.
fn check_fold(
    truth: &Truth,
    seed: u64,
    fold: impl Fn(CardId, &FareBook, &[Vec<OrderedFact>]) -> CardProjection,
) -> Check {
    let mut violations = Violations::default();
    let mut stream = Stream::new(seed, "permutations");
    let (mut cards, mut facts) = (0_u64, 0_usize);
    for truth_of in truth.some_cards(CARDS_MAX) {
        cards += 1;
        facts += truth_of.facts.len();
        let expected = production_fold(truth_of.card, &truth_of.facts, truth.fares()).to_bytes();
        for shuffle in 1..=SHUFFLES {
            let batches = shuffled(&truth_of.facts, &mut stream);
            let folded = fold(truth_of.card, truth.fares(), &batches);
            if folded.to_bytes() != expected {
                violations.note(format!(
                    "{}: its {} facts in shuffle {shuffle} make a balance of {} with {} held, in order {} with {}",
                    truth_of.card,
                    truth_of.facts.len(),
                    folded.balance,
                    folded.held,
                    truth_of.projection.balance,
                    truth_of.projection.held
                ));
            }
        }
    }
    violations.into_check(
        "any order of facts gives the same money",
        format!("{cards} cards with {facts} facts, shuffled {SHUFFLES} times with repetitions"),
    )
}

/// The facts in random order and batches, some of them twice.
fn shuffled(facts: &[OrderedFact], stream: &mut Stream) -> Vec<Vec<OrderedFact>> {
    let repeated = facts.iter().filter(|_| stream.chance(REPEATED_PER_MILLE));
    let mut all: Vec<OrderedFact> = repeated.cloned().collect();
    all.extend(facts.iter().cloned());
    for end in (1..all.len()).rev() {
        all.swap(end, place(stream, end as u64 + 1));
    }
    let mut batches = Vec::new();
    while !all.is_empty() {
        let size = (1 + place(stream, BATCH_MAX)).min(all.len());
        batches.push(all.split_off(all.len() - size));
    }
    batches
}

fn place(stream: &mut Stream, below: u64) -> usize {
    usize::try_from(stream.below(below)).unwrap_or(0)
}

fn fold_batches(card: CardId, fares: &FareBook, batches: &[Vec<OrderedFact>]) -> CardProjection {
    let mut history = CardHistory::new(card);
    for batch in batches {
        match batch.as_slice() {
            [fact] => {
                history.insert(fares, fact.clone());
            }
            facts => {
                history.extend(fares, facts.iter().cloned());
            }
        }
    }
    history.projection(fares)
}

#[cfg(test)]
mod tests {
    use sync_protocol::journey::CardState;
    use sync_protocol::journey::Ignore;

    use super::super::sample;
    use super::*;

    #[test]
    fn the_production_fold_passes() {
        let check = check(&sample::truth(), 1);
        assert!(check.passed, "{}", check.detail);
        assert!(check.detail.starts_with("2 cards"), "{}", check.detail);
    }

    #[test]
    fn a_fold_in_the_order_of_arrival_is_noticed() {
        let as_they_come = |card, fares: &FareBook, batches: &[Vec<OrderedFact>]| {
            let mut state = CardState::default();
            for fact in batches.iter().flatten() {
                state.apply(card, fares, &fact.key, &fact.fact, &mut Ignore);
            }
            let view = state.finish(fares, &mut Ignore);
            CardProjection {
                balance: view.balance,
                held: view.held,
                ..fold_batches(card, fares, batches)
            }
        };
        let check = check_fold(&sample::truth(), 1, as_they_come);
        assert!(!check.passed, "{}", check.detail);
        assert!(check.detail.contains("CARD0001"), "{}", check.detail);
    }
}
