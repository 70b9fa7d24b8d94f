//! Two cards' facts for the tests of checks: each card pays in, travels and travels again.

use sync_protocol::decide::Decision;
use sync_protocol::fact::{Direction, Fact, Knowledge, OrderedFact, Reason, Tap};
use sync_protocol::fare::{FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, FactId, GateId, NodeId, OrderKey, Seq, SiteId, TerminalCode};
use sync_protocol::money::Money;
use sync_protocol::time::{HOUR_MS, MINUTE_MS, Stamp};

use super::truth::Truth;
use crate::oracle::Answered;

/// The hub's site of decisions.
pub(super) const HUB: SiteId = SiteId([9; 16]);
/// The site of a gate in terminal A, and of one in terminal B.
pub(super) const GATES: [SiteId; 2] = [SiteId([1; 16]), SiteId([2; 16])];

pub(super) fn card(number: u32) -> CardId {
    format!("CARD{number:04}").parse().unwrap()
}

pub(super) fn terminal(code: &str) -> TerminalCode {
    code.parse().unwrap()
}

pub(super) fn fact(site: SiteId, seq: u64, ms: i64, fact: Fact) -> OrderedFact {
    let (seq, index) = (Seq(seq), 0);
    OrderedFact {
        key: OrderKey {
            at: Stamp::at_ms(ms),
            id: FactId { site, seq, index },
        },
        fact,
    }
}

pub(super) fn tap(card: CardId, direction: Direction, terminal: TerminalCode) -> Tap {
    let entry = direction == Direction::Entry;
    Tap {
        card,
        direction,
        terminal,
        gate: GateId(1),
        uncertainty_ms: 2_000,
        accepted: true,
        reason: if entry { Reason::Accepted } else { Reason::ExitOpen },
        fare_version: 1,
        hold: if entry { Money::rupiah(12_000) } else { Money::ZERO },
        quoted: None,
        knowledge: Knowledge::default(),
    }
}

pub(super) fn fares() -> OrderedFact {
    let (a, b) = (terminal("A"), terminal("B"));
    let prices = [(a, b, Money::rupiah(5_000)), (b, a, Money::rupiah(12_000))];
    let version = FareVersion::new(1, 0, OrphanPolicy::ChargeMax, prices).unwrap();
    fact(HUB, 1, 0, Fact::FareVersion(version))
}

/// Pays in, goes from A to B, and after an hour in at A again without coming out.
pub(super) fn facts_of(card: CardId, number: u64) -> Vec<OrderedFact> {
    let amount = Money::rupiah(50_000);
    let reference = format!("first-{card}");
    let start_ms = HOUR_MS;
    let at_a = |direction| Fact::Tap(tap(card, direction, terminal("A")));
    let at_b = |direction| Fact::Tap(tap(card, direction, terminal("B")));
    let first = number * 10;
    vec![
        fact(HUB, first + 2, 0, Fact::CardIssued { card }),
        fact(
            HUB,
            first + 3,
            1,
            Fact::TopUp {
                card,
                amount,
                reference,
            },
        ),
        fact(GATES[0], first + 1, start_ms, at_a(Direction::Entry)),
        fact(
            GATES[1],
            first + 1,
            start_ms + 20 * MINUTE_MS,
            at_b(Direction::Exit),
        ),
        fact(GATES[0], first + 2, start_ms + HOUR_MS, at_a(Direction::Entry)),
    ]
}

pub(super) fn truth() -> Truth {
    let cards = [1_u32, 2].map(|number| (card(number), facts_of(card(number), u64::from(number))));
    Truth::of(cards.into_iter(), 2, &[fares()])
}

/// What gate 1 answered to the first card.
pub(super) fn answered(direction: Direction, latency_ms: i64) -> Answered {
    Answered {
        gate: NodeId(1),
        at_ms: 9_000,
        latency_ms,
        age_ms: 0,
        alone: false,
        decision: Decision {
            tap: tap(card(1), direction, terminal("A")),
            fare: None,
        },
        changeset: (GATES[0], Seq(1)),
    }
}
