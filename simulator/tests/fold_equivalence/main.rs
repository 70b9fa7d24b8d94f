//! Random histories: the production fold, fed in any order, any duplication and any batching, makes the same bytes
//! as the reference fold (I1), and what both make keeps the invariants of the ledger (I2, I3, I4).

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod worlds;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use simulator::check::reference;
use sync_protocol::fact::{Fact, OrderedFact};
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, FactId, Seq, SiteId};
use sync_protocol::journey::history::{CardHistory, CardProjection};
use sync_protocol::journey::{Flag, JourneyStatus};
use sync_protocol::ledger::{Account, Rule};
use sync_protocol::money::Money;
use worlds::{Feeding, World, feedings, worlds};

/// A thousand histories for each property, or `PROPTEST_CASES`. A failing one is printed; it becomes a named case.
fn config() -> Config {
    let default = Config::default();
    Config {
        cases: default.cases.max(1_000),
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    /// I1: any permutation, duplication, batching gives byte-equal projection.
    #[test]
    fn any_order_and_batching_agrees_with_the_reference(world in worlds(), feeding in feedings()) {
        let fares = world.fare_book();
        for (card, facts) in world.cards() {
            let expected = reference::fold(card, &facts, &world.fares);
            let fed = feed(card, &fares, &facts, &feeding);
            prop_assert_eq!(&fed.projection(&fares), &expected);
            prop_assert_eq!(fed.projection(&fares).to_bytes(), expected.to_bytes());
            prop_assert_eq!(fed.view(&fares).balance, expected.balance);
            prop_assert_eq!(fed.view(&fares).held, expected.held);
        }
    }

    /// I1 for fare versions: those that come after the taps they price count as well.
    #[test]
    fn late_fare_versions_agree_with_the_reference(world in worlds(), feeding in feedings()) {
        let fares = world.fare_book();
        for (card, facts) in world.cards() {
            let mut history = feed(card, &FareBook::default(), &facts, &feeding);
            history.refold(&fares);
            let expected = reference::fold(card, &facts, &world.fares);
            prop_assert_eq!(history.projection(&fares), expected);
        }
    }

    /// I2: the postings sum to zero, and the balance is what they leave to the card.
    #[test]
    fn postings_sum_to_zero_and_make_the_balance(world in worlds()) {
        let fares = world.fare_book();
        for (card, facts) in world.cards() {
            let projection = fold(card, &fares, &facts);
            let mut accounts: BTreeMap<Account, Money> = BTreeMap::new();
            for posting in &projection.postings {
                prop_assert!(posting.amount > Money::ZERO);
                prop_assert_ne!(posting.debit, posting.credit);
                *accounts.entry(posting.debit).or_default() -= posting.amount;
                *accounts.entry(posting.credit).or_default() += posting.amount;
            }
            prop_assert_eq!(accounts.values().copied().sum::<Money>(), Money::ZERO);
            let of_card = accounts.get(&Account::Card(card)).copied();
            prop_assert_eq!(of_card.unwrap_or_default(), projection.balance);
            prop_assert_eq!(projection.in_debt(), projection.balance < Money::ZERO);
        }
    }

    /// I3: at most one journey is under way, and its hold is what is held.
    #[test]
    fn at_most_one_journey_holds(world in worlds()) {
        let fares = world.fare_book();
        for (card, facts) in world.cards() {
            let projection = fold(card, &fares, &facts);
            let active: Vec<_> = projection
                .journeys
                .iter()
                .filter(|journey| journey.status == JourneyStatus::Active)
                .collect();
            prop_assert!(active.len() <= 1);
            let hold = active.first().map_or(Money::ZERO, |journey| journey.hold);
            prop_assert_eq!(projection.held, hold);
        }
    }

    /// I4: a completed journey costs the same with or without a Close, wherever that stands in the order.
    #[test]
    fn a_close_never_changes_what_a_completed_journey_costs(world in worlds(), close_ms in -1_000_000_i64..400_000_000) {
        let fares = world.fare_book();
        for (card, facts) in world.cards() {
            let before = fold(card, &fares, &facts);
            for (entry, exit) in completed(&before).keys() {
                let closed_entry = fold(card, &fares, &with_close(card, &facts, close_ms, *entry));
                prop_assert_eq!(closed_entry.balance, before.balance);
                prop_assert_eq!(completed(&closed_entry), completed(&before));
                prop_assert!(closed_entry.flags.contains(&(Flag::LateCapture, *exit)));
                let closed_exit = fold(card, &fares, &with_close(card, &facts, close_ms, *exit));
                prop_assert_eq!(closed_exit, before.clone());
            }
        }
    }

    /// I4: nor does a Close of any other tap change it.
    #[test]
    fn a_close_of_any_tap_leaves_completed_journeys_alone(world in worlds(), close_ms in -1_000_000_i64..400_000_000) {
        let fares = world.fare_book();
        for (card, facts) in world.cards() {
            let before = completed(&fold(card, &fares, &facts));
            for tap in facts.iter().filter(|fact| matches!(fact.fact, Fact::Tap(_))) {
                let closed = fold(card, &fares, &with_close(card, &facts, close_ms, tap.key.id));
                prop_assert_eq!(completed(&closed), before.clone());
            }
        }
    }
}

/// The histories above mean something only if they reach every rule.
#[test]
fn random_histories_reach_every_flag_rule_and_status() {
    let mut runner = TestRunner::deterministic();
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..1_500 {
        let world = worlds().new_tree(&mut runner).unwrap().current();
        let fares = world.fare_book();
        for (card, facts) in world.cards() {
            let projection = fold(card, &fares, &facts);
            let flags = projection.flags.iter().map(|(flag, _)| flag.name());
            let debt = projection.in_debt().then_some(Flag::Debt.name());
            let rules = projection.postings.iter().map(|posting| posting.rule.name());
            let statuses = projection.journeys.iter().map(|journey| journey.status.name());
            for name in flags.map(|name| format!("flag {name}")) {
                *met.entry(name).or_default() += 1;
            }
            for name in rules.chain(statuses).chain(debt) {
                *met.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    eprintln!("{met:#?}");
    let flags = FLAGS.map(|flag| format!("flag {}", flag.name()));
    let rules = RULES.map(|rule| rule.name().to_owned());
    let statuses = ["active", "completed", "incomplete", "unstarted", "DEBT"].map(str::to_owned);
    for name in flags.into_iter().chain(rules).chain(statuses) {
        let times = met.get(&name).copied().unwrap_or_default();
        assert!(times >= TIMES_MIN, "{name} was met {times} times in {met:#?}");
    }
}

/// Fewer meetings than this in 1,500 histories would leave a rule to chance.
const TIMES_MIN: usize = 50;

const FLAGS: [Flag; 16] = [
    Flag::AcceptedWhileBlocked,
    Flag::AcceptedWhileClosed,
    Flag::AcceptedWhileSuspended,
    Flag::ClockSkew,
    Flag::DupIn,
    Flag::DupOut,
    Flag::FareOverHold,
    Flag::Incomplete,
    Flag::LateCapture,
    Flag::NoFare,
    Flag::Overday,
    Flag::Overtime,
    Flag::PassbackIn,
    Flag::SameStation,
    Flag::StaleFare,
    Flag::Unstarted,
];

const RULES: [Rule; 9] = [
    Rule::Adjust,
    Rule::Capture,
    Rule::Incomplete,
    Rule::LateFare,
    Rule::OverHold,
    Rule::Refund,
    Rule::Topup,
    Rule::Unstarted,
    Rule::Writeoff,
];

fn fold(card: CardId, fares: &FareBook, facts: &[OrderedFact]) -> CardProjection {
    let mut history = CardHistory::new(card);
    history.extend(fares, facts.iter().cloned());
    history.projection(fares)
}

/// Feeds the facts as `feeding` says, and asks for a projection now and then: asking must change nothing.
fn feed(card: CardId, fares: &FareBook, facts: &[OrderedFact], feeding: &Feeding) -> CardHistory {
    let mut history = CardHistory::new(card);
    for batch in feeding.batches(facts) {
        match batch.as_slice() {
            [single] => {
                history.insert(fares, single.clone());
            }
            _ => {
                history.extend(fares, batch);
            }
        }
        drop(history.projection(fares));
    }
    history
}

/// What each completed journey costs, by its entry and exit.
fn completed(projection: &CardProjection) -> BTreeMap<(FactId, FactId), Money> {
    let completed = projection
        .journeys
        .iter()
        .filter(|journey| journey.status == JourneyStatus::Completed);
    completed
        .map(|journey| {
            let ends = (journey.entry.unwrap().tap, journey.exit.unwrap().tap);
            (ends, journey.fare)
        })
        .collect()
}

fn with_close(card: CardId, facts: &[OrderedFact], at_ms: i64, tap: FactId) -> Vec<OrderedFact> {
    let key = worlds::key(SiteId([0xcc; 16]), Seq(1), at_ms, 0);
    let fact = Fact::Close { card, tap };
    let close = OrderedFact { key, fact };
    facts.iter().cloned().chain([close]).collect()
}

/// A world's cards are told apart by the fold itself as well: facts of others change nothing.
#[test]
fn the_reference_ignores_other_cards() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..100 {
        let world: World = worlds().new_tree(&mut runner).unwrap().current();
        for (card, facts) in world.cards() {
            assert_eq!(
                reference::fold(card, &world.facts, &world.facts_and_fares()),
                reference::fold(card, &facts, &world.fares)
            );
        }
    }
}
