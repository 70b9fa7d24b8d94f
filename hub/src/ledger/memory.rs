//! A ledger in memory: executes the plans in simulations and tests.
//!
//! Every execution is checked first and applied whole, as a transaction would be.

mod audit;
mod execute;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;

use bytes::Bytes;
use sync_protocol::changeset::{
    BodyError, ChainHash, Head, PublicKey, Run, Signature, Signer, SiteRole, Trust,
};
use sync_protocol::codec;
use sync_protocol::digest::SettledDigest;
use sync_protocol::fact::{CardSettled, Fact, OrderedFact};
use sync_protocol::fare::FareBook;
use sync_protocol::have::{Have, Range, SiteHave};
use sync_protocol::id::{CardId, FactId, OrderKey, Seq, SiteId};
use sync_protocol::journey::history::{CardHistory, CardProjection};
use sync_protocol::journey::{CardView, Ignore};
use sync_protocol::ledger::{Account, Posting};
use sync_protocol::money::Money;
use sync_protocol::rows::RowSet;

use super::{Arrival, FactRow, JournalEntry, SiteRecord};
use crate::decisions::{DecideError, Decision, DecisionPlan, Records, Terms, TopUpRecord, plan_decisions};
use crate::ingest::{Logs, MergePlan, Moved, Quarantined, Refused, RefusedReason, plan_merge};
use crate::outbox::{Event, EventKey, Transition};
use crate::own_site::{Sealed, Writer};
use crate::recovery::{Recovery, TakenBack};
use crate::settle::{Cards, Cut, SettlePlan, plan_settle};

/// Most refused runs and quarantined changes kept as evidence; beyond it they are only counted.
pub const EVIDENCE_MAX: usize = 1_024;

/// Why a plan was not executed. Nothing of it is then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// The ledger moved on since the plan was made: make a new one.
    #[error("site {site} stands at {actual}, the plan was made at {planned}")]
    Stale {
        /// The site.
        site: SiteId,
        /// Where the plan expects it.
        planned: Seq,
        /// Where it stands.
        actual: Seq,
    },
    /// No term is open: the hub has no sites to write to.
    #[error("the hub has opened no sites: open a term first")]
    NoTerm,
    /// What the hub would publish breaks the limits of a changeset.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The hub's own changesets are not believed: the trust given does not know the hub's key.
    #[error("the hub's own changeset was refused: {0}")]
    OwnRefused(crate::ingest::RefusedReason),
}

/// Why decisions were not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// One is refused.
    #[error(transparent)]
    Decide(#[from] DecideError<Infallible>),
    /// They could not be written.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

/// Where the books do not agree. Severity 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// I2 is broken.
    #[error("all accounts together hold {0}, not 0.00")]
    Sum(Money),
    /// I8 is broken.
    #[error("card {card}: the journal says {journal}, the projection {projection}")]
    Balance {
        /// The card.
        card: CardId,
        /// Sum of its entries.
        journal: Money,
        /// Balance of the fold.
        projection: Money,
    },
    /// The bookings of a card are not its postings.
    #[error("card {card}: what is booked is not what the fold states: {posting:?} is booked {times} times")]
    Postings {
        /// The card.
        card: CardId,
        /// The posting.
        posting: Box<Posting>,
        /// How often it is booked, less reversals.
        times: i64,
    },
    /// A settled state is not the fold of the settled facts.
    #[error("card {0}: the settled state is not what its facts fold to")]
    State(CardId),
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Changesets stored, the hub's own included.
    pub changesets: u64,
    /// Runs in which nothing was new.
    pub duplicates: u64,
    /// Runs that came early.
    pub gaps: u64,
    /// Runs refused.
    pub refused: u64,
    /// Changes quarantined.
    pub quarantined: u64,
    /// Changes of unknown kinds.
    pub opaque: u64,
    /// Row changes that were refused when merged.
    pub rows_refused: u64,
    /// Closed sites that wrote on.
    pub reopened: u64,
    /// Facts taken.
    pub facts: u64,
    /// Facts settled.
    pub settled: u64,
    /// Cards folded again.
    pub refolds: u64,
    /// Journal entries.
    pub entries: u64,
    /// Cuts settled.
    pub cuts: u64,
}

/// What a call of ingest did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// The acknowledgement: heads that moved, with the role of the site.
    pub moved: Vec<(SiteRole, Moved)>,
    /// What is missing.
    pub gaps: Vec<Range>,
    /// Runs refused, and changes quarantined.
    pub rejected: usize,
    /// The runs that were refused: of which site, from where on, and why.
    pub refused: Vec<(SiteId, Seq, RefusedReason)>,
}

/// What decisions led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// The change that stands for each decision, in order.
    pub facts: Vec<FactId>,
    /// What to publish.
    pub runs: Vec<Run>,
}

#[derive(Clone, Debug)]
struct SiteLog {
    record: SiteRecord,
    bodies: Vec<Bytes>,
    chain: Vec<ChainHash>,
    /// By number, ascending.
    signatures: Vec<(Seq, Signature)>,
    covered: Seq,
}

#[derive(Clone, Debug, Default)]
struct CardRows {
    /// Where its facts stand, in the order of the fold: they are read from the changesets that state them.
    facts: Vec<OrderKey>,
    settled: Option<CardSettled>,
    journal: Vec<JournalEntry>,
    /// Its top-ups with their references.
    references: Vec<(Box<str>, FactId)>,
    /// Ascending.
    announced: Vec<(FactId, Transition)>,
    /// Whether it was told that it was issued.
    issue_told: bool,
    /// The earliest fact that issued it, in the order of the fold: the same whatever came first.
    issued: Option<OrderKey>,
    status_version: u64,
}

/// The ledger.
#[derive(Clone, Debug, Default)]
pub struct MemoryLedger {
    sites: BTreeMap<SiteId, SiteLog>,
    /// Of every site its head, as peers are told.
    have: Have,
    arrivals: VecDeque<Arrival>,
    /// Boxed, because the rows of a tree are half empty.
    cards: BTreeMap<CardId, Box<CardRows>>,
    top_ups: BTreeMap<String, TopUpRecord>,
    newest_fares: u32,
    fares: FareBook,
    /// Of everything that is settled.
    digest: SettledDigest,
    accounts: BTreeMap<Account, Money>,
    /// What all accounts hold together, counted along with each debit and credit.
    accounts_sum: Money,
    outbox: Vec<Event>,
    /// Events before those that the outbox holds.
    outbox_dropped: usize,
    /// Keys of events that concern no card.
    event_keys: BTreeSet<EventKey>,
    rows: RowSet,
    refused: Vec<Refused>,
    quarantined: Vec<Quarantined>,
    counters: Counters,
    decisions: Option<Writer>,
    settled: Option<Writer>,
    recovery: Recovery,
}

impl MemoryLedger {
    /// Opens the hub's two sites for a settler's term; they are written with their first commit. The random bytes
    /// are drawn by the caller, anew for every term.
    pub fn open_term(&mut self, public_key: PublicKey, certificate: &[u8], random: [[u8; 16]; 2]) {
        let writer = |role, random, previous: Option<Writer>| {
            Some(Writer::new(
                role,
                public_key,
                random,
                certificate.to_vec(),
                previous.as_ref(),
            ))
        };
        let [decisions, settled] = random;
        for before in [&mut self.decisions, &mut self.settled].into_iter().flatten() {
            before.catch_up(self.have.head(before.site()));
        }
        self.decisions = writer(SiteRole::Decisions, decisions, self.decisions.take());
        self.settled = writer(SiteRole::Settled, settled, self.settled.take());
    }

    /// Takes runs from anybody.
    ///
    /// # Errors
    /// None that a caller could cause: a plan made here is never stale.
    pub fn ingest(&mut self, runs: &[Run], trust: &impl Trust) -> Result<Ingested, ExecuteError> {
        let Ok(plan) = plan_merge(self, runs, trust);
        let mut ingested = Ingested {
            moved: Vec::new(),
            gaps: plan.gaps.clone(),
            rejected: plan.refused.len() + plan.quarantined.len(),
            refused: plan.refused_runs(),
        };
        let moved = plan.moved.clone();
        let back = TakenBack::of(&plan);
        self.execute_merge(plan)?;
        self.recovery.note(back);
        let role_of = |moved: Moved| Some((self.sites.get(&moved.site)?.record.role, moved));
        ingested.moved = moved.into_iter().filter_map(role_of).collect();
        Ok(ingested)
    }

    /// Settles at most `changesets_max` of the changesets that wait, oldest first. Returns what to publish.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub fn settle(
        &mut self,
        changesets_max: usize,
        now_ms: i64,
        signer: &impl Signer,
    ) -> Result<Vec<Run>, ExecuteError> {
        let batch = self.waiting(changesets_max);
        self.recovery.begin(now_ms);
        if batch.is_empty() && self.recovery.restate.is_empty() {
            return Ok(Vec::new());
        }
        let Ok(plan) = plan_settle(self, &batch);
        self.execute_settle(plan, now_ms, signer)
    }

    /// Takes decisions: all, or none.
    ///
    /// # Errors
    /// See [`DecisionError`].
    pub fn decide(
        &mut self,
        decisions: &[Decision],
        terms: &Terms,
        signer: &impl Signer,
        trust: &impl Trust,
    ) -> Result<Decided, DecisionError> {
        let plan = plan_decisions(self, decisions, terms)?;
        Ok(self.execute_decisions(plan, terms.now_ms, signer, trust)?)
    }

    /// The oldest changesets that wait to be settled.
    #[must_use]
    pub fn waiting(&self, changesets_max: usize) -> Vec<Arrival> {
        let uncovered = |arrival: &&Arrival| arrival.seq > self.covered_to(arrival.site);
        let waiting = self.arrivals.iter().filter(uncovered);
        waiting.take(changesets_max).cloned().collect()
    }

    /// How many changesets wait to be settled.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.arrivals.len()
    }

    /// What is remembered of steps back.
    #[must_use]
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Settles from now on as after a step back: gates hold what the hub published once and have pruned what would
    /// prove it.
    pub fn suspect_step_back(&mut self) {
        self.recovery.is_due = true;
    }

    /// What the hub holds.
    #[must_use]
    pub const fn have(&self) -> &Have {
        &self.have
    }

    /// What is known of each site.
    pub fn sites(&self) -> impl Iterator<Item = (SiteId, &SiteRecord)> {
        self.sites.iter().map(|(site, log)| (*site, &log.record))
    }

    /// A signed run that starts where `range` does: the longest that ends in the range and holds at most
    /// `bytes_max` bytes of bodies, or the shortest there is. `None` when nothing from there on is held.
    #[must_use]
    pub fn serve(&self, range: &Range, bytes_max: usize) -> Option<Run> {
        let log = self.sites.get(&range.site)?;
        let first = range.first.max(Seq(1));
        let before = usize::try_from(first.0 - 1).ok()?;
        let mut best: Option<(Seq, Signature)> = None;
        let mut bytes = 0;
        let mut counted = before;
        let signed = log.signatures.partition_point(|(seq, _)| *seq < first);
        for (seq, signature) in &log.signatures[signed..] {
            let end = usize::try_from(seq.0).ok()?;
            bytes += log
                .bodies
                .get(counted..end)?
                .iter()
                .map(Bytes::len)
                .sum::<usize>();
            counted = end;
            if best.is_some() && (bytes > bytes_max || *seq > range.last) {
                break;
            }
            best = Some((*seq, *signature));
        }
        let (last, signature) = best?;
        let end = usize::try_from(last.0).ok()?;
        Some(Run {
            site: range.site,
            first,
            bodies: log.bodies.get(before..end)?.to_vec(),
            signature,
        })
    }

    /// Every card the ledger knows, ascending.
    pub fn cards(&self) -> impl Iterator<Item = CardId> {
        self.cards.keys().copied()
    }

    /// A card's last settled state.
    #[must_use]
    pub fn card_state(&self, card: CardId) -> Option<&CardSettled> {
        self.cards.get(&card)?.settled.as_ref()
    }

    /// The settled states as gates hold them in their `cards` table: card, revision, encoded state; by card.
    pub fn card_rows(&self) -> impl Iterator<Item = (CardId, u64, Vec<u8>)> {
        let settled = self.cards.values().filter_map(|rows| rows.settled.as_ref());
        settled.map(|settled| (settled.card, settled.revision, codec::encode(&settled.state)))
    }

    /// Digest of [`MemoryLedger::card_rows`]: equal on a gate that has applied everything published.
    #[must_use]
    pub fn cards_digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 cards");
        for row in self.card_rows() {
            hasher.update(&codec::encode(&row));
        }
        *hasher.finalize().as_bytes()
    }

    /// A card as the hub sees it now.
    #[must_use]
    pub fn view(&self, card: CardId) -> Option<CardView> {
        let settled = self.card_state(card)?;
        Some(settled.state.finish(&self.fares, &mut Ignore))
    }

    /// Everything a card's settled facts say, folded anew.
    #[must_use]
    pub fn projection(&self, card: CardId) -> CardProjection {
        self.folded(card).projection(&self.fares)
    }

    fn folded(&self, card: CardId) -> CardHistory {
        let Ok(facts) = self.history(card);
        let mut history = CardHistory::new(card);
        let ordered = facts.into_iter().map(|row| OrderedFact {
            key: row.key,
            fact: row.fact,
        });
        history.extend(&self.fares, ordered);
        history
    }

    /// A card's journal, in the order of booking.
    #[must_use]
    pub fn journal(&self, card: CardId) -> &[JournalEntry] {
        self.cards.get(&card).map_or(&[], |rows| &rows.journal)
    }

    /// All that was ever booked on an account, credits less debits.
    #[must_use]
    pub fn account(&self, account: Account) -> Money {
        self.accounts.get(&account).copied().unwrap_or_default()
    }

    /// All accounts with their balances.
    pub fn accounts(&self) -> impl Iterator<Item = (Account, Money)> {
        self.accounts
            .iter()
            .map(|(account, balance)| (*account, *balance))
    }

    /// The fare versions of what is settled.
    #[must_use]
    pub const fn fare_book(&self) -> &FareBook {
        &self.fares
    }

    /// The merged row changes.
    #[must_use]
    pub const fn rows(&self) -> &RowSet {
        &self.rows
    }

    /// Events in the order they were booked, from a position on; consumers keep the position.
    #[must_use]
    pub fn outbox(&self, from: usize) -> &[Event] {
        let kept = from.saturating_sub(self.outbox_dropped);
        self.outbox.get(kept..).unwrap_or_default()
    }

    /// Forgets the events before a position, which every consumer has passed.
    pub fn drop_outbox(&mut self, before: usize) {
        let passed = before.saturating_sub(self.outbox_dropped).min(self.outbox.len());
        self.outbox.drain(..passed);
        self.outbox_dropped += passed;
    }

    /// Runs that were refused, the first [`EVIDENCE_MAX`].
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Changes that were quarantined, the first [`EVIDENCE_MAX`].
    #[must_use]
    pub fn quarantined(&self) -> &[Quarantined] {
        &self.quarantined
    }

    /// What happened so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}
