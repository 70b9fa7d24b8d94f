//! Where a simulated gate keeps its facts: the production store, or a model of it for large networks.
//!
//! The methods are those of [`edge_node::store::Store`] that the simulator uses, with their promises.

use edge_node::store::{
    Counters, Decided, IngestError, Ingested, Pruned, Quarantined, Retention, SLICE_CHANGES, Store,
    StoreDigest, StoreError, Unrecorded,
};
use sync_protocol::changeset::{Head, Run};
use sync_protocol::codec;
use sync_protocol::decide::{CardKnowledge, Presentation};
use sync_protocol::have::{Have, Range, Scope, SiteHave};
use sync_protocol::id::{CardId, NodeId, Seq, SiteId};
use sync_protocol::peer::PageTaken;
use sync_protocol::snapshot::{Need, Page};
use sync_protocol::time::Stamp;
use sync_protocol::wire::Heartbeat;

use crate::trust::Authority;

/// A gate's store.
pub trait GateStore {
    /// See [`Store::taps`].
    ///
    /// # Errors
    /// The store failed. Nothing is committed.
    fn taps(&mut self, presentations: &[Presentation], age_ms: i64) -> Result<Vec<Decided>, StoreError>;

    /// See [`Store::seal`].
    ///
    /// # Errors
    /// The store failed.
    fn seal(&mut self) -> Result<Option<Run>, StoreError>;

    /// See [`Store::decide_only`].
    fn decide_only(&self, presentation: &Presentation, age_ms: i64) -> Unrecorded;

    /// See [`Store::ingest`].
    ///
    /// # Errors
    /// The run is refused, or the store failed.
    fn ingest(&mut self, run: &Run, trust: &Authority) -> Result<Ingested, IngestError>;

    /// Appends and applies the first changeset of a run that is new, and nothing more of it.
    ///
    /// # Errors
    /// See [`GateStore::ingest`].
    fn ingest_one(&mut self, run: &Run, trust: &Authority) -> Result<Ingested, IngestError>;

    /// See [`Store::serve`].
    ///
    /// # Errors
    /// The store failed.
    fn serve(&self, range: Range, bytes_max: usize) -> Result<Vec<Run>, StoreError>;

    /// See [`Store::take_reverted`].
    fn take_reverted(&mut self) -> Vec<(SiteId, Option<SiteHave>)> {
        Vec::new()
    }

    /// See [`Store::prune`].
    ///
    /// # Errors
    /// The store failed.
    fn prune(&mut self, hub_ms: i64, retention: &Retention) -> Result<Pruned, StoreError>;

    /// See [`Store::begin_snapshot`]. A model of the store gathers none.
    ///
    /// # Errors
    /// The store failed.
    fn begin_snapshot(&mut self, _servers: &[NodeId]) -> Result<Option<(NodeId, Need)>, StoreError> {
        Ok(None)
    }

    /// Checks and writes a whole page, in slices.
    ///
    /// # Errors
    /// The store failed.
    fn take_page(&mut self, _peer: NodeId, _page: Page, _trust: &Authority) -> Result<PageTaken, StoreError> {
        Ok(PageTaken::NotNow)
    }

    /// Takes over a proven snapshot as a whole, in slices. Returns which sites begin elsewhere then.
    ///
    /// # Errors
    /// The store failed.
    fn install_snapshot(&mut self) -> Result<Vec<(SiteId, SiteHave)>, StoreError> {
        Ok(Vec::new())
    }

    /// See [`Store::serve_page`]. A model of the store serves none.
    ///
    /// # Errors
    /// The store failed.
    fn serve_page(&self, _scope: Scope, _need: &Need) -> Result<Option<Page>, StoreError> {
        Ok(None)
    }

    /// See [`Store::floor`].
    fn floor(&self, site: SiteId) -> Head;

    /// See [`Store::have`].
    fn have(&self) -> &Have;

    /// See [`Store::head`].
    fn head(&self, site: SiteId) -> Head {
        self.have().head(site)
    }

    /// See [`Store::site`].
    fn site(&self) -> SiteId;

    /// See [`Store::covered`].
    fn covered(&self, site: SiteId) -> Seq;

    /// See [`Store::card`].
    ///
    /// # Errors
    /// The store failed.
    fn card(&self, card: CardId) -> Result<CardKnowledge, StoreError>;

    /// The fare versions that the gate prices by.
    fn fare_versions(&self) -> Vec<u32>;

    /// See [`Store::digest`].
    ///
    /// # Errors
    /// The store failed.
    fn digest(&self) -> Result<StoreDigest, StoreError>;

    /// Digest of the settled cards, comparable with the hub's.
    ///
    /// # Errors
    /// The store failed.
    fn settled_digest(&self) -> anyhow::Result<[u8; 32]>;

    /// See [`Store::last_stamp`].
    fn last_stamp(&self) -> Stamp;

    /// See [`Store::set_uncertainty_ms`].
    fn set_uncertainty_ms(&mut self, uncertainty_ms: u32);

    /// See [`Store::counters`].
    fn counters(&self) -> Counters;

    /// See [`Store::quarantine`].
    ///
    /// # Errors
    /// The store failed.
    fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError>;

    /// See [`Store::set_aside`].
    ///
    /// # Errors
    /// The store failed.
    fn set_aside(&self) -> Result<(u64, u64), StoreError>;

    /// See [`Store::save_heartbeat`].
    ///
    /// # Errors
    /// The store failed.
    fn save_heartbeat(&mut self, heartbeat: &Heartbeat) -> Result<(), StoreError>;

    /// See [`Store::heartbeats`].
    ///
    /// # Errors
    /// The store failed.
    fn heartbeats(&self) -> Result<Vec<Heartbeat>, StoreError>;
}

impl GateStore for Store {
    fn take_reverted(&mut self) -> Vec<(SiteId, Option<SiteHave>)> {
        Store::take_reverted(self)
    }

    fn taps(&mut self, presentations: &[Presentation], age_ms: i64) -> Result<Vec<Decided>, StoreError> {
        Store::taps(self, presentations, age_ms)
    }

    fn seal(&mut self) -> Result<Option<Run>, StoreError> {
        Store::seal(self)
    }

    fn decide_only(&self, presentation: &Presentation, age_ms: i64) -> Unrecorded {
        Store::decide_only(self, presentation, age_ms)
    }

    fn ingest(&mut self, run: &Run, trust: &Authority) -> Result<Ingested, IngestError> {
        Store::ingest(self, run, trust)
    }

    fn ingest_one(&mut self, run: &Run, trust: &Authority) -> Result<Ingested, IngestError> {
        let verified = self.verify(run, trust)?;
        self.ingest_slice(&verified, 1)
    }

    fn serve(&self, range: Range, bytes_max: usize) -> Result<Vec<Run>, StoreError> {
        Store::serve(self, range, bytes_max)
    }

    fn prune(&mut self, hub_ms: i64, retention: &Retention) -> Result<Pruned, StoreError> {
        Store::prune(self, hub_ms, retention)
    }

    fn begin_snapshot(&mut self, servers: &[NodeId]) -> Result<Option<(NodeId, Need)>, StoreError> {
        Store::begin_snapshot(self, servers)
    }

    fn take_page(&mut self, peer: NodeId, page: Page, trust: &Authority) -> Result<PageTaken, StoreError> {
        let mut work = match self.check_page(peer, page, trust)? {
            Ok(work) => work,
            Err(taken) => return Ok(taken),
        };
        loop {
            if let Some(taken) = Store::take_page(self, &mut work, SLICE_CHANGES)? {
                return Ok(taken);
            }
        }
    }

    fn install_snapshot(&mut self) -> Result<Vec<(SiteId, SiteHave)>, StoreError> {
        let mut sites = Vec::new();
        while self.is_installing() {
            sites.extend(Store::install_snapshot(self, SLICE_CHANGES)?.sites);
        }
        Ok(sites)
    }

    fn serve_page(&self, scope: Scope, need: &Need) -> Result<Option<Page>, StoreError> {
        Store::serve_page(self, scope, need)
    }

    fn floor(&self, site: SiteId) -> Head {
        Store::floor(self, site)
    }

    fn have(&self) -> &Have {
        Store::have(self)
    }

    fn site(&self) -> SiteId {
        Store::site(self)
    }

    fn covered(&self, site: SiteId) -> Seq {
        Store::covered(self, site)
    }

    fn card(&self, card: CardId) -> Result<CardKnowledge, StoreError> {
        Store::card(self, card)
    }

    fn fare_versions(&self) -> Vec<u32> {
        self.fares().iter().map(|table| table.fact().version).collect()
    }

    fn digest(&self) -> Result<StoreDigest, StoreError> {
        Store::digest(self)
    }

    fn settled_digest(&self) -> anyhow::Result<[u8; 32]> {
        let mut hasher = super::settled_hasher();
        let mut statement = self
            .connection()
            .prepare_cached("SELECT card, revision, state FROM cards ORDER BY card")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let card: CardId = row.get::<_, String>(0)?.parse()?;
            let revision = u64::try_from(row.get::<_, i64>(1)?)?;
            let state: Vec<u8> = row.get(2)?;
            hasher.update(&codec::encode(&(card, revision, state)));
        }
        Ok(*hasher.finalize().as_bytes())
    }

    fn last_stamp(&self) -> Stamp {
        Store::last_stamp(self)
    }

    fn set_uncertainty_ms(&mut self, uncertainty_ms: u32) {
        Store::set_uncertainty_ms(self, uncertainty_ms);
    }

    fn counters(&self) -> Counters {
        Store::counters(self)
    }

    fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        Store::quarantine(self)
    }

    fn set_aside(&self) -> Result<(u64, u64), StoreError> {
        Store::set_aside(self)
    }

    fn save_heartbeat(&mut self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        Store::save_heartbeat(self, heartbeat)
    }

    fn heartbeats(&self) -> Result<Vec<Heartbeat>, StoreError> {
        Store::heartbeats(self)
    }
}
