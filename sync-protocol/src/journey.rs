//! The fold of domain 4.8: what facts make of a card. Pure, and the same on gate, hub and simulator.
//!
//! [`CardState`] is the resumable part: small, and all that the next fact needs. What the fold states on its way
//! (journeys, flags, money) goes to a [`Sink`]: a gate needs none of it, [`history::CardHistory`] keeps it all.
//!
//! Two things would need a look ahead, and are kept open in the state instead:
//! * the skew swap (point 3): an exit that may still be read after the entry that follows it waits in `pending`;
//! * Close facts (points 7, 9, 10) count wherever they stand in the order: one for a tap not yet seen waits in
//!   `early_closes`, one for an open journey marks it, one for a finished journey goes to the sink.
//!
//! The state is bounded ([`UNSTARTED_MAX`], [`EARLY_CLOSES_MAX`]): what it has no room for, the sink of a history
//! keeps, and whoever folds without one learns from the sink's calls that the history is needed.
//!
//! What is still open is settled on a copy by [`CardState::finish`] whenever somebody wants to see it.
//!
//! Invariant (I1): any permutation, duplication and batching of the same facts gives byte-equal projections.
//! Invariant (I3): at most one hold per card, by construction: a card has one `open` journey.

pub mod history;
mod state;

use serde::{Deserialize, Serialize};

pub use state::{
    CardState, CardView, EARLY_CLOSES_MAX, LastExit, LastTap, OpenJourney, PendingExit, UNSTARTED_MAX,
    UnstartedExit,
};

use crate::id::{CardId, FactId, TerminalCode};
use crate::ledger::{Posting, Rule};
use crate::money::Money;
use crate::mutation::{Mutation, is};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// A second entry at the same terminal up to this long after the first is the same presentation (T-05).
pub const DUP_IN_MS: i64 = 10 * SECOND_MS;
/// A second entry at the same terminal up to this long after the first is a pass-back (T-06).
pub const PASSBACK_MS: i64 = 5 * MINUTE_MS;
/// A second exit at the same terminal up to this long after the first is the same exit (T-14).
pub const DUP_OUT_MS: i64 = 5 * MINUTE_MS;
/// An exit at the entry's terminal up to this long after it is free (T-12).
pub const SAME_STATION_FREE_MS: i64 = 5 * MINUTE_MS;
/// A journey longer than this costs at least its hold (T-15).
pub const MAX_JOURNEY_MS: i64 = 4 * HOUR_MS;
/// An entry and an exit farther apart than this are two broken journeys (T-16).
pub const OVERDAY_MS: i64 = DAY_MS;

/// How a journey stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JourneyStatus {
    /// Entered, not left.
    Active,
    /// Entered and left.
    Completed,
    /// Entered, never left.
    Incomplete,
    /// Left, never entered.
    Unstarted,
    /// Called off by an operator. The fold makes none; the state exists for the journey tables (D-06).
    Cancelled,
}

impl JourneyStatus {
    /// The name in reports and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            JourneyStatus::Active => "active",
            JourneyStatus::Completed => "completed",
            JourneyStatus::Incomplete => "incomplete",
            JourneyStatus::Unstarted => "unstarted",
            JourneyStatus::Cancelled => "cancelled",
        }
    }
}

/// Something about a tap that somebody may have to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Flag {
    /// Accepted while the card was blocked (T-24, T-25).
    AcceptedWhileBlocked,
    /// Accepted while the card was closed.
    AcceptedWhileClosed,
    /// Accepted while the card was suspended.
    AcceptedWhileSuspended,
    /// Read after the entry that its stamp precedes (T-33).
    ClockSkew,
    /// The balance is below zero (T-20). Concerns the card, not a fact.
    Debt,
    /// The same presentation again (T-05).
    DupIn,
    /// The same exit again (T-14).
    DupOut,
    /// The fare was above the hold (T-03).
    FareOverHold,
    /// The entry found no exit (T-07, T-17).
    Incomplete,
    /// The exit came after its journey was closed (T-18).
    LateCapture,
    /// No fare was known for the route: the hold was charged.
    NoFare,
    /// More than a day after the entry (T-16).
    Overday,
    /// More than four hours after the entry (T-15).
    Overtime,
    /// A second entry within five minutes (T-06).
    PassbackIn,
    /// Out where the card went in (T-12, T-13).
    SameStation,
    /// The gate quoted a lower fare than the version in force at the entry (T-22).
    StaleFare,
    /// The exit found no entry (T-09, T-10).
    Unstarted,
}

impl Flag {
    /// The name in reports and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Flag::AcceptedWhileBlocked => "ACCEPTED_WHILE_BLOCKED",
            Flag::AcceptedWhileClosed => "ACCEPTED_WHILE_CLOSED",
            Flag::AcceptedWhileSuspended => "ACCEPTED_WHILE_SUSPENDED",
            Flag::ClockSkew => "CLOCK_SKEW",
            Flag::Debt => "DEBT",
            Flag::DupIn => "DUP_IN",
            Flag::DupOut => "DUP_OUT",
            Flag::FareOverHold => "FARE_OVER_HOLD",
            Flag::Incomplete => "INCOMPLETE",
            Flag::LateCapture => "LATE_CAPTURE",
            Flag::NoFare => "NO_FARE",
            Flag::Overday => "OVERDAY",
            Flag::Overtime => "OVERTIME",
            Flag::PassbackIn => "PASSBACK_IN",
            Flag::SameStation => "SAME_STATION",
            Flag::StaleFare => "STALE_FARE",
            Flag::Unstarted => "UNSTARTED",
        }
    }
}

/// A tap's part of a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The tap.
    pub tap: FactId,
    /// Where.
    pub terminal: TerminalCode,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

/// One journey of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Journey {
    /// Where it began, unless unstarted.
    pub entry: Option<Endpoint>,
    /// Where it ended, if it did.
    pub exit: Option<Endpoint>,
    /// How it stands.
    pub status: JourneyStatus,
    /// What it costs.
    pub fare: Money,
    /// What was held at the entry.
    pub hold: Money,
    /// Whether a Close names its entry (or, unstarted, its exit).
    pub closed: bool,
}

impl Journey {
    /// The postings of this journey: none, one or two (4.8 points 4, 7 and 9). Zero amounts make none.
    pub fn postings(&self, card: CardId) -> impl Iterator<Item = Posting> + use<> {
        let entry = self.entry.map(|endpoint| endpoint.tap);
        let exit = self.exit.map(|endpoint| endpoint.tap);
        let (first, second) = match (self.status, entry, exit) {
            (JourneyStatus::Completed, Some(entry), Some(exit)) => {
                let within = self.fare.min(self.hold);
                let rule = if self.closed && !is(Mutation::LateIsOrdinary) {
                    Rule::LateFare
                } else {
                    Rule::Capture
                };
                let above = Posting::fare(Rule::OverHold, card, self.fare - within, entry, Some(exit));
                (
                    Some(Posting::fare(rule, card, within, entry, Some(exit))),
                    Some(above),
                )
            }
            (JourneyStatus::Incomplete, Some(entry), _) => (
                Some(Posting::fare(Rule::Incomplete, card, self.fare, entry, None)),
                None,
            ),
            (JourneyStatus::Unstarted, _, Some(exit)) => (
                Some(Posting::fare(Rule::Unstarted, card, self.fare, exit, None)),
                None,
            ),
            _ => (None, None),
        };
        first.into_iter().chain(second).filter(|posting| {
            posting.amount > Money::ZERO && !(is(Mutation::OverHoldLost) && posting.rule == Rule::OverHold)
        })
    }

    /// The flag a Close leaves on a completed journey, with the tap it is about.
    #[must_use]
    pub fn late_capture(&self) -> Option<(Flag, FactId)> {
        let late = self.closed && self.status == JourneyStatus::Completed;
        self.exit
            .filter(|_| late)
            .map(|exit| (Flag::LateCapture, exit.tap))
    }
}

/// Takes what the fold states. All methods default to doing nothing, which is what a gate's view needs.
pub trait Sink {
    /// A journey came to its end.
    fn journey(&mut self, _journey: Journey) {}
    /// A tap was noted.
    fn flag(&mut self, _flag: Flag, _tap: FactId) {}
    /// Money moved without a journey.
    fn money(&mut self, _posting: Posting) {}
    /// A Close names an exit without entry, which now costs `fare`.
    fn price_unstarted(&mut self, _exit: FactId, _fare: Money) {}
    /// A Close names a tap that is neither open nor waiting. Returns what the finished journeys know of it.
    fn close_finished(&mut self, _tap: FactId) -> Finished {
        Finished::Priced
    }
    /// A Close of a tap not seen yet finds no room in the state. Returns whether it is kept here for the first time.
    fn keep_close(&mut self, _tap: FactId) -> bool {
        false
    }
    /// A tap comes while Closes are kept outside the state. Returns whether one of them names it; it is then let go.
    fn take_close(&mut self, _tap: FactId) -> bool {
        false
    }
    /// A top-up's reference. Returns whether it is seen for the first time.
    fn first_reference(&mut self, _reference: &str) -> bool {
        true
    }
}

/// What the finished journeys know of a tap that a Close names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// No finished journey has it.
    Unknown,
    /// Its journey has a price, or a Close changes none (point 11).
    Priced,
    /// It is an exit without entry that has no price yet.
    Unpriced(Endpoint),
}

/// A sink for those who only want the state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignore;

impl Sink for Ignore {}
