//! One charge per journey: in the hub's journal, what is booked for a journey nets to exactly one fare, whatever
//! revisions, reversals and late facts there were (I2, I8).
//!
//! Would fail if a journey were charged twice, under two rules at once, or if a booking that no longer holds were
//! not taken back. The journeys and their fares come from the independent fold. Nothing is excused.

use std::collections::BTreeMap;

use hub::ledger::JournalEntry;
use sync_protocol::id::{CardId, FactId};
use sync_protocol::journey::Journey;
use sync_protocol::ledger::Rule;
use sync_protocol::money::Money;

use super::truth::Truth;
use super::{Check, Violations};
use crate::world::World;

/// Nets every card's journal by journey.
#[must_use]
pub fn check(world: &World, truth: &Truth) -> Check {
    let mut violations = Violations::default();
    let (mut journeys, mut entries) = (0_usize, 0_usize);
    for card in truth.cards() {
        let journal = world.hub.journal(card.card);
        entries += journal.len();
        journeys += card.projection.journeys.len();
        compare(card.card, journal, &card.projection.journeys, &mut violations);
    }
    violations.into_check(
        "one charge per journey",
        format!(
            "{journeys} journeys of {} in {entries} journal entries",
            truth.in_words()
        ),
    )
}

/// Holds what is booked for each journey of a card against its fare.
fn compare(card: CardId, journal: &[JournalEntry], journeys: &[Journey], violations: &mut Violations) {
    let fares: BTreeMap<FactId, Money> = journeys
        .iter()
        .filter(|journey| journey.fare != Money::ZERO)
        .filter_map(|journey| Some((journey.entry.or(journey.exit)?.tap, journey.fare)))
        .collect();
    let booked = net(journal);
    let taps: std::collections::BTreeSet<&FactId> = fares.keys().chain(booked.keys()).collect();
    for tap in taps {
        let fare = fares.get(tap).copied().unwrap_or_default();
        let (charged, charges) = booked.get(tap).copied().unwrap_or_default();
        if charged != fare {
            violations.note(format!(
                "{card}: the journey from tap {tap} costs {fare}, {charged} is booked"
            ));
        } else if charges > 1 {
            violations.note(format!(
                "{card}: the journey from tap {tap} is charged {charges} times, {charged} in all"
            ));
        }
    }
}

/// Per journey, named by its first tap: what is booked less what was taken back, and how many charges stand. The
/// part above the hold is no charge of its own (domain 4.8, point 9).
fn net(journal: &[JournalEntry]) -> BTreeMap<FactId, (Money, i64)> {
    let mut net: BTreeMap<FactId, (Money, i64)> = BTreeMap::new();
    for entry in journal {
        let counts = match entry.posting.rule {
            Rule::Capture | Rule::LateFare | Rule::Incomplete | Rule::Unstarted => 1,
            Rule::OverHold => 0,
            Rule::Adjust | Rule::Refund | Rule::Topup | Rule::Writeoff => continue,
        };
        let sign = if entry.reversal { -1 } else { 1 };
        let (charged, charges) = net.entry(entry.posting.fact).or_default();
        if entry.reversal {
            *charged -= entry.posting.amount;
        } else {
            *charged += entry.posting.amount;
        }
        *charges += sign * counts;
    }
    net.retain(|_, booked| *booked != (Money::ZERO, 0));
    net
}

#[cfg(test)]
mod tests {
    use hub::ledger::EntryId;

    use super::super::sample;
    use super::super::truth::CardTruth;
    use super::*;

    /// The first card's journal as it ought to be: what its postings say.
    fn journal(truth: &CardTruth) -> Vec<JournalEntry> {
        let book = |(line, posting): (u32, &sync_protocol::ledger::Posting)| JournalEntry {
            id: EntryId {
                card: truth.card,
                revision: 1,
                line,
            },
            posting: *posting,
            reversal: false,
        };
        (0..).zip(&truth.projection.postings).map(book).collect()
    }

    fn violations(change: impl Fn(&mut Vec<JournalEntry>)) -> Check {
        let truth = sample::truth();
        let card = &truth.cards()[0];
        let mut journal = journal(card);
        change(&mut journal);
        let mut violations = Violations::default();
        compare(card.card, &journal, &card.projection.journeys, &mut violations);
        violations.into_check("", String::new())
    }

    fn charge(journal: &[JournalEntry]) -> JournalEntry {
        let mut charges = journal.iter().filter(|entry| entry.posting.rule == Rule::Capture);
        *charges.next().unwrap()
    }

    #[test]
    fn a_booking_that_was_taken_back_and_came_again_is_one_charge() {
        let check = violations(|journal| {
            let once = charge(journal);
            let taken_back = JournalEntry {
                reversal: true,
                ..once
            };
            journal.extend([taken_back, once]);
        });
        assert!(check.passed, "{}", check.detail);
    }

    #[test]
    fn a_second_charge_is_noticed() {
        let check = violations(|journal| journal.push(charge(journal)));
        assert!(
            !check.passed && check.detail.contains("10000.00 is booked"),
            "{}",
            check.detail
        );
    }

    #[test]
    fn a_charge_that_is_missing_is_noticed() {
        let check = violations(Vec::clear);
        assert!(
            !check.passed && check.detail.contains("0.00 is booked"),
            "{}",
            check.detail
        );
    }

    #[test]
    fn two_charges_that_add_up_are_noticed() {
        let check = violations(|journal| {
            let once = charge(journal);
            journal.retain(|entry| *entry != once);
            for rule in [Rule::Capture, Rule::Incomplete] {
                let mut half = once;
                half.posting.rule = rule;
                half.posting.amount = Money::hundredths(once.posting.amount.as_hundredths() / 2);
                journal.push(half);
            }
        });
        assert!(
            !check.passed && check.detail.contains("charged 2 times"),
            "{}",
            check.detail
        );
    }
}
