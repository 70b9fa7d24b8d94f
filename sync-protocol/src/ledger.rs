//! Postings: what the fold makes of facts in double entry (domain 4.2).
//!
//! Invariant: every posting has one debit and one credit account and a positive amount, so all postings sum to 0 (I2).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{CardId, FactId};
use crate::money::Money;

/// Where money stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Account {
    /// What is owed to a card's holder.
    Card(CardId),
    /// Fares earned.
    FareRevenue,
    /// Top-ups received by the channels.
    TopupFloat,
    /// Corrections.
    Adjustments,
    /// Debt given up.
    Writeoff,
    /// What belongs to no card yet.
    Suspense,
}

impl Account {
    /// The account's name, without the card.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Account::Card(_) => "card",
            Account::FareRevenue => "fare_revenue",
            Account::TopupFloat => "topup_float",
            Account::Adjustments => "adjustments",
            Account::Writeoff => "writeoff",
            Account::Suspense => "suspense",
        }
    }
}

/// Which rule of the fold made a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rule {
    /// A correction (T-31, T-32).
    Adjust,
    /// The fare, up to the hold (T-02).
    Capture,
    /// An entry without exit (T-07, T-17).
    Incomplete,
    /// The fare, up to the hold, of a journey that had been closed (T-18).
    LateFare,
    /// The part of a fare above the hold (T-03).
    OverHold,
    /// Fare given back (T-32).
    Refund,
    /// Money paid in (T-28).
    Topup,
    /// An exit without entry (T-10).
    Unstarted,
    /// Debt given up (4.6).
    Writeoff,
}

impl Rule {
    /// The rule's name in reports and in the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Adjust => "ADJUST",
            Rule::Capture => "CAPTURE",
            Rule::Incomplete => "INCOMPLETE",
            Rule::LateFare => "LATE_FARE",
            Rule::OverHold => "OVER_HOLD",
            Rule::Refund => "REFUND",
            Rule::Topup => "TOPUP",
            Rule::Unstarted => "UNSTARTED",
            Rule::Writeoff => "WRITEOFF",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One movement of money, named by its rule and facts inside one projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Posting {
    /// The rule that made it.
    pub rule: Rule,
    /// Taken from here.
    pub debit: Account,
    /// Given here.
    pub credit: Account,
    /// How much, above zero.
    pub amount: Money,
    /// The fact behind it; for a completed journey its entry.
    pub fact: FactId,
    /// For a completed journey its exit.
    pub exit: Option<FactId>,
}

impl Posting {
    /// A movement from a card to fare revenue.
    #[must_use]
    pub const fn fare(
        rule: Rule,
        card: CardId,
        amount: Money,
        fact: FactId,
        exit: Option<FactId>,
    ) -> Posting {
        Posting {
            rule,
            debit: Account::Card(card),
            credit: Account::FareRevenue,
            amount,
            fact,
            exit,
        }
    }

    /// What the posting adds to the balance of `card`.
    #[must_use]
    pub fn effect_on(&self, card: CardId) -> Money {
        let account = Account::Card(card);
        let given = if self.credit == account {
            self.amount
        } else {
            Money::ZERO
        };
        let taken = if self.debit == account {
            self.amount
        } else {
            Money::ZERO
        };
        given - taken
    }

    /// The same movement back.
    #[must_use]
    pub const fn reversed(self) -> Posting {
        Posting {
            debit: self.credit,
            credit: self.debit,
            ..self
        }
    }
}
