//! What a gate answers to a card, whatever way the card came in.

mod rule;

use serde::{Deserialize, Serialize};
use sync_protocol::decide::Policy;
use sync_protocol::fact::{Direction, Reason};
use sync_protocol::id::{CardId, FactId};
use sync_protocol::money::Money;
use sync_protocol::time::SECOND_MS;

use crate::message::{self, Language};
use crate::store::{Decided, Unrecorded};

/// Why the barrier opens or stays closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Decided and recorded.
    Decided(Reason),
    /// The tap could not be recorded: an exit opens all the same, an entry does not (design section 3).
    Unrecorded,
}

/// The answer to one tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The card.
    pub card: CardId,
    /// What the tap was taken for.
    pub direction: Direction,
    /// Whether the barrier opens.
    pub opens: bool,
    /// Why.
    pub why: Why,
    /// The row of the decision table (domain 4.4), or the section that states the rule.
    pub rule: &'static str,
    /// The card's balance after it, as far as this gate knows; `None` for a card it does not know.
    pub balance: Option<Money>,
    /// Age of the gate's knowledge, seconds.
    pub age_s: u32,
    /// Entry: what is held.
    pub hold: Money,
    /// Exit: what the gate believes the journey costs.
    pub fare: Option<Money>,
    /// Whether the gate decided without fresh knowledge.
    pub offline: bool,
    /// The recorded fact.
    pub fact: Option<FactId>,
}

impl Answer {
    /// The answer to a tap that is decided and durable.
    #[must_use]
    pub fn decided(decided: &Decided, policy: &Policy) -> Answer {
        let tap = &decided.decision.tap;
        let age_s = tap.knowledge.age_s;
        Answer {
            card: tap.card,
            direction: tap.direction,
            opens: tap.accepted,
            why: Why::Decided(tap.reason),
            rule: rule::row(decided),
            balance: (tap.knowledge.revision > 0).then_some(decided.view.balance),
            age_s,
            hold: tap.hold,
            fare: rule::fare(decided),
            offline: is_offline(age_s, policy),
            fact: Some(decided.fact),
        }
    }

    /// The answer to a tap that could not be recorded.
    #[must_use]
    pub fn unrecorded(unrecorded: &Unrecorded, policy: &Policy) -> Answer {
        let tap = &unrecorded.decision.tap;
        let age_s = tap.knowledge.age_s;
        Answer {
            card: tap.card,
            direction: tap.direction,
            opens: tap.accepted,
            why: Why::Unrecorded,
            rule: "I7",
            balance: (tap.knowledge.revision > 0).then_some(unrecorded.view.balance),
            age_s,
            hold: Money::ZERO,
            fare: unrecorded.decision.fare,
            offline: is_offline(age_s, policy),
            fact: None,
        }
    }

    /// The reason's name.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self.why {
            Why::Decided(reason) => reason_name(reason),
            Why::Unrecorded => "UNRECORDED",
        }
    }

    /// What the passenger reads.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        message::text(language, self)
    }

    /// The answer as the HTTP interface tells it.
    #[must_use]
    pub fn told(&self, language: Language) -> TapAnswer {
        TapAnswer {
            decision: if self.opens { Outcome::Open } else { Outcome::Deny },
            reason: self.reason().to_owned(),
            rule: self.rule.to_owned(),
            balance: self.balance.map(|balance| balance.to_string()),
            balance_age_s: self.age_s,
            hold: self.hold.to_string(),
            fare: self.fare.map(|fare| fare.to_string()),
            message: self.message(language),
            fact: self.fact.map(|fact| fact.to_string()),
        }
    }
}

/// Whether the barrier opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It opens.
    Open,
    /// It stays closed.
    Deny,
}

/// The answer to `POST /v1/taps`. Amounts are decimal strings in rupiah.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TapAnswer {
    /// Whether the barrier opens.
    pub decision: Outcome,
    /// Why, such as ACCEPTED or FUNDS; UNRECORDED when the tap could not be stored.
    #[schema(example = "ACCEPTED")]
    pub reason: String,
    /// The row of the decision table (domain 4.4), or the section that states the rule.
    #[schema(example = "T-01")]
    pub rule: String,
    /// The balance after the tap, as far as this gate knows; null for a card it does not know.
    #[schema(example = "50000.00")]
    pub balance: Option<String>,
    /// Age of the gate's knowledge, seconds.
    pub balance_age_s: u32,
    /// Entry: what is held.
    #[schema(example = "12000.00")]
    pub hold: String,
    /// Exit: what the gate believes the journey costs; null when it does not know the entry or the fare.
    pub fare: Option<String>,
    /// What the passenger reads.
    pub message: String,
    /// The recorded fact, `site:seq:index`; null when the tap could not be stored.
    pub fact: Option<String>,
}

fn is_offline(age_s: u32, policy: &Policy) -> bool {
    i64::from(age_s) * SECOND_MS > policy.fresh_ms
}

/// A reason as it is written in answers, metrics and tables.
#[must_use]
pub const fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Accepted => "ACCEPTED",
        Reason::DupIn => "DUP_IN",
        Reason::Allowance => "ALLOWANCE",
        Reason::ExitOpen => "EXIT_OPEN",
        Reason::FreeFlow => "FREE_FLOW",
        Reason::Blocked => "BLOCKED",
        Reason::Suspended => "SUSPENDED",
        Reason::Closed => "CLOSED",
        Reason::DenyList => "DENY_LIST",
        Reason::Funds => "FUNDS",
        Reason::Debt => "DEBT",
        Reason::Passback => "PASSBACK",
        Reason::WrongGate => "WRONG_GATE",
        Reason::UnknownCard => "UNKNOWN_CARD",
        Reason::NoFare => "NO_FARE",
        Reason::Velocity => "VELOCITY",
        Reason::StaleKnowledge => "STALE_KNOWLEDGE",
        Reason::GateClosed => "GATE_CLOSED",
    }
}

/// A direction as it is written in answers, metrics and requests.
#[must_use]
pub const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Entry => "entry",
        Direction::Exit => "exit",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_named_as_their_facts_are_encoded() {
        for reason in [
            Reason::DupIn,
            Reason::DenyList,
            Reason::StaleKnowledge,
            Reason::ExitOpen,
        ] {
            let text = serde_json::to_string(&reason).unwrap();
            assert_eq!(text.trim_matches('"'), reason_name(reason));
        }
    }
}
