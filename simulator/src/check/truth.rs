//! What everybody ought to show: the facts that count, of every card that is looked at, and the independent fold of
//! them. Worked out once at the end of a run, for all the checks of money.

use sync_protocol::fact::{Fact, OrderedFact};
use sync_protocol::fare::FareBook;
use sync_protocol::id::CardId;
use sync_protocol::journey::history::{CardHistory, CardProjection};

use super::reference::{self, Fares};
use crate::oracle::Oracle;

/// Most cards that are folded anew at the end of a run; of more, every so manieth is looked at.
pub const CARDS_MAX: usize = 20_000;

/// One card.
#[derive(Clone, Debug)]
pub struct CardTruth {
    /// The card.
    pub card: CardId,
    /// Its facts that count, as they came.
    pub facts: Vec<OrderedFact>,
    /// What the independent fold makes of them.
    pub projection: CardProjection,
}

/// The cards that are looked at, and the fares that price them.
pub struct Truth {
    cards: Vec<CardTruth>,
    fares: FareBook,
    of: usize,
}

impl Truth {
    /// Folds what was committed anywhere.
    #[must_use]
    pub fn new(oracle: &Oracle) -> Truth {
        let of = oracle.cards().count();
        let stride = of.div_ceil(CARDS_MAX).max(1);
        let cards = oracle.cards().step_by(stride);
        Truth::of(
            cards.map(|card| (card, oracle.facts_of(card))),
            of,
            oracle.fare_versions(),
        )
    }

    /// Folds the facts of these cards, which are some among `of`.
    pub fn of(
        cards: impl Iterator<Item = (CardId, Vec<OrderedFact>)>,
        of: usize,
        fare_versions: &[OrderedFact],
    ) -> Truth {
        let fares = Fares::new(fare_versions);
        let fold = |(card, facts): (CardId, Vec<OrderedFact>)| CardTruth {
            card,
            projection: reference::fold_with(card, &facts, &fares),
            facts,
        };
        Truth {
            cards: cards.map(fold).collect(),
            fares: fare_book(fare_versions),
            of,
        }
    }

    /// The cards that are looked at, ascending.
    #[must_use]
    pub fn cards(&self) -> &[CardTruth] {
        &self.cards
    }

    /// At most `cards_max` of them, spread evenly: for checks that fold a card many times.
    pub fn some_cards(&self, cards_max: usize) -> impl Iterator<Item = &CardTruth> {
        self.cards
            .iter()
            .step_by(self.cards.len().div_ceil(cards_max).max(1))
    }

    /// The fare versions as the production fold reads them.
    #[must_use]
    pub const fn fares(&self) -> &FareBook {
        &self.fares
    }

    /// How many cards are looked at, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let (looked, of) = (self.cards.len(), self.of);
        if looked == of {
            format!("{of} cards")
        } else {
            format!("{looked} of {of} cards, spread evenly,")
        }
    }
}

/// What the production fold makes of facts that come all at once.
#[must_use]
pub fn production_fold(card: CardId, facts: &[OrderedFact], fares: &FareBook) -> CardProjection {
    let mut history = CardHistory::new(card);
    history.extend(fares, facts.iter().cloned());
    history.projection(fares)
}

/// The fare versions in the order of the fold: of two with one number the first counts.
fn fare_book(fare_versions: &[OrderedFact]) -> FareBook {
    let mut book = FareBook::default();
    for fact in reference::in_order(fare_versions.iter()) {
        if let Fact::FareVersion(version) = &fact.fact {
            book.insert(version.clone());
        }
    }
    book
}
