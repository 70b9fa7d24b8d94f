//! Taps: decision and commit in one transaction (D-27), several at once when they wait together.

use std::collections::BTreeMap;

use rusqlite::{Transaction, TransactionBehavior};
use sync_protocol::changeset::{Change, Content, Run};
use sync_protocol::decide::{Circumstances, Decision, Presentation};
use sync_protocol::fact::Fact;
use sync_protocol::id::{CardId, FactId, OrderKey, TerminalCode};
use sync_protocol::journey::CardView;
use sync_protocol::money::Money;
use sync_protocol::time::Stamp;

use super::cards::{self, Card, FiledTap};
use super::error::Fault;
use super::{GROUP_TAPS_MAX, Store, StoreError};

/// A decided tap, durable.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What was decided.
    pub decision: Decision,
    /// The tap's fact.
    pub fact: FactId,
    /// Its time.
    pub at: Stamp,
    /// The card after it, as far as this gate knows.
    pub view: CardView,
}

/// One tap and its changeset.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The tap.
    pub decided: Decided,
    /// For the peers.
    pub run: Run,
}

/// Taps of one changeset.
#[derive(Clone, Debug)]
pub struct CommittedGroup {
    /// The taps, in the order they were given.
    pub decided: Vec<Decided>,
    /// For the peers.
    pub run: Run,
}

/// A decided tap on its way into the tables.
struct Step {
    decided: Decided,
    change: Change,
    charged: Option<Money>,
    origin: Option<TerminalCode>,
}

impl Store {
    /// Decides one tap and commits it; when this returns, the tap is durable and the barrier may open.
    ///
    /// The fact is stamped with the tap clock: the presentation's time, or just after the last stamp when the
    /// clock reads earlier than that. `age_ms` is the age of the gate's knowledge
    /// ([`sync_protocol::knowledge::KnowledgeAge`]).
    ///
    /// # Errors
    /// The database failed. Nothing is committed, and the tap may be tried again.
    pub fn tap(&mut self, presentation: &Presentation, age_ms: i64) -> Result<Committed, StoreError> {
        let mut group = self.taps(std::slice::from_ref(presentation), age_ms)?;
        let decided = group
            .decided
            .pop()
            .expect("BUG: a group has as many taps as were given");
        Ok(Committed {
            decided,
            run: group.run,
        })
    }

    /// Decides 1 to [`GROUP_TAPS_MAX`] taps and commits them together. Each decision sees the ones before it.
    ///
    /// # Errors
    /// See [`Store::tap`]; or the group is empty or too large.
    pub fn taps(
        &mut self,
        presentations: &[Presentation],
        age_ms: i64,
    ) -> Result<CommittedGroup, StoreError> {
        let result = self.try_taps(presentations, age_ms);
        self.named(result)
    }

    fn try_taps(&mut self, presentations: &[Presentation], age_ms: i64) -> Result<CommittedGroup, Fault> {
        if presentations.is_empty() || presentations.len() > GROUP_TAPS_MAX {
            return Err(Fault::Group(presentations.len()));
        }
        let gate = self.gate();
        let circumstances = Circumstances {
            gate: &gate,
            policy: &self.policy,
            fares: &self.fares,
            age_ms,
        };
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)?;
        let place = self.writer.place(&self.sites);
        let mut group: BTreeMap<CardId, Card> = BTreeMap::new();
        let mut steps: Vec<Step> = Vec::with_capacity(presentations.len());
        let mut last = self.writer.last;
        for presentation in presentations {
            let card = match group.entry(presentation.card) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(match self.remembered.get(presentation.card) {
                        Some(card) => card.clone(),
                        None => cards::load(
                            &transaction,
                            &self.sites,
                            &self.fares,
                            gate.terminal,
                            presentation.card,
                        )?,
                    })
                }
            };
            last = last.next(presentation.at_ms);
            let key = OrderKey {
                at: last,
                id: place.fact_id(steps.len()),
            };
            let own = (!steps.is_empty()).then_some(last);
            steps.push(step(&circumstances, presentation, card, &key, own));
        }

        let first = self.arrival + 1;
        for (arrival, step) in (first..).zip(&steps) {
            let key = OrderKey {
                at: step.decided.at,
                id: step.decided.fact,
            };
            let filed = FiledTap {
                tap: &step.decided.decision.tap,
                charged: step.charged,
                origin: step.origin,
            };
            cards::file_tap(&transaction, place.site.ordinal, arrival, &key, &filed)?;
        }
        let arrival = self.arrival + steps.len() as i64;
        let at = steps[0].decided.at;
        let (decided, changes): (Vec<_>, Vec<_>) =
            steps.into_iter().map(|step| (step.decided, step.change)).unzip();
        let appended = self
            .writer
            .append(&transaction, place, at, changes, last, arrival)?;
        transaction.commit()?;

        self.writer.last = last;
        self.arrival = arrival;
        self.sites.put(appended.site);
        for (id, card) in group {
            self.remembered.put(id, card);
        }
        self.counters.taps += decided.len() as u64;
        Ok(CommittedGroup {
            decided,
            run: appended.run,
        })
    }
}

/// Decides one tap and folds it onto the card.
fn step(
    circumstances: &Circumstances<'_>,
    presentation: &Presentation,
    card: &mut Card,
    key: &OrderKey,
    own_time: Option<Stamp>,
) -> Step {
    let presentation = Presentation {
        at_ms: key.at.ms,
        ..*presentation
    };
    let decision = circumstances.decide(&presentation, &card.knowledge);
    let before = *card.view();
    card.take(&decision.tap, key, circumstances.fares);
    let view = *card.view();
    let taken = before.balance - view.balance;
    let charged = (taken != decision.tap.quoted.unwrap_or_default()).then_some(taken);
    let open = before
        .open
        .filter(|_| decision.tap.accepted && view.open != before.open);
    Step {
        change: Change {
            at: own_time,
            ..Change::new(&Content::Fact(Fact::Tap(decision.tap)))
        },
        charged,
        origin: open.map(|open| open.entry.terminal),
        decided: Decided {
            decision,
            fact: key.id,
            at: key.at,
            view,
        },
    }
}
