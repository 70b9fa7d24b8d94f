//! The resumable state of the fold, and its transitions. Every rule quotes its point of domain 4.8.

use serde::{Deserialize, Serialize};

use super::{
    DUP_IN_MS, DUP_OUT_MS, Endpoint, Finished, Flag, Journey, JourneyStatus, MAX_JOURNEY_MS, OVERDAY_MS,
    PASSBACK_MS, SAME_STATION_FREE_MS, Sink,
};
use crate::fact::{CardStatus, Direction, Fact, Tap};
use crate::fare::{FareBook, FareTable};
use crate::id::{CardId, FactId, OrderKey, TerminalCode};
use crate::ledger::{Account, Posting, Rule};
use crate::money::Money;
use crate::mutation::{Mutation, is};
use crate::time::{MINUTE_MS, SECOND_MS};

/// Most exits without entry and price that a state holds. Older ones are known to the history only, so that a card
/// with thousands of them is settled and published like any other: 64 states and what they cover fit one changeset.
pub const UNSTARTED_MAX: usize = 32;
/// Most Closes of taps not seen yet that a state holds; more are known to the history only, and counted.
pub const EARLY_CLOSES_MAX: usize = 16;

/// A journey that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenJourney {
    /// Where and when it began.
    pub entry: Endpoint,
    /// What its tap held.
    pub hold: Money,
    /// Whether a Close names the entry.
    pub closed: bool,
}

/// The last exit that counted, for telling a repeated one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LastExit {
    /// Where.
    pub terminal: TerminalCode,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

/// The last accepted tap in the order of reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LastTap {
    /// There was none.
    #[default]
    None,
    /// An entry.
    Entry,
    /// An exit.
    Exit,
}

/// An exit that an entry right after it may still be read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PendingExit {
    /// Where and when.
    pub exit: Endpoint,
    /// How far its clock may be off, milliseconds.
    pub uncertainty_ms: u32,
    /// What the gate quoted.
    pub quoted: Option<Money>,
    /// Whether a Close names it.
    pub closed: bool,
}

/// An exit without entry that no Close has priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UnstartedExit(pub Endpoint);

/// All that the next fact of a card needs: the complete resumable fold state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardState {
    /// Credits minus debits of the card's account, without what `pending` and a closed `open` still cost.
    pub posted: Money,
    /// Status of the highest version so far.
    pub status: CardStatus,
    /// That version; 0 before any.
    pub status_version: u64,
    /// The journey under way.
    pub open: Option<OpenJourney>,
    /// The exit to compare a repeated one with.
    pub last_exit: Option<LastExit>,
    /// The last tap read.
    pub last_tap: LastTap,
    /// The exit that may still be swapped; it is not read yet.
    pub pending: Option<PendingExit>,
    /// Exits without entry and without price: the last [`UNSTARTED_MAX`].
    pub unstarted: Vec<UnstartedExit>,
    /// Closes of taps not seen yet: at most [`EARLY_CLOSES_MAX`].
    pub early_closes: Vec<FactId>,
    /// How many more Closes of taps not seen yet there are, which only the history names.
    pub early_closes_beyond: u64,
    /// The highest place in the order that was read.
    pub order: OrderKey,
}

/// A card as it stands: the state with everything that is still open settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CardView {
    /// Credits minus debits.
    pub balance: Money,
    /// The hold of the journey under way, else zero.
    pub held: Money,
    /// The journey under way.
    pub open: Option<OpenJourney>,
    /// The last exit that counts.
    pub last_exit: Option<LastExit>,
    /// Status of the card.
    pub status: CardStatus,
}

impl CardView {
    /// What is left after the hold.
    #[must_use]
    pub fn available(&self) -> Money {
        self.balance - self.held
    }
}

impl CardState {
    /// Reads one more fact of the card. Facts come in the order of their keys, except at a gate, which folds what
    /// is not covered in the order of arrival (design section 3).
    pub fn apply(
        &mut self,
        card: CardId,
        fares: &FareBook,
        key: &OrderKey,
        fact: &Fact,
        sink: &mut impl Sink,
    ) {
        self.order = self.order.max(*key);
        if is(Mutation::ReleaseByClock) {
            self.open
                .take_if(|open| elapsed_ms(open.entry.at_ms, key.at.ms) > 30 * MINUTE_MS);
        }
        let own = Account::Card(card);
        let posting = |rule, debit, credit, amount| Posting {
            rule,
            debit,
            credit,
            amount,
            fact: key.id,
            exit: None,
        };
        match fact {
            Fact::Tap(tap) => self.tap(fares, key, tap, sink),
            Fact::CardStatus { version, status, .. }
                if *version > self.status_version || is(Mutation::LastStatusCounts) =>
            {
                (self.status, self.status_version) = (*status, *version);
            }
            Fact::Close { tap, .. } => self.close(fares, *tap, sink),
            // Point 12. The same reference again counts once, the first in order (T-30).
            Fact::TopUp { reference, .. }
                if !sink.first_reference(reference) && !is(Mutation::TopUpAgain) => {}
            Fact::TopUp { amount, .. } => {
                self.post(
                    card,
                    posting(Rule::Topup, Account::TopupFloat, own, *amount),
                    sink,
                );
            }
            Fact::Refund { amount, .. } if is(Mutation::RefundTakes) => {
                self.post(
                    card,
                    posting(Rule::Refund, own, Account::FareRevenue, *amount),
                    sink,
                );
            }
            Fact::Refund { amount, .. } => {
                self.post(
                    card,
                    posting(Rule::Refund, Account::FareRevenue, own, *amount),
                    sink,
                );
            }
            Fact::WriteOff { amount, .. } => {
                self.post(
                    card,
                    posting(Rule::Writeoff, Account::Writeoff, own, *amount),
                    sink,
                );
            }
            Fact::Adjust { amount, .. } if *amount < Money::ZERO && !is(Mutation::AdjustGives) => {
                self.post(
                    card,
                    posting(Rule::Adjust, own, Account::Adjustments, -*amount),
                    sink,
                );
            }
            Fact::Adjust { amount, .. } => {
                self.post(
                    card,
                    posting(Rule::Adjust, Account::Adjustments, own, *amount),
                    sink,
                );
            }
            _ => {}
        }
    }

    /// Zero amounts make no posting.
    fn post(&mut self, card: CardId, posting: Posting, sink: &mut impl Sink) {
        if posting.amount > Money::ZERO {
            self.posted += posting.effect_on(card);
            sink.money(posting);
        }
    }

    /// The card as it stands, with what is still open settled on a copy: the waiting exit read where it stands, and
    /// a closed journey left incomplete (point 10). What that states goes to `sink`.
    pub fn finish(&self, fares: &FareBook, sink: &mut impl Sink) -> CardView {
        let settled;
        let state = if self.pending.is_some() || self.open.is_some_and(|open| open.closed) {
            let mut copy = self.clone();
            copy.read_pending(fares, sink);
            if copy.open.is_some_and(|open| open.closed) {
                copy.abandon(fares, sink);
            }
            settled = copy;
            &settled
        } else {
            self
        };
        if let Some(open) = state.open {
            sink.journey(Journey {
                entry: Some(open.entry),
                exit: None,
                status: JourneyStatus::Active,
                fare: Money::ZERO,
                hold: open.hold,
                closed: false,
            });
        }
        CardView {
            balance: state.posted,
            held: state.open.map_or(Money::ZERO, |open| open.hold),
            open: state.open,
            last_exit: state.last_exit,
            status: state.status,
        }
    }

    fn tap(&mut self, fares: &FareBook, key: &OrderKey, tap: &Tap, sink: &mut impl Sink) {
        // Point 2: denied taps are kept as evidence only.
        if !tap.accepted && !is(Mutation::DeniedCounts) {
            return;
        }
        // Point 13: the status not after the tap in the order of point 1, which a swap does not change.
        match self.status {
            CardStatus::Active => {}
            CardStatus::Suspended => sink.flag(Flag::AcceptedWhileSuspended, key.id),
            CardStatus::Blocked if is(Mutation::BlockedUnflagged) => {}
            CardStatus::Blocked => sink.flag(Flag::AcceptedWhileBlocked, key.id),
            CardStatus::Closed => sink.flag(Flag::AcceptedWhileClosed, key.id),
        }
        let closed = self.take_early_close(key.id, sink);
        let endpoint = Endpoint {
            tap: key.id,
            terminal: tap.terminal,
            at_ms: key.at.ms,
        };
        match tap.direction {
            Direction::Entry => {
                let open = OpenJourney {
                    entry: endpoint,
                    hold: tap.hold,
                    closed,
                };
                self.read_entry_or_swap(fares, open, tap.uncertainty_ms, sink);
            }
            Direction::Exit => {
                self.read_pending(fares, sink);
                let exit = PendingExit {
                    exit: endpoint,
                    uncertainty_ms: tap.uncertainty_ms,
                    quoted: tap.quoted,
                    closed,
                };
                if self.last_tap == LastTap::Entry && !is(Mutation::SwapAfterEntry) {
                    self.read_exit(fares, &exit, sink);
                } else {
                    self.pending = Some(exit);
                }
            }
        }
    }

    /// Point 3: an exit directly followed by an entry at another terminal no later than the sum of the two
    /// uncertainties is read after it. `pending` is only set when the tap before it is not an entry.
    fn read_entry_or_swap(
        &mut self,
        fares: &FareBook,
        open: OpenJourney,
        uncertainty_ms: u32,
        sink: &mut impl Sink,
    ) {
        let swapped = self.pending.take_if(|pending| {
            let apart_ms = open.entry.at_ms.saturating_sub(pending.exit.at_ms);
            let limit_ms = i64::from(pending.uncertainty_ms) + i64::from(uncertainty_ms);
            let elsewhere = pending.exit.terminal != open.entry.terminal || is(Mutation::SwapAtSameTerminal);
            let in_time = apart_ms <= limit_ms - i64::from(is(Mutation::SwapJustBefore));
            elsewhere && in_time && !is(Mutation::NoSkewSwap)
        });
        self.read_pending(fares, sink);
        self.read_entry(fares, open, sink);
        if let Some(exit) = swapped {
            sink.flag(Flag::ClockSkew, exit.exit.tap);
            self.read_exit(fares, &exit, sink);
        }
    }

    fn read_pending(&mut self, fares: &FareBook, sink: &mut impl Sink) {
        if let Some(exit) = self.pending.take() {
            self.read_exit(fares, &exit, sink);
        }
    }

    /// Point 4.
    fn read_entry(&mut self, fares: &FareBook, open: OpenJourney, sink: &mut impl Sink) {
        self.last_tap = LastTap::Entry;
        self.last_exit = None;
        if let Some(before) = &self.open {
            let elapsed_ms = elapsed_ms(before.entry.at_ms, open.entry.at_ms);
            if before.entry.terminal == open.entry.terminal
                && elapsed_ms <= PASSBACK_MS - i64::from(is(Mutation::PassbackJustBefore))
            {
                let repeat_ms = DUP_IN_MS + i64::from(is(Mutation::RepeatElevenSeconds)) * SECOND_MS;
                let flag = if elapsed_ms <= repeat_ms {
                    Flag::DupIn
                } else {
                    Flag::PassbackIn
                };
                if is(Mutation::PassbackReplaces) && flag == Flag::PassbackIn {
                    self.open = Some(open);
                }
                return sink.flag(flag, open.entry.tap);
            }
            self.abandon(fares, sink);
        }
        self.open = Some(open);
    }

    /// The open journey becomes incomplete and costs what the policy in force at its entry says (point 4).
    fn abandon(&mut self, fares: &FareBook, sink: &mut impl Sink) {
        let Some(open) = self.open.take() else { return };
        let table = fares.effective_at(open.entry.at_ms);
        let fare = match table {
            Some(_) if is(Mutation::IncompleteFree) => Money::ZERO,
            Some(table) if is(Mutation::IncompleteAlwaysLowest) => {
                table.lowest_from(open.entry.terminal).unwrap_or_default()
            }
            Some(table) => table.incomplete_charge(open.entry.terminal),
            None => Money::ZERO,
        };
        self.posted -= fare;
        sink.flag(Flag::Incomplete, open.entry.tap);
        sink.journey(Journey {
            entry: Some(open.entry),
            exit: None,
            status: JourneyStatus::Incomplete,
            fare,
            hold: open.hold,
            closed: open.closed,
        });
    }

    /// Points 5 to 8.
    fn read_exit(&mut self, fares: &FareBook, exit: &PendingExit, sink: &mut impl Sink) {
        self.last_tap = LastTap::Exit;
        if let Some(open) = self.open {
            let day_ms = OVERDAY_MS - i64::from(is(Mutation::OverdayAt24Hours));
            if elapsed_ms(open.entry.at_ms, exit.exit.at_ms) <= day_ms || is(Mutation::NoOverday) {
                return self.complete(fares, &open, exit, sink);
            }
            // Point 6.
            sink.flag(Flag::Overday, exit.exit.tap);
            self.abandon(fares, sink);
        } else if let Some(last) = self.last_exit
            && (last.terminal == exit.exit.terminal || is(Mutation::DupOutAnywhere))
            && elapsed_ms(last.at_ms, exit.exit.at_ms)
                <= DUP_OUT_MS - i64::from(is(Mutation::DupOutJustBefore))
        {
            if is(Mutation::DupOutFromRepeat) {
                self.last_exit = Some(LastExit {
                    at_ms: exit.exit.at_ms,
                    ..last
                });
            }
            // Point 5.
            return sink.flag(Flag::DupOut, exit.exit.tap);
        }
        self.leave_unstarted(fares, exit, sink);
    }

    /// Point 7.
    fn leave_unstarted(&mut self, fares: &FareBook, exit: &PendingExit, sink: &mut impl Sink) {
        let fare = if exit.closed || is(Mutation::UnstartedAtOnce) {
            unstarted_charge(fares, &exit.exit)
        } else {
            Money::ZERO
        };
        self.posted -= fare;
        self.last_exit = Some(LastExit {
            terminal: exit.exit.terminal,
            at_ms: exit.exit.at_ms,
        });
        sink.flag(Flag::Unstarted, exit.exit.tap);
        sink.journey(Journey {
            entry: None,
            exit: Some(exit.exit),
            status: JourneyStatus::Unstarted,
            fare,
            hold: Money::ZERO,
            closed: exit.closed,
        });
        if !exit.closed {
            if self.unstarted.len() >= UNSTARTED_MAX {
                self.unstarted.remove(0);
            }
            self.unstarted.push(UnstartedExit(exit.exit));
        }
    }

    /// Points 8 and 9.
    fn complete(&mut self, fares: &FareBook, open: &OpenJourney, exit: &PendingExit, sink: &mut impl Sink) {
        let tap = exit.exit.tap;
        let table = fares.effective_at(if is(Mutation::FareByExitTime) {
            exit.exit.at_ms
        } else {
            open.entry.at_ms
        });
        let elapsed_ms = elapsed_ms(open.entry.at_ms, exit.exit.at_ms);
        let mut fare = if open.entry.terminal == exit.exit.terminal {
            sink.flag(Flag::SameStation, tap);
            same_station_fare(table, &open.entry, elapsed_ms)
        } else {
            let fare = table.and_then(|table| table.fare(open.entry.terminal, exit.exit.terminal));
            match (fare, exit.quoted) {
                (Some(fare), Some(quoted))
                    if (quoted < fare && !is(Mutation::IgnoreLowerQuote))
                        || (quoted > fare && is(Mutation::TakeHigherQuote)) =>
                {
                    sink.flag(Flag::StaleFare, tap);
                    Some(quoted)
                }
                _ => fare,
            }
        }
        .unwrap_or_else(|| {
            sink.flag(Flag::NoFare, tap);
            open.hold
        });
        if elapsed_ms > MAX_JOURNEY_MS && !is(Mutation::NoOvertime) {
            sink.flag(Flag::Overtime, tap);
            fare = fare.max(open.hold);
        }
        if open.closed && is(Mutation::CloseReprices) {
            fare = Money::ZERO;
        }
        if fare > open.hold {
            sink.flag(Flag::FareOverHold, tap);
        }
        self.posted -= fare;
        self.open = None;
        self.last_exit = Some(LastExit {
            terminal: exit.exit.terminal,
            at_ms: exit.exit.at_ms,
        });
        sink.journey(Journey {
            entry: Some(open.entry),
            exit: Some(exit.exit),
            status: JourneyStatus::Completed,
            fare,
            hold: open.hold,
            closed: open.closed,
        });
    }

    /// A Close counts wherever it stands in the order (points 7, 9, 10, 11).
    fn close(&mut self, fares: &FareBook, tap: FactId, sink: &mut impl Sink) {
        if let Some(open) = &mut self.open
            && open.entry.tap == tap
        {
            open.closed = !is(Mutation::CloseLeavesOpen);
        } else if let Some(pending) = &mut self.pending
            && pending.exit.tap == tap
        {
            pending.closed = true;
        } else if let Some(place) = self
            .unstarted
            .iter()
            .position(|UnstartedExit(exit)| exit.tap == tap)
        {
            let UnstartedExit(exit) = self.unstarted.remove(place);
            self.price(fares, &exit, sink);
        } else {
            match sink.close_finished(tap) {
                Finished::Priced => {}
                Finished::Unpriced(exit) => self.price(fares, &exit, sink),
                Finished::Unknown => self.close_early(tap, sink),
            }
        }
    }

    /// A Close names an exit without entry: it costs what point 7 says.
    fn price(&mut self, fares: &FareBook, exit: &Endpoint, sink: &mut impl Sink) {
        let fare = unstarted_charge(fares, exit);
        self.posted -= fare;
        sink.price_unstarted(exit.tap, fare);
    }

    fn close_early(&mut self, tap: FactId, sink: &mut impl Sink) {
        if self.early_closes.contains(&tap) {
            return;
        }
        // While some are kept outside, all new ones go there, or one could stand in both places.
        if self.early_closes.len() < EARLY_CLOSES_MAX && self.early_closes_beyond == 0 {
            self.early_closes.push(tap);
        } else if sink.keep_close(tap) {
            self.early_closes_beyond += 1;
        }
    }

    fn take_early_close(&mut self, tap: FactId, sink: &mut impl Sink) -> bool {
        if let Some(place) = self.early_closes.iter().position(|closed| *closed == tap) {
            self.early_closes.swap_remove(place);
            return true;
        }
        let kept = self.early_closes_beyond > 0 && sink.take_close(tap);
        self.early_closes_beyond -= u64::from(kept);
        kept
    }
}

/// Point 8: free up to five minutes, then the lowest fare from there. `None` when no fare is known.
fn same_station_fare(table: Option<&FareTable>, entry: &Endpoint, elapsed_ms: i64) -> Option<Money> {
    if elapsed_ms <= SAME_STATION_FREE_MS && !is(Mutation::SameStationCosts) {
        return Some(Money::ZERO);
    }
    table.and_then(|table| table.lowest_from(entry.terminal))
}

/// Point 7: by the version in force at the exit.
fn unstarted_charge(fares: &FareBook, exit: &Endpoint) -> Money {
    fares.effective_at(exit.at_ms).map_or(Money::ZERO, |table| {
        if is(Mutation::UnstartedFrom) {
            table.incomplete_charge(exit.terminal)
        } else {
            table.unstarted_charge(exit.terminal)
        }
    })
}

/// A negative duration counts as 0 (point 3).
fn elapsed_ms(from_ms: i64, to_ms: i64) -> i64 {
    let elapsed_ms = to_ms.saturating_sub(from_ms);
    if is(Mutation::NegativeDuration) {
        return elapsed_ms.abs();
    }
    elapsed_ms.max(0)
}
