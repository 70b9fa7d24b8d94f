//! The hub: its real core over the ledger in memory, and the sync engine.

mod staff;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use hub::decisions::{Decision, Terms};
use hub::ingest::RefusedReason;
use hub::ledger::JournalEntry;
use hub::ledger::memory::{AuditError, DecisionError, MemoryLedger};
use hub::outbox::Event;
use hub::recovery::{Heard, Hearing};
use hub::settle::Cards as _;
use sync_protocol::changeset::{Head, Run, RunError, Signer as _};
use sync_protocol::codec;
use sync_protocol::fare::FareVersion;
use sync_protocol::have::{Have, Range, SiteHave};
use sync_protocol::id::{CardId, GateId, NodeId, Seq, SiteId};
use sync_protocol::journey::CardView;
use sync_protocol::journey::history::CardProjection;
use sync_protocol::money::Money;
use sync_protocol::peer::{Config, Limits, Peer, Refusal};
use sync_protocol::rows::{RowChange, StateDigest, Value, key, shared};
use sync_protocol::time::Stamp;
use sync_protocol::wire::Heartbeat;

use super::{Shell, Taken, signed_beat};
use crate::random::Stream;
use crate::traffic::Cards;
use crate::trust::{Authority, NodeSigner};

/// Changesets settled in one step.
const SETTLE_CHANGESETS_MAX: usize = 16_384;
/// Changesets settled by one plan: a step of a large network makes several, because a plan of a million cards would
/// not fit into memory beside them.
const PLAN_CHANGESETS_MAX: usize = 4_096;

/// How many changesets were stored, and the digests of the settled cards and of the shared tables then.
type Digests = (u64, ([u8; 32], [u8; 32]));

/// The hub of the simulated network.
pub struct HubNode {
    ledger: MemoryLedger,
    peer: Peer,
    signer: NodeSigner,
    /// The last digests, and how many changesets were stored then.
    digests: Cell<Option<Digests>>,
    /// How often its sync engine goes round, milliseconds.
    round_ms: i64,
    certificate: Vec<u8>,
    authority: Option<Arc<Authority>>,
    /// The sites of this term: of decisions, of settled states.
    sites: [SiteId; 2],
    last_beat: Stamp,
    /// Events of the outbox whose cards were audited.
    audited: usize,
    /// The hub's wall clock at the start of the run.
    wall_ms: i64,
    /// What the process draws at its starts.
    stream: Stream,
    /// While it hears the gates out, before it opens its term; with what it had taken back before.
    hearing: Option<(Hearing, u64)>,
}

/// A copy of the hub's ledger, to restore it from.
pub struct LedgerCopy {
    ledger: MemoryLedger,
    audited: usize,
}

impl HubNode {
    /// A hub with an empty ledger.
    pub fn new(authority: &mut Authority, seed: u64, wall_ms: i64, round_ms: i64) -> HubNode {
        let mut stream = Stream::new(seed, "hub");
        let signer = authority.signer(&stream.bytes());
        let certificate = authority.admit(NodeId::HUB, None, signer.public_key());
        let ledger = MemoryLedger::default();
        let mut hub = HubNode {
            peer: engine(stream.bits(), ledger.have().clone(), round_ms),
            ledger,
            signer,
            digests: Cell::new(None),
            round_ms,
            certificate,
            authority: None,
            sites: Default::default(),
            last_beat: Stamp::default(),
            audited: 0,
            wall_ms,
            stream,
            hearing: None,
        };
        hub.open_term();
        hub
    }

    /// Starts a new process on the ledger as it is: a new engine, and, once it has heard the gates out, a new term with
    /// sites of its own.
    pub fn restart(&mut self, now_ms: i64) {
        self.peer = engine(self.stream.bits(), self.ledger.have().clone(), self.round_ms);
        self.sites = Default::default();
        self.hearing = Some((Hearing::new(now_ms), self.ledger.recovery().changesets));
    }

    /// A copy of the ledger.
    #[must_use]
    pub fn copy(&self) -> LedgerCopy {
        LedgerCopy {
            ledger: self.ledger.clone(),
            audited: self.audited,
        }
    }

    /// Puts an older copy of the ledger in the place of the ledger, while no process runs.
    pub fn restore(&mut self, copy: LedgerCopy) {
        self.ledger = copy.ledger;
        self.audited = copy.audited;
        self.digests.set(None);
        self.peer = engine(self.stream.bits(), self.ledger.have().clone(), self.round_ms);
    }

    /// Whether it decides and settles: not before it has heard the gates out, as the settler in production.
    pub fn has_heard_out(&mut self, now_ms: i64) -> bool {
        let Some((hearing, before)) = &mut self.hearing else {
            return true;
        };
        let ahead = self.peer.ahead();
        let took_back = self.ledger.recovery().changesets > *before || self.ledger.recovery().is_due;
        if hearing.look(now_ms, &ahead, took_back) == Heard::Wait {
            return false;
        }
        if ahead.hub_sites_out_of_reach > 0 {
            self.ledger.suspect_step_back();
        }
        self.hearing = None;
        self.open_term();
        true
    }

    fn open_term(&mut self) {
        let random = [self.stream.bytes(), self.stream.bytes()];
        let key = self.signer.public_key();
        self.ledger.open_term(key, &self.certificate, random);
        self.sites = random.map(|random| SiteId::derive(&key.0, &random));
    }

    /// The hub's key and the proof that it is the hub's.
    #[must_use]
    pub fn identity(&self) -> (NodeSigner, Vec<u8>) {
        (self.signer.clone(), self.certificate.clone())
    }

    /// What its wall clock reads, milliseconds since 1970.
    #[must_use]
    pub const fn wall_ms(&self, now_ms: i64) -> i64 {
        self.wall_ms + now_ms
    }

    /// The sync engine, for looking at.
    #[must_use]
    pub const fn engine(&self) -> &Peer {
        &self.peer
    }

    /// Whom the hub believes.
    pub fn trust(&mut self, authority: Arc<Authority>) {
        self.authority = Some(authority);
    }

    /// Publishes the fares, enters the gates' status in the shared table, issues the cards and takes their first
    /// money, before the network opens.
    ///
    /// # Errors
    /// A decision is refused.
    pub fn found(
        &mut self,
        fares: FareVersion,
        gates: &[(GateId, &'static str)],
        cards: &Cards,
    ) -> anyhow::Result<Vec<Run>> {
        let mut runs = self.decide(0, &[Decision::Fares(fares)])?;
        let rows: Vec<Decision> = gates
            .iter()
            .map(|(gate, status)| Decision::Row(status_row(*gate, status)))
            .collect();
        runs.extend(self.decide(0, &rows)?);
        let issue = cards.iter().map(|(card, _)| Decision::Issue { card });
        let paid = cards.iter().filter(|(_, amount)| *amount > Money::ZERO);
        let pay = paid.map(|(card, amount)| Decision::TopUp {
            card,
            amount,
            reference: format!("first-{card}"),
        });
        let mut decisions = issue.chain(pay).peekable();
        while decisions.peek().is_some() {
            let some: Vec<Decision> = decisions.by_ref().take(hub::decisions::DECISIONS_MAX).collect();
            runs.extend(self.decide(0, &some)?);
        }
        Ok(runs)
    }

    fn decide(&mut self, now_ms: i64, decisions: &[Decision]) -> anyhow::Result<Vec<Run>> {
        // The network opens with its first fare version already in force; no passenger is surprised by it (T-22b).
        let terms = Terms {
            now_ms: self.wall_ms + now_ms,
            lead_time_ms: 0,
            override_lead_time: true,
        };
        Ok(self.decide_under(decisions, &terms)?)
    }

    fn decide_under(&mut self, decisions: &[Decision], terms: &Terms) -> Result<Vec<Run>, DecisionError> {
        let authority = self
            .authority
            .as_ref()
            .expect("BUG: trust is given before anything is decided");
        let decided = self
            .ledger
            .decide(decisions, terms, &self.signer, authority.as_ref())?;
        Ok(decided.runs)
    }

    /// Settles what came in.
    ///
    /// # Errors
    /// The ledger refused its own plan.
    pub fn settle(&mut self, now_ms: i64) -> anyhow::Result<Vec<Run>> {
        let mut runs = Vec::new();
        for _ in 0..SETTLE_CHANGESETS_MAX / PLAN_CHANGESETS_MAX {
            let waiting = self.ledger.waiting_count();
            let now_ms = self.wall_ms + now_ms;
            runs.extend(self.ledger.settle(PLAN_CHANGESETS_MAX, now_ms, &self.signer)?);
            if waiting <= PLAN_CHANGESETS_MAX {
                break;
            }
        }
        Ok(runs)
    }

    /// Whether something came in that is not settled.
    #[must_use]
    pub fn has_unsettled(&self) -> bool {
        self.hearing.is_some()
            || self.ledger.waiting_count() > 0
            || !self.ledger.recovery().restate.is_empty()
    }

    /// The cards that something happened to since the last time this was asked.
    pub fn touched_cards(&mut self) -> Vec<CardId> {
        let news = self.ledger.outbox(self.audited);
        self.audited += news.len();
        let touched: BTreeSet<CardId> = news.iter().filter_map(Event::card).collect();
        self.ledger.drop_outbox(self.audited);
        touched.into_iter().collect()
    }

    /// Whether all accounts sum to 0, and whether the books of these cards are their folds.
    ///
    /// # Errors
    /// Where they do not.
    pub fn check_books(&self, cards: &[CardId]) -> Result<(), AuditError> {
        self.ledger.check_sum()?;
        cards.iter().try_for_each(|card| self.ledger.audit_card(*card))
    }

    /// Whether the books of every card are its fold.
    ///
    /// # Errors
    /// Where they are not.
    pub fn check_all_books(&self) -> Result<(), AuditError> {
        self.ledger.audit()
    }

    /// The sites of which it has the proof of a second branch.
    pub fn forks(&self) -> impl Iterator<Item = SiteId> {
        let refused = self.ledger.refused().iter();
        let proofs = refused.filter(|refused| refused.reason == RefusedReason::Fork);
        proofs.map(|refused| refused.run.site)
    }

    /// An operator says which branch of a site counts.
    ///
    /// # Errors
    /// The decision is refused.
    pub fn decide_fork(&mut self, now_ms: i64, site: SiteId, head: Head) -> anyhow::Result<Vec<Run>> {
        self.decide(now_ms, &[Decision::SiteFork { site, head }])
    }

    /// What the hub holds.
    #[must_use]
    pub fn have(&self) -> &Have {
        self.ledger.have()
    }

    /// What the hub's engine knows to be held.
    #[must_use]
    pub fn held(&self) -> &Have {
        self.peer.have()
    }

    /// The head of a site.
    #[must_use]
    pub fn head(&self, site: SiteId) -> Head {
        self.peer.have().head(site)
    }

    /// What is held of one of the hub's own sites.
    ///
    /// # Panics
    /// Never for a site the hub has committed to.
    #[must_use]
    pub fn site_have(&self, site: SiteId) -> SiteHave {
        *self
            .ledger
            .have()
            .get(site)
            .expect("BUG: a site that was committed to is held")
    }

    /// Digest of the settled cards, comparable with the gates'.
    #[must_use]
    pub fn settled_digest(&self) -> [u8; 32] {
        self.digests().0
    }

    /// Digest of the shared tables as the hub merged them, comparable with the gates'.
    #[must_use]
    pub fn rows_digest(&self) -> [u8; 32] {
        self.digests().1
    }

    /// Both digests, worked out anew only when a changeset was stored since the last time.
    fn digests(&self) -> ([u8; 32], [u8; 32]) {
        let stored = self.ledger.counters().changesets;
        if let Some((at, digests)) = self.digests.get()
            && at == stored
        {
            return digests;
        }
        let mut hasher = super::settled_hasher();
        for row in self.ledger.card_rows() {
            hasher.update(&codec::encode(&row));
        }
        let mut rows = StateDigest::default();
        let changes = self.ledger.rows().changes();
        // What stands in tables and columns that nobody knows is kept beside at the hub, and put aside at the gates.
        let known = changes.filter(|change| shared().check(change).is_ok());
        known.for_each(|change| rows.add(&change));
        let digests = (*hasher.finalize().as_bytes(), rows.finish());
        self.digests.set(Some((stored, digests)));
        digests
    }

    /// Everything the hub's facts say about a card.
    #[must_use]
    pub fn projection(&self, card: CardId) -> Option<CardProjection> {
        self.ledger.card_state(card).map(|_| self.ledger.projection(card))
    }

    /// Up to where its settled states cover a site.
    #[must_use]
    pub fn covered(&self, site: SiteId) -> Seq {
        let Ok(covered) = self.ledger.covered(site);
        covered
    }

    /// A card as the hub has settled it.
    #[must_use]
    pub fn view(&self, card: CardId) -> Option<CardView> {
        self.ledger.view(card)
    }

    /// What a card can spend as the hub has settled it: balance less hold.
    #[must_use]
    pub fn available(&self, card: CardId) -> Money {
        self.view(card).map_or(Money::ZERO, |view| view.available())
    }

    /// Reads a piece of a log.
    #[must_use]
    pub fn read(&self, range: Range, bytes_max: usize) -> Option<Run> {
        self.ledger.serve(&range, bytes_max)
    }

    /// Changes of unknown kinds that it keeps.
    #[must_use]
    pub const fn opaque(&self) -> u64 {
        self.ledger.counters().opaque
    }

    /// The fare versions that it prices by.
    #[must_use]
    pub fn fare_versions(&self) -> BTreeSet<u32> {
        let tables = self.ledger.fare_book().iter();
        tables.map(|table| table.fact().version).collect()
    }

    /// What is booked for a card, in the order of booking.
    #[must_use]
    pub fn journal(&self, card: CardId) -> &[JournalEntry] {
        self.ledger.journal(card)
    }

    /// What cards owe, together.
    #[must_use]
    pub fn overdraft(&self) -> Money {
        let balances = self.ledger.cards().filter_map(|card| self.ledger.view(card));
        balances.map(|view| (-view.balance).max(Money::ZERO)).sum()
    }
}

/// A new process's engine.
fn engine(seed: u64, have: Have, round_ms: i64) -> Peer {
    let config = Config {
        node: NodeId::HUB,
        terminal: None,
        schema_version: edge_node::store::SCHEMA_VERSION,
        schema_hash: [0; 32],
        seed,
        limits: Limits {
            round_ms,
            ..Limits::default()
        },
    };
    Peer::new(config, have)
}

/// A gate's status as the first edit of its row.
fn status_row(gate: GateId, status: &str) -> RowChange {
    RowChange {
        table: "gates".to_owned(),
        key: key::pack(&[Value::Integer(i64::from(gate.0))]).expect("BUG: a gate id is a key"),
        column: "status".to_owned(),
        value: Value::Text(status.to_owned()),
        col_version: 1,
        causal_length: 1,
        seq: 0,
    }
}

impl Shell for HubNode {
    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn ingest(&mut self, _now_ms: i64, run: &Run) -> Taken {
        let authority = self
            .authority
            .as_ref()
            .expect("BUG: trust is given before anything arrives");
        let before = self.ledger.have().get(run.site).copied();
        let ingested = self.ledger.ingest(std::slice::from_ref(run), authority.as_ref());
        let after = self.ledger.have().get(run.site).copied();
        match (ingested, after) {
            (Ok(_), Some(have)) if before.is_none_or(|before| before.head.seq < have.head.seq) => {
                Ok((run.site, have))
            }
            (Ok(ingested), _) => {
                let refusal = match ingested.gaps.first() {
                    Some(gap) => RunError::Gap {
                        first: run.first,
                        head: sync_protocol::id::Seq(gap.first.0 - 1),
                    },
                    None if ingested
                        .refused
                        .iter()
                        .any(|(_, _, reason)| *reason == RefusedReason::Fork) =>
                    {
                        RunError::Fork
                    }
                    None if ingested.rejected > 0 => RunError::Signature,
                    None => RunError::Duplicate,
                };
                Err((Refusal::Run(refusal), after))
            }
            (Err(_), _) => Err((Refusal::NotNow, after)),
        }
    }

    fn serve(&mut self, range: Range, bytes_max: usize) -> Option<Run> {
        self.ledger.serve(&range, bytes_max)
    }

    fn heard(&mut self, _now_ms: i64, _beat: &Heartbeat, _from: NodeId) {}

    fn beat(&mut self, now_ms: i64) -> Heartbeat {
        self.last_beat = self.last_beat.next(self.wall_ms + now_ms);
        let have = self.ledger.have();
        let own = self
            .sites
            .iter()
            .filter_map(|site| Some((*site, have.get(*site)?.head)));
        let sites = own.collect();
        signed_beat(NodeId::HUB, sites, self.last_beat, &self.signer)
    }
}
