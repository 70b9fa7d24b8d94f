//! What a step of the fold states: the postings and transitions of the journeys it ends or leaves open.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, FactId};
use sync_protocol::journey::{CardState, Finished, Journey, JourneyStatus, Sink, UnstartedExit};
use sync_protocol::ledger::Posting;
use sync_protocol::money::Money;

use crate::outbox::{Transition, first_tap, transitions};

/// Collects what the fold states from one settled state to the next.
#[derive(Default)]
pub(super) struct Stated {
    journeys: Vec<Journey>,
    money: Vec<Posting>,
    /// Exits that waited for a price before the step.
    waiting: Vec<UnstartedExit>,
    /// References of top-ups that were counted before the step.
    references: BTreeSet<Box<str>>,
    /// A Close named what only the history knows: a journey that had come to its end before, or a tap beyond the
    /// room of the state.
    pub(super) asks_history: bool,
}

impl Stated {
    /// What `state` leaves open: the part of a projection that the next fact in order may still change.
    pub(super) fn tail(state: &CardState, fares: &FareBook) -> Stated {
        let mut tail = Stated::default();
        state.finish(fares, &mut tail);
        tail
    }

    /// A sink for the facts that follow `state`.
    pub(super) fn following(state: &CardState, references: BTreeSet<Box<str>>) -> Stated {
        Stated {
            waiting: state.unstarted.clone(),
            references,
            ..Stated::default()
        }
    }

    /// The postings stated, in order.
    pub(super) fn postings(&self, card: CardId) -> BTreeMap<Posting, i64> {
        let journeys = self.journeys.iter().flat_map(|journey| journey.postings(card));
        count(self.money.iter().copied().chain(journeys))
    }

    /// The transitions stated, but for those of exits that waited before the step: they were told then.
    pub(super) fn transitions(&self) -> BTreeMap<(FactId, Transition), Journey> {
        let mut stated = transitions_of(&self.journeys);
        for UnstartedExit(exit) in &self.waiting {
            stated.remove(&(exit.tap, Transition::Unstarted));
        }
        stated
    }
}

impl Sink for Stated {
    fn journey(&mut self, journey: Journey) {
        self.journeys.push(journey);
    }

    fn money(&mut self, posting: Posting) {
        self.money.push(posting);
    }

    fn price_unstarted(&mut self, exit: FactId, fare: Money) {
        let is_exit = |journey: &&mut Journey| first_tap(journey) == exit;
        if let Some(journey) = self.journeys.iter_mut().rev().find(is_exit) {
            (journey.fare, journey.closed) = (fare, true);
            return;
        }
        let waited = self
            .waiting
            .iter()
            .find(|UnstartedExit(endpoint)| endpoint.tap == exit);
        match waited {
            Some(UnstartedExit(endpoint)) => self.journeys.push(Journey {
                entry: None,
                exit: Some(*endpoint),
                status: JourneyStatus::Unstarted,
                fare,
                hold: Money::ZERO,
                closed: true,
            }),
            None => self.asks_history = true,
        }
    }

    fn close_finished(&mut self, _tap: FactId) -> Finished {
        self.asks_history = true;
        Finished::Priced
    }

    fn take_close(&mut self, _tap: FactId) -> bool {
        self.asks_history = true;
        false
    }

    fn first_reference(&mut self, reference: &str) -> bool {
        self.references.insert(reference.into())
    }
}

/// Postings as a multiset.
pub(super) fn count(postings: impl IntoIterator<Item = Posting>) -> BTreeMap<Posting, i64> {
    let mut counted = BTreeMap::new();
    for posting in postings {
        *counted.entry(posting).or_insert(0) += 1;
    }
    counted
}

/// The transitions that journeys have gone through.
pub(super) fn transitions_of(journeys: &[Journey]) -> BTreeMap<(FactId, Transition), Journey> {
    let each = |journey: &Journey| {
        let journey = *journey;
        transitions(&journey).map(move |transition| ((first_tap(&journey), transition), journey))
    };
    journeys.iter().flat_map(each).collect()
}
