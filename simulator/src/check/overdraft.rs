//! Overdraft stays within the bound of domain 4.5 (I5).
//!
//! What entries may commit is bounded per group of gates that hear each other: a group lets a card spend at most
//! min(A, S) beyond what the hub's settled states cover, and F more while its knowledge is older than fifteen
//! minutes; A is the balance in the settled state it decides by. So for every accepted entry, by the truth at that
//! moment and at every moment in between, with B the card's balance less its hold as the hub has settled it:
//!
//! `overdraft <= sum over groups with uncovered entries of (min(A, S) + F) - B`
//!
//! Groups are not taken from the terminals but from what the gates knew: an entry belongs to the group of earlier
//! uncovered entries whose taps its gate held; else it begins one of its own. That covers islands, gates alone,
//! gossip that was late and disks that forgot. A hold that a settled state still shows may come free in each group
//! apart, so the cap of a group is S plus that hold.
//!
//! Three things are looked at: that each accepted entry keeps its group's limit as its gate sees it; that a gate
//! whose knowledge is fresh gives no F; and, where a card is below zero in truth, that this is within the bound.
//! What is charged after the fact because an exit must open is no entry's doing and reported apart: fares above
//! their hold, priced exits without entry, entries charged as incomplete, journeys that taps of another group paired
//! otherwise than the group saw them, corrections downwards. Cards with taps in free flow are excused, and counted.

mod excluded;
mod group;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use edge_node::store::Decided;
use sync_protocol::decide::{Policy, Settled};
use sync_protocol::fact::{Direction, Reason};
use sync_protocol::id::CardId;
use sync_protocol::money::Money;

use self::excluded::{Truth, excluded};
use self::group::{Entry as Uncovered, Groups};
use super::reference::Fares;
use super::{Check, Violations, second};
use crate::node::gate::GateNode;
use crate::node::hub::HubNode;
use crate::oracle::Oracle;

/// A tap as it was decided, with everything that is known at that moment.
pub struct Moment<'a> {
    /// Milliseconds after the start.
    pub now_ms: i64,
    /// The gate that answered.
    pub gate: &'a GateNode,
    /// What it answered.
    pub decided: &'a Decided,
    /// How old its knowledge was, milliseconds.
    pub age_ms: i64,
    /// The hub.
    pub hub: &'a HubNode,
    /// What truly happened.
    pub oracle: &'a Oracle,
}

/// A card below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Below {
    card: CardId,
    at_ms: i64,
    overdraft: Money,
    bound: Money,
    groups: usize,
}

/// What the looks showed.
#[derive(Debug, Default)]
pub struct Overdrafts {
    policy: Option<Policy>,
    cards: BTreeMap<CardId, Groups>,
    entries: u64,
    below: u64,
    free_flow: u64,
    worst: Option<Below>,
    excluded: Money,
    /// The fare versions made ready, and how many they are.
    fares: Option<(usize, Fares)>,
    violations: Violations,
}

impl Overdrafts {
    /// Holds entries to these limits.
    #[must_use]
    pub fn new(policy: Policy) -> Overdrafts {
        Overdrafts {
            policy: Some(policy),
            ..Overdrafts::default()
        }
    }

    /// Looks at a tap that is durable.
    ///
    /// # Errors
    /// The store failed.
    pub fn after_tap(&mut self, moment: &Moment<'_>) -> anyhow::Result<()> {
        let tap = &moment.decided.decision.tap;
        let Some(policy) = self.policy else { return Ok(()) };
        match (tap.direction, tap.reason) {
            (Direction::Entry, Reason::FreeFlow) => {
                self.free_flow += 1;
                self.cards.entry(tap.card).or_default().is_free = true;
            }
            (Direction::Entry, Reason::Accepted | Reason::Allowance) => {
                self.entries += 1;
                let settled = moment.gate.settled(tap.card)?.unwrap_or_default();
                self.look_at_limit(&policy, moment, &settled);
                self.look_at_truth(&policy, moment, &settled);
            }
            (Direction::Exit, _) => {
                if let Entry::Occupied(mut groups) = self.cards.entry(tap.card) {
                    groups.get_mut().exit(moment);
                    if groups.get().is_idle() {
                        groups.remove();
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the gate's own group keeps its limit, as the gate sees it: what was spent before, and this hold. What
    /// the entry makes of an older journey is charged after the fact.
    fn look_at_limit(&mut self, policy: &Policy, moment: &Moment<'_>, settled: &Settled) {
        let tap = &moment.decided.decision.tap;
        let spent = settled.available - moment.decided.before.available() + tap.hold;
        let limit = limit_seen(policy, settled, tap.reason);
        if spent > limit {
            self.violations.note(format!(
                "{} at gate {} ({}): its group has let it spend {spent} beyond what is settled, {limit} is the limit",
                tap.card,
                moment.gate.code(),
                second(moment.now_ms)
            ));
        }
        let may_allow = moment.age_ms > policy.fresh_ms && moment.age_ms <= policy.allowance_until_ms;
        if tap.reason == Reason::Allowance && !may_allow {
            self.violations.note(format!(
                "{} at gate {} ({}): let in on the allowance by knowledge that is {} s old",
                tap.card,
                moment.gate.code(),
                second(moment.now_ms),
                moment.age_ms / 1_000
            ));
        }
    }

    /// Whether the card is below zero in truth, and then whether it is within the bound.
    fn look_at_truth(&mut self, policy: &Policy, moment: &Moment<'_>, settled: &Settled) {
        let tap = &moment.decided.decision.tap;
        let groups = self.cards.entry(tap.card).or_default();
        groups.enter(
            moment,
            Uncovered::new(moment, limit_of_group(policy, settled, tap.reason)),
        );
        if groups.is_free || !groups.may_be_below(moment.hub.available(tap.card)) {
            return;
        }
        let fares = fares(&mut self.fares, moment.oracle);
        let truth = Truth::of(moment, fares);
        if truth.available >= Money::ZERO {
            return;
        }
        let apart = excluded(&truth, groups);
        let below = Below {
            card: tap.card,
            at_ms: moment.now_ms,
            overdraft: -truth.available - apart,
            bound: groups.limit() - truth.settled,
            groups: groups.count(),
        };
        self.note_below(below, apart, moment);
    }

    fn note_below(&mut self, below: Below, apart: Money, moment: &Moment<'_>) {
        self.below += 1;
        self.excluded = self.excluded.max(apart);
        if below.overdraft > below.bound {
            self.violations.note(format!(
                "{} at gate {} ({}): {} below zero by entries, {} is the bound with {} groups of gates; {apart} more \
                 was charged after the fact",
                below.card,
                moment.gate.code(),
                second(below.at_ms),
                below.overdraft,
                below.bound,
                below.groups
            ));
        }
        if self.worst.is_none_or(|worst| below.overdraft > worst.overdraft) {
            self.worst = Some(below);
        }
    }
}

/// What a group may have spent as its gate sees it: net of a settled hold that it saw come free.
fn limit_seen(policy: &Policy, settled: &Settled, reason: Reason) -> Money {
    let secured = settled.available.max(Money::ZERO).min(policy.spend_max);
    secured + allowance(policy, reason)
}

/// What a group may have spent in all: its holds and fares, without what came free.
fn limit_of_group(policy: &Policy, settled: &Settled, reason: Reason) -> Money {
    let held = settled.balance - settled.available;
    let secured = settled.balance.max(Money::ZERO).min(policy.spend_max + held);
    secured + allowance(policy, reason)
}

/// F counts where it was used: without it the entry kept within what is secured.
fn allowance(policy: &Policy, reason: Reason) -> Money {
    if reason == Reason::Allowance {
        policy.allowance
    } else {
        Money::ZERO
    }
}

fn fares<'a>(made: &'a mut Option<(usize, Fares)>, oracle: &Oracle) -> &'a Fares {
    let count = oracle.fare_versions().len();
    if made.as_ref().is_some_and(|(made, _)| *made != count) {
        *made = None;
    }
    &made
        .get_or_insert_with(|| (count, Fares::new(oracle.fare_versions())))
        .1
}

/// The check at the end of a run.
#[must_use]
pub fn check(overdrafts: &Overdrafts) -> Check {
    let free_flow = match overdrafts.free_flow {
        0 => String::new(),
        taps => format!("; {taps} entries in free flow are excused with their cards"),
    };
    let worst = match overdrafts.worst {
        None => "no entry brought a card below zero".to_owned(),
        Some(worst) => format!(
            "{} brought a card below zero; {} most, by Rp {} at {}, where {} groups of gates may come to Rp {}; \
             at most Rp {} was charged after the fact besides",
            overdrafts.below,
            worst.card,
            worst.overdraft,
            second(worst.at_ms),
            worst.groups,
            worst.bound,
            overdrafts.excluded
        ),
    };
    let detail = format!(
        "{} entries, each within its group's limit; {worst}{free_flow}",
        overdrafts.entries
    );
    let check = overdrafts
        .violations
        .clone()
        .into_check("overdraft within its bound", detail);
    match overdrafts.worst {
        None => check,
        Some(worst) => check.measured(format!("Rp {}", worst.overdraft), format!("Rp {}", worst.bound)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Steps;
    use super::*;
    use crate::scenario::Scenario;
    use crate::world::World;

    /// Half an hour without the hub, whose gates keep to the recommended limits, looked at with others.
    fn held_to(change: impl Fn(&mut Policy)) -> Check {
        let scenario = Scenario::find("hub-away").unwrap();
        let mut world = World::build(scenario, 1).unwrap();
        let mut policy = POLICY();
        change(&mut policy);
        world.steps = Steps::new(policy);
        world.run(|_| ()).unwrap();
        check(&world.steps.overdrafts)
    }

    #[test]
    fn gates_that_keep_their_limits_pass_and_those_that_do_not_are_noticed() {
        let kept = held_to(|_| ());
        assert!(kept.passed && kept.value.is_some(), "{}", kept.detail);
        let capped = held_to(|policy| policy.spend_max = Money::rupiah(11_999));
        assert!(
            !capped.passed && capped.detail.contains("11999.00 is the limit"),
            "{}",
            capped.detail
        );
        let secured = held_to(|policy| policy.allowance = Money::rupiah(1));
        assert!(
            secured.detail.contains("below zero by entries, "),
            "{}",
            secured.detail
        );
    }

    const POLICY: fn() -> Policy = || Policy::recommended(Money::rupiah(12_000));

    fn settled(balance: i64, held: i64) -> Settled {
        Settled {
            revision: 1,
            balance: Money::rupiah(balance),
            available: Money::rupiah(balance - held),
        }
    }

    #[test]
    fn a_group_may_spend_s_of_what_it_believes_and_f_when_its_knowledge_is_old() {
        let limit = |balance, held, reason| {
            let limits = (
                limit_seen(&POLICY(), &settled(balance, held), reason),
                limit_of_group(&POLICY(), &settled(balance, held), reason),
            );
            (limits.0.as_hundredths() / 100, limits.1.as_hundredths() / 100)
        };
        assert_eq!(limit(50_000, 0, Reason::Accepted), (24_000, 24_000));
        assert_eq!(limit(50_000, 0, Reason::Allowance), (36_000, 36_000));
        assert_eq!(limit(5_000, 0, Reason::Allowance), (17_000, 17_000));
        assert_eq!(limit(20_000, 12_000, Reason::Accepted), (8_000, 20_000));
        assert_eq!(limit(-3_000, 0, Reason::Allowance), (12_000, 12_000));
    }
}
