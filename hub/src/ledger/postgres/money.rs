//! Money: journal entries as transfers, accounts, and holds as pending transfers.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, FactId};
use sync_protocol::journey::{CardState, Ignore, OpenJourney};
use sync_protocol::ledger::{Account, Posting, Rule};
use sync_protocol::money::Money;

use super::columns::{self, account, account_name, card_id, corrupt, fact_id, rule, stored_count};
use super::execute::FactIds;
use super::settle::{account_columns, states};
use super::snapshot::SettleSnapshot;
use super::{LedgerError, sql};
use crate::ledger::{EntryId, JournalEntry};
use crate::settle::{Cut, SettlePlan};

/// A hold as a pending transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRecord {
    /// The card's revision that opened it.
    pub revision: u64,
    /// The entry that holds.
    pub tap: FactId,
    /// How much is held.
    pub hold: Money,
    /// `pending`, `posted` or `voided`.
    pub state: String,
    /// The revision that ended it.
    pub resolved_revision: Option<u64>,
    /// What of the fare it covered, when posted.
    pub posted: Option<Money>,
}

/// `transfers` as read: card, revision, line, rule, debit, credit, amount, reversal, then the fact and the exit.
type TransferColumns = (
    String,
    i64,
    i64,
    String,
    String,
    String,
    i64,
    bool,
    Uuid,
    i64,
    i32,
    Option<Uuid>,
    Option<i64>,
    Option<i32>,
);

/// Books entries: a transfer each, and what they add to their accounts.
pub(super) async fn book(
    connection: &mut PgConnection,
    plan: &SettlePlan,
    now_ms: i64,
) -> Result<(), LedgerError> {
    let entries: Vec<&JournalEntry> = plan.cuts.iter().flat_map(|cut| &cut.entries).collect();
    if entries.is_empty() {
        return Ok(());
    }
    store_transfers(connection, &entries, now_ms).await?;
    let mut added: BTreeMap<Account, (Money, i64)> = BTreeMap::new();
    for entry in &entries {
        let (debit, credit) = entry.accounts();
        for (account, amount) in [(debit, -entry.posting.amount), (credit, entry.posting.amount)] {
            let (sum, lines) = added.entry(account).or_default();
            *sum += amount;
            *lines += 1;
        }
    }
    let (names, cards): (Vec<String>, Vec<Option<String>>) =
        added.keys().copied().map(account_columns).unzip();
    let sums: Vec<i64> = added.values().map(|(sum, _)| sum.as_hundredths()).collect();
    let lines: Vec<i64> = added.values().map(|(_, lines)| *lines).collect();
    sqlx::query(sql::ACCOUNTS_MOVE)
        .bind(names)
        .bind(cards)
        .bind(sums)
        .bind(lines)
        .execute(connection)
        .await?;
    Ok(())
}

async fn store_transfers(
    connection: &mut PgConnection,
    entries: &[&JournalEntry],
    now_ms: i64,
) -> Result<(), LedgerError> {
    let cards: Vec<String> = entries.iter().map(|entry| entry.id.card.to_string()).collect();
    let revisions: Vec<i64> = entries
        .iter()
        .map(|entry| columns::count(entry.id.revision))
        .collect();
    let lines: Vec<i64> = entries.iter().map(|entry| i64::from(entry.id.line)).collect();
    let rules: Vec<&str> = entries.iter().map(|entry| entry.posting.rule.name()).collect();
    let accounts = entries.iter().map(|entry| entry.accounts());
    let (debits, credits): (Vec<String>, Vec<String>) = accounts
        .map(|(debit, credit)| (account_name(debit), account_name(credit)))
        .unzip();
    let amounts: Vec<i64> = entries
        .iter()
        .map(|entry| entry.posting.amount.as_hundredths())
        .collect();
    let reversals: Vec<bool> = entries.iter().map(|entry| entry.reversal).collect();
    let facts = FactIds::new(entries.iter().map(|entry| entry.posting.fact));
    let exits = || entries.iter().map(|entry| entry.posting.exit);
    let exit_sites: Vec<Option<Uuid>> = exits()
        .map(|exit| exit.map(|exit| columns::uuid(exit.site)))
        .collect();
    let exit_seqs: Vec<Option<i64>> = exits()
        .map(|exit| exit.map(|exit| columns::seq(exit.seq)))
        .collect();
    let exit_indexes: Vec<Option<i32>> = exits()
        .map(|exit| exit.map(|exit| i32::from(exit.index)))
        .collect();
    sqlx::query(sql::TRANSFERS_INSERT)
        .bind(cards)
        .bind(revisions)
        .bind(lines)
        .bind(rules)
        .bind(debits)
        .bind(credits)
        .bind(amounts)
        .bind(reversals)
        .bind(facts.sites)
        .bind(facts.seqs)
        .bind(facts.indexes)
        .bind(exit_sites)
        .bind(exit_seqs)
        .bind(exit_indexes)
        .bind(now_ms)
        .execute(connection)
        .await?;
    Ok(())
}

/// The journals of cards, by card and in the order of booking.
pub(super) async fn journal_of(
    connection: &mut PgConnection,
    cards: &[String],
) -> Result<Vec<JournalEntry>, LedgerError> {
    let transfers: Vec<TransferColumns> = sqlx::query_as(sql::TRANSFERS_OF)
        .bind(cards)
        .fetch_all(connection)
        .await?;
    transfers.into_iter().map(journal_entry).collect()
}

fn journal_entry(columns: TransferColumns) -> Result<JournalEntry, LedgerError> {
    let (card, revision, line, rule_name, debit, credit, amount, reversal, site, seq, index, ..) = columns;
    let exit = match (columns.11, columns.12, columns.13) {
        (Some(site), Some(seq), Some(index)) => Some(fact_id(site, seq, index)?),
        _ => None,
    };
    let movement = Posting {
        rule: rule(&rule_name)?,
        debit: account(&debit)?,
        credit: account(&credit)?,
        amount: Money::hundredths(amount),
        fact: fact_id(site, seq, index)?,
        exit,
    };
    Ok(JournalEntry {
        id: EntryId {
            card: card_id(&card)?,
            revision: stored_count(revision, "a revision")?,
            line: u32::try_from(line).map_err(|_| corrupt("a journal line", line))?,
        },
        posting: if reversal { movement.reversed() } else { movement },
        reversal,
    })
}

/// A hold that began in this plan.
struct Hold {
    card: CardId,
    revision: u64,
    open: OpenJourney,
    resolved: Option<Resolved>,
}

/// What became of a hold.
#[derive(Clone, Copy)]
struct Resolved {
    card: CardId,
    revision: u64,
    /// What of the fare it covered; `None` when it was let go.
    posted: Option<Money>,
}

impl Resolved {
    const fn state(&self) -> &'static str {
        match self.posted {
            Some(_) => "posted",
            None => "voided",
        }
    }
}

/// Follows each card's hold from state to state: what begins is pending, what ends is posted or voided.
pub(super) async fn hold(
    connection: &mut PgConnection,
    snapshot: &SettleSnapshot,
    plan: &SettlePlan,
    fares: &FareBook,
) -> Result<(), LedgerError> {
    let mut open: BTreeMap<CardId, (Option<OpenJourney>, Option<usize>)> = BTreeMap::new();
    let mut begun: Vec<Hold> = Vec::new();
    let mut ended: Vec<Resolved> = Vec::new();
    for cut in &plan.cuts {
        for state in states(cut) {
            let card = state.card;
            let (before, place) = open.entry(card).or_insert_with(|| {
                let settled = snapshot.settled.get(&card);
                (settled.and_then(|settled| holding(&settled.state, fares)), None)
            });
            let after = holding(&state.state, fares);
            let tap = |open: &Option<OpenJourney>| open.map(|open| open.entry.tap);
            if tap(before) == tap(&after) {
                continue;
            }
            if let Some(old) = before {
                let resolved = Resolved {
                    card,
                    revision: state.revision,
                    posted: covered(cut, card, state.revision, old.entry.tap),
                };
                match place.and_then(|place| begun.get_mut(place)) {
                    Some(hold) => hold.resolved = Some(resolved),
                    None => ended.push(resolved),
                }
            }
            *place = after.map(|open| {
                let (revision, resolved) = (state.revision, None);
                begun.push(Hold {
                    card,
                    revision,
                    open,
                    resolved,
                });
                begun.len() - 1
            });
            *before = after;
        }
    }
    resolve(connection, &ended).await?;
    begin(connection, &begun).await
}

/// The journey that holds money. A hold of nothing makes no transfer (D-11).
fn holding(state: &CardState, fares: &FareBook) -> Option<OpenJourney> {
    let view = state.finish(fares, &mut Ignore);
    view.open.filter(|open| open.hold > Money::ZERO)
}

/// What a revision booked of the fare that an entry's hold stood for.
fn covered(cut: &Cut, card: CardId, revision: u64, entry: FactId) -> Option<Money> {
    let of_hold = |line: &&JournalEntry| {
        let captures = matches!(
            line.posting.rule,
            Rule::Capture | Rule::LateFare | Rule::Incomplete
        );
        captures
            && !line.reversal
            && (line.id.card, line.id.revision, line.posting.fact) == (card, revision, entry)
    };
    let lines = cut.entries.iter().filter(of_hold);
    let sum: Money = lines.map(|line| line.posting.amount).sum();
    (sum > Money::ZERO).then_some(sum)
}

async fn resolve(connection: &mut PgConnection, ended: &[Resolved]) -> Result<(), LedgerError> {
    if ended.is_empty() {
        return Ok(());
    }
    let cards: Vec<String> = ended.iter().map(|ended| ended.card.to_string()).collect();
    let names: Vec<&str> = ended.iter().map(Resolved::state).collect();
    let revisions: Vec<i64> = ended.iter().map(|ended| columns::count(ended.revision)).collect();
    let posted: Vec<Option<i64>> = ended
        .iter()
        .map(|ended| ended.posted.map(Money::as_hundredths))
        .collect();
    sqlx::query(sql::PENDING_RESOLVE)
        .bind(cards)
        .bind(names)
        .bind(revisions)
        .bind(posted)
        .execute(connection)
        .await?;
    Ok(())
}

async fn begin(connection: &mut PgConnection, begun: &[Hold]) -> Result<(), LedgerError> {
    if begun.is_empty() {
        return Ok(());
    }
    let cards: Vec<String> = begun.iter().map(|hold| hold.card.to_string()).collect();
    let revisions: Vec<i64> = begun.iter().map(|hold| columns::count(hold.revision)).collect();
    let taps = FactIds::new(begun.iter().map(|hold| hold.open.entry.tap));
    let terminals: Vec<String> = begun
        .iter()
        .map(|hold| hold.open.entry.terminal.to_string())
        .collect();
    let entered: Vec<i64> = begun.iter().map(|hold| hold.open.entry.at_ms).collect();
    let holds: Vec<i64> = begun.iter().map(|hold| hold.open.hold.as_hundredths()).collect();
    let resolved = || begun.iter().map(|hold| hold.resolved);
    let names: Vec<&str> = resolved()
        .map(|resolved| resolved.map_or("pending", |resolved| resolved.state()))
        .collect();
    let resolved_at: Vec<Option<i64>> = resolved()
        .map(|resolved| resolved.map(|resolved| columns::count(resolved.revision)))
        .collect();
    let posted: Vec<Option<i64>> = resolved()
        .map(|resolved| resolved.and_then(|resolved| resolved.posted.map(Money::as_hundredths)))
        .collect();
    sqlx::query(sql::PENDING_INSERT)
        .bind(cards)
        .bind(revisions)
        .bind(taps.sites)
        .bind(taps.seqs)
        .bind(taps.indexes)
        .bind(terminals)
        .bind(entered)
        .bind(holds)
        .bind(names)
        .bind(resolved_at)
        .bind(posted)
        .execute(connection)
        .await?;
    Ok(())
}
