//! What has to be true of the hub's books at any moment, whatever happened before.
//!
//! The cards' projections are computed a second time from the stored facts, by the fold that the simulator keeps for
//! that purpose and that shares nothing with the hub's own.

use std::collections::BTreeMap;

use anyhow::Context as _;
use simulator::check::reference;
use sync_protocol::changeset::Content;
use sync_protocol::codec;
use sync_protocol::fact::{Fact, OrderedFact};
use sync_protocol::id::{CardId, FactId, OrderKey, Seq, SiteId};
use sync_protocol::money::Money;
use sync_protocol::time::Stamp;

use super::database::{Database, TRANSACTIONS};

/// Everything that the hub holds as facts.
pub struct Facts {
    /// Of each card.
    pub by_card: BTreeMap<CardId, Vec<OrderedFact>>,
    /// Fare versions.
    pub fares: Vec<OrderedFact>,
    /// How many there are.
    pub count: usize,
}

impl Facts {
    /// Reads them.
    ///
    /// # Errors
    /// The database does not answer, or holds what is no fact.
    pub fn read(database: &Database) -> anyhow::Result<Facts> {
        let rows = database.rows(
            TRANSACTIONS,
            "SELECT replace(site::text, '-', ''), seq::text, index::text, at_ms::text, at_counter::text,
                    encode(content, 'hex')
             FROM facts",
        )?;
        let mut facts = Facts {
            by_card: BTreeMap::new(),
            fares: Vec::new(),
            count: rows.len(),
        };
        for row in rows {
            let fact = ordered_fact(&row).with_context(|| format!("the fact {row:?}"))?;
            match (fact.fact.card(), &fact.fact) {
                (Some(card), _) => facts.by_card.entry(card).or_default().push(fact),
                (None, Fact::FareVersion(_)) => facts.fares.push(fact),
                (None, _) => {}
            }
        }
        Ok(facts)
    }
}

/// What a card is worth by the books.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Card {
    balance: Money,
    held: Money,
    status: String,
}

/// Checks that the books sum to zero, and that each card's state and journal are what a second fold makes of its
/// facts. Everything is read as of one moment: gates go on, if only with their heartbeats.
///
/// # Errors
/// What is not so.
pub fn check(database: &Database) -> anyhow::Result<Facts> {
    database.at_one_moment(TRANSACTIONS, || check_now(database))
}

fn check_now(database: &Database) -> anyhow::Result<Facts> {
    sums(database)?;
    let facts = Facts::read(database)?;
    let states = states(database)?;
    let booked = booked(database)?;
    for (card, list) in &facts.by_card {
        let truth = reference::fold(*card, list, &facts.fares);
        let expected = Card {
            balance: truth.balance,
            held: truth.held,
            status: format!("{:?}", truth.status).to_lowercase(),
        };
        let state = states
            .get(card)
            .with_context(|| format!("{card} has facts and no state"))?;
        anyhow::ensure!(
            *state == expected,
            "{card}: the hub says {state:?}, its facts say {expected:?}"
        );
        let mut expected: BTreeMap<String, Money> = BTreeMap::new();
        for posting in &truth.postings {
            *expected.entry(posting.rule.name().to_owned()).or_default() += posting.amount;
        }
        let journal = booked.get(card).cloned().unwrap_or_default();
        anyhow::ensure!(
            journal == expected,
            "{card}: the journal says {journal:?}, its facts say {expected:?}"
        );
    }
    anyhow::ensure!(
        states.len() == facts.by_card.len(),
        "{} cards have a state and {} have facts",
        states.len(),
        facts.by_card.len()
    );
    Ok(facts)
}

/// I2, and that the kept balances of accounts are the sums of their postings.
fn sums(database: &Database) -> anyhow::Result<()> {
    let none = |what: &str, sql: &str| {
        let wrong = database.rows(TRANSACTIONS, sql)?;
        anyhow::ensure!(wrong.is_empty(), "{what}: {wrong:?}");
        Ok(())
    };
    none(
        "all accounts together are not zero",
        "SELECT sum(balance)::text FROM accounts HAVING sum(balance) <> 0",
    )?;
    none(
        "accounts are not the sums of their postings",
        "SELECT account, balance::text, booked::text
         FROM accounts
         FULL JOIN (SELECT account, sum(amount) AS booked FROM postings GROUP BY account) AS p USING (account)
         WHERE coalesce(balance, 0) <> coalesce(booked, 0)",
    )?;
    none(
        "cards' accounts are not their states",
        "SELECT c.card, c.balance::text, a.balance::text
         FROM card_states AS c LEFT JOIN accounts AS a ON a.account = 'card:' || c.card
         WHERE c.balance <> coalesce(a.balance, 0)",
    )?;
    none(
        "open holds are not those of the states",
        "SELECT card, c.held::text, p.hold::text
         FROM card_states AS c
         FULL JOIN (SELECT card, hold FROM pending_transfers WHERE state = 'pending') AS p USING (card)
         WHERE coalesce(c.held, 0) <> coalesce(p.hold, 0)",
    )
}

fn states(database: &Database) -> anyhow::Result<BTreeMap<CardId, Card>> {
    let rows = database.rows(
        TRANSACTIONS,
        "SELECT card, (balance * 100)::bigint::text, (held * 100)::bigint::text, status FROM card_states",
    )?;
    rows.iter()
        .map(|row| {
            let [card, balance, held, status] = columns(row)?;
            let card_state = Card {
                balance: Money::hundredths(balance.parse()?),
                held: Money::hundredths(held.parse()?),
                status: status.to_owned(),
            };
            Ok((card.parse()?, card_state))
        })
        .collect()
}

/// What was booked for each card and rule and not booked back.
fn booked(database: &Database) -> anyhow::Result<BTreeMap<CardId, BTreeMap<String, Money>>> {
    let rows = database.rows(
        TRANSACTIONS,
        "SELECT card, rule, (sum(CASE WHEN reversal THEN -amount ELSE amount END) * 100)::bigint::text
         FROM transfers GROUP BY card, rule
         HAVING sum(CASE WHEN reversal THEN -amount ELSE amount END) <> 0",
    )?;
    let mut booked: BTreeMap<CardId, BTreeMap<String, Money>> = BTreeMap::new();
    for row in &rows {
        let [card, rule, amount] = columns(row)?;
        let of_card = booked.entry(card.parse()?).or_default();
        of_card.insert(rule.to_owned(), Money::hundredths(amount.parse()?));
    }
    Ok(booked)
}

fn ordered_fact(row: &[String]) -> anyhow::Result<OrderedFact> {
    let [site, seq, index, ms, counter, content] = columns(row)?;
    let id = FactId {
        site: site_id(site)?,
        seq: Seq(seq.parse()?),
        index: index.parse()?,
    };
    let at = Stamp {
        ms: ms.parse()?,
        counter: counter.parse()?,
    };
    let Content::Fact(fact) = codec::decode(&bytes(content)?).context("its content")? else {
        anyhow::bail!("its content is no fact");
    };
    let key = OrderKey { at, id };
    Ok(OrderedFact { key, fact })
}

/// A site from its 32 hexadecimal digits.
///
/// # Errors
/// Something else.
pub fn site_id(text: &str) -> anyhow::Result<SiteId> {
    let bytes = bytes(text)?.try_into();
    Ok(SiteId(bytes.map_err(|_| anyhow::anyhow!("{text:?} is no site"))?))
}

fn bytes(hexadecimal: &str) -> anyhow::Result<Vec<u8>> {
    let digits = hexadecimal.as_bytes().chunks(2);
    digits
        .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?))
        .collect()
}

/// The columns of a row, as many as asked for.
///
/// # Errors
/// Another number of columns.
pub fn columns<const COUNT: usize>(row: &[String]) -> anyhow::Result<[&str; COUNT]> {
    let columns: Vec<&str> = row.iter().map(String::as_str).collect();
    let columns = columns.try_into();
    columns.map_err(|_| anyhow::anyhow!("{COUNT} columns were meant: {row:?}"))
}
