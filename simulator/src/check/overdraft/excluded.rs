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
            reference::fold_with(card, &facts, fares),
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

#[cfg(test)]
mod tests {
    use sync_protocol::fact::{Direction, Fact};
    use sync_protocol::time::{HOUR_MS, MINUTE_MS};

    use super::super::group::Entry;
    use super::*;
    use crate::check::sample::{self, GATES};

    /// The card has paid in 50,000 and travelled for 5,000; its second entry at A, with 12,000 held, is uncovered.
    fn truth_after(more: &[OrderedFact]) -> (Truth, Groups) {
        let card = sample::card(1);
        let facts = sample::facts_of(card, 1);
        let fares = Fares::new(&[sample::fares()]);
        let mut groups = Groups::default();
        let entry = Entry {
            tap: facts[4].key.id,
            terminal: sample::terminal("A"),
            hold: Money::rupiah(12_000),
            limit: Money::rupiah(24_000),
            is_superseded: false,
        };
        groups.add(entry, |_| true);
        let fold = |facts: &[OrderedFact]| reference::fold_with(card, facts, &fares);
        let now = [&facts[..], more].concat();
        (Truth::between(&fold(&now), &fold(&facts[..4])), groups)
    }

    fn tap(seq: u64, after_ms: i64, direction: Direction, terminal: &str, hold: i64) -> OrderedFact {
        let mut tap = sample::tap(sample::card(1), direction, sample::terminal(terminal));
        tap.hold = Money::rupiah(hold);
        sample::fact(GATES[1], seq, 2 * HOUR_MS + after_ms, Fact::Tap(tap))
    }

    #[test]
    fn a_hold_is_what_the_entry_committed_and_nothing_is_apart() {
        let (truth, groups) = truth_after(&[]);
        assert_eq!(truth.settled, Money::rupiah(45_000));
        assert_eq!(truth.available, Money::rupiah(33_000));
        assert_eq!(excluded(&truth, &groups), Money::ZERO);
    }

    #[test]
    fn a_fare_above_its_hold_and_an_incomplete_charge_are_apart() {
        // In at B with 1,000 held makes the journey from A incomplete: 5,000. Out at A costs 12,000, 11,000 above.
        let more = [
            tap(20, 30 * MINUTE_MS, Direction::Entry, "B", 1_000),
            tap(21, 60 * MINUTE_MS, Direction::Exit, "A", 0),
        ];
        let (truth, groups) = truth_after(&more);
        assert_eq!(truth.available, Money::rupiah(45_000 - 5_000 - 12_000));
        // The 1,000 within the hold are of an entry that no group is known to have let in.
        assert_eq!(excluded(&truth, &groups), Money::rupiah(5_000 + 11_000 + 1_000));
    }

    #[test]
    fn a_journey_that_its_group_may_take_for_ended_is_apart() {
        let (truth, mut groups) = truth_after(&[tap(20, 30 * MINUTE_MS, Direction::Exit, "B", 0)]);
        assert_eq!(excluded(&truth, &groups), Money::ZERO);
        groups.supersede(sample::terminal("A"));
        assert_eq!(excluded(&truth, &groups), Money::rupiah(5_000));
    }
}
