//! A gate's process: its real store, the sync engine, and the age of its knowledge.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use anyhow::Context as _;
use edge_node::store::{Counters, Decided, IngestError, Ingested, Quarantined, Retention, StoreDigest};
use sync_protocol::changeset::{Head, Run, SiteRole};
use sync_protocol::decide::{Decision, Gate, Presentation, Settled};
use sync_protocol::fact::Direction;
use sync_protocol::have::{Have, Range, Scope, SiteHave};
use sync_protocol::id::{CardId, GateCode, NodeId, Seq, SiteId, TerminalCode};
use sync_protocol::journey::CardView;
use sync_protocol::knowledge::KnowledgeAge;
use sync_protocol::peer::{Config, Limits, PageTaken, Peer, Refusal};
use sync_protocol::snapshot::{Need, Page};
use sync_protocol::time::Stamp;
use sync_protocol::wire::Heartbeat;

use super::keeping::{self, Cut, Done, Job, Keeping, Threads};
use super::machine::Machine;
use super::store::GateStore;
use super::wall_clock::WallClock;
use super::{Shell, Taken, signed_beat};
use crate::trust::{Authority, NodeSigner};

/// The hub's heartbeat is written to disk at most this often, milliseconds, as by a gate in production.
const HEARTBEAT_SAVE_MS: i64 = 5_000;

/// A gate's process.
pub struct GateNode {
    store: Keeping,
    /// What became of the runs that were given to a lent store, in order.
    done: VecDeque<Done>,
    peer: Peer,
    gate: Gate,
    code: GateCode,
    knowledge: KnowledgeAge,
    retention: Retention,
    signer: NodeSigner,
    authority: Arc<Authority>,
    clock: WallClock,
    /// The last time that a heartbeat declared stated.
    stated: Stamp,
    hub_beat: HubBeat,
}

/// The newest heartbeat of the hub, kept on the disk now and then so that an old one makes nobody fresh after a start.
#[derive(Debug, Default)]
struct HubBeat {
    newest: Option<Heartbeat>,
    saved_at_ms: i64,
}

/// What became of a card at the reader.
#[derive(Debug)]
pub enum Tapped {
    /// Durable. The next [`GateNode::seal`] makes it ready for the peers.
    Recorded(Box<Decided>),
    /// The disk is full: decided, and recorded nowhere.
    Unrecorded(Decision),
}

impl GateNode {
    /// Starts a gate's process on its machine.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn start(machine: &mut Machine, authority: Arc<Authority>, now_ms: i64) -> anyhow::Result<GateNode> {
        let mut keeping = machine.open()?;
        // A snapshot that was proven before the last end of the process; a full disk may take it later.
        let _ = keeping.store_mut().install_snapshot();
        let store = keeping.store();
        let config = Config {
            node: machine.gate.id.node(),
            terminal: Some(machine.gate.terminal),
            schema_version: edge_node::store::SCHEMA_VERSION,
            schema_hash: [0; 32],
            seed: machine.engine_seed(),
            limits: Limits {
                round_ms: machine.round_ms,
                ..Limits::default()
            },
        };
        let hub_beat = store.heartbeats()?.into_iter().find(|beat| beat.node.is_hub());
        Ok(GateNode {
            peer: Peer::new(config, store.have().clone()),
            store: keeping,
            done: VecDeque::new(),
            gate: machine.gate,
            code: machine.code,
            knowledge: KnowledgeAge::unknown(hub_beat.map(|beat| beat.t.ms), now_ms),
            retention: machine.retention,
            signer: machine.signer(),
            authority,
            clock: machine.clock.clone(),
            stated: Stamp::at_ms(i64::MIN),
            hub_beat: HubBeat::default(),
        })
    }

    /// The machine's clock was set, or began to drift.
    pub fn set_clock(&mut self, clock: WallClock) {
        self.clock = clock;
    }

    /// How long the gate has not heard the hub, milliseconds.
    #[must_use]
    pub fn age_ms(&self, now_ms: i64) -> i64 {
        self.knowledge.age_ms(now_ms)
    }

    /// Decides a tap and makes it durable; decides only when the disk is full.
    ///
    /// # Errors
    /// The store failed in another way.
    pub fn tap(&mut self, now_ms: i64, card: CardId, direction: Direction) -> anyhow::Result<Tapped> {
        self.look_at_clock(now_ms);
        let age_ms = self.knowledge.age_ms(now_ms);
        let presentation = Presentation {
            card,
            direction: Some(direction),
            at_ms: self.earliest_stamp_ms(now_ms),
        };
        match self.store_mut().taps(std::slice::from_ref(&presentation), age_ms) {
            Ok(mut decided) => {
                let decided = decided
                    .pop()
                    .context("BUG: as many taps are decided as were given")?;
                Ok(Tapped::Recorded(Box::new(decided)))
            }
            Err(error) if error.is_disk_full() => {
                let unrecorded = self.store().decide_only(&presentation, age_ms);
                Ok(Tapped::Unrecorded(unrecorded.decision))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The earliest stamp of a tap now: what the clock reads, but whatever a heartbeat declared stated is stated, and
    /// a tap counts from then on. Milliseconds since 1970.
    #[must_use]
    pub fn earliest_stamp_ms(&self, now_ms: i64) -> i64 {
        self.clock.read(now_ms).max(self.stated.ms.saturating_add(1))
    }

    /// Signs what was committed; what is to go to the peers.
    ///
    /// # Errors
    /// The store failed in another way than by a full disk.
    pub fn seal(&mut self) -> anyhow::Result<Option<Run>> {
        match self.store_mut().seal() {
            Ok(run) => Ok(run),
            // What was committed is not lost, and is sealed the next time.
            Err(error) if error.is_disk_full() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Cuts logs that are kept long enough, as production does when nobody taps. Returns what is held then of each
    /// log that was cut.
    ///
    /// # Errors
    /// The store failed in another way than by a full disk.
    pub fn prune(&mut self) -> anyhow::Result<Cut> {
        let Some(hub_ms) = self.knowledge.hub_ms() else {
            return Ok(Cut::new());
        };
        let retention = self.retention;
        Ok(keeping::prune(self.store_mut(), hub_ms, &retention)?)
    }

    /// Has its logs cut, without waiting for it. Returns whether there may be something to cut: then see
    /// [`GateNode::end_prune`].
    pub(crate) fn begin_prune(&mut self, threads: &Threads) -> bool {
        let Some(hub_ms) = self.knowledge.hub_ms() else {
            return false;
        };
        let job = Job::Prune(hub_ms, self.retention);
        self.store.begin(job, &self.authority, &mut self.done, threads);
        true
    }

    /// What came of the oldest job given, which was to cut the logs.
    ///
    /// # Errors
    /// As [`GateNode::prune`].
    pub(crate) fn end_prune(&mut self) -> anyhow::Result<Cut> {
        match self.next_done() {
            Some(Done::Pruned(cut)) => Ok(cut?),
            _ => panic!("BUG: jobs come out in the order in which they were given"),
        }
    }

    /// Where a log is cut: the last changeset that is gone, and the chain there.
    #[must_use]
    pub fn floor(&self, site: SiteId) -> Head {
        self.store().floor(site)
    }

    /// A clock that was set back behind the last stamp is believed less, as in production.
    fn look_at_clock(&mut self, now_ms: i64) {
        let last_ms = self.store_mut().last_stamp().ms;
        let uncertainty_ms = self
            .clock
            .uncertainty_ms(now_ms, last_ms, self.gate.uncertainty_ms);
        self.store_mut().set_uncertainty_ms(uncertainty_ms);
    }

    /// Appends and applies the first changeset of a run that is new, and nothing more of it.
    pub fn ingest_one(&mut self, run: &Run) {
        // Whatever comes of it, the process ends here.
        let authority = Arc::clone(&self.authority);
        let _ = self.store_mut().ingest_one(run, authority.as_ref());
    }

    /// Gives a run to the store, without waiting for it: see [`GateNode::end_ingest`].
    pub(crate) fn begin_ingest(&mut self, run: Run, threads: &Threads) {
        let job = Job::Ingest(run);
        self.store.begin(job, &self.authority, &mut self.done, threads);
    }

    /// What became of the oldest job given, which was to ingest a run.
    pub(crate) fn end_ingest(&mut self) -> (Run, Taken) {
        match self.next_done() {
            Some(Done::Ingested(run, result)) => {
                if result.is_err() {
                    // What is held is asked for, and the next job may be with the store already.
                    self.take_store_back();
                }
                let outcome = self.outcome(&run, result);
                (run, outcome)
            }
            _ => panic!("BUG: jobs come out in the order in which they were given"),
        }
    }

    fn next_done(&mut self) -> Option<Done> {
        if self.done.is_empty() {
            self.take_store_back();
        }
        self.done.pop_front()
    }

    /// Logs that were dropped because another branch of them counts, and what is held of them now.
    pub(crate) fn take_reverted(&mut self) -> Vec<(SiteId, Option<SiteHave>)> {
        self.store_mut().take_reverted()
    }

    /// Waits until everything given to the store is done.
    pub(crate) fn take_store_back(&mut self) {
        self.store.take_back(&mut self.done);
    }

    fn outcome(&self, run: &Run, result: Result<Ingested, IngestError>) -> Taken {
        match result {
            Ok(ingested) => Ok((ingested.site, ingested.have)),
            Err(error) => {
                let refusal = match error {
                    IngestError::Run(error) => Refusal::Run(error),
                    IngestError::OwnSite => Refusal::Unwanted,
                    IngestError::Predecessor | IngestError::Forked | IngestError::Store(_) => Refusal::NotNow,
                };
                Err((refusal, self.store().have().get(run.site).copied()))
            }
        }
    }

    fn store(&self) -> &dyn GateStore {
        self.store.store()
    }

    fn store_mut(&mut self) -> &mut dyn GateStore {
        self.take_store_back();
        self.store.store_mut()
    }

    /// The site that this process writes.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.store().site()
    }

    /// Changes that were put aside for good, with the reason, and how many are kept for a later version.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_aside(&self) -> anyhow::Result<(Vec<Quarantined>, u64)> {
        Ok((self.store().quarantine()?, self.store().set_aside()?.1))
    }

    /// What happened in its store since the process began.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.store().counters()
    }

    /// The sync engine, for looking at.
    #[must_use]
    pub const fn engine(&self) -> &Peer {
        &self.peer
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> GateCode {
        self.code
    }

    /// Where it stands.
    #[must_use]
    pub const fn terminal(&self) -> TerminalCode {
        self.gate.terminal
    }

    /// What its store holds.
    #[must_use]
    pub fn have(&self) -> &Have {
        self.store().have()
    }

    /// The head of a site in its store.
    #[must_use]
    pub fn head(&self, site: SiteId) -> Head {
        self.store().head(site)
    }

    /// What is durably held of one site.
    ///
    /// # Panics
    /// Never for a site the gate has committed to.
    #[must_use]
    pub fn site_have(&self, site: SiteId) -> SiteHave {
        *self
            .store()
            .have()
            .get(site)
            .expect("BUG: a site that was committed to is held")
    }

    /// Digests of its tables.
    ///
    /// # Errors
    /// The store failed.
    pub fn digest(&self) -> anyhow::Result<StoreDigest> {
        Ok(self.store().digest()?)
    }

    /// Digest of the settled cards, comparable with the hub's.
    ///
    /// # Errors
    /// The store failed.
    pub fn settled_digest(&self) -> anyhow::Result<[u8; 32]> {
        self.store().settled_digest()
    }

    /// Changesets of its terminal's gates that no settled state covers.
    #[must_use]
    pub fn uncovered(&self) -> u64 {
        let own = self.store().have().wanted_by(Some(self.gate.terminal));
        let gates = own.filter(|(_, have)| matches!(have.role, SiteRole::Gate(_)));
        gates
            .map(|(site, have)| have.head.seq.0.saturating_sub(self.store().covered(site).0))
            .sum()
    }

    /// Up to where the hub's settled states cover a site.
    #[must_use]
    pub fn covered(&self, site: SiteId) -> Seq {
        self.store().covered(site)
    }

    /// What the hub settled about a card, as far as it came here.
    ///
    /// # Errors
    /// The store failed.
    pub fn settled(&self, card: CardId) -> anyhow::Result<Option<Settled>> {
        Ok(self.store().card(card)?.settled)
    }

    /// The fare versions that it prices by.
    #[must_use]
    pub fn fare_versions(&self) -> BTreeSet<u32> {
        self.store().fare_versions().into_iter().collect()
    }

    /// Reads a piece of a log.
    #[must_use]
    pub fn read(&self, range: Range, bytes_max: usize) -> Option<Run> {
        self.store().serve(range, bytes_max).ok()?.into_iter().next()
    }

    /// The card as this gate sees it.
    ///
    /// # Errors
    /// The store failed.
    pub fn card_view(&self, card: CardId) -> anyhow::Result<CardView> {
        Ok(self.store().card(card)?.view)
    }
}

impl Shell for GateNode {
    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn ingest(&mut self, _now_ms: i64, run: &Run) -> Taken {
        let authority = Arc::clone(&self.authority);
        let result = self.store_mut().ingest(run, authority.as_ref());
        self.outcome(run, result)
    }

    fn serve(&mut self, range: Range, bytes_max: usize) -> Option<Run> {
        self.take_store_back();
        self.read(range, bytes_max)
    }

    fn begin_snapshot(&mut self, servers: &[NodeId]) -> Option<(NodeId, Need)> {
        // A disk that is full now may not be later.
        self.store_mut().begin_snapshot(servers).ok().flatten()
    }

    fn take_page(&mut self, peer: NodeId, page: Page) -> (PageTaken, Vec<(SiteId, SiteHave)>) {
        let authority = Arc::clone(&self.authority);
        let taken = self.store_mut().take_page(peer, page, authority.as_ref());
        let taken = taken.unwrap_or(PageTaken::NotNow);
        let sites = match taken {
            PageTaken::Complete => self.finish_snapshot(),
            _ => Vec::new(),
        };
        (taken, sites)
    }

    fn finish_snapshot(&mut self) -> Vec<(SiteId, SiteHave)> {
        self.store_mut().install_snapshot().unwrap_or_default()
    }

    fn serve_page(&mut self, scope: Scope, need: &Need) -> Option<Page> {
        self.take_store_back();
        self.store().serve_page(scope, need).ok().flatten()
    }

    fn heard(&mut self, now_ms: i64, beat: &Heartbeat, from: NodeId) {
        if beat.node.is_hub() && self.knowledge.hear(beat.t.ms, from.is_hub(), now_ms) {
            self.hub_beat.newest = Some(beat.clone());
        }
        if now_ms - self.hub_beat.saved_at_ms >= HEARTBEAT_SAVE_MS
            && let Some(newest) = self.hub_beat.newest.take()
        {
            self.hub_beat.saved_at_ms = now_ms;
            // A disk that cannot take it costs nothing but the age after a start.
            let _ = self.store_mut().save_heartbeat(&newest);
        }
    }

    fn beat(&mut self, now_ms: i64) -> Heartbeat {
        // Just before now: a fact may yet be stamped with this very millisecond.
        self.stated = self.stated.next(self.clock.read(now_ms) - 1);
        let site = self.store_mut().site();
        let head = self.store().head(site);
        let sites = if head.seq == Seq::NONE {
            Vec::new()
        } else {
            vec![(site, head)]
        };
        signed_beat(self.gate.id.node(), sites, self.stated, &self.signer)
    }
}
