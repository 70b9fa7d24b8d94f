//! The truth about a card at a moment, and what of it no entry committed (domain 4.5, "What the bounds do not
//! cover").

use std::collections::BTreeMap;

use sync_protocol::fact::OrderedFact;
use sync_protocol::id::FactId;
use sync_protocol::journey::JourneyStatus;
use sync_protocol::journey::history::CardProjection;
use sync_protocol::ledger::Rule;
use sync_protocol::money::Money;

use super::Moment;
use super::group::Groups;
use crate::check::reference::{self, Fares};

/// A card at a moment: with everything that was committed anywhere, and with what the hub has settled.
pub(in crate::check) struct Truth {
    /// Balance less hold, with everything.
    pub(in crate::check) available: Money,
    /// Balance less hold, as the hub has settled it.
    pub(in crate::check) settled: Money,
    now: Costs,
    then: Costs,
}

/// What each journey costs within its hold, by its entry; and what is charged besides.
#[derive(Clone, Debug, Default)]
struct Costs {
    entries: BTreeMap<FactId, Money>,
    after_the_fact: Money,
}

impl Truth {
    pub(super) fn of(moment: &Moment<'_>, fares: &Fares) -> Truth {
        let card = moment.decided.decision.tap.card;
        let facts = moment.oracle.facts_of(card);
        let is_covered = |fact: &&OrderedFact| fact.key.id.seq <= moment.hub.covered(fact.key.id.site);
        let covered: Vec<OrderedFact> = facts.iter().filter(is_covered).cloned().collect();
        let (now, then) = (
            reference::fold_with(card, facts, fares),
            reference::fold_with(card, &covered, fares),
        );
        Truth::between(&now, &then)
    }

    /// From what is true now, and what the hub has settled.
    pub(in crate::check) fn between(now: &CardProjection, then: &CardProjection) -> Truth {
        Truth {
            available: now.balance - now.held,
            settled: then.balance - then.held,
            now: Costs::of(now),
            then: Costs::of(then),
        }
    }
}

impl Costs {
    fn of(projection: &CardProjection) -> Costs {
        let mut costs = Costs::default();
        for journey in &projection.journeys {
            let Some(entry) = journey.entry else { continue };
            let cost = match journey.status {
                JourneyStatus::Completed => journey.fare.min(journey.hold),
                JourneyStatus::Active => journey.hold,
                _ => continue,
            };
            costs.entries.insert(entry.tap, cost);
        }
        for posting in &projection.postings {
            let is_after_the_fact = match posting.rule {
                Rule::OverHold | Rule::Unstarted | Rule::Incomplete => true,
                Rule::Adjust => posting.effect_on(projection.card) < Money::ZERO,
                _ => false,
            };
            if is_after_the_fact {
                costs.after_the_fact += posting.amount;
            }
        }
        costs
    }

    fn of_entry(&self, entry: &FactId) -> Money {
        self.entries.get(entry).copied().unwrap_or_default()
    }
}

/// What was charged after the fact since the hub settled: besides journeys, for journeys that the hub has settled at
/// a lower price, and for entries that their own group may have taken for ended, because a tap followed there, while
/// a tap elsewhere makes the journey.
pub(in crate::check) fn excluded(truth: &Truth, groups: &Groups) -> Money {
    let besides = (truth.now.after_the_fact - truth.then.after_the_fact).max(Money::ZERO);
    let uncovered: Vec<FactId> = groups.entries().map(|entry| entry.tap).collect();
    let repriced = truth.now.entries.iter().map(|(entry, cost)| {
        if uncovered.contains(entry) {
            Money::ZERO
        } else {
            (*cost - truth.then.of_entry(entry)).max(Money::ZERO)
        }
    });
    let superseded = groups.entries().filter(|entry| entry.is_superseded);
    let superseded = superseded.map(|entry| truth.now.of_entry(&entry.tap));
    besides + repriced.sum::<Money>() + superseded.sum::<Money>()
}
