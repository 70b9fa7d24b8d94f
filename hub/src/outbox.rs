//! What the rest of the house is told: events in the order they were booked, each under a key of its own.
//!
//! Invariant: an event's key is written once, so whoever consumes at least once and remembers keys acts exactly once
//! (I12).

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
}

/// Names an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKey {
    /// A booked movement.
    Balance(EntryId),
    /// A transition of the journey that begins with this tap.
    Journey(FactId, Transition),
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
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

    /// The card it is about.
    #[must_use]
    pub const fn card(&self) -> CardId {
        match self {
            Event::BalanceUpdated { entry, .. } => entry.card,
            Event::Journey { card, .. } => *card,
        }
    }

    /// The event's own name.
    #[must_use]
    pub fn key(&self) -> EventKey {
        match self {
            Event::BalanceUpdated { entry, .. } => EventKey::Balance(*entry),
            Event::Journey {
                transition, journey, ..
            } => EventKey::Journey(first_tap(journey), *transition),
        }
    }

    /// The name of the event's family.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Event::BalanceUpdated { .. } => "user.balance.updated",
            Event::Journey { transition, .. } => transition.name(),
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
