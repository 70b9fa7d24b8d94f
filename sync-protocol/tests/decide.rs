//! The gate decision against the decision table (T-nn) and the limits of domain 4.5.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use sync_protocol::decide::{
    BeyondAutonomy, CardKnowledge, Circumstances, Decision, Gate, GateType, Mode, Policy, Presentation,
    Settled,
};
use sync_protocol::fact::{CardStatus, Direction, Reason};
use sync_protocol::fare::{FareBook, FareVersion, OrphanPolicy};
use sync_protocol::id::{FactId, GateId, TerminalCode};
use sync_protocol::journey::{CardView, Endpoint, OpenJourney};
use sync_protocol::money::Money;
use sync_protocol::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

const NOW_MS: i64 = 1_734_300_000_000;
const FRESH: i64 = SECOND_MS;
const HOLD: Money = Money::rupiah(12_000);

fn terminal(code: &str) -> TerminalCode {
    code.parse().unwrap()
}

fn fares() -> FareBook {
    let routes = [
        ("A", "B", 5_000),
        ("A", "E", 12_000),
        ("B", "A", 5_000),
        ("E", "A", 12_000),
    ];
    let routes = routes.map(|(from, to, price)| (terminal(from), terminal(to), Money::rupiah(price)));
    let mut book = FareBook::default();
    book.insert(FareVersion::new(3, 0, OrphanPolicy::Release, routes).unwrap());
    book
}

fn gate(kind: GateType) -> Gate {
    Gate {
        id: GateId(1),
        terminal: terminal("A"),
        kind,
        mode: Mode::Normal,
        uncertainty_ms: 2_000,
    }
}

/// A card with this much settled money and nothing else known.
fn card(rupiah: i64) -> CardKnowledge {
    let balance = Money::rupiah(rupiah);
    CardKnowledge {
        settled: Some(Settled {
            revision: 1,
            available: balance,
            balance,
        }),
        view: CardView {
            balance,
            ..CardView::default()
        },
        uncovered_entries: 0,
        denied: false,
    }
}

/// The same card after the terminal let it in `ago_ms` ago at `code`.
fn travelling(rupiah: i64, code: &str, ago_ms: i64) -> CardKnowledge {
    let mut card = card(rupiah);
    let entry = Endpoint {
        tap: FactId::default(),
        terminal: terminal(code),
        at_ms: NOW_MS - ago_ms,
    };
    card.view.open = Some(OpenJourney {
        entry,
        hold: HOLD,
        closed: false,
    });
    card.view.held = HOLD;
    card.uncovered_entries = 1;
    card
}

struct Ask {
    gate: Gate,
    policy: Policy,
    fares: FareBook,
    age_ms: i64,
}

impl Ask {
    fn at(kind: GateType) -> Ask {
        Ask {
            gate: gate(kind),
            policy: Policy::recommended(HOLD),
            fares: fares(),
            age_ms: FRESH,
        }
    }

    fn aged(mut self, age_ms: i64) -> Ask {
        self.age_ms = age_ms;
        self
    }

    fn decide(&self, direction: Option<Direction>, card: &CardKnowledge) -> Decision {
        let at = Circumstances {
            gate: &self.gate,
            policy: &self.policy,
            fares: &self.fares,
            age_ms: self.age_ms,
        };
        let presentation = Presentation {
            card: "CARD0001".parse().unwrap(),
            direction,
            at_ms: NOW_MS,
        };
        at.decide(&presentation, card)
    }

    fn reason(&self, card: &CardKnowledge) -> Reason {
        self.decide(None, card).tap.reason
    }
}

#[test]
fn t_01_an_entry_with_funds_holds_the_highest_fare_from_here() {
    let decision = Ask::at(GateType::Entry).decide(None, &card(50_000));
    assert_eq!((decision.tap.reason, decision.tap.hold), (Reason::Accepted, HOLD));
    assert!(decision.tap.accepted);
    assert_eq!(
        (
            decision.tap.fare_version,
            decision.tap.knowledge.revision,
            decision.tap.knowledge.age_s
        ),
        (3, 1, 1)
    );
}

#[test]
fn t_02_an_exit_quotes_the_fare_of_the_version_in_force_at_the_entry() {
    let decision = Ask::at(GateType::Exit).decide(None, &travelling(50_000, "B", HOUR_MS));
    assert_eq!(
        (decision.tap.reason, decision.fare),
        (Reason::ExitOpen, Some(Money::rupiah(5_000)))
    );
    assert_eq!(
        (decision.tap.quoted, decision.tap.hold),
        (decision.fare, Money::ZERO)
    );
}

#[test]
fn t_05_a_repeated_presentation_gets_the_same_green_answer() {
    for kind in [GateType::Entry, GateType::Bidirectional] {
        let decision = Ask::at(kind).decide(None, &travelling(50_000, "A", 10 * SECOND_MS));
        assert_eq!(
            (decision.tap.reason, decision.tap.hold),
            (Reason::DupIn, HOLD),
            "{kind:?}"
        );
        assert_eq!(decision.tap.direction, Direction::Entry);
    }
}

#[test]
fn t_05_a_repeated_presentation_is_green_even_when_a_block_arrived_in_between() {
    let mut card = travelling(50_000, "A", 2 * SECOND_MS);
    card.view.status = CardStatus::Blocked;
    assert_eq!(Ask::at(GateType::Entry).reason(&card), Reason::DupIn);
}

#[test]
fn t_06_a_second_entry_within_five_minutes_is_a_pass_back() {
    let entry = Ask::at(GateType::Entry);
    assert_eq!(
        entry.reason(&travelling(50_000, "A", 10 * SECOND_MS + 1)),
        Reason::Passback
    );
    assert_eq!(
        entry.reason(&travelling(50_000, "A", 5 * MINUTE_MS)),
        Reason::Passback
    );
}

#[test]
fn t_07_a_missing_exit_never_denies_the_next_entry() {
    let entry = Ask::at(GateType::Entry);
    assert_eq!(
        entry.reason(&travelling(50_000, "A", 5 * MINUTE_MS + 1)),
        Reason::Accepted
    );
    assert_eq!(
        entry.reason(&travelling(50_000, "B", SECOND_MS)),
        Reason::Accepted
    );
}

#[test]
fn t_09_an_exit_opens_whatever_is_known() {
    let mut blocked = card(-90_000);
    (blocked.view.status, blocked.denied) = (CardStatus::Blocked, true);
    for known in [blocked, CardKnowledge::default(), card(0)] {
        for age_ms in [FRESH, HOUR_MS, 30 * HOUR_MS, 900 * HOUR_MS] {
            assert_eq!(
                Ask::at(GateType::Exit).aged(age_ms).reason(&known),
                Reason::ExitOpen
            );
        }
    }
    let mut closed = Ask::at(GateType::Exit);
    closed.gate.mode = Mode::Closed;
    closed.fares = FareBook::default();
    assert_eq!(closed.reason(&card(0)), Reason::ExitOpen);
}

#[test]
fn t_23_status_and_deny_list_deny_entry() {
    let entry = Ask::at(GateType::Entry);
    for (status, reason) in [
        (CardStatus::Blocked, Reason::Blocked),
        (CardStatus::Suspended, Reason::Suspended),
        (CardStatus::Closed, Reason::Closed),
    ] {
        let mut known = card(50_000);
        known.view.status = status;
        let decision = entry.decide(None, &known);
        assert_eq!(
            (decision.tap.reason, decision.tap.accepted, decision.tap.hold),
            (reason, false, Money::ZERO)
        );
    }
    let denied = CardKnowledge {
        denied: true,
        ..card(50_000)
    };
    assert_eq!(entry.reason(&denied), Reason::DenyList);
}

#[test]
fn t_41_an_unknown_card_needs_the_offline_allowance() {
    let unknown = CardKnowledge::default();
    for (age_ms, reason) in [
        (15 * MINUTE_MS, Reason::UnknownCard),
        (15 * MINUTE_MS + 1, Reason::Allowance),
        (24 * HOUR_MS, Reason::Allowance),
        (24 * HOUR_MS + 1, Reason::UnknownCard),
    ] {
        assert_eq!(
            Ask::at(GateType::Entry).aged(age_ms).reason(&unknown),
            reason,
            "{age_ms}"
        );
    }
}

#[test]
fn t_42_a_one_way_gate_denies_the_other_way() {
    let wrong = |kind, direction| Ask::at(kind).decide(Some(direction), &card(50_000)).tap;
    assert_eq!(wrong(GateType::Entry, Direction::Exit).reason, Reason::WrongGate);
    assert_eq!(wrong(GateType::Exit, Direction::Entry).reason, Reason::WrongGate);
    assert!(!wrong(GateType::Exit, Direction::Entry).accepted);
    assert!(wrong(GateType::Bidirectional, Direction::Exit).accepted);
}

#[test]
fn a_bidirectional_gate_lets_out_whom_it_knows_to_travel() {
    let both = Ask::at(GateType::Bidirectional);
    assert_eq!(
        both.decide(None, &travelling(50_000, "B", HOUR_MS)).tap.direction,
        Direction::Exit
    );
    assert_eq!(
        both.decide(None, &travelling(50_000, "A", 11 * SECOND_MS))
            .tap
            .direction,
        Direction::Exit
    );
    assert_eq!(both.decide(None, &card(50_000)).tap.direction, Direction::Entry);
}

#[test]
fn s_caps_what_a_group_may_spend_before_the_hub_has_covered_it() {
    // S is 24,000: of 100,000 settled, two holds of 12,000 may be spent here, not three.
    let spent = |rupiah: i64| {
        let mut card = card(100_000);
        card.view.balance = Money::rupiah(100_000 - rupiah);
        card
    };
    let entry = Ask::at(GateType::Entry);
    assert_eq!(entry.reason(&spent(12_000)), Reason::Accepted);
    assert_eq!(entry.reason(&spent(12_001)), Reason::Funds);
    assert_eq!(entry.reason(&spent(24_000)), Reason::Funds);
}

#[test]
fn funds_are_what_is_left_after_the_hold() {
    let entry = Ask::at(GateType::Entry);
    assert_eq!(entry.reason(&card(12_000)), Reason::Accepted);
    assert_eq!(entry.reason(&card(11_999)), Reason::Funds);
    assert_eq!(entry.reason(&travelling(23_999, "B", HOUR_MS)), Reason::Funds);
    assert_eq!(entry.reason(&card(-1)), Reason::Debt);
}

#[test]
fn f_is_given_only_between_fifteen_minutes_and_a_day_and_only_once() {
    let poor = card(0);
    for (age_ms, reason) in [
        (15 * MINUTE_MS, Reason::Funds),
        (15 * MINUTE_MS + 1, Reason::Allowance),
        (24 * HOUR_MS, Reason::Allowance),
        (24 * HOUR_MS + 1, Reason::Funds),
    ] {
        assert_eq!(
            Ask::at(GateType::Entry).aged(age_ms).reason(&poor),
            reason,
            "{age_ms}"
        );
    }
    let mut used = card(0);
    used.view.balance = Money::rupiah(-12_000);
    used.uncovered_entries = 1;
    assert_eq!(
        Ask::at(GateType::Entry).aged(HOUR_MS).reason(&used),
        Reason::Funds
    );
}

#[test]
fn f_tops_up_what_is_secured() {
    assert_eq!(
        Ask::at(GateType::Entry).aged(HOUR_MS).reason(&card(5_000)),
        Reason::Allowance
    );
    assert_eq!(
        Ask::at(GateType::Entry).aged(HOUR_MS).reason(&card(12_000)),
        Reason::Accepted
    );
}

#[test]
fn two_offline_entries_of_a_card_are_the_limit() {
    let mut card = card(90_000);
    card.uncovered_entries = 2;
    assert_eq!(
        Ask::at(GateType::Entry).aged(HOUR_MS).reason(&card),
        Reason::Velocity
    );
    assert_eq!(
        Ask::at(GateType::Entry).aged(FRESH).reason(&card),
        Reason::Accepted
    );
}

#[test]
fn beyond_three_days_the_operators_switch_decides() {
    let mut entry = Ask::at(GateType::Entry).aged(72 * HOUR_MS);
    assert_eq!(entry.reason(&card(50_000)), Reason::Accepted);
    entry.age_ms += 1;
    assert_eq!(entry.reason(&card(50_000)), Reason::StaleKnowledge);
    entry.policy.beyond_autonomy = BeyondAutonomy::FreeFlow;
    let decision = entry.decide(None, &CardKnowledge::default());
    assert_eq!((decision.tap.reason, decision.tap.hold), (Reason::FreeFlow, HOLD));
}

#[test]
fn the_gates_own_switch_closes_or_frees_entry() {
    let mut entry = Ask::at(GateType::Entry);
    entry.gate.mode = Mode::Closed;
    assert_eq!(entry.reason(&card(50_000)), Reason::GateClosed);
    entry.gate.mode = Mode::FreeFlow;
    assert_eq!(entry.reason(&card(-50_000)), Reason::FreeFlow);
}

#[test]
fn without_a_fare_entry_is_denied() {
    let mut entry = Ask::at(GateType::Entry);
    entry.fares = FareBook::default();
    assert_eq!(entry.reason(&card(50_000)), Reason::NoFare);
    entry.fares = fares();
    entry.gate.terminal = terminal("Q");
    assert_eq!(entry.reason(&card(50_000)), Reason::NoFare);
}

#[test]
fn hostile_numbers_do_not_stop_a_gate() {
    let mut card = card(0);
    card.view.balance = Money::hundredths(i64::MIN);
    card.view.held = Money::hundredths(i64::MAX);
    card.settled = Some(Settled {
        revision: u64::MAX,
        available: Money::hundredths(i64::MAX),
        balance: Money::hundredths(i64::MAX),
    });
    for age_ms in [i64::MIN, 0, HOUR_MS, i64::MAX] {
        let _ = Ask::at(GateType::Bidirectional).aged(age_ms).decide(None, &card);
    }
}
