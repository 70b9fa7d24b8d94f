//! Random histories of several cards in a small network.
//!
//! Every card has a clock of its own, which moves by steps at the limits of the rules, so that the rare branches are
//! not rare here. Stamps of one card tie and fall back; sites, seqs and counters break the ties.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use sync_protocol::fact::{CardStatus, Direction, Fact, Knowledge, OrderedFact, Reason, Tap};
use sync_protocol::fare::{FareBook, FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, FactId, GateId, OrderKey, Seq, SiteId, TerminalCode};
use sync_protocol::money::Money;
use sync_protocol::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Stamp};

const CARDS: [&str; 3] = ["CARD0001", "CARD0002", "CARD0003"];
const TERMINALS: [&str; 5] = ["A", "B", "C", "D", "E"];
/// Two gates at each terminal.
const SITES_PER_TERMINAL: usize = 2;
const HUB: SiteId = SiteId([0x80; 16]);
/// A site of which nothing is ever seen.
const UNSEEN: SiteId = SiteId([0xee; 16]);

/// Steps of a card's clock, in milliseconds: around every limit of the rules.
const STEPS_MS: [i64; 26] = [
    0,
    0,
    1,
    SECOND_MS,
    2 * SECOND_MS,
    4 * SECOND_MS,
    4 * SECOND_MS + 1,
    10 * SECOND_MS - 1,
    10 * SECOND_MS,
    10 * SECOND_MS + 1,
    MINUTE_MS,
    2 * MINUTE_MS,
    300 * SECOND_MS - 1,
    300 * SECOND_MS,
    300 * SECOND_MS + 1,
    20 * MINUTE_MS,
    40 * MINUTE_MS,
    HOUR_MS,
    4 * HOUR_MS,
    4 * HOUR_MS + 1,
    5 * HOUR_MS,
    24 * HOUR_MS,
    24 * HOUR_MS + 1,
    -1,
    -SECOND_MS,
    -90 * SECOND_MS,
];
const UNCERTAINTIES_MS: [u32; 6] = [0, 2_000, 2_000, 5_000, 60_000, u32::MAX];
const HOLDS: [i64; 5] = [0, 2_000, 5_000, 8_000, 12_000];
const QUOTES: [i64; 4] = [0, 2_500, 4_000, 20_000];
const PRICES: [i64; 5] = [0, 2_000, 3_000, 4_500, 9_000];
const STATUSES: [CardStatus; 4] = [
    CardStatus::Active,
    CardStatus::Suspended,
    CardStatus::Blocked,
    CardStatus::Closed,
];
const POLICIES: [OrphanPolicy; 3] = [
    OrphanPolicy::Release,
    OrphanPolicy::ChargeMax,
    OrphanPolicy::ChargeMin,
];
/// When a version may come into force: long before the first tap, at it, and while the cards travel.
const EFFECTIVE_FROM_MS: [i64; 5] = [-HOUR_MS, -HOUR_MS, 0, 30 * MINUTE_MS, 26 * HOUR_MS];

pub(crate) fn key(site: SiteId, seq: Seq, ms: i64, counter: u32) -> OrderKey {
    let id = FactId { site, seq, index: 0 };
    OrderKey {
        at: Stamp { ms, counter },
        id,
    }
}

/// Facts and fare versions, in the order in which they were made up.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) facts: Vec<OrderedFact>,
    pub(crate) fares: Vec<OrderedFact>,
}

impl World {
    /// The facts of each card.
    pub(crate) fn cards(&self) -> BTreeMap<CardId, Vec<OrderedFact>> {
        let mut cards: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for fact in &self.facts {
            let card = fact.fact.card().unwrap();
            cards.entry(card).or_default().push(fact.clone());
        }
        cards
    }

    /// The versions as a node knows them that read them in order.
    pub(crate) fn fare_book(&self) -> FareBook {
        let mut facts = self.fares.clone();
        facts.sort_by_key(|fact| fact.key);
        let mut fares = FareBook::default();
        for fact in facts {
            if let Fact::FareVersion(version) = fact.fact {
                fares.insert(version);
            }
        }
        fares
    }

    pub(crate) fn facts_and_fares(&self) -> Vec<OrderedFact> {
        [self.facts.clone(), self.fares.clone()].concat()
    }
}

/// What happens next to a card, before it has a time and a name.
#[derive(Clone, Debug)]
enum Event {
    Tap {
        direction: Direction,
        terminal: usize,
        gate: usize,
        uncertainty_ms: u32,
        accepted: bool,
        hold: i64,
        quoted: Option<i64>,
    },
    Status(u64, CardStatus),
    TopUp(i64, u8),
    Adjust(i64),
    Refund(i64),
    WriteOff(i64),
    /// Of a tap of the card, past or future; `None`: of one that nobody sees.
    Close(Option<Index>),
}

#[derive(Clone, Debug)]
struct Step {
    card: usize,
    step_ms: i64,
    counter: u32,
    event: Event,
}

pub(crate) fn worlds() -> impl Strategy<Value = World> {
    let fares = prop::collection::vec(fare_versions(), 0..5);
    let steps = prop::collection::vec(steps(), 1..45);
    (steps, fares).prop_map(|(steps, fares)| World {
        facts: name_facts(&steps),
        fares: fares
            .into_iter()
            .zip(1..)
            .map(|((at_ms, version), seq)| OrderedFact {
                key: key(HUB, Seq(1_000 + seq), at_ms, 0),
                fact: Fact::FareVersion(version),
            })
            .collect(),
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let counter = prop_oneof![3 => Just(0), 1 => Just(1_u32)];
    (0..CARDS.len(), select(&STEPS_MS[..]), counter, events()).prop_map(|(card, step_ms, counter, event)| {
        Step {
            card,
            step_ms,
            counter,
            event,
        }
    })
}

fn events() -> impl Strategy<Value = Event> {
    let amounts = prop_oneof![Just(0), 1..30_000_i64];
    prop_oneof![
        24 => taps(),
        2 => (1..5_u64, select(&STATUSES[..])).prop_map(|(version, status)| Event::Status(version, status)),
        1 => (amounts.clone(), 0..3_u8).prop_map(|(amount, reference)| Event::TopUp(amount, reference)),
        1 => (-20_000..20_000_i64).prop_map(Event::Adjust),
        1 => amounts.clone().prop_map(Event::Refund),
        1 => amounts.prop_map(Event::WriteOff),
        4 => prop::option::weighted(0.9, any::<Index>()).prop_map(Event::Close),
    ]
}

fn taps() -> impl Strategy<Value = Event> {
    // Three terminals are busy: the rules about one terminal need taps to meet.
    let terminal = prop_oneof![4 => 0..2_usize, 2 => 0..TERMINALS.len()];
    let direction = select(&[Direction::Entry, Direction::Exit][..]);
    let accepted = prop::bool::weighted(0.93);
    let quoted = prop::option::weighted(0.3, select(&QUOTES[..]));
    let gate = 0..SITES_PER_TERMINAL;
    (
        terminal,
        direction,
        gate,
        select(&UNCERTAINTIES_MS[..]),
        accepted,
        select(&HOLDS[..]),
        quoted,
    )
        .prop_map(
            |(terminal, direction, gate, uncertainty_ms, accepted, hold, quoted)| Event::Tap {
                direction,
                terminal,
                gate,
                uncertainty_ms,
                accepted,
                hold,
                quoted,
            },
        )
}

/// A version, with the time of its fact. Routes are missing now and then; numbers repeat.
fn fare_versions() -> impl Strategy<Value = (i64, FareVersion)> {
    let routes = TERMINALS.len() * TERMINALS.len();
    let prices = prop::collection::vec(prop::option::weighted(0.9, select(&PRICES[..])), routes);
    (
        0..3_i64,
        1..4_u32,
        select(&EFFECTIVE_FROM_MS[..]),
        select(&POLICIES[..]),
        prices,
    )
        .prop_map(|(at_ms, version, effective_from_ms, policy, prices)| {
            let routes = TERMINALS
                .iter()
                .flat_map(|from| TERMINALS.iter().map(move |to| (*from, *to)));
            let fares = routes
                .zip(prices)
                .filter(|((from, to), _)| from != to)
                .filter_map(|((from, to), price)| {
                    Some((terminal(from), terminal(to), Money::rupiah(price?)))
                });
            (
                at_ms,
                FareVersion::new(version, effective_from_ms, policy, fares).unwrap(),
            )
        })
}

/// Gives every step its time and name. Only taps move a card's clock; what the hub states falls around it.
fn name_facts(steps: &[Step]) -> Vec<OrderedFact> {
    let mut clocks_ms = [0; CARDS.len()];
    let mut seqs: BTreeMap<SiteId, Seq> = BTreeMap::new();
    let mut facts = Vec::new();
    let mut taps = vec![Vec::new(); CARDS.len()];
    let mut closes = Vec::new();
    for step in steps {
        let site = match step.event {
            Event::Tap { terminal, gate, .. } => {
                SiteId([(terminal * SITES_PER_TERMINAL + gate) as u8 + 1; 16])
            }
            _ => HUB,
        };
        let seq = seqs.entry(site).or_default();
        *seq = seq.next();
        let at_ms = clocks_ms[step.card] + step.step_ms;
        let key = key(site, *seq, at_ms, step.counter);
        if let Event::Tap { .. } = step.event {
            clocks_ms[step.card] = at_ms;
            taps[step.card].push(key.id);
        }
        if let Event::Close(which) = &step.event {
            closes.push((facts.len(), step.card, *which));
        }
        let fact = fact_of(CARDS[step.card].parse().unwrap(), &step.event);
        facts.push(OrderedFact { key, fact });
    }
    for (place, card, which) in closes {
        if let (Fact::Close { tap, .. }, Some(which), false) =
            (&mut facts[place].fact, which, taps[card].is_empty())
        {
            *tap = *which.get(&taps[card]);
        }
    }
    facts
}

/// The fact of an event. A Close names what is never seen until all taps have names.
fn fact_of(card: CardId, event: &Event) -> Fact {
    let text = String::new;
    match *event {
        Event::Tap {
            direction,
            terminal: place,
            gate,
            uncertainty_ms,
            accepted,
            hold,
            quoted,
        } => Fact::Tap(Tap {
            card,
            direction,
            terminal: terminal(TERMINALS[place]),
            gate: GateId(gate as u32),
            uncertainty_ms,
            accepted,
            reason: Reason::Accepted,
            fare_version: 1,
            hold: match direction {
                Direction::Entry => Money::rupiah(hold),
                Direction::Exit => Money::ZERO,
            },
            quoted: quoted.map(Money::rupiah).filter(|_| direction == Direction::Exit),
            knowledge: Knowledge::default(),
        }),
        Event::Status(version, status) => Fact::CardStatus {
            card,
            version,
            status,
        },
        Event::TopUp(amount, reference) => Fact::TopUp {
            card,
            amount: Money::rupiah(amount),
            reference: format!("r{reference}"),
        },
        Event::Adjust(amount) => Fact::Adjust {
            card,
            amount: Money::hundredths(amount),
            reason: text(),
        },
        Event::Refund(amount) => Fact::Refund {
            card,
            amount: Money::hundredths(amount),
            reason: text(),
        },
        Event::WriteOff(amount) => Fact::WriteOff {
            card,
            amount: Money::rupiah(amount),
            reason: text(),
        },
        Event::Close(_) => Fact::Close {
            card,
            tap: key(UNSEEN, Seq(1), 0, 0).id,
        },
    }
}

fn terminal(code: &str) -> TerminalCode {
    code.parse().unwrap()
}

/// How a history gets its facts: shuffled, some of them again, in batches.
#[derive(Clone, Debug)]
pub(crate) struct Feeding {
    ranks: Vec<u32>,
    again: Vec<Index>,
    batch_sizes: Vec<usize>,
}

pub(crate) fn feedings() -> impl Strategy<Value = Feeding> {
    let ranks = prop_oneof![
        // In the order of the events, backwards, and any.
        1 => Just(vec![0]),
        1 => Just((0..64).rev().collect::<Vec<u32>>()),
        6 => prop::collection::vec(any::<u32>(), 64),
    ];
    let again = prop::collection::vec(any::<Index>(), 0..12);
    let batch_sizes = prop::collection::vec(prop_oneof![2 => Just(1), 1 => 2..9_usize], 1..8);
    (ranks, again, batch_sizes).prop_map(|(ranks, again, batch_sizes)| Feeding {
        ranks,
        again,
        batch_sizes,
    })
}

impl Feeding {
    pub(crate) fn batches(&self, facts: &[OrderedFact]) -> Vec<Vec<OrderedFact>> {
        let repeated = self.again.iter().map(|which| which.get(facts));
        let mut ranked: Vec<_> = facts
            .iter()
            .chain(repeated)
            .zip(self.ranks.iter().cycle())
            .collect();
        ranked.sort_by_key(|(_, rank)| **rank);
        let mut left: Vec<OrderedFact> = ranked.into_iter().map(|(fact, _)| fact.clone()).collect();
        let mut batches = Vec::new();
        for size in self.batch_sizes.iter().cycle() {
            if left.is_empty() {
                break;
            }
            let rest = left.split_off((*size).min(left.len()));
            batches.push(left);
            left = rest;
        }
        batches
    }
}
