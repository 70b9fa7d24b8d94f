//! A card as the next decision sees it: the hub's settled state with what it does not cover folded onto it. Pure, and
//! shared with the simulator's model of this store, so that both decide alike.

use sync_protocol::decide::{CardKnowledge, Settled};
use sync_protocol::fact::{Direction, Fact, Tap};
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, OrderKey, TerminalCode};
use sync_protocol::journey::{CardState, CardView, Ignore};
use sync_protocol::money::Money;

/// A card as the next decision sees it.
#[derive(Clone, Debug, Default)]
pub struct Card {
    state: CardState,
    knowledge: CardKnowledge,
}

/// A tap to be filed under its card.
#[derive(Clone, Copy, Debug)]
pub struct FiledTap {
    /// The tap.
    pub tap: Tap,
    /// What it took from the balance known here, when that is not what it quoted.
    pub charged: Option<Money>,
    /// Where the journey known here began.
    pub origin: Option<TerminalCode>,
}

impl Card {
    /// The card as the hub settled it last: the revision and its state; `None` when it was never heard of.
    #[must_use]
    pub fn settled(settled: Option<(u64, CardState)>, fares: &FareBook) -> Card {
        let revision = settled.as_ref().map(|(revision, _)| *revision);
        let state = settled.map(|(_, state)| state).unwrap_or_default();
        let view = state.finish(fares, &mut Ignore);
        let knowledge = CardKnowledge {
            settled: revision.map(|revision| Settled {
                revision,
                available: view.available(),
                balance: view.balance,
            }),
            view,
            ..CardKnowledge::default()
        };
        Card { state, knowledge }
    }

    /// Folds one more tap of this terminal onto it.
    pub fn take(&mut self, tap: &Tap, key: &OrderKey, fares: &FareBook) {
        self.take_fact(tap.card, key, &Fact::Tap(*tap), fares);
        if tap.accepted && tap.direction == Direction::Entry {
            self.knowledge.uncovered_entries += 1;
        }
    }

    /// Folds one more tap of this gate onto it, and tells what goes into the tap's row.
    pub fn take_own(&mut self, tap: &Tap, key: &OrderKey, fares: &FareBook) -> FiledTap {
        let before = *self.view();
        self.take(tap, key, fares);
        let view = self.view();
        let taken = before.balance - view.balance;
        let open = before.open.filter(|_| tap.accepted && view.open != before.open);
        FiledTap {
            tap: *tap,
            charged: (taken != tap.quoted.unwrap_or_default()).then_some(taken),
            origin: open.map(|open| open.entry.terminal),
        }
    }

    /// Folds one more fact onto it.
    pub fn take_fact(&mut self, card: CardId, key: &OrderKey, fact: &Fact, fares: &FareBook) {
        self.state.apply(card, fares, key, fact, &mut Ignore);
        self.knowledge.view = self.state.finish(fares, &mut Ignore);
    }

    /// Notes whether a gate's own denial stands.
    pub const fn set_denied(&mut self, denied: bool) {
        self.knowledge.denied = denied;
    }

    /// What a decision rests on.
    #[must_use]
    pub const fn knowledge(&self) -> &CardKnowledge {
        &self.knowledge
    }

    /// How it stands.
    #[must_use]
    pub const fn view(&self) -> &CardView {
        &self.knowledge.view
    }
}
