//! The gate decision: what one gate answers to one card, from what it holds itself. Pure, and never waits (D-48).
//!
//! Invariant (I7): an exit is never denied where the gate lets passengers out at all.
//! The money rule is domain 4.5: a group of gates may spend at most S of what it believes the card has, and beyond
//! that the unsecured allowance F, but F only while its knowledge is older than fifteen minutes.

use serde::{Deserialize, Serialize};

use crate::fact::{CardStatus, Direction, Knowledge, Reason, Tap};
use crate::fare::FareBook;
use crate::id::{CardId, GateId, TerminalCode};
use crate::journey::{CardView, DUP_IN_MS, OpenJourney, PASSBACK_MS};
use crate::money::Money;
use crate::mutation::{Mutation, is};
use crate::time::{HOUR_MS, MINUTE_MS};

/// What a terminal does when its knowledge is older than [`Policy::autonomy_ms`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeyondAutonomy {
    /// Entries are denied.
    #[default]
    Closed,
    /// Everybody passes; every tap is still recorded.
    FreeFlow,
}

/// The limits of deciding alone (domain 4.5 and 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// S: how much of what it believes a card has one group may spend before the hub has covered it.
    pub spend_max: Money,
    /// F: how much one group may let a card spend without security.
    pub allowance: Money,
    /// Knowledge up to this old is fresh: no F is needed, none is given. Milliseconds.
    pub fresh_ms: i64,
    /// F and unknown cards are possible up to this age. Milliseconds.
    pub allowance_until_ms: i64,
    /// Entries are decided as usual up to this age. Milliseconds.
    pub autonomy_ms: i64,
    /// Most entries of one card that a group accepts offline before the hub has covered them.
    pub offline_entries_max: u32,
    /// What happens beyond [`Policy::autonomy_ms`].
    pub beyond_autonomy: BeyondAutonomy,
}

impl Policy {
    /// The recommended limits for a network whose highest fare is `highest`: S twice, F once that fare.
    #[must_use]
    pub fn recommended(highest: Money) -> Policy {
        Policy {
            spend_max: highest + highest,
            allowance: highest,
            fresh_ms: 15 * MINUTE_MS,
            allowance_until_ms: 24 * HOUR_MS,
            autonomy_ms: 72 * HOUR_MS,
            offline_entries_max: 2,
            beyond_autonomy: BeyondAutonomy::Closed,
        }
    }
}

/// Which ways a gate lets passengers through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateType {
    /// In only.
    Entry,
    /// Out only.
    Exit,
    /// Both.
    Bidirectional,
}

impl GateType {
    /// Whether it lets passengers through this way.
    #[must_use]
    pub const fn serves(self, direction: Direction) -> bool {
        matches!(
            (self, direction),
            (GateType::Bidirectional, _)
                | (GateType::Entry, Direction::Entry)
                | (GateType::Exit, Direction::Exit)
        )
    }
}

/// The operator's switch of a gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decide.
    #[default]
    Normal,
    /// Closed to entry.
    Closed,
    /// Everybody passes.
    FreeFlow,
}

/// The gate that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Its number.
    pub id: GateId,
    /// Where it stands.
    pub terminal: TerminalCode,
    /// Which ways it works.
    pub kind: GateType,
    /// The operator's switch.
    pub mode: Mode,
    /// How far its clock may be off, milliseconds.
    pub uncertainty_ms: u32,
}

/// What the hub settled about a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which settled state.
    pub revision: u64,
    /// Balance minus hold in it.
    pub available: Money,
    /// Balance in it.
    pub balance: Money,
}

/// What the gate holds about a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CardKnowledge {
    /// The hub's settled state; `None` for a card the gate has never heard of.
    pub settled: Option<Settled>,
    /// The settled state with the terminal's uncovered taps folded onto it.
    pub view: CardView,
    /// How many of those uncovered taps are accepted entries.
    pub uncovered_entries: u32,
    /// Whether a gate's own denial stands.
    pub denied: bool,
}

/// A card at the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// The card.
    pub card: CardId,
    /// Which way; left open, a bidirectional gate takes it from the journey under way.
    pub direction: Option<Direction>,
    /// When, by the gate's clock, milliseconds since 1970.
    pub at_ms: i64,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The fact to commit before the barrier opens.
    pub tap: Tap,
    /// On exit: what the gate believes the journey costs.
    pub fare: Option<Money>,
}

/// Everything a decision rests on besides the card.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The gate.
    pub gate: &'a Gate,
    /// The limits.
    pub policy: &'a Policy,
    /// Every fare version known here.
    pub fares: &'a FareBook,
    /// Age of the gate's knowledge, milliseconds.
    pub age_ms: i64,
}

impl Circumstances<'_> {
    /// Decides one tap.
    #[must_use]
    pub fn decide(&self, presentation: &Presentation, card: &CardKnowledge) -> Decision {
        let direction = presentation
            .direction
            .unwrap_or_else(|| self.natural_direction(presentation.at_ms, card));
        let (reason, hold) = match direction {
            _ if !self.gate.kind.serves(direction) => (Reason::WrongGate, Money::ZERO),
            Direction::Exit if is(Mutation::DenyExit) && card.view.status != CardStatus::Active => {
                (Reason::Blocked, Money::ZERO)
            }
            Direction::Exit if is(Mutation::DenyExit) && card.settled.is_none() => {
                (Reason::UnknownCard, Money::ZERO)
            }
            Direction::Exit => (Reason::ExitOpen, Money::ZERO),
            Direction::Entry => self.entry(presentation.at_ms, card),
        };
        let open = card.view.open.filter(|_| reason == Reason::ExitOpen);
        let quoted = open.and_then(|open| self.quote(&open));
        let in_force = match open {
            Some(open) => self.fares.effective_at(open.entry.at_ms),
            None => self.fares.effective_at(presentation.at_ms),
        };
        let tap = Tap {
            card: presentation.card,
            direction,
            terminal: self.gate.terminal,
            gate: self.gate.id,
            uncertainty_ms: self.gate.uncertainty_ms,
            accepted: reason.opens(),
            reason,
            fare_version: in_force.map_or(0, |table| table.fact().version),
            hold: if is(Mutation::HoldNotInFact) {
                Money::ZERO
            } else {
                hold
            },
            quoted,
            knowledge: Knowledge {
                revision: card.settled.map_or(0, |settled| settled.revision),
                age_s: u32::try_from(self.age_ms.max(0) / 1_000).unwrap_or(u32::MAX),
            },
        };
        Decision { tap, fare: quoted }
    }

    /// What a gate takes a tap without direction for. A bidirectional gate lets out whom it knows to be travelling,
    /// unless the journey began here just now: then it is the same presentation again.
    fn natural_direction(&self, at_ms: i64, card: &CardKnowledge) -> Direction {
        match self.gate.kind {
            GateType::Entry => Direction::Entry,
            GateType::Exit => Direction::Exit,
            GateType::Bidirectional => match (card.view.open, self.since_entry_here(at_ms, card)) {
                (None, _) | (_, Some(0..=DUP_IN_MS)) => Direction::Entry,
                _ => Direction::Exit,
            },
        }
    }

    fn quote(&self, open: &OpenJourney) -> Option<Money> {
        let table = self.fares.effective_at(open.entry.at_ms)?;
        table.fare(open.entry.terminal, self.gate.terminal)
    }

    fn entry(&self, at_ms: i64, card: &CardKnowledge) -> (Reason, Money) {
        let since_entry_ms = self.since_entry_here(at_ms, card);
        if let (Some(0..=DUP_IN_MS), Some(open)) = (since_entry_ms, card.view.open) {
            return (Reason::DupIn, open.hold);
        }
        let table = self.fares.effective_at(at_ms);
        let hold = table.and_then(|table| table.highest_from(self.gate.terminal));
        match self.closed_to(card) {
            Some(Reason::FreeFlow) => return (Reason::FreeFlow, hold.unwrap_or_default()),
            Some(reason) => return (reason, Money::ZERO),
            None => {}
        }
        if since_entry_ms.is_some_and(|since_ms| since_ms <= PASSBACK_MS) {
            return (Reason::Passback, Money::ZERO);
        }
        let Some(hold) = hold else {
            return (Reason::NoFare, Money::ZERO);
        };
        let reason = self.funds(hold, card);
        (reason, if reason.opens() { hold } else { Money::ZERO })
    }

    /// Milliseconds since the journey under way began at this terminal, if it did.
    fn since_entry_here(&self, at_ms: i64, card: &CardKnowledge) -> Option<i64> {
        let open = card
            .view
            .open
            .filter(|open| open.entry.terminal == self.gate.terminal)?;
        Some(at_ms.saturating_sub(open.entry.at_ms).max(0))
    }

    /// Switches, status and deny list: whatever closes the gate to this card, or opens it to all.
    fn closed_to(&self, card: &CardKnowledge) -> Option<Reason> {
        let beyond_autonomy = self.age_ms > self.policy.autonomy_ms;
        match self.gate.mode {
            Mode::Closed => return Some(Reason::GateClosed),
            Mode::FreeFlow => return Some(Reason::FreeFlow),
            Mode::Normal => {}
        }
        match card.view.status {
            CardStatus::Blocked if is(Mutation::IgnoreBlock) => {}
            CardStatus::Blocked => return Some(Reason::Blocked),
            CardStatus::Suspended => return Some(Reason::Suspended),
            CardStatus::Closed => return Some(Reason::Closed),
            CardStatus::Active => {}
        }
        if card.denied {
            return Some(Reason::DenyList);
        }
        match self.policy.beyond_autonomy {
            BeyondAutonomy::Closed if beyond_autonomy => Some(Reason::StaleKnowledge),
            BeyondAutonomy::FreeFlow if beyond_autonomy => Some(Reason::FreeFlow),
            _ => None,
        }
    }

    /// Domain 4.5: what this group may still let the card spend.
    fn funds(&self, hold: Money, card: &CardKnowledge) -> Reason {
        let offline = self.age_ms > self.policy.fresh_ms;
        let allowed_age = offline && self.age_ms <= self.policy.allowance_until_ms;
        if card.settled.is_none() && !allowed_age {
            return Reason::UnknownCard;
        }
        let settled = card.settled.unwrap_or_default();
        if settled.balance < Money::ZERO {
            return Reason::Debt;
        }
        if offline && card.uncovered_entries >= self.policy.offline_entries_max {
            return Reason::Velocity;
        }
        let spent = if is(Mutation::SpendAgain) {
            Money::ZERO
        } else {
            (settled.available - card.view.available()).max(Money::ZERO)
        };
        let secured_max = settled.available.max(Money::ZERO).min(self.policy.spend_max);
        let secured = card
            .view
            .available()
            .min(self.policy.spend_max - spent)
            .max(Money::ZERO);
        let unsecured_spent = (spent - secured_max).max(Money::ZERO);
        let unsecured = if allowed_age {
            (self.policy.allowance - unsecured_spent).max(Money::ZERO)
        } else {
            Money::ZERO
        };
        if hold <= secured {
            Reason::Accepted
        } else if hold <= secured + unsecured {
            Reason::Allowance
        } else if card.settled.is_none() {
            Reason::UnknownCard
        } else {
            Reason::Funds
        }
    }
}

impl Default for Settled {
    /// A card nobody has heard of has nothing.
    fn default() -> Settled {
        Settled {
            revision: 0,
            available: Money::ZERO,
            balance: Money::ZERO,
        }
    }
}
