//! What the rest of the house is told: events in the order they were booked, each under a key of its own.
//!
//! | Event | Key | Told when |
//! |---|---|---|
//! | `user.card.issued` | `issued:<card>` | a card's first CardIssued is settled |
//! | `user.status.changed` | `status:<card>:<revision>` | a card's settled status differs from the one before |
//! | `user.balance.updated` | `balance:<card>:<revision>:<line>` | a journal entry is booked |
//! | `journey.started`, `.completed`, `.incomplete`, `.unstarted`, `.closed` | `journey:<first tap>:<transition>` | a journey comes to a state for the first time |
//! | `fare.version.published` | `fares:<version>` | a fare version is settled: from then on it prices |
//! | `terminal.row.merged` | `row:<change>` | a row of a shared table changed |
//!
//! What each carries as JSON is said in [`payload`](Event::payload).
//!
//! Invariant: an event's key is written once, so whoever consumes at least once and remembers keys acts exactly once
//! (I12).

#[cfg(feature = "server")]
mod payload;

use std::fmt;

use sync_protocol::fact::CardStatus;
use sync_protocol::id::{CardId, FactId};
use sync_protocol::journey::{Journey, JourneyStatus};
use sync_protocol::ledger::Rule;
use sync_protocol::money::Money;

use crate::ledger::{EntryId, JournalEntry};

/// Something that came about in a card's projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transition {
    /// A journey began.
    Started,
    /// It ended at an exit.
    Completed,
    /// It found no exit.
    Incomplete,
    /// An exit found no entry.
    Unstarted,
    /// The hub closed it.
    Closed,
}

impl Transition {
    /// The name of the event.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Transition::Started => "journey.started",
            Transition::Completed => "journey.completed",
            Transition::Incomplete => "journey.incomplete",
            Transition::Unstarted => "journey.unstarted",
            Transition::Closed => "journey.closed",
        }
    }

    /// The transition alone, as in keys and tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Transition::Started => "started",
            Transition::Completed => "completed",
            Transition::Incomplete => "incomplete",
            Transition::Unstarted => "unstarted",
            Transition::Closed => "closed",
        }
    }

    /// The transition with this [`Transition::word`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Transition> {
        use Transition::{Closed, Completed, Incomplete, Started, Unstarted};
        let all = [Started, Completed, Incomplete, Unstarted, Closed];
        all.into_iter().find(|transition| transition.word() == word)
    }
}

/// Names an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKey {
    /// A card that was issued.
    Issued(CardId),
    /// A card's status as of a revision.
    Status(CardId, u64),
    /// A booked movement.
    Balance(EntryId),
    /// A transition of the journey that begins with this tap.
    Journey(FactId, Transition),
    /// A fare version.
    Fares(u32),
    /// The first change of a changeset that altered the row.
    Row(FactId),
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKey::Issued(card) => write!(f, "issued:{card}"),
            EventKey::Status(card, revision) => write!(f, "status:{card}:{revision}"),
            EventKey::Balance(entry) => {
                write!(f, "balance:{}:{}:{}", entry.card, entry.revision, entry.line)
            }
            EventKey::Journey(tap, transition) => write!(f, "journey:{tap}:{}", transition.word()),
            EventKey::Fares(version) => write!(f, "fares:{version}"),
            EventKey::Row(change) => write!(f, "row:{change}"),
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `user.card.issued`: the card exists.
    CardIssued {
        /// The card.
        card: CardId,
        /// The card's revision in which it came about.
        revision: u64,
        /// The fact that says so.
        fact: FactId,
    },
    /// `user.status.changed`: a card's settled status is another one than before.
    StatusChanged {
        /// The card.
        card: CardId,
        /// The card's revision in which it came about.
        revision: u64,
        /// The new status.
        status: CardStatus,
        /// The version of the status; the highest counts (T-26).
        version: u64,
    },
    /// `user.balance.updated`: the difference in the ledger, never an old and a new balance (D-31).
    BalanceUpdated {
        /// The journal entry behind it. Its revision is the card's watermark.
        entry: EntryId,
        /// Added to the balance when positive.
        amount: Money,
        /// The rule of the posting.
        rule: Rule,
        /// The fact of the posting.
        fact: FactId,
        /// For a completed journey its exit.
        exit: Option<FactId>,
        /// Whether the posting was booked back.
        reversal: bool,
    },
    /// A journey came to a new state. A later correction of its fare is a `BalanceUpdated`.
    Journey {
        /// The card.
        card: CardId,
        /// The card's revision in which it came about.
        revision: u64,
        /// What came about.
        transition: Transition,
        /// The journey as of that revision.
        journey: Journey,
    },
    /// `fare.version.published`: a fare version prices from here on.
    FaresPublished {
        /// Its number.
        version: u32,
        /// Holds for journeys entered from this time on, milliseconds since 1970.
        effective_from_ms: i64,
    },
    /// `terminal.row.merged`: a row of a shared table changed. Its content is in the merged rows.
    RowMerged {
        /// The first change of its changeset that altered the row.
        change: FactId,
        /// The table.
        table: String,
        /// The row's packed key ([`sync_protocol::rows::key`]).
        key: Vec<u8>,
    },
}

impl Event {
    /// What a journal entry means to the holder.
    #[must_use]
    pub fn balance(entry: &JournalEntry) -> Event {
        Event::BalanceUpdated {
            entry: entry.id,
            amount: entry.effect(),
            rule: entry.posting.rule,
            fact: entry.posting.fact,
            exit: entry.posting.exit,
            reversal: entry.reversal,
        }
    }

    /// The card it is about, if it is about one.
    #[must_use]
    pub const fn card(&self) -> Option<CardId> {
        match self {
            Event::BalanceUpdated { entry, .. } => Some(entry.card),
            Event::CardIssued { card, .. }
            | Event::StatusChanged { card, .. }
            | Event::Journey { card, .. } => Some(*card),
            Event::FaresPublished { .. } | Event::RowMerged { .. } => None,
        }
    }

    /// The card's revision in which it came about: its watermark.
    #[must_use]
    pub const fn revision(&self) -> Option<u64> {
        match self {
            Event::BalanceUpdated { entry, .. } => Some(entry.revision),
            Event::CardIssued { revision, .. }
            | Event::StatusChanged { revision, .. }
            | Event::Journey { revision, .. } => Some(*revision),
            Event::FaresPublished { .. } | Event::RowMerged { .. } => None,
        }
    }

    /// The event's own name.
    #[must_use]
    pub fn key(&self) -> EventKey {
        match self {
            Event::CardIssued { card, .. } => EventKey::Issued(*card),
            Event::StatusChanged { card, revision, .. } => EventKey::Status(*card, *revision),
            Event::BalanceUpdated { entry, .. } => EventKey::Balance(*entry),
            Event::Journey {
                transition, journey, ..
            } => EventKey::Journey(first_tap(journey), *transition),
            Event::FaresPublished { version, .. } => EventKey::Fares(*version),
            Event::RowMerged { change, .. } => EventKey::Row(*change),
        }
    }

    /// The name of the event's family.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Event::CardIssued { .. } => "user.card.issued",
            Event::StatusChanged { .. } => "user.status.changed",
            Event::BalanceUpdated { .. } => "user.balance.updated",
            Event::Journey { transition, .. } => transition.name(),
            Event::FaresPublished { .. } => "fare.version.published",
            Event::RowMerged { .. } => "terminal.row.merged",
        }
    }
}

/// The tap that names a journey: its entry, or its exit when it has none.
#[must_use]
pub fn first_tap(journey: &Journey) -> FactId {
    let endpoint = journey.entry.or(journey.exit);
    endpoint.map(|endpoint| endpoint.tap).unwrap_or_default()
}

/// The transitions a journey has gone through.
pub fn transitions(journey: &Journey) -> impl Iterator<Item = Transition> + use<> {
    let last = match journey.status {
        JourneyStatus::Active | JourneyStatus::Cancelled => None,
        JourneyStatus::Completed => Some(Transition::Completed),
        JourneyStatus::Incomplete => Some(Transition::Incomplete),
        JourneyStatus::Unstarted => Some(Transition::Unstarted),
    };
    let started = journey.entry.map(|_| Transition::Started);
    let closed = journey.closed.then_some(Transition::Closed);
    started.into_iter().chain(last).chain(closed)
}
