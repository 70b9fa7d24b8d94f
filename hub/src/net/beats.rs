//! Heartbeats: others' are verified and the newest of each node stored, the hub's own is stated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sync_protocol::changeset::{Head, PublicKey, Signature, Signer};
use sync_protocol::clones::LiveSites;
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::id::{NodeId, SiteId};
use sync_protocol::peer::Input;
use sync_protocol::time::Stamp;
use sync_protocol::wire::Heartbeat;
use sync_shell::identity::CertificateTrust;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, error};

use super::Report;
use crate::clock::Clock;
use crate::ledger::postgres::{LedgerError, PostgresLedger};
use crate::metrics as names;

/// The hub states itself this often (design section 3).
pub const OWN_BEAT: Duration = Duration::from_secs(10);
/// The newest heartbeats are stored this often.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// Most keys that are remembered; beyond it they are looked up in the ledger.
const KEYS_MAX: usize = 65_536;

/// What the verifier is told.
#[derive(Debug)]
pub enum Heard {
    /// A heartbeat, and who sent it.
    Beat(NodeId, Heartbeat),
    /// A node that is connected, with the key of its certificate.
    Key(NodeId, PublicKey),
}

/// Verifies heartbeats and keeps the newest of each node.
pub struct Verifier {
    ledger: PostgresLedger,
    trust: CertificateTrust,
    reports: mpsc::Sender<Report>,
    clock: Clock,
    patience: Duration,
    keys: BTreeSet<(NodeId, PublicKey)>,
    /// Whose processes are heard.
    live: LiveSites,
    /// Nodes of which two processes were heard, not stored yet.
    cloned: BTreeMap<NodeId, [SiteId; 2]>,
    /// Verified and not stored yet.
    news: BTreeMap<NodeId, Heartbeat>,
}

impl Verifier {
    /// A verifier that knows no keys yet but those in the ledger.
    #[must_use]
    pub fn new(
        ledger: PostgresLedger,
        trust: CertificateTrust,
        reports: mpsc::Sender<Report>,
        clock: Clock,
        patience: Duration,
    ) -> Verifier {
        Verifier {
            ledger,
            trust,
            reports,
            clock,
            patience,
            keys: BTreeSet::new(),
            live: LiveSites::default(),
            cloned: BTreeMap::new(),
            news: BTreeMap::new(),
        }
    }

    /// Runs until nobody is left who could tell it anything.
    pub async fn run(mut self, mut heard: mpsc::Receiver<Heard>) {
        let mut store = interval(STORE_EVERY);
        store.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = store.tick() => self.store().await,
                next = heard.recv() => match next {
                    Some(Heard::Key(node, key)) => self.remember(node, key),
                    Some(Heard::Beat(peer, beat)) => {
                        let report = self.verify(peer, beat).await;
                        if self.reports.send(Report::Input(report)).await.is_err() {
                            return;
                        }
                    }
                    None => return self.store().await,
                },
            }
        }
    }

    async fn verify(&mut self, peer: NodeId, beat: Heartbeat) -> Input {
        let known = self.keys.contains(&(beat.node, beat.key)) || self.is_known(&beat).await;
        if !self.trust.is_genuine(&beat, |_| known) {
            metrics::counter!(names::HEARTBEATS_REFUSED).increment(1);
            return Input::BeatRefused { peer };
        }
        if let Some(clone) = self.live.hear(&beat, self.clock.monotonic_ms()) {
            self.cloned.insert(clone.node, clone.sites);
        }
        let newest = self.news.get(&beat.node);
        if newest.is_none_or(|newest| newest.t < beat.t) {
            self.news.insert(beat.node, beat.clone());
        }
        Input::BeatVerified { peer, beat }
    }

    async fn is_known(&mut self, beat: &Heartbeat) -> bool {
        let asked = timeout(self.patience, self.ledger.knows_key(beat.node, &beat.key)).await;
        let known = matches!(asked, Ok(Ok(true)));
        if known {
            self.remember(beat.node, beat.key);
        }
        known
    }

    fn remember(&mut self, node: NodeId, key: PublicKey) {
        if self.keys.len() < KEYS_MAX {
            self.keys.insert((node, key));
        }
    }

    /// Stores the news; what cannot be stored now is kept for the next time.
    async fn store(&mut self) {
        self.store_cloned().await;
        if self.news.is_empty() {
            return;
        }
        let beats: Vec<Heartbeat> = self.news.values().cloned().collect();
        match timeout(
            self.patience,
            self.ledger.save_heartbeats(&beats, self.clock.wall_ms()),
        )
        .await
        {
            Ok(Ok(())) => self.news.clear(),
            Ok(Err(error)) => debug!(%error, "heartbeats were not stored"),
            Err(_) => debug!("heartbeats were not stored in time"),
        }
    }
}

impl Verifier {
    async fn store_cloned(&mut self) {
        for (node, sites) in std::mem::take(&mut self.cloned) {
            note_cloned(
                &self.ledger,
                &self.clock,
                self.patience,
                node,
                "heartbeats",
                &sites,
            )
            .await;
        }
    }
}

/// Stores that two processes of a node were seen, and says so once in an episode. Should it fail, they are seen again.
pub async fn note_cloned(
    ledger: &PostgresLedger,
    clock: &Clock,
    patience: Duration,
    node: NodeId,
    shown_by: &str,
    sites: &[SiteId],
) {
    let noted = timeout(
        patience,
        ledger.note_cloned(node, shown_by, sites, clock.wall_ms()),
    )
    .await;
    match noted {
        Ok(Ok(true)) => error!(
            %node, shown_by,
            "CLONED_NODE: two processes run with the key of one node; `hub forks` shows it; stop the copy, and give it a \
             key of its own"
        ),
        Ok(Ok(false)) => {}
        Ok(Err(_)) | Err(_) => debug!(%node, "two processes of a node were seen, and this was not stored"),
    }
}

/// States the hub's heartbeat.
pub struct OwnBeat {
    /// Where the decisions and their numbers are.
    pub ledger: PostgresLedger,
    /// The hub's key.
    pub signer: Ed25519Signer,
    /// Where to report.
    pub reports: mpsc::Sender<Report>,
    /// The hub's open sites, while this process holds the lease.
    pub sites: watch::Receiver<Option<[SiteId; 2]>>,
    /// For the time.
    pub clock: Clock,
    /// How long the ledger may take.
    pub patience: Duration,
}

impl OwnBeat {
    /// Runs until nobody listens any more. A heartbeat says that the hub has stated everything up to its time. A
    /// hub that cannot ask its ledger cannot say so and is silent.
    pub async fn run(mut self) {
        let mut tick = interval(OWN_BEAT);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: Option<Stamp> = None;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                changed = self.sites.changed() => if changed.is_err() { return },
            }
            match timeout(self.patience, self.state(&mut last)).await {
                Ok(Ok(beat)) => {
                    if self.reports.send(Report::Input(Input::Beat(beat))).await.is_err() {
                        return;
                    }
                }
                Ok(Err(error)) => debug!(%error, "no heartbeat: the ledger does not answer"),
                Err(_) => debug!("no heartbeat: the ledger does not answer in time"),
            }
        }
    }

    async fn state(&self, last: &mut Option<Stamp>) -> Result<Heartbeat, LedgerError> {
        let before = match *last {
            Some(stamp) => stamp,
            None => self.last_stated().await?,
        };
        let now_ms = self.clock.wall_ms();
        let t = before.next(now_ms);
        let own = *self.sites.borrow();
        let mut heads = Vec::new();
        for site in own.into_iter().flatten() {
            let have = self.ledger.site_have(site).await?;
            heads.extend(have.map(|have| (site, have.head)));
        }
        let beat = sign(heads, t, &self.signer);
        self.ledger
            .save_heartbeats(std::slice::from_ref(&beat), now_ms)
            .await?;
        *last = Some(t);
        Ok(beat)
    }

    /// What the hub said last, maybe another process or before a restart: its time never goes back.
    async fn last_stated(&self) -> Result<Stamp, LedgerError> {
        let beats = self.ledger.heartbeats().await?;
        let own = beats.into_iter().find(|(beat, _)| beat.node.is_hub());
        Ok(own.map_or(Stamp::default(), |(beat, _)| beat.t))
    }
}

fn sign(sites: Vec<(SiteId, Head)>, t: Stamp, signer: &Ed25519Signer) -> Heartbeat {
    let mut beat = Heartbeat {
        node: NodeId::HUB,
        key: signer.public_key(),
        sites,
        t,
        signature: Signature([0; 64]),
    };
    beat.signature = signer.sign(&beat.signed_message());
    beat
}
