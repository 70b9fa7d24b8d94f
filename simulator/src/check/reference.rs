//! A second fold, written from the definition alone (domain 4.8), to hold the production fold against.
//!
//! It takes every fact of a card at once, knows no increments, no resumable state and no tables made ready for
//! lookups, and goes through the points of the definition one by one. It shares plain types with the production
//! fold, and nothing that computes. Slow on purpose: every fare is searched in the whole list.

mod fares;

use std::collections::BTreeSet;

use sync_protocol::fact::{CardStatus, Direction, Fact, OrderedFact, Tap};
use sync_protocol::id::{CardId, FactId, OrderKey};
use sync_protocol::journey::history::CardProjection;
use sync_protocol::journey::{Endpoint, Flag, Journey, JourneyStatus};
use sync_protocol::ledger::{Account, Posting, Rule};
use sync_protocol::money::Money;

pub use self::fares::Fares;

use self::fares::{fare_of, fares_from, fares_into, orphan_charge};

const SECONDS: i64 = 1_000;
const MINUTES: i64 = 60 * SECONDS;
const HOURS: i64 = 60 * MINUTES;

/// What the facts of one card make of it, given every fare version. Both lists may hold duplicates and facts of
/// other cards, and stand in any order.
#[must_use]
pub fn fold(card: CardId, facts: &[OrderedFact], fare_versions: &[OrderedFact]) -> CardProjection {
    fold_with(card, facts, &Fares::new(fare_versions))
}

/// The same, given fare versions that were read before.
#[must_use]
pub fn fold_with(card: CardId, facts: &[OrderedFact], fares: &Fares) -> CardProjection {
    let facts = in_order(facts.iter().filter(|fact| fact.fact.card() == Some(card)));
    fold_sequence(card, &facts, fares)
}

/// The same for facts of this card that are read in the order in which they stand, each of them once. A gate reads
/// the taps that no settled state covers in the order of their arrival (design section 3).
#[must_use]
pub fn fold_sequence(card: CardId, facts: &[&OrderedFact], fares: &Fares) -> CardProjection {
    let closed = closed_taps(facts);

    let (taps, skewed) = swap_skewed(accepted_taps(facts));
    let mut reading = Reading::new(fares, &closed);
    reading
        .flags
        .extend(skewed.into_iter().map(|tap| (Flag::ClockSkew, tap)));
    for tap in &taps {
        reading.read(tap);
    }
    reading.end();

    let Reading {
        mut journeys,
        mut flags,
        ..
    } = reading;
    let mut postings = Vec::new();
    for journey in &journeys {
        book(card, journey, &mut postings, &mut flags);
    }
    move_money(card, facts, &mut postings);
    flags.extend(flags_of_status(facts));

    let active = journeys
        .iter()
        .find(|journey| journey.status == JourneyStatus::Active);
    let held = active.map_or(Money::ZERO, |journey| journey.hold);
    let status = status_among(facts).unwrap_or(CardStatus::Active);
    journeys.sort();
    flags.sort();
    postings.sort();
    CardProjection {
        card,
        balance: balance(card, &postings),
        held,
        status,
        journeys,
        flags,
        postings,
    }
}

/// Point 1: facts are united by (site, seq, index) and ordered by (time, counter, site, seq, index).
pub(super) fn in_order<'a>(facts: impl Iterator<Item = &'a OrderedFact>) -> Vec<&'a OrderedFact> {
    let mut facts: Vec<&OrderedFact> = facts.collect();
    facts.sort_by_key(|fact| {
        let OrderKey { at, id } = fact.key;
        (at.ms, at.counter, id.site, id.seq, id.index)
    });
    let mut seen = BTreeSet::new();
    facts.retain(|fact| seen.insert(fact.key.id));
    facts
}

/// An accepted tap with its place.
#[derive(Clone, Copy)]
struct Accepted<'a> {
    id: FactId,
    at_ms: i64,
    tap: &'a Tap,
}

impl Accepted<'_> {
    fn endpoint(&self) -> Endpoint {
        Endpoint {
            tap: self.id,
            terminal: self.tap.terminal,
            at_ms: self.at_ms,
        }
    }
}

/// Point 2: only accepted taps make journeys.
fn accepted_taps<'a>(facts: &[&'a OrderedFact]) -> Vec<Accepted<'a>> {
    let mut taps = Vec::new();
    for fact in facts {
        if let Fact::Tap(tap) = &fact.fact
            && tap.accepted
        {
            let (id, at_ms) = (fact.key.id, fact.key.at.ms);
            taps.push(Accepted { id, at_ms, tap });
        }
    }
    taps
}

/// Point 3: one left-to-right pass. After a swap the tap last read is an exit, so the pair that follows may be
/// swapped as well; the exit of a swapped pair is behind the reader and stays where it is.
fn swap_skewed(taps: Vec<Accepted<'_>>) -> (Vec<Accepted<'_>>, Vec<FactId>) {
    let mut read: Vec<Accepted> = Vec::new();
    let mut skewed = Vec::new();
    let mut next = 0;
    while next < taps.len() {
        let after_an_entry = read
            .last()
            .is_some_and(|before| before.tap.direction == Direction::Entry);
        match &taps[next..] {
            [exit, entry, ..] if !after_an_entry && is_skewed(exit, entry) => {
                skewed.push(exit.id);
                read.push(*entry);
                read.push(*exit);
                next += 2;
            }
            _ => {
                read.push(taps[next]);
                next += 1;
            }
        }
    }
    (read, skewed)
}

fn is_skewed(exit: &Accepted, entry: &Accepted) -> bool {
    let uncertainty_ms = i64::from(exit.tap.uncertainty_ms) + i64::from(entry.tap.uncertainty_ms);
    exit.tap.direction == Direction::Exit
        && entry.tap.direction == Direction::Entry
        && exit.tap.terminal != entry.tap.terminal
        && entry.at_ms - exit.at_ms <= uncertainty_ms
}

/// The taps that a Close of this card names.
fn closed_taps(facts: &[&OrderedFact]) -> BTreeSet<FactId> {
    let mut closed = BTreeSet::new();
    for fact in facts {
        if let Fact::Close { tap, .. } = fact.fact {
            closed.insert(tap);
        }
    }
    closed
}

/// Points 4 to 8 and 10: from taps, in the order of reading, to journeys.
struct Reading<'a> {
    fares: &'a Fares,
    closed: &'a BTreeSet<FactId>,
    open: Option<Accepted<'a>>,
    /// The exit of the card's last completed or unstarted journey, unless an entry came after it.
    last_exit: Option<Endpoint>,
    journeys: Vec<Journey>,
    flags: Vec<(Flag, FactId)>,
}

impl<'a> Reading<'a> {
    fn new(fares: &'a Fares, closed: &'a BTreeSet<FactId>) -> Reading<'a> {
        Reading {
            fares,
            closed,
            open: None,
            last_exit: None,
            journeys: Vec::new(),
            flags: Vec::new(),
        }
    }

    fn read(&mut self, tap: &Accepted<'a>) {
        match tap.tap.direction {
            Direction::Entry => self.entry(tap),
            Direction::Exit => self.exit(tap),
        }
    }

    /// Point 4.
    fn entry(&mut self, tap: &Accepted<'a>) {
        if let Some(open) = self.open {
            let elapsed_ms = elapsed_ms(open.at_ms, tap.at_ms);
            let same_terminal = open.tap.terminal == tap.tap.terminal;
            if same_terminal && elapsed_ms <= 10 * SECONDS {
                self.flags.push((Flag::DupIn, tap.id));
                return;
            }
            if same_terminal && elapsed_ms <= 5 * MINUTES {
                self.flags.push((Flag::PassbackIn, tap.id));
                return;
            }
            self.incomplete(&open);
        }
        self.open = Some(*tap);
        self.last_exit = None;
    }

    /// The second half of point 4.
    fn incomplete(&mut self, entry: &Accepted) {
        let charge = self
            .fares
            .effective_at(entry.at_ms)
            .map_or(Money::ZERO, |version| {
                orphan_charge(version.orphan_policy, fares_from(version, entry.tap.terminal))
            });
        self.flags.push((Flag::Incomplete, entry.id));
        self.journeys.push(Journey {
            entry: Some(entry.endpoint()),
            exit: None,
            status: JourneyStatus::Incomplete,
            fare: charge,
            hold: entry.tap.hold,
            closed: self.closed.contains(&entry.id),
        });
    }

    fn exit(&mut self, tap: &Accepted<'a>) {
        match self.open.take() {
            None => {
                // Point 5.
                let again = self.last_exit.is_some_and(|last| {
                    last.terminal == tap.tap.terminal && elapsed_ms(last.at_ms, tap.at_ms) <= 5 * MINUTES
                });
                if again {
                    self.flags.push((Flag::DupOut, tap.id));
                } else {
                    self.unstarted(tap);
                }
            }
            Some(entry) if elapsed_ms(entry.at_ms, tap.at_ms) > 24 * HOURS => {
                // Point 6.
                self.flags.push((Flag::Overday, tap.id));
                self.incomplete(&entry);
                self.unstarted(tap);
            }
            Some(entry) => self.complete(&entry, tap),
        }
    }

    /// Point 7.
    fn unstarted(&mut self, exit: &Accepted) {
        let closed = self.closed.contains(&exit.id);
        let charge = match self.fares.effective_at(exit.at_ms) {
            Some(version) if closed => {
                orphan_charge(version.orphan_policy, fares_into(version, exit.tap.terminal))
            }
            _ => Money::ZERO,
        };
        self.flags.push((Flag::Unstarted, exit.id));
        self.last_exit = Some(exit.endpoint());
        self.journeys.push(Journey {
            entry: None,
            exit: Some(exit.endpoint()),
            status: JourneyStatus::Unstarted,
            fare: charge,
            hold: Money::ZERO,
            closed,
        });
    }

    /// Point 8.
    fn complete(&mut self, entry: &Accepted, exit: &Accepted) {
        let elapsed_ms = elapsed_ms(entry.at_ms, exit.at_ms);
        let mut fare = if entry.tap.terminal == exit.tap.terminal {
            self.flags.push((Flag::SameStation, exit.id));
            self.same_station_fare(entry, exit, elapsed_ms)
        } else {
            self.route_fare(entry, exit)
        };
        if elapsed_ms > 4 * HOURS {
            self.flags.push((Flag::Overtime, exit.id));
            fare = fare.max(entry.tap.hold);
        }
        self.last_exit = Some(exit.endpoint());
        self.journeys.push(Journey {
            entry: Some(entry.endpoint()),
            exit: Some(exit.endpoint()),
            status: JourneyStatus::Completed,
            fare,
            hold: entry.tap.hold,
            closed: self.closed.contains(&entry.id),
        });
    }

    fn same_station_fare(&mut self, entry: &Accepted, exit: &Accepted, elapsed_ms: i64) -> Money {
        if elapsed_ms <= 5 * MINUTES {
            return Money::ZERO;
        }
        let version = self.fares.effective_at(entry.at_ms);
        let lowest = version.and_then(|version| fares_from(version, entry.tap.terminal).into_iter().min());
        lowest.unwrap_or_else(|| self.no_fare(entry, exit))
    }

    fn route_fare(&mut self, entry: &Accepted, exit: &Accepted) -> Money {
        let version = self.fares.effective_at(entry.at_ms);
        let fare = version.and_then(|version| fare_of(version, entry.tap.terminal, exit.tap.terminal));
        match (fare, exit.tap.quoted) {
            (None, _) => self.no_fare(entry, exit),
            (Some(fare), Some(quoted)) if quoted < fare => {
                self.flags.push((Flag::StaleFare, exit.id));
                quoted
            }
            (Some(fare), _) => fare,
        }
    }

    /// No fare version, or no fare in it: the exit costs the hold.
    fn no_fare(&mut self, entry: &Accepted, exit: &Accepted) -> Money {
        self.flags.push((Flag::NoFare, exit.id));
        entry.tap.hold
    }

    /// Point 10.
    fn end(&mut self) {
        let Some(entry) = self.open.take() else {
            return;
        };
        if self.closed.contains(&entry.id) {
            self.incomplete(&entry);
            return;
        }
        self.journeys.push(Journey {
            entry: Some(entry.endpoint()),
            exit: None,
            status: JourneyStatus::Active,
            fare: Money::ZERO,
            hold: entry.tap.hold,
            closed: false,
        });
    }
}

/// From one tap to another; a negative duration counts as 0 (point 3).
fn elapsed_ms(from_ms: i64, to_ms: i64) -> i64 {
    (to_ms - from_ms).max(0)
}

/// Point 9, and the postings of points 4, 7 and 10.
fn book(card: CardId, journey: &Journey, postings: &mut Vec<Posting>, flags: &mut Vec<(Flag, FactId)>) {
    let mut charge = |rule, amount: Money, fact, exit| {
        let (debit, credit) = (Account::Card(card), Account::FareRevenue);
        push_unless_zero(
            postings,
            Posting {
                rule,
                debit,
                credit,
                amount,
                fact,
                exit,
            },
        );
    };
    match (journey.entry, journey.exit) {
        (Some(entry), Some(exit)) => {
            let rule = if journey.closed {
                flags.push((Flag::LateCapture, exit.tap));
                Rule::LateFare
            } else {
                Rule::Capture
            };
            charge(rule, journey.fare.min(journey.hold), entry.tap, Some(exit.tap));
            if journey.fare > journey.hold {
                flags.push((Flag::FareOverHold, exit.tap));
                let above = journey.fare - journey.hold;
                charge(Rule::OverHold, above, entry.tap, Some(exit.tap));
            }
        }
        (Some(entry), None) => charge(Rule::Incomplete, journey.fare, entry.tap, None),
        (None, Some(exit)) => charge(Rule::Unstarted, journey.fare, exit.tap, None),
        (None, None) => {}
    }
}

/// Point 12. A top-up of a reference that the card has seen counts for nothing.
fn move_money(card: CardId, facts: &[&OrderedFact], postings: &mut Vec<Posting>) {
    let card = Account::Card(card);
    let mut references = BTreeSet::new();
    for fact in facts {
        let (rule, debit, credit, amount) = match &fact.fact {
            Fact::TopUp {
                amount, reference, ..
            } if references.insert(reference) => (Rule::Topup, Account::TopupFloat, card, *amount),
            Fact::Refund { amount, .. } => (Rule::Refund, Account::FareRevenue, card, *amount),
            Fact::WriteOff { amount, .. } => (Rule::Writeoff, Account::Writeoff, card, *amount),
            Fact::Adjust { amount, .. } if *amount < Money::ZERO => {
                (Rule::Adjust, card, Account::Adjustments, -*amount)
            }
            Fact::Adjust { amount, .. } => (Rule::Adjust, Account::Adjustments, card, *amount),
            _ => continue,
        };
        let (fact, exit) = (fact.key.id, None);
        push_unless_zero(
            postings,
            Posting {
                rule,
                debit,
                credit,
                amount,
                fact,
                exit,
            },
        );
    }
}

/// Zero amounts make no posting (point 9).
fn push_unless_zero(postings: &mut Vec<Posting>, posting: Posting) {
    if posting.amount != Money::ZERO {
        postings.push(posting);
    }
}

/// Balance = credits - debits of the card's account (point 12).
fn balance(card: CardId, postings: &[Posting]) -> Money {
    let card = Account::Card(card);
    let mut balance = Money::ZERO;
    for posting in postings {
        if posting.credit == card {
            balance += posting.amount;
        }
        if posting.debit == card {
            balance -= posting.amount;
        }
    }
    balance
}

/// Point 13: the status of the highest version; of two facts with one version the first in order counts.
fn status_among(facts: &[&OrderedFact]) -> Option<CardStatus> {
    let mut highest = None;
    for fact in facts {
        if let Fact::CardStatus { version, status, .. } = fact.fact
            && highest.is_none_or(|(known, _)| version > known)
        {
            highest = Some((version, status));
        }
    }
    highest.map(|(_, status)| status)
}

/// Point 13: what each accepted tap was accepted in spite of, by the facts not after it in the order of point 1.
fn flags_of_status(facts: &[&OrderedFact]) -> Vec<(Flag, FactId)> {
    let mut flags = Vec::new();
    for (place, fact) in facts.iter().enumerate() {
        let Fact::Tap(tap) = &fact.fact else {
            continue;
        };
        let flag = match status_among(&facts[..=place]) {
            Some(CardStatus::Blocked) => Flag::AcceptedWhileBlocked,
            Some(CardStatus::Suspended) => Flag::AcceptedWhileSuspended,
            Some(CardStatus::Closed) => Flag::AcceptedWhileClosed,
            Some(CardStatus::Active) | None => continue,
        };
        if tap.accepted {
            flags.push((flag, fact.key.id));
        }
    }
    flags
}
