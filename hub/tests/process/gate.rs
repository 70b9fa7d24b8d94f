//! A gate without a store: its log and what it heard are in memory, its links and its engine are the real ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sync_protocol::changeset::{
    Body, Change, Content, Head, PublicKey, Run, Signature, Signer as _, SiteOpen, SiteRole,
};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::fact::{CardSettled, Direction, Fact, Knowledge, Reason, Tap};
use sync_protocol::have::{Have, SiteHave};
use sync_protocol::id::{CardId, GateId, NodeId, Seq, SiteId, TerminalCode};
use sync_protocol::money::Money;
use sync_protocol::peer::{Config, Input, Limits, Output, Peer, Refusal};
use sync_protocol::time::Stamp;
use sync_protocol::wire::Heartbeat;
use sync_shell::identity::{CertificateTrust, NodeKeys};
use sync_shell::links::{LinkEvent, Links, LinksConfig};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// How long a test waits for what must come.
const LIMIT: Duration = Duration::from_secs(30);
/// The engine is fed at least this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

struct Log {
    role: SiteRole,
    key: PublicKey,
    head: Head,
    bodies: Vec<Bytes>,
    signatures: BTreeMap<Seq, Signature>,
}

impl Log {
    fn have(&self) -> SiteHave {
        SiteHave {
            role: self.role,
            floor: Seq::NONE,
            head: self.head,
        }
    }
}

/// The gate.
pub(crate) struct Gate {
    node: NodeId,
    terminal: TerminalCode,
    signer: Ed25519Signer,
    certificate: Vec<u8>,
    trust: CertificateTrust,
    random: [u8; 16],
    links: Links,
    events: mpsc::Receiver<LinkEvent>,
    peer: Peer,
    logs: BTreeMap<SiteId, Log>,
    started: Instant,
    wall_ms: i64,
    last: Stamp,
    beats: Vec<Heartbeat>,
}

impl Gate {
    /// A gate with the keys in a folder that dials the hub.
    pub(crate) fn start(keys: &Path, hub: std::net::SocketAddr, wall_ms: i64) -> Gate {
        let keys = Arc::new(NodeKeys::load(keys).unwrap());
        let identity = *keys.identity();
        let (events_in, events) = mpsc::channel(64);
        let links = Links::start(
            LinksConfig {
                listen: "127.0.0.1:0".parse().unwrap(),
                keys: Arc::clone(&keys),
                admits: Arc::new(|_| true),
                seed: u64::from(identity.node.0),
            },
            events_in,
        )
        .unwrap();
        links.set_targets([hub.to_string()].into());
        let config = Config {
            node: identity.node,
            terminal: identity.terminal,
            schema_version: 1,
            schema_hash: [0; 32],
            seed: 7,
            limits: Limits::default(),
        };
        Gate {
            node: identity.node,
            terminal: identity.terminal.unwrap(),
            signer: keys.signer(),
            certificate: keys.certificate().to_vec(),
            trust: keys.trust(),
            random: [identity.node.0.to_le_bytes()[0]; 16],
            links,
            events,
            peer: Peer::new(config, Have::default()),
            logs: BTreeMap::new(),
            started: Instant::now(),
            wall_ms,
            last: Stamp::default(),
            beats: Vec::new(),
        }
    }

    fn site(&self) -> SiteId {
        SiteId::derive(&self.signer.public_key().0, &self.random)
    }

    /// Commits one tap.
    pub(crate) fn tap(&mut self, card: CardId, direction: Direction, hold: Money) {
        let tap = Tap {
            card,
            direction,
            terminal: self.terminal,
            gate: GateId(self.node.0),
            uncertainty_ms: 0,
            accepted: true,
            reason: Reason::Accepted,
            fare_version: 1,
            hold,
            quoted: None,
            knowledge: Knowledge::default(),
        };
        let mut changesets = Vec::new();
        if !self.logs.contains_key(&self.site()) {
            changesets.push(Content::SiteOpen(Box::new(self.opening())));
        }
        changesets.push(Content::Fact(Fact::Tap(tap)));
        self.commit(changesets);
    }

    fn opening(&self) -> SiteOpen {
        SiteOpen {
            node: self.node,
            role: SiteRole::Gate(self.terminal),
            public_key: self.signer.public_key(),
            random: self.random,
            certificate: self.certificate.clone(),
            previous: None,
        }
    }

    /// Commits one changeset per content.
    fn commit(&mut self, contents: Vec<Content>) {
        let site = self.site();
        let log = self.logs.entry(site).or_insert_with(|| Log {
            role: SiteRole::Gate(self.terminal),
            key: self.signer.public_key(),
            head: Head::empty(site),
            bodies: Vec::new(),
            signatures: BTreeMap::new(),
        });
        let first = log.head.seq.next();
        let mut bodies = Vec::new();
        for content in contents {
            self.last = self.last.next(self.wall_ms);
            self.wall_ms += 60_000;
            let changes = vec![Change::new(&content)];
            let body = Body {
                at: self.last,
                changes,
            }
            .encode()
            .unwrap();
            log.head = log.head.then(&body);
            bodies.push(body);
        }
        let signature = self.signer.sign(&log.head.signed_message(site));
        log.bodies.extend(bodies.iter().cloned());
        log.signatures.insert(log.head.seq, signature);
        let have = log.have();
        let run = Run {
            site,
            first,
            bodies,
            signature,
        };
        self.feed(Input::Committed { run, have });
    }

    /// States that everything up to now is stated.
    pub(crate) fn beat(&mut self) {
        self.last = self.last.next(self.wall_ms);
        let own = self.logs.iter().filter(|(site, _)| **site == self.site());
        let mut beat = Heartbeat {
            node: self.node,
            key: self.signer.public_key(),
            sites: own.map(|(site, log)| (*site, log.head)).collect(),
            t: self.last,
            signature: Signature([0; 64]),
        };
        beat.signature = self.signer.sign(&beat.signed_message());
        self.feed(Input::Beat(beat));
    }

    /// How many of its own changesets the hub told it to hold.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.peer.known_of(NodeId::HUB, self.site()).0
    }

    /// How many it has written.
    pub(crate) fn written(&self) -> u64 {
        self.logs.get(&self.site()).map_or(0, |log| log.head.seq.0)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.peer.live_peers().any(|peer| peer.is_hub())
    }

    /// Heartbeats of the hub, in order.
    pub(crate) fn hub_beats(&self) -> &[Heartbeat] {
        &self.beats
    }

    /// The newest settled state of a card.
    pub(crate) fn settled(&self, card: CardId) -> Option<CardSettled> {
        let bodies = self.logs.values().flat_map(|log| &log.bodies);
        let changes = bodies.flat_map(|body| Body::decode(body).unwrap().changes);
        let settled = changes.filter_map(|change| match change.read() {
            Ok(Some(Content::Fact(Fact::CardSettled(settled)))) if settled.card == card => Some(*settled),
            _ => None,
        });
        settled.max_by_key(|settled| settled.revision)
    }

    /// Runs the engine until `check` holds.
    pub(crate) async fn until(&mut self, what: &str, check: impl Fn(&Gate) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !check(self) {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            match timeout(LOOK_EVERY, self.events.recv()).await {
                Ok(Some(event)) => self.on_event(event),
                Ok(None) => panic!("the links ended"),
                Err(_) => self.feed(Input::Tick),
            }
        }
    }

    fn on_event(&mut self, event: LinkEvent) {
        self.feed(match event {
            LinkEvent::Connected { peer, .. } => Input::Connected { peer: peer.node },
            LinkEvent::Disconnected { peer, .. } => Input::Disconnected { peer },
            LinkEvent::Frame { peer, frame, .. } => match frame {
                Ok(frame) => Input::Frame { peer, frame },
                Err(error) => Input::FrameRefused { peer, error },
            },
        });
    }

    fn feed(&mut self, input: Input) {
        let now_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap();
        self.peer.handle(now_ms, input);
        while let Some(output) = self.peer.poll_output() {
            let answer = match output {
                Output::Send { to, frame } => {
                    self.links.send(&to, &frame);
                    continue;
                }
                Output::Close { peer, reason } => {
                    self.links.close(peer, &reason.to_string());
                    continue;
                }
                Output::Ingest { peer, run } => self.ingest(peer, &run),
                Output::Serve { peer, range, .. } => Input::Served {
                    peer,
                    site: range.site,
                    run: self.serve(range.site, range.first),
                },
                Output::Heard { peer, beat } => {
                    assert!(self.trust.is_genuine(&beat, |node| node.is_hub()));
                    self.beats.push(beat.clone());
                    Input::BeatVerified { peer, beat }
                }
                Output::SnapshotServe { peer, .. } => Input::PageServed { peer, page: None },
                // The hub cuts nothing off.
                Output::SnapshotBegin { .. } | Output::SnapshotTake { .. } => continue,
            };
            self.peer.handle(now_ms, answer);
        }
    }

    fn ingest(&mut self, peer: NodeId, run: &Run) -> Input {
        let site = run.site;
        let known = self.logs.get(&site);
        let head = known.map_or_else(|| Head::empty(site), |log| log.head);
        let extension = match run.extend(&head, known.map(|log| &log.key), &self.trust) {
            Ok(extension) => extension,
            Err(error) => {
                return Input::IngestRefused {
                    peer,
                    site,
                    reason: Refusal::Run(error),
                    have: known.map(Log::have),
                };
            }
        };
        if known.is_none() {
            let open = run.opening(&self.trust).unwrap();
            let log = Log {
                role: open.role,
                key: open.public_key,
                head,
                bodies: Vec::new(),
                signatures: BTreeMap::new(),
            };
            self.logs.insert(site, log);
        }
        let log = self.logs.get_mut(&site).unwrap();
        log.bodies.extend(run.bodies[extension.skipped..].iter().cloned());
        log.head = *extension.heads.last().unwrap();
        log.signatures.insert(log.head.seq, run.signature);
        Input::Ingested {
            site,
            have: log.have(),
        }
    }

    /// Everything from `first` to the head.
    fn serve(&self, site: SiteId, first: Seq) -> Option<Run> {
        let log = self.logs.get(&site)?;
        let start = usize::try_from(first.0 - 1).ok()?;
        Some(Run {
            site,
            first,
            bodies: log.bodies.get(start..)?.to_vec(),
            signature: *log.signatures.get(&log.head.seq)?,
        })
    }

    pub(crate) async fn stop(self) {
        self.links.shutdown().await;
    }
}
