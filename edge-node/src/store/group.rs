//! Taps decided one after the other, in memory only. Pure, and shared with the simulator's model of this store.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sync_protocol::changeset::{Change, Content};
use sync_protocol::decide::{CardKnowledge, Circumstances, Presentation};
use sync_protocol::fact::{Direction, Fact, Reason};
use sync_protocol::id::{CardId, FactId, OrderKey};
use sync_protocol::money::Money;
use sync_protocol::time::Stamp;

use super::card::{Card, FiledTap};
use super::taps::{Decided, Unrecorded};

/// Decided taps on their way into the journal.
#[derive(Debug)]
pub struct Group {
    /// What was decided, in order.
    pub decided: Vec<Decided>,
    /// The same as changes of one changeset.
    pub changes: Vec<Change>,
    /// The same as what goes into the tables.
    pub filed: Vec<(OrderKey, FiledTap)>,
    /// The cards after them.
    pub cards: BTreeMap<CardId, Card>,
    /// Time of the last one.
    pub last: Stamp,
}

impl Group {
    /// Decides taps one after the other: each sees the ones before it. `last` is the last stamp given, `fact_id`
    /// names the tap at a place, and `known` reads a card.
    ///
    /// # Errors
    /// A card cannot be read.
    pub fn decide<E>(
        circumstances: &Circumstances<'_>,
        presentations: &[Presentation],
        last: Stamp,
        fact_id: impl Fn(usize) -> FactId,
        mut known: impl FnMut(CardId) -> Result<Card, E>,
    ) -> Result<Group, E> {
        let mut group = Group {
            decided: Vec::with_capacity(presentations.len()),
            changes: Vec::with_capacity(presentations.len()),
            filed: Vec::with_capacity(presentations.len()),
            cards: BTreeMap::new(),
            last,
        };
        for presentation in presentations {
            let card = match group.cards.entry(presentation.card) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(known(presentation.card)?),
            };
            let first = group.decided.is_empty();
            group.last = group.last.next(presentation.at_ms);
            let key = OrderKey {
                at: group.last,
                id: fact_id(group.decided.len()),
            };
            let presentation = Presentation {
                at_ms: key.at.ms,
                ..*presentation
            };
            let decision = circumstances.decide(&presentation, card.knowledge());
            let before = *card.view();
            let filed = card.take_own(&decision.tap, &key, circumstances.fares);
            group.changes.push(Change {
                at: (!first).then_some(key.at),
                ..Change::new(&Content::Fact(Fact::Tap(decision.tap)))
            });
            group.filed.push((key, filed));
            group.decided.push(Decided {
                decision,
                fact: key.id,
                at: key.at,
                before,
                view: *card.view(),
            });
        }
        Ok(group)
    }
}

impl Unrecorded {
    /// What a gate does that cannot record a tap: see [`super::Store::decide_only`].
    #[must_use]
    pub fn decide(
        circumstances: &Circumstances<'_>,
        presentation: &Presentation,
        knowledge: &CardKnowledge,
    ) -> Unrecorded {
        let mut decision = circumstances.decide(presentation, knowledge);
        let tap = &mut decision.tap;
        if tap.accepted && tap.direction == Direction::Entry && tap.reason != Reason::FreeFlow {
            (tap.accepted, tap.reason, tap.hold) = (false, Reason::GateClosed, Money::ZERO);
        }
        Unrecorded {
            decision,
            view: knowledge.view,
        }
    }
}
