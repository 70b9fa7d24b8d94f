//! Which row of the decision table (domain 4.4) a decision follows, and what the journey that ends cost.

use sync_protocol::fact::{CardStatus, Reason};
use sync_protocol::journey::{DUP_OUT_MS, LastExit, MAX_JOURNEY_MS, OVERDAY_MS, SAME_STATION_FREE_MS};
use sync_protocol::money::Money;

use crate::store::Decided;

/// The row of the decision table that a decision follows.
pub(super) fn row(decided: &Decided) -> &'static str {
    let tap = &decided.decision.tap;
    match tap.reason {
        Reason::Accepted => "T-01",
        Reason::DupIn => "T-05",
        Reason::Allowance if tap.knowledge.revision == 0 => "T-41",
        Reason::Allowance | Reason::Funds => "T-29",
        Reason::ExitOpen if decided.view.status != CardStatus::Active => "T-24",
        Reason::ExitOpen => exit_rule(decided),
        Reason::Blocked | Reason::Suspended | Reason::Closed => "T-23",
        Reason::DenyList => "T-27",
        Reason::Debt => "T-20",
        Reason::Passback => "T-06",
        Reason::WrongGate => "T-42",
        Reason::UnknownCard => "T-41",
        Reason::NoFare => "D-22",
        Reason::FreeFlow | Reason::Velocity | Reason::StaleKnowledge | Reason::GateClosed => "4.5",
    }
}

/// What kind of exit it is, as far as this gate knows the journey.
fn exit_rule(decided: &Decided) -> &'static str {
    let tap = &decided.decision.tap;
    let Some(open) = decided.before.open else {
        return if repeats_an_exit(decided) { "T-14" } else { "T-09" };
    };
    let lasted_ms = decided.at.ms - open.entry.at_ms;
    let same_station = open.entry.terminal == tap.terminal;
    match tap.quoted {
        _ if lasted_ms > OVERDAY_MS => "T-16",
        _ if same_station && lasted_ms <= SAME_STATION_FREE_MS => "T-12",
        _ if same_station => "T-13",
        _ if lasted_ms > MAX_JOURNEY_MS => "T-15",
        Some(fare) if fare <= open.hold => "T-02",
        Some(_) => "T-03",
        None => "D-22",
    }
}

fn repeats_an_exit(decided: &Decided) -> bool {
    let is_repeat = |exit: &LastExit| {
        exit.terminal == decided.decision.tap.terminal && decided.at.ms - exit.at_ms <= DUP_OUT_MS
    };
    decided.before.last_exit.as_ref().is_some_and(is_repeat)
}

/// What the journey costs that ends here: what the exit took from the balance known.
pub(super) fn fare(decided: &Decided) -> Option<Money> {
    if decided.decision.tap.reason != Reason::ExitOpen {
        return None;
    }
    match exit_rule(decided) {
        "T-09" | "T-16" => None,
        _ => Some(decided.before.balance - decided.view.balance),
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::decide::{Decision, Policy};
    use sync_protocol::fact::{Direction, Knowledge, Tap};
    use sync_protocol::id::{FactId, GateId};
    use sync_protocol::journey::{CardView, Endpoint, OpenJourney};
    use sync_protocol::time::Stamp;

    use super::*;
    use crate::answer::Answer;

    fn decided(lasted_ms: i64, entered: &str, quoted: Option<i64>) -> Decided {
        let at = Stamp::at_ms(1_760_000_000_000);
        let entry = Endpoint {
            tap: FactId::default(),
            terminal: entered.parse().unwrap(),
            at_ms: at.ms - lasted_ms,
        };
        let before = CardView {
            balance: Money::rupiah(50_000),
            held: Money::rupiah(12_000),
            open: Some(OpenJourney {
                entry,
                hold: Money::rupiah(12_000),
                closed: false,
            }),
            ..CardView::default()
        };
        let quoted = quoted.map(Money::rupiah);
        Decided {
            decision: Decision {
                tap: Tap {
                    card: "CARD0001".parse().unwrap(),
                    direction: Direction::Exit,
                    terminal: "B".parse().unwrap(),
                    gate: GateId(5),
                    uncertainty_ms: 2_000,
                    accepted: true,
                    reason: Reason::ExitOpen,
                    fare_version: 1,
                    hold: Money::ZERO,
                    quoted,
                    knowledge: Knowledge {
                        revision: 1,
                        age_s: 0,
                    },
                },
                fare: quoted,
            },
            fact: FactId::default(),
            at,
            before,
            view: CardView {
                balance: before.balance - quoted.unwrap_or_default(),
                ..CardView::default()
            },
        }
    }

    #[test]
    fn exits_follow_the_row_of_the_table_that_fits_the_journey_known() {
        let policy = Policy::recommended(Money::rupiah(12_000));
        let minute_ms = 60_000;
        for (lasted_ms, entered, quoted, rule, fare) in [
            (20 * minute_ms, "A", Some(5_000), "T-02", Some("5000.00")),
            (20 * minute_ms, "A", Some(15_000), "T-03", Some("15000.00")),
            (2 * minute_ms, "B", None, "T-12", Some("0.00")),
            (20 * minute_ms, "B", None, "T-13", Some("0.00")),
            (300 * minute_ms, "A", Some(5_000), "T-15", Some("5000.00")),
            (1_500 * minute_ms, "A", Some(5_000), "T-16", None),
            (20 * minute_ms, "A", None, "D-22", Some("0.00")),
        ] {
            let answer = Answer::decided(&decided(lasted_ms, entered, quoted), &policy);
            let told = answer.fare.map(|fare| fare.to_string());
            assert_eq!(
                (answer.rule, told.as_deref()),
                (rule, fare),
                "{lasted_ms} from {entered}"
            );
        }
    }

    #[test]
    fn an_exit_without_a_journey_is_a_repeat_or_will_be_adjusted() {
        let policy = Policy::recommended(Money::rupiah(12_000));
        let mut exit = decided(0, "A", None);
        exit.before.open = None;
        assert_eq!(Answer::decided(&exit, &policy).rule, "T-09");
        let at_ms = exit.at.ms - 60_000;
        let terminal = "B".parse().unwrap();
        exit.before.last_exit = Some(LastExit { terminal, at_ms });
        assert_eq!(Answer::decided(&exit, &policy).rule, "T-14");
        exit.before.last_exit = Some(LastExit {
            terminal,
            at_ms: at_ms - DUP_OUT_MS,
        });
        assert_eq!(Answer::decided(&exit, &policy).rule, "T-09");
    }
}
