//! A model of a gate's store for large networks: all gates of a world share one log, read lazily by head.
//!
//! What a changeset states is worked out once, when the first gate appends it. A gate keeps its heads, and little of
//! its own: the taps of its terminal that no settled state covers, in the order of their arrival; which positions of
//! its journal are signed; its writer. Everything else is read from the log at its heads: the settled state of a card
//! is the last one at or below its head of the hub's site, and so are coverage, fares and rows.
//!
//! # Promises
//! - A gate decides, serves and refuses exactly as one with [`edge_node::store::Store`]: the folding and the deciding
//!   are that store's own code ([`edge_node::store::Card`], [`edge_node::store::Group`]). Frames are equal, and so
//!   are the trace hashes of two worlds that differ in their stores only (`tests/model_store.rs`).
//! - Everything committed is durable at once: a power loss is a crash here, and disks are neither full nor slow.
//!
//! # Limits
//! - Settled states are not compared with the gate's own fold, so [`Counters::compared`] stays 0.
//! - Settled states are cut by their age only, not by their bytes; what is cut stays in the shared log.
//! - One log per site: a second branch of a site, signed by its own key, is refused with `Forked`.

mod disk;
mod journal;
mod pruning;
mod read;
mod rows;
mod shared;
mod signed;
mod states;
mod tapping;
mod uncovered;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use edge_node::store::{
    Counters, Decided, Fault, IngestError, Ingested, Piece, Pruned, Quarantined, Retention, StoreDigest,
    StoreError, Unrecorded,
};
use sync_protocol::changeset::{Head, Run, Signer, SiteOpen, SiteRole};
use sync_protocol::decide::{CardKnowledge, Gate, Policy, Presentation};
use sync_protocol::have::{Have, Range};
use sync_protocol::id::{CardId, Seq, SiteId};
use sync_protocol::time::Stamp;
use sync_protocol::wire::Heartbeat;

pub use disk::ModelDisk;
pub use shared::SharedLog;

use super::store::GateStore;
use crate::trust::Authority;

/// The log that all gates of a world share.
pub type Shared = Rc<RefCell<SharedLog>>;

/// What a gate brings to its store.
pub struct ModelOpening {
    /// The gate as configured.
    pub gate: Gate,
    /// The limits of deciding alone.
    pub policy: Policy,
    /// Signs its changesets.
    pub signer: Box<dyn Signer>,
    /// Proof that the key is the gate's.
    pub certificate: Vec<u8>,
    /// Drawn anew for every start.
    pub random: [u8; 16],
}

/// A gate's store.
pub struct ModelStore {
    log: Shared,
    disk: Rc<RefCell<ModelDisk>>,
    /// A copy of the disk's, so that it can be lent.
    have: Have,
    gate: Gate,
    policy: Policy,
    signer: Box<dyn Signer>,
    open: SiteOpen,
    site: SiteId,
    last: Stamp,
    unsent: journal::Unsent,
    /// Which signature at the end of each log the next one replaces, as far as this start has seen it.
    pieces: BTreeMap<u32, Piece>,
    counters: Counters,
}

impl ModelStore {
    /// Opens the store on a disk, which outlives it, and begins a new site.
    #[must_use]
    pub fn open(log: Shared, disk: Rc<RefCell<ModelDisk>>, opening: ModelOpening) -> ModelStore {
        let public_key = opening.signer.public_key();
        let open = SiteOpen {
            node: opening.gate.id.node(),
            role: SiteRole::Gate(opening.gate.terminal),
            public_key,
            random: opening.random,
            certificate: opening.certificate,
            previous: None,
        };
        let mut store = ModelStore {
            site: open.site(),
            have: Have::default(),
            log,
            disk,
            gate: opening.gate,
            policy: opening.policy,
            signer: opening.signer,
            open,
            last: Stamp::default(),
            unsent: journal::Unsent::default(),
            pieces: BTreeMap::new(),
            counters: Counters::default(),
        };
        store.replay();
        store
    }
}

/// A failure in the words of the real store.
fn failure(fault: Fault) -> StoreError {
    StoreError {
        path: "model".into(),
        fault,
    }
}

impl GateStore for ModelStore {
    fn taps(&mut self, presentations: &[Presentation], age_ms: i64) -> Result<Vec<Decided>, StoreError> {
        self.commit_taps(presentations, age_ms).map_err(failure)
    }

    fn seal(&mut self) -> Result<Option<Run>, StoreError> {
        Ok(self.seal_run())
    }

    fn decide_only(&self, presentation: &Presentation, age_ms: i64) -> Unrecorded {
        let knowledge = *self.read_card(presentation.card).knowledge();
        self.with_circumstances(age_ms, |circumstances| {
            Unrecorded::decide(circumstances, presentation, &knowledge)
        })
    }

    fn ingest(&mut self, run: &Run, trust: &Authority) -> Result<Ingested, IngestError> {
        self.take_run(run, trust, usize::MAX)
    }

    fn ingest_one(&mut self, run: &Run, trust: &Authority) -> Result<Ingested, IngestError> {
        self.take_run(run, trust, 1)
    }

    fn serve(&self, range: Range, bytes_max: usize) -> Result<Vec<Run>, StoreError> {
        Ok(self.serve_run(range, bytes_max).into_iter().collect())
    }

    fn prune(&mut self, hub_ms: i64, retention: &Retention) -> Result<Pruned, StoreError> {
        Ok(self.cut_next(hub_ms, retention))
    }

    fn floor(&self, site: SiteId) -> Head {
        self.floor_head(site)
    }

    fn have(&self) -> &Have {
        &self.have
    }

    fn site(&self) -> SiteId {
        self.site
    }

    fn covered(&self, site: SiteId) -> Seq {
        self.log.borrow().covered(site, &self.have)
    }

    fn fare_versions(&self) -> Vec<u32> {
        let disk = self.disk.borrow();
        disk.fares.iter().map(|table| table.fact().version).collect()
    }

    fn card(&self, card: CardId) -> Result<CardKnowledge, StoreError> {
        Ok(*self.read_card(card).knowledge())
    }

    fn digest(&self) -> Result<StoreDigest, StoreError> {
        Ok(self.digests())
    }

    fn settled_digest(&self) -> anyhow::Result<[u8; 32]> {
        Ok(self.log.borrow_mut().settled_digest(&self.have))
    }

    fn last_stamp(&self) -> Stamp {
        self.last
    }

    fn set_uncertainty_ms(&mut self, uncertainty_ms: u32) {
        self.gate.uncertainty_ms = uncertainty_ms;
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        Ok(self.log.borrow().quarantined(&self.have))
    }

    fn set_aside(&self) -> Result<(u64, u64), StoreError> {
        let log = self.log.borrow();
        Ok((
            log.quarantined(&self.have).len() as u64,
            log.unapplied(&self.have),
        ))
    }

    fn save_heartbeat(&mut self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        self.disk.borrow_mut().keep_heartbeat(heartbeat);
        Ok(())
    }

    fn heartbeats(&self) -> Result<Vec<Heartbeat>, StoreError> {
        Ok(self.disk.borrow().heartbeats())
    }
}
