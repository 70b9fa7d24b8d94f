//! A card's whole history: every fact, and everything the fold states about them.
//!
//! A fact in order costs one transition; one out of order is put in its place and the card is folded again. Either
//! way the result is the same, byte for byte (I1).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{CardState, CardView, Finished, Flag, Journey, JourneyStatus, Sink};
use crate::codec;
use crate::fact::{CardStatus, OrderedFact};
use crate::fare::FareBook;
use crate::id::{CardId, FactId};
use crate::ledger::Posting;
use crate::money::Money;
use crate::mutation::{Mutation, is};

/// Journeys that are looked through before the index is asked: a Close mostly names one of the last.
const NEWEST_JOURNEYS: usize = 8;

/// What became of a fact offered to a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It was there already.
    Duplicate,
    /// It came after all others.
    InOrder,
    /// It came late, and the card was folded again.
    Refolded,
}

/// What the fold stated, in the order of reading.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Journeys that came to their end.
    pub journeys: Vec<Journey>,
    /// Flags, without those that follow from a journey or the balance.
    pub flags: Vec<(Flag, FactId)>,
    /// Money that moved without a journey.
    pub money: Vec<Posting>,
    references: BTreeSet<Box<str>>,
    /// Closes of taps not seen yet that the state has no room for.
    kept_closes: BTreeSet<FactId>,
    /// Places of journeys by their taps, for the first `indexed` journeys: made when a Close asks for an old one.
    places: BTreeMap<FactId, usize>,
    indexed: usize,
    /// How often a Close changed a journey that had come to its end.
    late_closes: u64,
}

impl Record {
    /// The journey with a tap: among the newest by looking, among older ones by the index.
    fn find(&mut self, tap: FactId) -> Option<&mut Journey> {
        let newest = self.journeys.len().saturating_sub(NEWEST_JOURNEYS);
        let recent = self
            .journeys
            .iter()
            .skip(newest)
            .rposition(|journey| has(journey, tap));
        let place = match recent {
            Some(place) => newest + place,
            None => {
                for (place, journey) in self.journeys.iter().enumerate().skip(self.indexed) {
                    self.places.extend(taps(journey).map(|tap| (tap, place)));
                }
                self.indexed = self.journeys.len();
                *self.places.get(&tap)?
            }
        };
        self.journeys.get_mut(place)
    }
}

fn taps(journey: &Journey) -> impl Iterator<Item = FactId> + use<> {
    [journey.entry, journey.exit]
        .into_iter()
        .flatten()
        .map(|endpoint| endpoint.tap)
}

fn has(journey: &Journey, wanted: FactId) -> bool {
    taps(journey).any(|tap| tap == wanted)
}

impl Sink for Record {
    fn journey(&mut self, journey: Journey) {
        self.journeys.push(journey);
    }

    fn flag(&mut self, flag: Flag, tap: FactId) {
        self.flags.push((flag, tap));
    }

    fn money(&mut self, posting: Posting) {
        self.money.push(posting);
    }

    fn price_unstarted(&mut self, exit: FactId, fare: Money) {
        if let Some(journey) = self.find(exit) {
            (journey.fare, journey.closed) = (fare, true);
            self.late_closes += 1;
        }
    }

    fn close_finished(&mut self, tap: FactId) -> Finished {
        let Some(journey) = self.find(tap) else {
            return Finished::Unknown;
        };
        if journey.closed {
            return Finished::Priced;
        }
        match (journey.entry, journey.exit) {
            (None, Some(exit)) => return Finished::Unpriced(exit),
            // An exit that completed a journey is not closed by its own name; only its entry is (point 9).
            (Some(entry), _) if entry.tap == tap => {
                journey.closed = true;
                if is(Mutation::CloseReprices) {
                    journey.fare = Money::ZERO;
                }
                self.late_closes += 1;
            }
            _ => {}
        }
        Finished::Priced
    }

    fn keep_close(&mut self, tap: FactId) -> bool {
        self.kept_closes.insert(tap)
    }

    fn take_close(&mut self, tap: FactId) -> bool {
        self.kept_closes.remove(&tap)
    }

    fn first_reference(&mut self, reference: &str) -> bool {
        self.references.insert(reference.into())
    }
}

/// Every fact of one card, in order, and the fold of them.
#[derive(Clone, Debug)]
pub struct CardHistory {
    card: CardId,
    facts: Vec<OrderedFact>,
    state: CardState,
    record: Record,
    refolds: u64,
}

/// Up to where a history's postings cannot change by facts in order, except by a Close of something old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    journeys: usize,
    money: usize,
    late_closes: u64,
    refolds: u64,
}

impl CardHistory {
    /// The history of a card of which nothing is known.
    #[must_use]
    pub fn new(card: CardId) -> CardHistory {
        CardHistory {
            card,
            facts: Vec::new(),
            state: CardState::default(),
            record: Record::default(),
            refolds: 0,
        }
    }

    /// The card.
    #[must_use]
    pub const fn card(&self) -> CardId {
        self.card
    }

    /// The facts, in order.
    #[must_use]
    pub fn facts(&self) -> &[OrderedFact] {
        &self.facts
    }

    /// The fold's state after the last of them.
    #[must_use]
    pub const fn state(&self) -> &CardState {
        &self.state
    }

    /// Adds one fact of this card.
    pub fn insert(&mut self, fares: &FareBook, fact: OrderedFact) -> Inserted {
        match self.place(fact) {
            Some(place) if place + 1 == self.facts.len() => {
                self.read_from(fares, place);
                Inserted::InOrder
            }
            Some(_) => {
                self.refold(fares);
                Inserted::Refolded
            }
            None => Inserted::Duplicate,
        }
    }

    /// Adds many facts of this card, folding again at most once. Returns how many were new.
    pub fn extend(&mut self, fares: &FareBook, facts: impl IntoIterator<Item = OrderedFact>) -> usize {
        let before = self.facts.len();
        let last = self.facts.last().map(|fact| fact.key);
        self.facts.extend(facts);
        // Stable: of a fact that comes again the one held stays. Sorted stretches cost one pass.
        self.facts.sort_by_key(|fact| fact.key);
        if !is(Mutation::FoldDuplicates) {
            self.facts.dedup_by_key(|fact| fact.key);
        }
        let new = self.facts.len() - before;
        let in_order = before == 0 || self.facts.get(before - 1).map(|fact| fact.key) == last;
        if in_order {
            self.read_from(fares, before);
        } else {
            self.refold(fares);
        }
        new
    }

    /// Folds all facts again: after a late fact, or when a fare version came that older journeys fall under.
    pub fn refold(&mut self, fares: &FareBook) {
        self.refolds += 1;
        self.state = CardState::default();
        self.record = Record::default();
        self.read_from(fares, 0);
    }

    fn place(&mut self, fact: OrderedFact) -> Option<usize> {
        if self.facts.last().is_none_or(|last| last.key < fact.key) {
            self.facts.push(fact);
            return Some(self.facts.len() - 1);
        }
        let place = self.facts.binary_search_by(|known| known.key.cmp(&fact.key));
        let place = match place {
            Ok(same) if is(Mutation::FoldDuplicates) => same,
            place => place.err()?,
        };
        self.facts.insert(place, fact);
        Some(place)
    }

    fn read_from(&mut self, fares: &FareBook, first: usize) {
        for OrderedFact { key, fact } in &self.facts[first..] {
            self.state.apply(self.card, fares, key, fact, &mut self.record);
        }
    }

    /// The card as it stands.
    #[must_use]
    pub fn view(&self, fares: &FareBook) -> CardView {
        self.state.finish(fares, &mut super::Ignore)
    }

    /// Everything the facts say about the card, in canonical order.
    #[must_use]
    pub fn projection(&self, fares: &FareBook) -> CardProjection {
        let mut tail = Record::default();
        let view = self.state.finish(fares, &mut tail);
        let mut journeys: Vec<Journey> = self
            .record
            .journeys
            .iter()
            .chain(&tail.journeys)
            .copied()
            .collect();
        let mut flags: Vec<(Flag, FactId)> = self.record.flags.iter().chain(&tail.flags).copied().collect();
        flags.extend(journeys.iter().filter_map(Journey::late_capture));
        let mut postings = self.record.money.clone();
        postings.extend(journeys.iter().flat_map(|journey| journey.postings(self.card)));
        journeys.sort_unstable();
        flags.sort_unstable();
        postings.sort_unstable();
        CardProjection {
            card: self.card,
            balance: view.balance,
            held: view.held,
            status: view.status,
            journeys,
            flags,
            postings,
        }
    }

    /// Where the history stands now.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            journeys: self.record.journeys.len(),
            money: self.record.money.len(),
            late_closes: self.record.late_closes,
            refolds: self.refolds,
        }
    }

    /// The postings stated since `mark`, those of what is still open included. `None` when something before the
    /// mark changed, and the whole projection has to be compared.
    #[must_use]
    pub fn postings_since(&self, fares: &FareBook, mark: &Mark) -> Option<Vec<Posting>> {
        if mark.refolds != self.refolds || mark.late_closes != self.record.late_closes {
            return None;
        }
        let mut tail = Record::default();
        self.state.finish(fares, &mut tail);
        let mut postings = self.record.money.get(mark.money..)?.to_vec();
        let journeys = self
            .record
            .journeys
            .get(mark.journeys..)?
            .iter()
            .chain(&tail.journeys);
        postings.extend(journeys.flat_map(|journey| journey.postings(self.card)));
        Some(postings)
    }
}

/// What facts make of a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardProjection {
    /// The card.
    pub card: CardId,
    /// Credits minus debits of its account.
    pub balance: Money,
    /// The hold of the journey under way.
    pub held: Money,
    /// The card's status.
    pub status: CardStatus,
    /// All journeys.
    pub journeys: Vec<Journey>,
    /// All flags about taps.
    pub flags: Vec<(Flag, FactId)>,
    /// All postings.
    pub postings: Vec<Posting>,
}

impl CardProjection {
    /// The canonical bytes: equal facts give equal bytes (I1).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Whether the card owes money: the flag DEBT, which names no fact (point 12).
    #[must_use]
    pub fn in_debt(&self) -> bool {
        self.balance < Money::ZERO
    }

    /// How many journeys stand so.
    #[must_use]
    pub fn count(&self, status: JourneyStatus) -> usize {
        self.journeys
            .iter()
            .filter(|journey| journey.status == status)
            .count()
    }
}
