//! How fast the fold is, per core.
#![expect(clippy::float_arithmetic, reason = "figures are measurements, not money")]

use sync_protocol::fact::{Direction, Fact, Knowledge, OrderedFact, Reason, Tap};
use sync_protocol::fare::{FareBook, FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, FactId, GateId, OrderKey, Seq, SiteId, TerminalCode};
use sync_protocol::journey::CardState;
use sync_protocol::journey::history::{CardHistory, Inserted, Record};
use sync_protocol::money::Money;
use sync_protocol::time::{MINUTE_MS, Stamp};

use super::Figure;
use super::clock::{median_us, timed};

const CARDS: usize = 10_000;
const FACTS_PER_CARD: usize = 40;
const ROUNDS: usize = 5;
const REFOLD_FACTS: usize = 1_000;
const REFOLD_ROUNDS: usize = 200;

/// A book with one version of the sample network's size.
pub(super) fn fares() -> anyhow::Result<FareBook> {
    let codes = ["A", "B", "C", "D", "E"].map(|code| code.parse::<TerminalCode>());
    let codes: Vec<TerminalCode> = codes.into_iter().collect::<Result<_, _>>()?;
    let mut routes = Vec::new();
    for (row, from) in codes.iter().enumerate() {
        for (column, to) in codes.iter().enumerate().filter(|(column, _)| *column != row) {
            routes.push((*from, *to, Money::rupiah(3_000 + 500 * (row + column) as i64)));
        }
    }
    let mut book = FareBook::default();
    book.insert(FareVersion::new(1, 0, OrphanPolicy::ChargeMax, routes)?);
    Ok(book)
}

/// The `number`th tap of a commuter: in at A, out at B, in at B, out at A, half an hour apart.
fn tap(card: CardId, card_number: usize, number: usize) -> anyhow::Result<OrderedFact> {
    let terminal = if matches!(number % 4, 0 | 3) { "A" } else { "B" };
    let direction = if number.is_multiple_of(2) {
        Direction::Entry
    } else {
        Direction::Exit
    };
    let at_ms = 1_734_300_000_000 + number as i64 * 30 * MINUTE_MS + card_number as i64;
    let mut site = SiteId::default();
    site.0[0] = terminal.as_bytes()[0];
    let id = FactId {
        site,
        seq: Seq((number * CARDS + card_number) as u64),
        index: 0,
    };
    let tap = Tap {
        card,
        direction,
        terminal: terminal.parse()?,
        gate: GateId(1),
        uncertainty_ms: 2_000,
        accepted: true,
        reason: Reason::Accepted,
        fare_version: 1,
        hold: if direction == Direction::Entry {
            Money::rupiah(12_000)
        } else {
            Money::ZERO
        },
        quoted: None,
        knowledge: Knowledge::default(),
    };
    Ok(OrderedFact {
        key: OrderKey {
            at: Stamp::at_ms(at_ms),
            id,
        },
        fact: Fact::Tap(tap),
    })
}

fn card(number: usize) -> anyhow::Result<CardId> {
    Ok(format!("CARD{number:06}").parse()?)
}

/// `fold_in_order_per_s`: facts in order through the states of 10,000 cards taken in turn, journeys, flags and money
/// recorded. This is what the hub's settler does with facts that come in order: it keeps no history in memory.
/// Floor: adding up the same facts' amounts per card, without any rule.
///
/// # Errors
/// The benchmark's own data is wrong.
pub fn in_order() -> anyhow::Result<Vec<Figure>> {
    let fares = fares()?;
    let cards: Vec<CardId> = (0..CARDS).map(card).collect::<anyhow::Result<_>>()?;
    let mut facts = Vec::with_capacity(CARDS * FACTS_PER_CARD);
    for number in 0..FACTS_PER_CARD {
        for (index, card) in cards.iter().enumerate() {
            facts.push((index, tap(*card, index, number)?));
        }
    }
    let (mut folded, mut added) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut states: Vec<(CardState, Record)> = vec![Default::default(); CARDS];
        let ((), took) = timed(|| {
            for (index, OrderedFact { key, fact }) in &facts {
                let (state, record) = &mut states[*index];
                state.apply(cards[*index], &fares, key, fact, record);
            }
        });
        let journeys: usize = states.iter().map(|(_, record)| record.journeys.len()).sum();
        anyhow::ensure!(
            journeys == facts.len() / 2,
            "every entry was meant to find its exit"
        );
        folded.push(took);

        let mut sums = vec![Money::ZERO; CARDS];
        let ((), took) = timed(|| {
            for (index, OrderedFact { fact, .. }) in &facts {
                let Fact::Tap(tap) = fact else { continue };
                sums[*index] -= tap.hold;
            }
        });
        anyhow::ensure!(sums[0] < Money::ZERO, "holds were meant to be added up");
        added.push(took);
    }
    let per_s = |us: f64| facts.len() as f64 / us * 1e6;
    let (value, floor) = (per_s(median_us(folded)), per_s(median_us(added)));
    Ok(vec![Figure::new("fold_in_order_per_s", "facts/s", value, floor)])
}

/// `refold_1000_us`: a card with 1,000 facts gets one that belongs before all of them. Floor: sorting their keys.
///
/// # Errors
/// The benchmark's own data is wrong.
pub fn refold() -> anyhow::Result<Vec<Figure>> {
    let fares = fares()?;
    let own = card(1)?;
    let facts: Vec<OrderedFact> = (0..REFOLD_FACTS)
        .map(|number| tap(own, 1, number))
        .collect::<anyhow::Result<_>>()?;
    let mut full = CardHistory::new(own);
    full.extend(&fares, facts[1..].iter().cloned());
    let (mut refolds, mut sorts) = (Vec::new(), Vec::new());
    for _ in 0..REFOLD_ROUNDS {
        let (mut history, first) = (full.clone(), facts[0].clone());
        let (inserted, took) = timed(|| history.insert(&fares, first));
        anyhow::ensure!(inserted == Inserted::Refolded, "the fact was meant to be late");
        refolds.push(took);
        let mut keys: Vec<OrderKey> = facts.iter().rev().map(|fact| fact.key).collect();
        keys.rotate_left(REFOLD_FACTS / 3);
        sorts.push(timed(|| keys.sort_unstable()).1);
    }
    Ok(vec![Figure::new(
        "refold_1000_us",
        "us",
        median_us(refolds),
        median_us(sorts),
    )])
}
