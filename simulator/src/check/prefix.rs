//! Money is conserved at every node prefix: at any moment, what a node shows of a card is what the independent fold
//! makes of exactly the facts that this node has by then, and its postings sum to zero (I2, D-17).
//!
//! The hub's prefix is what it has settled; it is looked at after settling, for cards that were just settled. A gate's
//! prefix is what the settled states it holds cover, then its terminal's uncovered taps in the order in which they
//! came to it; it is looked at after taps, for the card that tapped, and for others now and then. Would fail if a
//! node lost, doubled or misread a fact, also where the end of the run would put it right.
//!
//! The simulator does not know in which order the taps of several gates came to one; any order that explains what
//! the gate shows is taken, and where there are too many it is said. Nothing else is excused. Looks are limited by
//! number and cost, and cards with long histories are looked at more seldom.

mod facts;

use std::collections::BTreeMap;
use std::rc::Rc;

use sync_protocol::fact::{CardStatus, OrderedFact};
use sync_protocol::id::CardId;
use sync_protocol::journey::CardView;
use sync_protocol::journey::history::CardProjection;
use sync_protocol::ledger::Account;
use sync_protocol::money::Money;

use self::facts::{ORDERS_MAX, Prefix, gate_prefix, orders};
use super::reference::{self, Fares};
use super::{Check, Violations, second};
use crate::node::gate::GateNode;
use crate::node::hub::HubNode;
use crate::oracle::Oracle;

/// One tap in so many is looked at, at the gate that answered.
const TAPS_PER_LOOK: u64 = 4;
/// One settled card in so many is looked at, at the hub.
const SETTLED_PER_LOOK: u64 = 4;
/// Facts folded over the whole run at most: beyond, looks come ever more seldom.
const FACTS_MAX: u64 = 400_000;

/// What a node shows of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) balance: Money,
    pub(super) held: Money,
    pub(super) status: CardStatus,
}

impl From<&CardView> for Shown {
    fn from(view: &CardView) -> Shown {
        Shown {
            balance: view.balance,
            held: view.held,
            status: view.status,
        }
    }
}

impl From<&CardProjection> for Shown {
    fn from(projection: &CardProjection) -> Shown {
        Shown {
            balance: projection.balance,
            held: projection.held,
            status: projection.status,
        }
    }
}

/// What the looks showed.
#[derive(Debug, Default)]
pub struct Prefixes {
    taps: u64,
    settled: u64,
    facts: u64,
    hub_looks: u64,
    gate_looks: u64,
    uncovered: u64,
    undecided: u64,
    /// The first so many fare versions, made ready once.
    books: BTreeMap<usize, Rc<Fares>>,
    violations: Violations,
}

impl Prefixes {
    /// Looks at cards that the hub has just settled.
    pub fn after_settle(&mut self, hub: &HubNode, oracle: &Oracle, cards: &[CardId], now_ms: i64) {
        for card in cards {
            self.settled += 1;
            if self.settled.is_multiple_of(SETTLED_PER_LOOK * self.sparseness()) {
                self.look_at_hub(hub, oracle, *card, now_ms);
            }
        }
    }

    /// Looks at the card that a gate has just answered.
    ///
    /// # Errors
    /// The store failed.
    pub fn after_tap(
        &mut self,
        gate: &GateNode,
        oracle: &Oracle,
        card: CardId,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        self.taps += 1;
        if self.taps.is_multiple_of(TAPS_PER_LOOK * self.sparseness()) {
            self.look_at_gate(gate, oracle, card, now_ms)?;
        }
        Ok(())
    }

    /// How much more seldom looks have become.
    const fn sparseness(&self) -> u64 {
        1 + self.facts / FACTS_MAX * 16
    }

    fn look_at_hub(&mut self, hub: &HubNode, oracle: &Oracle, card: CardId, now_ms: i64) {
        let Some(view) = hub.view(card) else { return };
        self.hub_looks += 1;
        let covered = |fact: &&OrderedFact| fact.key.id.seq <= hub.covered(fact.key.id.site);
        let facts = oracle.facts_of(card);
        let prefix = Prefix {
            covered: reference::in_order(facts.iter().filter(covered)),
            uncovered: BTreeMap::new(),
        };
        let fares = self.book(oracle, oracle.fare_versions().iter().filter(covered).count());
        let broken = self.compare(card, &prefix, &[fares], Shown::from(&view));
        if let Some(broken) = broken {
            self.violations
                .note(format!("{card} at the hub ({}): {broken}", second(now_ms)));
        }
    }

    /// Looks at a card at a gate.
    ///
    /// # Errors
    /// The store failed.
    pub fn look_at_gate(
        &mut self,
        gate: &GateNode,
        oracle: &Oracle,
        card: CardId,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        self.gate_looks += 1;
        let facts = oracle.facts_of(card);
        let prefix = gate_prefix(gate, &facts);
        let held = |fact: &&OrderedFact| fact.key.id.seq <= gate.have().seq(fact.key.id.site);
        let known = oracle.fare_versions().iter().filter(held).count();
        // What the hub priced with a version that has not come here yet stays priced so.
        let all = oracle.fare_versions().len();
        let mut books = vec![self.book(oracle, known)];
        if known < all {
            books.push(self.book(oracle, all));
        }
        let shown = Shown::from(&gate.card_view(card)?);
        if let Some(broken) = self.compare(card, &prefix, &books, shown) {
            self.violations.note(format!(
                "{card} at gate {} ({}): {broken}",
                gate.code(),
                second(now_ms)
            ));
        }
        Ok(())
    }

    /// The first so many fare versions: nodes learn them in the order in which the hub publishes them.
    fn book(&mut self, oracle: &Oracle, count: usize) -> Rc<Fares> {
        let book = self
            .books
            .entry(count)
            .or_insert_with(|| Rc::new(Fares::new(&oracle.fare_versions()[..count])));
        Rc::clone(book)
    }

    /// Compares what is shown with the fold of a prefix. Returns what is wrong.
    pub(super) fn compare(
        &mut self,
        card: CardId,
        prefix: &Prefix<'_>,
        books: &[Rc<Fares>],
        shown: Shown,
    ) -> Option<String> {
        let uncovered = prefix.uncovered.values().map(Vec::len).sum::<usize>();
        self.uncovered += uncovered as u64;
        let orders = orders(prefix);
        let too_many = orders.len() >= ORDERS_MAX;
        let mut first = None;
        for order in &orders {
            for fares in books {
                let facts: Vec<&OrderedFact> = prefix.covered.iter().chain(order).copied().collect();
                self.facts += facts.len() as u64;
                let projection = reference::fold_sequence(card, &facts, fares);
                let sum = sum_of_postings(&projection);
                if sum != Money::ZERO {
                    return Some(format!("its postings sum to {sum}"));
                }
                let expected = Shown::from(&projection);
                if expected == shown {
                    return None;
                }
                first.get_or_insert(expected);
            }
        }
        if too_many {
            self.undecided += 1;
            return None;
        }
        let expected = first?;
        Some(format!(
            "it shows {} with {} held ({:?}), the {} facts and {uncovered} uncovered taps it has make {} with {} \
             held ({:?})",
            shown.balance,
            shown.held,
            shown.status,
            prefix.covered.len(),
            expected.balance,
            expected.held,
            expected.status
        ))
    }
}

/// What all accounts together hold after the postings of a card.
fn sum_of_postings(projection: &CardProjection) -> Money {
    let mut accounts: BTreeMap<Account, Money> = BTreeMap::new();
    for posting in &projection.postings {
        *accounts.entry(posting.debit).or_default() -= posting.amount;
        *accounts.entry(posting.credit).or_default() += posting.amount;
    }
    accounts.values().copied().sum()
}

/// The check at the end of a run.
#[must_use]
pub fn check(prefixes: &Prefixes) -> Check {
    let undecided = match prefixes.undecided {
        0 => String::new(),
        looks => format!("; {looks} looks at cards with too many possible orders of arrival showed nothing"),
    };
    let detail = format!(
        "{} looks at the hub and {} at gates, with {} uncovered taps{undecided}",
        prefixes.hub_looks, prefixes.gate_looks, prefixes.uncovered
    );
    let name = "money conserved at every prefix";
    prefixes.violations.clone().into_check(name, detail)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn compared(change: impl Fn(&mut Shown)) -> Option<String> {
        let facts = sample::facts_of(sample::card(1), 1);
        let fares = [sample::fares()];
        let prefix = Prefix {
            covered: facts[..4].iter().collect(),
            uncovered: BTreeMap::from([(sample::GATES[0], vec![&facts[4]])]),
        };
        let all: Vec<&OrderedFact> = facts.iter().collect();
        let books = [Rc::new(Fares::new(&fares))];
        let mut shown = Shown::from(&reference::fold_sequence(sample::card(1), &all, &books[0]));
        let expected = (Money::rupiah(45_000), Money::rupiah(12_000));
        assert_eq!((shown.balance, shown.held), expected);
        change(&mut shown);
        Prefixes::default().compare(sample::card(1), &prefix, &books, shown)
    }

    #[test]
    fn what_the_facts_make_passes() {
        assert_eq!(compared(|_| ()), None);
    }

    #[test]
    fn a_hold_that_is_forgotten_and_a_fare_that_counts_twice_are_noticed() {
        let hold = compared(|shown| shown.held = Money::ZERO).unwrap();
        assert!(hold.contains("45000.00 with 0.00 held"), "{hold}");
        let fare = compared(|shown| shown.balance -= Money::rupiah(5_000)).unwrap();
        assert!(fare.contains("it shows 40000.00"), "{fare}");
        let block = compared(|shown| shown.status = CardStatus::Blocked).unwrap();
        assert!(block.contains("Blocked"), "{block}");
    }
}
