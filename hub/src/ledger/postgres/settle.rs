//! Settling: what waits → one transaction of money, card states, events and published changesets.

mod digest;
mod fetch;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgConnection;
use sync_protocol::changeset::{Run, Signer};
use sync_protocol::fact::CardSettled;
use sync_protocol::fare::{FareBook, FareVersion};
use sync_protocol::have::SiteHave;
use sync_protocol::id::{CardId, FactId, Seq, SiteId};
use sync_protocol::journey::Ignore;
use sync_protocol::money::Money;

use super::columns::{self, account_name, orphan_policy, status, uuid};
use super::execute::FactIds;
use super::lease::{Writers, fence, save_writer};
use super::snapshot::SettleSnapshot;
use super::{Lease, LedgerError, PostgresLedger, execute, money, outbox, recovery, sql};
use crate::ingest::{Moved, StoredChangeset};
use crate::ledger::Arrival;
use crate::outbox::{Event, EventKey, Transition};
use crate::own_site::{Sealed, Writer};
use crate::settle::{Cut, SettlePlan, plan_settle};
use fetch::Waiting;

pub(super) use fetch::histories;

/// How often a plan is made: once, and again with the histories it asked for.
const PLANS_MAX: usize = 3;

/// What settling did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// What to publish, in order.
    pub runs: Vec<Run>,
    /// Where the settled site stands now, unless nothing was published.
    pub have: Option<(SiteId, SiteHave)>,
    /// Changesets settled.
    pub changesets: usize,
    /// Facts in them.
    pub facts: usize,
    /// Cards with a new revision.
    pub cards: usize,
    /// Cards folded again.
    pub refolds: u64,
    /// Journal entries booked.
    pub entries: usize,
}

impl PostgresLedger {
    /// Settles at most `changesets_max` of the changesets that wait, oldest first. `now_ms` is the time of booking.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when another process settles by now. See [`LedgerError`] for the rest; what waits
    /// waits on.
    pub async fn settle(
        &self,
        lease: &Lease,
        changesets_max: usize,
        now_ms: i64,
        signer: &(impl Signer + Sync),
    ) -> Result<Settled, LedgerError> {
        // An idle settler asks without writing anything, the lease included.
        if !self.is_waiting().await? {
            return Ok(Settled::default());
        }
        let mut transaction = self.pool.begin().await?;
        let Writers { mut settled, .. } = fence(&mut transaction, lease).await?;
        let waiting = fetch::waiting(&mut transaction, changesets_max).await?;
        let before_recovery = recovery::read(&mut transaction).await?;
        if waiting.arrivals.is_empty() && before_recovery.restate.is_empty() {
            transaction.rollback().await?;
            return Ok(Settled::default());
        }
        let mut after_recovery = before_recovery.clone();
        after_recovery.begin(now_ms);
        let mut snapshot = self
            .snapshot(&mut transaction, &waiting.arrivals, &after_recovery)
            .await?;
        let plan = plan(&mut transaction, &mut snapshot, &waiting.arrivals).await?;
        let before = settled.head();
        let sealed = settled.seal(now_ms, plan.changesets(), signer)?;
        let done = done(&plan, &waiting, &settled, &sealed);
        if !sealed.heads.is_empty() {
            let moved = Moved {
                site: settled.site(),
                role: settled.open().role,
                from: before,
                to: settled.head(),
            };
            store_own(&mut transaction, &settled, moved, &sealed).await?;
            save_writer(&mut transaction, lease.term(), &settled).await?;
        }
        let restated = plan.restated.clone();
        write(&mut transaction, &snapshot, &waiting, plan, now_ms).await?;
        recovery::write(&mut transaction, &before_recovery, &after_recovery, &restated).await?;
        transaction.commit().await?;
        Ok(Settled {
            runs: sealed.runs,
            ..done
        })
    }
}

fn done(plan: &SettlePlan, waiting: &Waiting, writer: &Writer, sealed: &Sealed) -> Settled {
    let cards: BTreeSet<CardId> = plan
        .cuts
        .iter()
        .flat_map(states)
        .map(|state| state.card)
        .collect();
    let have = SiteHave {
        role: writer.open().role,
        floor: Seq::NONE,
        head: writer.head(),
    };
    Settled {
        runs: Vec::new(),
        have: (!sealed.heads.is_empty()).then_some((writer.site(), have)),
        changesets: waiting.arrivals.len(),
        facts: waiting.arrivals.iter().map(|arrival| arrival.facts.len()).sum(),
        cards: cards.len(),
        refolds: plan.cuts.iter().map(|cut| cut.refolds).sum(),
        entries: plan.cuts.iter().map(|cut| cut.entries.len()).sum(),
    }
}

/// The new states of a cut, in the order in which they came about.
pub(super) fn states(cut: &Cut) -> impl Iterator<Item = &CardSettled> {
    cut.states.iter().chain(&cut.repriced)
}

async fn plan(
    connection: &mut PgConnection,
    snapshot: &mut SettleSnapshot,
    arrivals: &[Arrival],
) -> Result<SettlePlan, LedgerError> {
    for _ in 0..PLANS_MAX {
        let Ok(plan) = plan_settle(&*snapshot, arrivals);
        let missing = snapshot.take_missing();
        if missing.is_empty() {
            return Ok(plan);
        }
        fetch::folded(connection, snapshot, &missing).await?;
    }
    unreachable!("BUG: a plan asks for a card's history once")
}

async fn write(
    connection: &mut PgConnection,
    snapshot: &SettleSnapshot,
    waiting: &Waiting,
    plan: SettlePlan,
    now_ms: i64,
) -> Result<(), LedgerError> {
    let mut fares = snapshot.fares.clone();
    let new_fares: Vec<&FareVersion> = plan.cuts.iter().flat_map(|cut| &cut.fares).collect();
    for version in &new_fares {
        fares.insert((*version).clone());
    }
    cover(connection, waiting, &plan).await?;
    store_fares(connection, &new_fares).await?;
    store_states(connection, &plan, &fares).await?;
    digest::save(connection, &plan.digest).await?;
    money::book(connection, &plan, now_ms).await?;
    money::hold(connection, snapshot, &plan, &fares).await?;
    let events: Vec<Event> = plan.cuts.into_iter().flat_map(|cut| cut.events).collect();
    announce(connection, &events).await?;
    outbox::append(connection, &events, now_ms).await
}

async fn cover(
    connection: &mut PgConnection,
    waiting: &Waiting,
    plan: &SettlePlan,
) -> Result<(), LedgerError> {
    let covered = plan.cuts.iter().flat_map(|cut| &cut.covered);
    let covered: BTreeMap<SiteId, Seq> = covered.map(|covered| (covered.site, covered.to)).collect();
    let sites: Vec<_> = covered.keys().copied().map(uuid).collect();
    let seqs: Vec<i64> = covered.values().copied().map(columns::seq).collect();
    sqlx::query(sql::COVERAGE_MOVE)
        .bind(sites)
        .bind(seqs)
        .execute(&mut *connection)
        .await?;
    let is_covered = |arrival: &Arrival| covered.get(&arrival.site).is_some_and(|to| arrival.seq <= *to);
    let settled: Vec<i64> = waiting
        .numbers
        .iter()
        .zip(&waiting.arrivals)
        .filter(|(_, arrival)| is_covered(arrival))
        .map(|(number, _)| *number)
        .collect();
    sqlx::query(sql::ARRIVALS_DELETE)
        .bind(settled)
        .execute(connection)
        .await?;
    Ok(())
}

async fn store_fares(connection: &mut PgConnection, fares: &[&FareVersion]) -> Result<(), LedgerError> {
    if fares.is_empty() {
        return Ok(());
    }
    let versions: Vec<i64> = fares.iter().map(|fares| i64::from(fares.version)).collect();
    let from: Vec<i64> = fares.iter().map(|fares| fares.effective_from_ms).collect();
    let policies: Vec<&str> = fares
        .iter()
        .map(|fares| orphan_policy(fares.orphan_policy))
        .collect();
    let hashes: Vec<&[u8]> = fares.iter().map(|fares| fares.hash().as_slice()).collect();
    let facts: Vec<Vec<u8>> = fares.iter().map(sync_protocol::codec::encode).collect();
    sqlx::query(sql::FARE_VERSIONS_INSERT)
        .bind(versions)
        .bind(from)
        .bind(policies)
        .bind(hashes)
        .bind(facts)
        .execute(connection)
        .await?;
    Ok(())
}

/// Stores each card's last state.
async fn store_states(
    connection: &mut PgConnection,
    plan: &SettlePlan,
    fares: &FareBook,
) -> Result<(), LedgerError> {
    let mut last: BTreeMap<CardId, &CardSettled> = BTreeMap::new();
    last.extend(plan.cuts.iter().flat_map(states).map(|state| (state.card, state)));
    if last.is_empty() {
        return Ok(());
    }
    let mut columns = StateColumns::default();
    last.values().for_each(|settled| columns.push(settled, fares));
    columns.insert(connection).await
}

#[derive(Default)]
struct StateColumns {
    cards: Vec<String>,
    revisions: Vec<i64>,
    facts: Vec<i64>,
    hashes: Vec<Vec<u8>>,
    fare_versions: Vec<i64>,
    states: Vec<Vec<u8>>,
    balances: Vec<i64>,
    held: Vec<i64>,
    statuses: Vec<&'static str>,
    trip_terminals: Vec<Option<String>>,
    trip_entries: Vec<Option<i64>>,
    trip_holds: Vec<Option<i64>>,
    orders: Vec<i64>,
}

impl StateColumns {
    fn push(&mut self, settled: &CardSettled, fares: &FareBook) {
        let view = settled.state.finish(fares, &mut Ignore);
        self.cards.push(settled.card.to_string());
        self.revisions.push(columns::count(settled.revision));
        self.facts.push(columns::count(settled.facts));
        self.hashes.push(settled.facts_hash.to_le_bytes().to_vec());
        self.fare_versions.push(i64::from(settled.fare_version));
        self.states.push(sync_protocol::codec::encode(&settled.state));
        self.balances.push(view.balance.as_hundredths());
        self.held.push(view.held.as_hundredths());
        self.statuses.push(status(view.status));
        let trip = view.open;
        self.trip_terminals
            .push(trip.map(|trip| trip.entry.terminal.to_string()));
        self.trip_entries.push(trip.map(|trip| trip.entry.at_ms));
        self.trip_holds
            .push(trip.map(|trip| Money::as_hundredths(trip.hold)));
        self.orders.push(settled.state.order.at.ms);
    }

    async fn insert(self, connection: &mut PgConnection) -> Result<(), LedgerError> {
        sqlx::query(sql::CARD_STATES_SAVE)
            .bind(self.cards)
            .bind(self.revisions)
            .bind(self.facts)
            .bind(self.hashes)
            .bind(self.fare_versions)
            .bind(self.states)
            .bind(self.balances)
            .bind(self.held)
            .bind(self.statuses)
            .bind(self.trip_terminals)
            .bind(self.trip_entries)
            .bind(self.trip_holds)
            .bind(self.orders)
            .execute(connection)
            .await?;
        Ok(())
    }
}

async fn announce(connection: &mut PgConnection, events: &[Event]) -> Result<(), LedgerError> {
    let told = events.iter().filter_map(|event| match event.key() {
        EventKey::Journey(tap, transition) => Some((event.card()?, tap, transition)),
        _ => None,
    });
    let told: Vec<(CardId, FactId, Transition)> = told.collect();
    if told.is_empty() {
        return Ok(());
    }
    let cards: Vec<String> = told.iter().map(|(card, ..)| card.to_string()).collect();
    let taps = FactIds::new(told.iter().map(|(_, tap, _)| *tap));
    let words: Vec<&str> = told.iter().map(|(.., transition)| transition.word()).collect();
    sqlx::query(sql::ANNOUNCED_INSERT)
        .bind(cards)
        .bind(taps.sites)
        .bind(taps.seqs)
        .bind(taps.indexes)
        .bind(words)
        .execute(connection)
        .await?;
    Ok(())
}

/// The hub's settled states are its own: stored as they are, and nothing in them is settled again.
async fn store_own(
    connection: &mut PgConnection,
    writer: &Writer,
    moved: Moved,
    sealed: &Sealed,
) -> Result<(), LedgerError> {
    let opened = (sealed.openings == 1).then(|| writer.open().clone());
    execute::advance(connection, opened.as_slice(), &[moved]).await?;
    let signed = sealed.runs.iter().flat_map(|run| {
        let last = run.bodies.len() - 1;
        let bodies = run.bodies.iter().enumerate();
        bodies.map(move |(place, body)| (body.clone(), (place == last).then_some(run.signature)))
    });
    let stored: Vec<StoredChangeset> = sealed
        .heads
        .iter()
        .zip(signed)
        .map(|(head, (body, signature))| StoredChangeset {
            site: moved.site,
            head: *head,
            body,
            signature,
            settles: false,
        })
        .collect();
    execute::store_changesets(connection, &stored).await
}

/// The account of a movement, with its card if it is one's.
pub(super) fn account_columns(account: sync_protocol::ledger::Account) -> (String, Option<String>) {
    let card = match account {
        sync_protocol::ledger::Account::Card(card) => Some(card.to_string()),
        _ => None,
    };
    (account_name(account), card)
}
