//! A gate: its real store, the sync engine, and the age of its knowledge.

use std::path::Path;
use std::rc::Rc;

use edge_node::store::{Committed, IngestError, Opening, Store, StoreDigest};
use sync_protocol::changeset::{Head, Run, Signer as _, SiteRole};
use sync_protocol::codec;
use sync_protocol::decide::{Gate, Policy, Presentation};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::fact::Direction;
use sync_protocol::have::{Have, Range, SiteHave};
use sync_protocol::id::{CardId, GateCode, NodeId, Seq, SiteId, TerminalCode};
use sync_protocol::journey::CardView;
use sync_protocol::knowledge::KnowledgeAge;
use sync_protocol::peer::{Config, Limits, Peer, Refusal};
use sync_protocol::time::Stamp;
use sync_protocol::wire::Heartbeat;

use super::{Shell, signed_beat};
use crate::random::Stream;
use crate::trust::Authority;

/// A gate of the simulated network.
pub struct GateNode {
    store: Store,
    peer: Peer,
    gate: Gate,
    code: GateCode,
    knowledge: KnowledgeAge,
    signer: Ed25519Signer,
    authority: Option<Rc<Authority>>,
    last_beat: Stamp,
    /// The gate's wall clock at the start of the run.
    wall_ms: i64,
}

impl GateNode {
    /// Makes the gate's database at `path` and admits its key.
    ///
    /// # Errors
    /// The store cannot be made.
    pub fn open(
        path: &Path,
        gate: Gate,
        code: GateCode,
        policy: Policy,
        authority: &mut Authority,
        seed: u64,
        wall_ms: i64,
    ) -> anyhow::Result<GateNode> {
        let mut stream = Stream::new(seed, code.as_str());
        let secret = stream.bytes();
        let signer = Ed25519Signer::from_secret(&secret);
        let certificate = authority.admit(gate.id.node(), Some(gate.terminal), signer.public_key());
        let opening = Opening {
            gate,
            policy,
            signer: Box::new(Ed25519Signer::from_secret(&secret)),
            certificate,
            random: stream.bytes(),
            ballast_bytes: 0,
            vfs: None,
        };
        let store = Store::open(path, opening)?;
        let config = Config {
            node: gate.id.node(),
            terminal: Some(gate.terminal),
            schema_version: edge_node::store::SCHEMA_VERSION,
            schema_hash: [0; 32],
            seed: stream.bits(),
            limits: Limits::default(),
        };
        Ok(GateNode {
            peer: Peer::new(config, store.have().clone()),
            store,
            gate,
            code,
            knowledge: KnowledgeAge::unknown(None, 0),
            signer,
            authority: None,
            last_beat: Stamp::default(),
            wall_ms,
        })
    }

    /// Whom the gate believes.
    pub fn trust(&mut self, authority: Rc<Authority>) {
        self.authority = Some(authority);
    }

    /// How long the gate has not heard the hub, milliseconds.
    #[must_use]
    pub fn age_ms(&self, now_ms: i64) -> i64 {
        self.knowledge.age_ms(now_ms)
    }

    /// Decides a tap and commits it.
    ///
    /// # Errors
    /// The store failed.
    pub fn tap(&mut self, now_ms: i64, card: CardId, direction: Direction) -> anyhow::Result<Committed> {
        let presentation = Presentation {
            card,
            direction: Some(direction),
            at_ms: self.wall_ms + now_ms,
        };
        Ok(self.store.tap(&presentation, self.knowledge.age_ms(now_ms))?)
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
        self.store.have()
    }

    /// The head of a site in its store.
    #[must_use]
    pub fn head(&self, site: SiteId) -> Head {
        self.store.head(site)
    }

    /// What is durably held of one site.
    ///
    /// # Panics
    /// Never for a site the gate has committed to.
    #[must_use]
    pub fn site_have(&self, site: SiteId) -> SiteHave {
        *self
            .store
            .have()
            .get(site)
            .expect("BUG: a site that was committed to is held")
    }

    /// Digests of its tables.
    ///
    /// # Errors
    /// The store failed.
    pub fn digest(&self) -> anyhow::Result<StoreDigest> {
        Ok(self.store.digest()?)
    }

    /// Digest of the settled cards, comparable with the hub's.
    ///
    /// # Errors
    /// The store failed.
    pub fn settled_digest(&self) -> anyhow::Result<[u8; 32]> {
        let mut hasher = super::settled_hasher();
        let mut statement = self
            .store
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

    /// Changesets of its terminal's gates that no settled state covers.
    #[must_use]
    pub fn uncovered(&self) -> u64 {
        let own = self.store.have().wanted_by(Some(self.gate.terminal));
        let gates = own.filter(|(_, have)| matches!(have.role, SiteRole::Gate(_)));
        gates
            .map(|(site, have)| have.head.seq.0.saturating_sub(self.store.covered(site).0))
            .sum()
    }

    /// The card as this gate sees it.
    ///
    /// # Errors
    /// The store failed.
    pub fn card_view(&self, card: CardId) -> anyhow::Result<CardView> {
        Ok(self.store.card(card)?.view)
    }
}

impl Shell for GateNode {
    fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn ingest(&mut self, _now_ms: i64, run: &Run) -> Result<(SiteId, SiteHave), (Refusal, Option<SiteHave>)> {
        let authority = self
            .authority
            .as_ref()
            .expect("BUG: trust is given before anything arrives");
        match self.store.ingest(run, authority.as_ref()) {
            Ok(ingested) => Ok((ingested.site, ingested.have)),
            Err(error) => {
                let refusal = match error {
                    IngestError::Run(error) => Refusal::Run(error),
                    IngestError::OwnSite => Refusal::Unwanted,
                    IngestError::Predecessor | IngestError::Forked | IngestError::Store(_) => Refusal::NotNow,
                };
                Err((refusal, self.store.have().get(run.site).copied()))
            }
        }
    }

    fn serve(&mut self, range: Range, bytes_max: usize) -> Option<Run> {
        self.store.serve(range, bytes_max).ok()?.into_iter().next()
    }

    fn heard(&mut self, now_ms: i64, beat: &Heartbeat, from: NodeId) {
        if beat.node.is_hub() {
            self.knowledge.hear(beat.t.ms, from.is_hub(), now_ms);
        }
    }

    fn beat(&mut self, now_ms: i64) -> Heartbeat {
        self.last_beat = self.last_beat.next(self.wall_ms + now_ms);
        let site = self.store.site();
        let head = self.store.head(site);
        let sites = if head.seq == Seq::NONE {
            Vec::new()
        } else {
            vec![(site, head)]
        };
        signed_beat(self.gate.id.node(), sites, self.last_beat, &self.signer)
    }
}
