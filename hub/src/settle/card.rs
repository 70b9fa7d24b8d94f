//! One card on the settler's desk.
//!
//! In order: the new facts are read from the settled state on. Two multisets of postings are compared, those of what
//! was open before and those of what is stated now; their difference is booked. Out of order: the whole history is
//! folded, and compared with the whole journal of the card.
//!
//! Invariant: either way the journal then says exactly what [`CardHistory::projection`] says (I8).

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::fact::{CardSettled, Fact, OrderedFact};
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, FactId};
use sync_protocol::journey::history::CardHistory;
use sync_protocol::journey::{CardState, Journey};
use sync_protocol::ledger::Posting;
use sync_protocol::mutation::{Mutation, is};

use super::stated::{Stated, count, transitions_of};
use super::{Cards, Cut};
use crate::ledger::{EntryId, FactRow, JournalEntry};
use crate::outbox::{Event, Transition};

/// A card as it stands after the cuts planned so far.
pub(super) struct Desk {
    settled: CardSettled,
    /// What the ledger does not hold as settled yet.
    facts: Vec<OrderedFact>,
    entries: Vec<JournalEntry>,
    announced: BTreeSet<(FactId, Transition)>,
}

/// What a step makes of a card.
struct Step {
    state: CardState,
    /// How often each posting comes, or leaves when negative.
    difference: BTreeMap<Posting, i64>,
    told: BTreeMap<(FactId, Transition), Journey>,
}

/// The settled state of a card of which nothing is settled.
pub(super) fn unknown(card: CardId) -> CardSettled {
    CardSettled {
        card,
        revision: 0,
        state: CardState::default(),
        fare_version: 0,
        facts: 0,
        facts_hash: 0,
    }
}

impl Desk {
    pub(super) fn new(settled: CardSettled) -> Desk {
        Desk {
            settled,
            facts: Vec::new(),
            entries: Vec::new(),
            announced: BTreeSet::new(),
        }
    }

    pub(super) const fn settled(&self) -> &CardSettled {
        &self.settled
    }

    /// The settled state under a new revision, if there is one.
    pub(super) fn restate(&mut self, revision_floor: u64) -> Option<&CardSettled> {
        if self.settled.revision == 0 {
            return None;
        }
        self.settled.revision = (self.settled.revision + 1).max(revision_floor);
        Some(&self.settled)
    }

    /// Settles new facts, sorted by key; `again` folds the history even so. Adds to the cut what is booked and told,
    /// and returns whether the card has a new revision: always with facts, without them only when something changed.
    pub(super) fn settle<C: Cards>(
        &mut self,
        cards: &C,
        fares: &FareBook,
        facts: &[&FactRow],
        again: bool,
        cut: &mut Cut,
    ) -> Result<bool, C::Error> {
        let late = facts
            .first()
            .is_some_and(|row| row.key < self.settled.state.order && !is(Mutation::NoRefold));
        let in_order = if again || late {
            None
        } else {
            self.in_order(cards, fares, facts)?
        };
        let step = match in_order {
            Some(step) => step,
            None => {
                cut.refolds += 1;
                self.refolded(cards, fares, facts)?
            }
        };
        let changed =
            step.state != self.settled.state || !step.difference.is_empty() || !step.told.is_empty();
        if facts.is_empty() && !changed {
            return Ok(false);
        }
        self.settled.fare_version = fares.newest();
        self.settled.revision = (self.settled.revision + 1).max(cards.revision_floor()?);
        self.revise(step, facts, cut);
        Ok(true)
    }

    /// One step from the settled state; `None` when a Close needs the history.
    fn in_order<C: Cards>(
        &self,
        cards: &C,
        fares: &FareBook,
        facts: &[&FactRow],
    ) -> Result<Option<Step>, C::Error> {
        let card = self.settled.card;
        let before = Stated::tail(&self.settled.state, fares);
        let references = self.known_references(cards, facts)?;
        let mut after = Stated::following(&self.settled.state, references);
        let mut state = self.settled.state.clone();
        let again = facts.iter().filter(|_| is(Mutation::SettleTwice));
        for row in facts.iter().chain(again) {
            if is(Mutation::LastWriteWins) {
                state.posted = self.settled.state.posted;
            }
            state.apply(card, fares, &row.key, &row.fact, &mut after);
        }
        if after.asks_history {
            return Ok(None);
        }
        state.finish(fares, &mut after);
        let mut told = after.transitions();
        let known = before.transitions();
        told.retain(|key, _| !known.contains_key(key) || is(Mutation::TellTwice));
        Ok(Some(Step {
            state,
            difference: difference(&before.postings(card), after.postings(card)),
            told,
        }))
    }

    /// Of the references of new top-ups, those that were counted before (T-30).
    fn known_references<C: Cards>(
        &self,
        cards: &C,
        facts: &[&FactRow],
    ) -> Result<BTreeSet<Box<str>>, C::Error> {
        let mut known = BTreeSet::new();
        for row in facts {
            if let Fact::TopUp { reference, .. } = &row.fact
                && (self.has_reference(reference) || cards.has_reference(self.settled.card, reference)?)
            {
                known.insert(reference.as_str().into());
            }
        }
        Ok(known)
    }

    fn has_reference(&self, wanted: &str) -> bool {
        self.facts.iter().any(
            |OrderedFact { fact, .. }| matches!(fact, Fact::TopUp { reference, .. } if reference == wanted),
        )
    }

    /// The whole history folded again, compared with the whole journal.
    fn refolded<C: Cards>(&self, cards: &C, fares: &FareBook, new: &[&FactRow]) -> Result<Step, C::Error> {
        let card = self.settled.card;
        let settled = cards.history(card)?.into_iter().map(|row| OrderedFact {
            key: row.key,
            fact: row.fact,
        });
        let mut facts: Vec<OrderedFact> = settled
            .chain(self.facts.iter().cloned())
            .chain(new.iter().map(|row| ordered(row)))
            .collect();
        facts.sort_unstable_by_key(|fact| fact.key);
        let mut history = CardHistory::new(card);
        history.extend(fares, facts);
        let projection = history.projection(fares);

        let mut booked = cards.booked(card)?;
        for entry in &self.entries {
            *booked.entry(entry.posting).or_insert(0) += if entry.reversal { -1 } else { 1 };
        }
        let mut told = transitions_of(&projection.journeys);
        let announced = cards.announced(card)?;
        told.retain(|key, _| !announced.contains(key) && !self.announced.contains(key));
        Ok(Step {
            state: history.state().clone(),
            difference: difference(&booked, count(projection.postings)),
            told,
        })
    }

    fn revise(&mut self, step: Step, facts: &[&FactRow], cut: &mut Cut) {
        let before = std::mem::replace(&mut self.settled.state, step.state);
        self.tell_of_the_card(&before, facts, cut);
        for row in facts {
            self.settled.facts += 1;
            self.settled.facts_hash = self.settled.facts_hash.wrapping_add(row.hash);
            self.facts.push(ordered(row));
        }
        let entries = entries(self.settled.card, self.settled.revision, &step.difference);
        for entry in entries {
            self.entries.push(entry);
            cut.entries.push(entry);
            cut.events.push(Event::balance(&entry));
        }
        for ((tap, transition), journey) in step.told {
            self.announced.insert((tap, transition));
            cut.events.push(Event::Journey {
                card: self.settled.card,
                revision: self.settled.revision,
                transition,
                journey,
            });
        }
    }

    /// What is told of the card itself: that it was issued (the ledger tells it once, whoever says it again), and
    /// that its status is another one.
    fn tell_of_the_card(&self, before: &CardState, facts: &[&FactRow], cut: &mut Cut) {
        let CardSettled {
            card,
            revision,
            state,
            ..
        } = &self.settled;
        let (card, revision) = (*card, *revision);
        let issuing = facts
            .iter()
            .find(|row| matches!(row.fact, Fact::CardIssued { .. }));
        if let Some(row) = issuing {
            let fact = row.key.id;
            cut.events.push(Event::CardIssued { card, revision, fact });
        }
        if state.status != before.status {
            cut.events.push(Event::StatusChanged {
                card,
                revision,
                status: state.status,
                version: state.status_version,
            });
        }
    }
}

fn ordered(row: &FactRow) -> OrderedFact {
    OrderedFact {
        key: row.key,
        fact: row.fact.clone(),
    }
}

/// How often each posting comes, or leaves when negative; nothing for those that stay.
fn difference(before: &BTreeMap<Posting, i64>, mut after: BTreeMap<Posting, i64>) -> BTreeMap<Posting, i64> {
    for (posting, times) in before {
        *after.entry(*posting).or_insert(0) -= times;
    }
    after.retain(|_, times| *times != 0);
    after
}

/// The lines of a revision: first what leaves, then what comes.
fn entries(card: CardId, revision: u64, difference: &BTreeMap<Posting, i64>) -> Vec<JournalEntry> {
    let lines = |reversal: bool| {
        difference
            .iter()
            .filter(move |(_, times)| (**times < 0) == reversal)
            .flat_map(move |(posting, times)| (0..times.unsigned_abs()).map(move |_| (*posting, reversal)))
    };
    (0_u32..)
        .zip(lines(true).chain(lines(false)))
        .map(|(line, (posting, reversal))| JournalEntry {
            id: EntryId { card, revision, line },
            posting,
            reversal,
        })
        .collect()
}
