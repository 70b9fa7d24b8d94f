//! Histories larger than a state: what the bounded state has no room for, the history still knows.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use sync_protocol::codec;
use sync_protocol::fact::{Direction, Fact, Knowledge, OrderedFact, Reason, Tap};
use sync_protocol::fare::{FareBook, FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, FactId, GateId, OrderKey, Seq, SiteId, TerminalCode};
use sync_protocol::journey::history::CardHistory;
use sync_protocol::journey::{EARLY_CLOSES_MAX, JourneyStatus, UNSTARTED_MAX};
use sync_protocol::money::Money;
use sync_protocol::time::{MINUTE_MS, Stamp};

fn card() -> CardId {
    "CARD0001".parse().unwrap()
}

fn terminal(code: &str) -> TerminalCode {
    code.parse().unwrap()
}

/// A closed exit at A costs 7,000.
fn fares() -> FareBook {
    let fare = (terminal("B"), terminal("A"), Money::rupiah(7_000));
    let mut book = FareBook::default();
    book.insert(FareVersion::new(1, 0, OrphanPolicy::ChargeMax, [fare]).unwrap());
    book
}

fn key(site: u8, number: u64, at_ms: i64) -> OrderKey {
    let id = FactId {
        site: SiteId([site; 16]),
        seq: Seq(number + 1),
        index: 0,
    };
    let at = Stamp::at_ms(at_ms);
    OrderKey { at, id }
}

/// The `number`th exit at A, six minutes after the one before.
fn exit(number: u64) -> OrderedFact {
    let tap = Tap {
        card: card(),
        direction: Direction::Exit,
        terminal: terminal("A"),
        gate: GateId(1),
        uncertainty_ms: 0,
        accepted: true,
        reason: Reason::ExitOpen,
        fare_version: 1,
        hold: Money::ZERO,
        quoted: None,
        knowledge: Knowledge::default(),
    };
    OrderedFact {
        key: key(1, number, number as i64 * 6 * MINUTE_MS),
        fact: Fact::Tap(tap),
    }
}

/// A Close of that exit, at any time.
fn close(number: u64, at_ms: i64) -> OrderedFact {
    let tap = exit(number).key.id;
    OrderedFact {
        key: key(2, number, at_ms),
        fact: Fact::Close { card: card(), tap },
    }
}

fn one_by_one(facts: &[OrderedFact]) -> CardHistory {
    let mut history = CardHistory::new(card());
    for fact in facts {
        history.insert(&fares(), fact.clone());
    }
    history
}

fn at_once(facts: &[OrderedFact]) -> CardHistory {
    let mut history = CardHistory::new(card());
    history.extend(&fares(), facts.iter().rev().cloned());
    history
}

#[test]
fn an_exit_the_state_no_longer_holds_is_priced_by_its_close() {
    let exits = 3 * UNSTARTED_MAX as u64;
    let end_ms = i64::from(u32::MAX);
    let mut facts: Vec<OrderedFact> = (0..exits).map(exit).collect();
    facts.extend((0..exits).step_by(2).map(|number| close(number, end_ms)));
    facts.extend((0..exits).step_by(2).map(|number| OrderedFact {
        key: key(3, number, end_ms),
        ..close(number, end_ms)
    }));
    let history = one_by_one(&facts);
    let projection = history.projection(&fares());
    assert_eq!(
        projection.balance,
        Money::rupiah(-7_000 * exits as i64 / 2),
        "each once"
    );
    assert_eq!(projection.count(JourneyStatus::Unstarted), exits as usize);
    assert_eq!(projection.postings.len(), exits as usize / 2);
    assert!(history.state().unstarted.len() <= UNSTARTED_MAX);
    assert_eq!(projection, at_once(&facts).projection(&fares()));
    assert_eq!(history.state(), at_once(&facts).state());
}

#[test]
fn closes_the_state_has_no_room_for_still_find_their_taps() {
    let exits = 3 * EARLY_CLOSES_MAX as u64;
    let mut facts: Vec<OrderedFact> = (0..exits).map(|number| close(number, -2)).collect();
    facts.extend((0..exits).map(|number| OrderedFact {
        key: key(3, number, -1),
        ..close(number, -1)
    }));
    let early = one_by_one(&facts);
    assert_eq!(early.state().early_closes.len(), EARLY_CLOSES_MAX);
    assert_eq!(early.state().early_closes_beyond, exits - EARLY_CLOSES_MAX as u64);
    facts.extend((0..exits).map(exit));
    let history = one_by_one(&facts);
    assert_eq!(
        history.view(&fares()).balance,
        Money::rupiah(-7_000 * exits as i64)
    );
    assert_eq!(history.state().early_closes_beyond, 0);
    assert!(history.state().early_closes.is_empty());
    assert_eq!(history.state(), at_once(&facts).state());
}

/// Quadratic work would take minutes here.
#[test]
fn a_card_with_a_hundred_thousand_exits_is_folded_at_once() {
    let exits = 100_000;
    let end_ms = exits as i64 * 6 * MINUTE_MS;
    let mut facts: Vec<OrderedFact> = (0..exits).map(exit).collect();
    facts.extend((0..exits).step_by(2).map(|number| close(number, end_ms)));
    let history = at_once(&facts);
    let balance = Money::rupiah(-7_000 * exits as i64 / 2);
    assert_eq!(history.view(&fares()).balance, balance);
    let early = facts.iter().map(|fact| match fact.fact {
        Fact::Close { .. } => OrderedFact {
            key: OrderKey {
                at: Stamp::at_ms(-1),
                ..fact.key
            },
            ..fact.clone()
        },
        _ => fact.clone(),
    });
    let early = at_once(&early.collect::<Vec<_>>());
    assert_eq!(early.view(&fares()).balance, balance);
    assert!(codec::encode(early.state()).len() < 4_096);
}
