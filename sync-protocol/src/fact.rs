//! Facts: what a gate observed or the hub decided. Immutable, insert-only, united by [`FactId`] (domain 4.1).
//!
//! Gates write taps; everything that is not an observation has the hub as its single writer, so no clock ever
//! decides money or status between two writers.

use serde::{Deserialize, Serialize};

use crate::changeset::Head;
use crate::fare::FareVersion;
use crate::id::{CardId, FactId, GateId, OrderKey, Seq, SiteId, TerminalCode};
use crate::journey::CardState;
use crate::money::Money;

/// Which way a passenger goes through a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into the paid area (check-in).
    Entry,
    /// Out of the paid area (check-out).
    Exit,
}

/// Whether a card may be used; one enum everywhere (D-07).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardStatus {
    /// In use.
    #[default]
    Active,
    /// Stopped for a while.
    Suspended,
    /// Stopped by the hub.
    Blocked,
    /// Given up for good.
    Closed,
}

/// Why a gate opened or stayed closed. Recorded in the tap; no money depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// Opened: funds known (T-01).
    Accepted,
    /// Opened: the same presentation again within ten seconds (T-05, T-37).
    DupIn,
    /// Opened within the unsecured offline allowance F (T-29, T-41).
    Allowance,
    /// Opened: an exit always opens (I7).
    ExitOpen,
    /// Opened: the operator switched to free flow.
    FreeFlow,
    /// Denied: the card is blocked (T-23).
    Blocked,
    /// Denied: the card is suspended.
    Suspended,
    /// Denied: the card is closed.
    Closed,
    /// Denied: a gate declared the card denied and the hub has not lifted it (T-27).
    DenyList,
    /// Denied: the hold is above what may be spent here (4.5).
    Funds,
    /// Denied: the card owes money (4.6).
    Debt,
    /// Denied: a second entry here within five minutes (T-06).
    Passback,
    /// Denied: the gate does not serve this direction (T-42).
    WrongGate,
    /// Denied: the card is not known here and no allowance may be used (T-41).
    UnknownCard,
    /// Denied: no fare version, or no fare from this terminal.
    NoFare,
    /// Denied: too many offline entries of this card here (4.5).
    Velocity,
    /// Denied: knowledge is older than 72 hours and the operator chose to close (4.5).
    StaleKnowledge,
    /// Denied: the gate or terminal is closed to entry.
    GateClosed,
}

impl Reason {
    /// Whether the barrier opens.
    #[must_use]
    pub const fn opens(self) -> bool {
        use Reason::{Accepted, Allowance, DupIn, ExitOpen, FreeFlow};
        matches!(self, Accepted | DupIn | Allowance | ExitOpen | FreeFlow)
    }
}

/// What a decision rested on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Knowledge {
    /// Revision of the settled state the gate held for the card; 0 when it held none.
    pub revision: u64,
    /// Age of that knowledge in seconds, at most 72 hours' worth matters.
    pub age_s: u32,
}

/// A card presented at a gate, and what the gate decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tap {
    /// The card.
    pub card: CardId,
    /// Entry or exit.
    pub direction: Direction,
    /// Where.
    pub terminal: TerminalCode,
    /// At which gate.
    pub gate: GateId,
    /// How far the gate's clock may be off either way, in milliseconds.
    pub uncertainty_ms: u32,
    /// Whether the barrier opened. Only accepted taps make journeys (4.8 point 2).
    pub accepted: bool,
    /// Why.
    pub reason: Reason,
    /// The fare version the gate used; 0 when it had none.
    pub fare_version: u32,
    /// Entry: the amount held. Zero on exits.
    pub hold: Money,
    /// Exit: the fare the gate quoted, if it knew the entry (T-22).
    pub quoted: Option<Money>,
    /// What the decision knew.
    pub knowledge: Knowledge,
}

/// Everything a changeset can state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// A gate's observation.
    Tap(Tap),
    /// A card exists from here on.
    CardIssued {
        /// The card.
        card: CardId,
    },
    /// A card's status; the highest version counts (T-26).
    CardStatus {
        /// The card.
        card: CardId,
        /// Counts the card's status changes, from 1.
        version: u64,
        /// The status.
        status: CardStatus,
    },
    /// Money paid in (T-28, T-30).
    TopUp {
        /// The card.
        card: CardId,
        /// How much, not negative.
        amount: Money,
        /// The channel's reference; the same one again counts once.
        reference: String,
    },
    /// A correction either way (T-31, T-32).
    Adjust {
        /// The card.
        card: CardId,
        /// Added when positive, taken when negative.
        amount: Money,
        /// Why, for the holder and the auditor.
        reason: String,
    },
    /// Fare money given back (T-32).
    Refund {
        /// The card.
        card: CardId,
        /// How much, not negative.
        amount: Money,
        /// Why.
        reason: String,
    },
    /// Debt given up (4.6).
    WriteOff {
        /// The card.
        card: CardId,
        /// How much, not negative.
        amount: Money,
        /// Why.
        reason: String,
    },
    /// A whole fare table (D-22).
    FareVersion(FareVersion),
    /// A journey left open, or an exit left without entry, is closed (T-10, T-17).
    Close {
        /// The card.
        card: CardId,
        /// The entry, or the exit without an entry.
        tap: FactId,
    },
    /// A finished site: nothing above `last` is expected.
    SiteClosed {
        /// The site.
        site: SiteId,
        /// Its last changeset.
        last: Seq,
    },
    /// The complete fold state of a card, as the hub settled it.
    CardSettled(Box<CardSettled>),
    /// Up to where the settled states cover the gates' sites; only those that advanced.
    SettledUpTo {
        /// Per site, the last changeset covered.
        covered: Vec<(SiteId, Seq)>,
    },
    /// Which of two branches of a site counts, by an operator's decision.
    SiteFork {
        /// The site.
        site: SiteId,
        /// The head of the branch that counts.
        head: Head,
    },
    /// A site's clock was wrong: added to the time of its facts before the fold sorts them (T-33, T-34).
    ClockOffset {
        /// The site.
        site: SiteId,
        /// First changeset corrected.
        first: Seq,
        /// Last changeset corrected.
        last: Seq,
        /// Milliseconds added to the stamps.
        offset_ms: i64,
    },
    /// A card's state at a cut, with the vector it covers (T-39).
    Checkpoint {
        /// The card's state at the cut.
        settled: Box<CardSettled>,
        /// Per site, the last changeset covered.
        covered: Vec<(SiteId, Seq)>,
    },
    /// An accounting day is closed, with the vector it covers (T-40).
    DayClose {
        /// The service day, in days since 1970-01-01 Asia/Jakarta with its border at 03:00.
        service_day: i32,
        /// Per site, the last changeset covered.
        covered: Vec<(SiteId, Seq)>,
    },
    /// What is settled up to and with this changeset, as one digest ([`crate::digest::SettledDigest`]): all cards, the
    /// coverage of all sites, and the fare versions that price.
    SettledDigest {
        /// The newest of these fare versions; 0 before any.
        fare_version: u32,
        /// How many cards.
        cards: u64,
        /// The hash of the sum.
        hash: [u8; 32],
    },
}

/// A card's settled state: what a gate needs to go on from, and what it can compare its own fold with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardSettled {
    /// The card.
    pub card: CardId,
    /// Counts the card's settled states; the highest counts, whatever site it came by.
    pub revision: u64,
    /// The complete resumable fold state.
    pub state: CardState,
    /// The highest fare version that priced it; 0 before any. Whoever knows another one cannot compare its own fold.
    pub fare_version: u32,
    /// How many facts it covers.
    pub facts: u64,
    /// Sum of the covered facts' hashes ([`crate::digest::fact_hash`]), modulo 2^128.
    pub facts_hash: u128,
}

impl Fact {
    /// The card a fact belongs to in the fold of domain 4.8, if it takes part in it.
    #[must_use]
    pub fn card(&self) -> Option<CardId> {
        match self {
            Fact::Tap(tap) => Some(tap.card),
            Fact::CardIssued { card }
            | Fact::CardStatus { card, .. }
            | Fact::TopUp { card, .. }
            | Fact::Adjust { card, .. }
            | Fact::Refund { card, .. }
            | Fact::WriteOff { card, .. }
            | Fact::Close { card, .. } => Some(*card),
            Fact::FareVersion(_)
            | Fact::SiteClosed { .. }
            | Fact::CardSettled(_)
            | Fact::SettledUpTo { .. }
            | Fact::SiteFork { .. }
            | Fact::ClockOffset { .. }
            | Fact::Checkpoint { .. }
            | Fact::DayClose { .. }
            | Fact::SettledDigest { .. } => None,
        }
    }

    /// Whether only the hub may state it.
    #[must_use]
    pub const fn is_hub_only(&self) -> bool {
        !matches!(self, Fact::Tap(_))
    }
}

/// A fact with its place in the order of the fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedFact {
    /// The place.
    pub key: OrderKey,
    /// The fact.
    pub fact: Fact,
}
