//! How fast a gate decides, without its disk.

use sync_protocol::decide::{
    CardKnowledge, Circumstances, Gate, GateType, Mode, Policy, Presentation, Settled,
};
use sync_protocol::fact::CardStatus;
use sync_protocol::id::{CardId, FactId, GateId};
use sync_protocol::journey::{CardView, Endpoint, OpenJourney};
use sync_protocol::money::Money;
use sync_protocol::time::MINUTE_MS;

use super::Figure;
use super::clock::{percentile_us, timed};

const DECISIONS: usize = 200_000;
const NOW_MS: i64 = 1_734_300_000_000;

/// `decide_p99_us`: entries and exits of many kinds of cards at one gate. Floor: the same timing around a lookup of
/// the fare alone.
///
/// # Errors
/// The benchmark's own data is wrong.
pub fn decide() -> anyhow::Result<Vec<Figure>> {
    let fares = super::fold::fares()?;
    let policy = Policy::recommended(Money::rupiah(12_000));
    let (here, elsewhere) = ("A".parse()?, "B".parse()?);
    let gate = Gate {
        id: GateId(1),
        terminal: here,
        kind: GateType::Bidirectional,
        mode: Mode::Normal,
        uncertainty_ms: 2_000,
    };
    let (mut decisions, mut lookups) = (Vec::with_capacity(DECISIONS), Vec::with_capacity(DECISIONS));
    let mut opened = 0_usize;
    for number in 0..DECISIONS {
        let card: CardId = format!("CARD{:06}", number % 10_000).parse()?;
        let knowledge = knowledge_of(number, if number.is_multiple_of(5) { here } else { elsewhere });
        let age_ms = (number % 100) as i64 * MINUTE_MS;
        let at = Circumstances {
            gate: &gate,
            policy: &policy,
            fares: &fares,
            age_ms,
        };
        let presentation = Presentation {
            card,
            direction: None,
            at_ms: NOW_MS,
        };
        let (decision, took) = timed(|| at.decide(&presentation, &knowledge));
        opened += usize::from(decision.tap.accepted);
        decisions.push(took);
        lookups.push(
            timed(|| {
                fares
                    .effective_at(NOW_MS)
                    .and_then(|table| table.fare(here, elsewhere))
            })
            .1,
        );
    }
    anyhow::ensure!(
        (1..DECISIONS).contains(&opened),
        "some taps were meant to open and some not"
    );
    let (value, floor) = (percentile_us(&mut decisions, 99), percentile_us(&mut lookups, 99));
    Ok(vec![Figure::new("decide_p99_us", "us", value, floor)])
}

/// Cards that travel, rest, are poor, blocked or unknown.
fn knowledge_of(number: usize, origin: sync_protocol::id::TerminalCode) -> CardKnowledge {
    let balance = Money::rupiah((number % 7) as i64 * 8_000);
    let entry = Endpoint {
        tap: FactId::default(),
        terminal: origin,
        at_ms: NOW_MS - (number % 900) as i64 * 1_000,
    };
    let open = number.is_multiple_of(2).then_some(OpenJourney {
        entry,
        hold: Money::rupiah(12_000),
        closed: false,
    });
    let status = if number.is_multiple_of(11) {
        CardStatus::Blocked
    } else {
        CardStatus::Active
    };
    let held = open.map_or(Money::ZERO, |open| open.hold);
    let view = CardView {
        balance,
        held,
        open,
        last_exit: None,
        status,
    };
    let settled = (!number.is_multiple_of(13)).then_some(Settled {
        revision: 1,
        available: balance,
        balance,
    });
    CardKnowledge {
        settled,
        view,
        uncovered_entries: (number % 3) as u32,
        denied: number.is_multiple_of(17),
    }
}
