//! Projections to JSON. Cards are written one after the other, so only one projection is in memory.
//!
//! Order of keys, indentation and amounts as decimal strings are part of the contract.

use std::cell::Cell;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::ser::PrettyFormatter;
use sync_protocol::fact::{Fact, OrderedFact};
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, FactId};
use sync_protocol::journey::history::{CardHistory, CardProjection};
use sync_protocol::journey::{Flag, Journey};
use sync_protocol::ledger::Posting;
use sync_protocol::money::Money;

use super::input::{Input, Sites};
use crate::check::reference;

/// Which fold to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// The one that gates and hub run.
    Production,
    /// The one it is checked against.
    Reference,
}

/// Writes what a fold makes of every card.
///
/// # Errors
/// Those of `out`.
pub fn write(input: &Input, fold: Fold, out: impl Write) -> io::Result<()> {
    let fares = fare_book(input);
    let cards = List(|| {
        of_each_card(input).map(|facts| {
            let projection = match fold {
                Fold::Production => production(&fares, facts),
                Fold::Reference => reference(input, facts),
            };
            Card::new(&input.sites, &projection)
        })
    });
    write_document(&Cards { cards }, out)
}

/// Writes the cards of which the two folds make different things, and returns how many they are.
///
/// # Errors
/// Those of `out`.
pub fn write_differences(input: &Input, out: impl Write) -> io::Result<usize> {
    let fares = fare_book(input);
    let count = Cell::new(0);
    let differing = List(|| {
        of_each_card(input).filter_map(|facts| {
            let (production, reference) = (production(&fares, facts), reference(input, facts));
            let differ = production.to_bytes() != reference.to_bytes();
            differ.then(|| {
                count.set(count.get() + 1);
                Difference {
                    production: Card::new(&input.sites, &production),
                    reference: Card::new(&input.sites, &reference),
                }
            })
        })
    });
    write_document(&Differences { differing }, out)?;
    Ok(count.get())
}

fn of_each_card(input: &Input) -> impl Iterator<Item = &[OrderedFact]> {
    input
        .facts
        .chunk_by(|one, other| one.fact.card() == other.fact.card())
}

fn fare_book(input: &Input) -> FareBook {
    let mut fares = FareBook::default();
    for fact in &input.fare_versions {
        if let Fact::FareVersion(version) = &fact.fact {
            fares.insert(version.clone());
        }
    }
    fares
}

fn production(fares: &FareBook, facts: &[OrderedFact]) -> CardProjection {
    let mut history = CardHistory::new(card_of(facts));
    history.extend(fares, facts.iter().cloned());
    history.projection(fares)
}

fn reference(input: &Input, facts: &[OrderedFact]) -> CardProjection {
    reference::fold(card_of(facts), facts, &input.fare_versions)
}

fn card_of(facts: &[OrderedFact]) -> CardId {
    let card = facts.first().and_then(|fact| fact.fact.card());
    card.expect("BUG: the facts of a card are at least one")
}

fn write_document(document: &impl Serialize, mut out: impl Write) -> io::Result<()> {
    let mut json = serde_json::Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b" "));
    document.serialize(&mut json)?;
    writeln!(out)
}

/// A list whose items are made while it is written.
struct List<F>(F);

impl<F, I> Serialize for List<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

#[derive(Serialize)]
struct Cards<L> {
    cards: L,
}

#[derive(Serialize)]
struct Differences<L> {
    differing: L,
}

#[derive(Serialize)]
struct Difference<'a> {
    production: Card<'a>,
    reference: Card<'a>,
}

#[derive(Serialize)]
struct Card<'a> {
    card: CardId,
    balance: Money,
    held: Money,
    journeys: Vec<JourneyLine<'a>>,
    flags: Vec<FlagLine<'a>>,
    postings: Vec<PostingLine<'a>>,
}

#[derive(Serialize)]
struct JourneyLine<'a> {
    entry: Option<Name<'a>>,
    exit: Option<Name<'a>>,
    status: &'static str,
    fare: Money,
}

#[derive(Serialize)]
struct FlagLine<'a> {
    flag: &'static str,
    fact: Option<Name<'a>>,
}

#[derive(Serialize)]
struct PostingLine<'a> {
    rule: &'static str,
    debit: &'static str,
    credit: &'static str,
    amount: Money,
    facts: Vec<Name<'a>>,
}

/// A fact by the text of its site.
#[derive(Serialize)]
struct Name<'a> {
    site: &'a str,
    seq: u64,
}

impl<'a> Name<'a> {
    fn new(sites: &'a Sites, id: FactId) -> Name<'a> {
        Name {
            site: sites.name(id.site),
            seq: id.seq.0,
        }
    }
}

impl<'a> Card<'a> {
    fn new(sites: &'a Sites, projection: &CardProjection) -> Card<'a> {
        let named = |id| Name::new(sites, id);
        let about_taps = projection.flags.iter().map(|(flag, tap)| FlagLine {
            flag: flag.name(),
            fact: Some(named(*tap)),
        });
        let debt = projection.in_debt().then(|| FlagLine {
            flag: Flag::Debt.name(),
            fact: None,
        });
        Card {
            card: projection.card,
            balance: projection.balance,
            held: projection.held,
            journeys: projection
                .journeys
                .iter()
                .map(|journey| JourneyLine::new(sites, journey))
                .collect(),
            flags: about_taps.chain(debt).collect(),
            postings: projection
                .postings
                .iter()
                .map(|posting| PostingLine::new(sites, posting))
                .collect(),
        }
    }
}

impl<'a> JourneyLine<'a> {
    fn new(sites: &'a Sites, journey: &Journey) -> JourneyLine<'a> {
        JourneyLine {
            entry: journey.entry.map(|entry| Name::new(sites, entry.tap)),
            exit: journey.exit.map(|exit| Name::new(sites, exit.tap)),
            status: journey.status.name(),
            fare: journey.fare,
        }
    }
}

impl<'a> PostingLine<'a> {
    /// The facts of a posting are a set: they are written in the order of their ids.
    fn new(sites: &'a Sites, posting: &Posting) -> PostingLine<'a> {
        let mut facts = vec![posting.fact];
        facts.extend(posting.exit);
        facts.sort_unstable();
        PostingLine {
            rule: posting.rule.name(),
            debit: posting.debit.name(),
            credit: posting.credit.name(),
            amount: posting.amount,
            facts: facts.into_iter().map(|id| Name::new(sites, id)).collect(),
        }
    }
}
