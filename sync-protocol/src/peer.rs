//! The sync engine: what a node says to its peers, when, and what it makes of their answers. Sans-IO.
//!
//! [`Peer`] holds no socket, clock, storage or key. The shell feeds [`Input`]s with the monotonic time, carries out
//! the [`Output`]s, and calls again at [`Peer::poll_timeout`]. The same engine runs over QUIC and SQLite in a gate,
//! over PostgreSQL in the hub, and over an event heap in the simulator.
//!
//! # The protocol
//! 1. **Hello** both ways; then both ends know which sites they share: gates of a terminal those of the terminal
//!    and the hub's, gate and hub the same, gates of two terminals the hub's only.
//! 2. **Push.** A gate sends each commit, once durable, to the connected gates of its terminal and to the hub. The
//!    hub sends its commits to one gate per terminal, the one with the lowest number that is alive; a gate that
//!    gets such a push from the hub itself passes it on, once durable, to the gates not known to have it. What
//!    comes from gates is not passed on. Once a gate's push is durable elsewhere, one node says so: the lowest live
//!    gate of the terminal, or the hub where the gate has no neighbour.
//! 3. **Repair.** About every second a gate sends a digest of its heads to one peer at random, the hub to one gate
//!    of each terminal. Who sees another digest answers with its Have and asks for the other's; each side then
//!    asks for what it lacks with a **Need**. So a lost frame costs a second, and a gate that is cut from the hub
//!    reaches it through its neighbours.
//! 4. **Need.** One range per site at a time, asked of one peer, with a deadline; the next one starts from the new
//!    durable head. Ranges are small and the sites take turns, so a fresh change never waits behind a backlog.
//! 5. **Branches.** A node that is shown another chain for a number it holds asks for the piece where the two logs part,
//!    and its store judges it (`peer/forks.rs`). Two signed branches prove that a log is written twice: each end then shows
//!    the other, and a gate the hub, what it holds, so that the evidence comes together. All other sites go on.
//! 6. **Snapshot.** When all who have a site have cut off what a gate lacks of it, it asks one of them for derived rows
//!    instead, page by page: [`crate::snapshot`].
//! 7. **Heartbeats** go to the hub and one gate, or from the hub to all, and the last one to whoever links anew; what was heard from its author itself and
//!    verified is relayed one step. An empty one keeps a link from looking dead.
//!
//! # The contract with the shell
//! - Every [`Output::Ingest`] is answered by [`Input::Ingested`] with a head at or beyond the run's last changeset,
//!   or by [`Input::IngestRefused`]; every [`Output::Serve`] by [`Input::Served`]; every [`Output::Heard`] by
//!   [`Input::BeatVerified`] or [`Input::BeatRefused`]; every [`Output::SnapshotBegin`] by [`Input::SnapshotBegun`],
//!   [`Output::SnapshotTake`] by [`Input::PageTaken`], [`Output::SnapshotServe`] by [`Input::PageServed`]. A lost answer costs a deadline, nothing else.
//! - Reports carry *durable* heads in the order in which they became durable.
//! - A run is verified by the shell ([`Run::extend`](crate::changeset::Run::extend)) against the durable head and
//!   appended atomically. The engine believes nobody: what peers tell only decides whom to ask for what.
//!
//! # Invariants
//! - Whether something is a duplicate is judged by durable heads only, never by a memory of what was handed over:
//!   a refused or lost ingest is asked for and handed over again (`tests/peer/failures.rs`).
//! - Memory is bounded whatever peers send: see [`limits`] (`tests/peer/hostile.rs`).
//! - Same inputs and seed, same outputs.

mod ahead;
mod beats;
mod early;
mod event;
mod forks;
mod gossip;
mod intake;
pub mod limits;
mod link;
mod push;
mod random;
mod request;
mod serve;
mod snapshot;
mod stats;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use ahead::Ahead;
pub use event::{CloseReason, Config, Input, Output, Refusal};
pub use limits::Limits;
pub use snapshot::PageTaken;
pub use stats::PeerStats;

use crate::have::{Have, Scope};
use crate::id::{NodeId, Seq, SiteId};
use crate::time::Stamp;
use crate::wire::{Frame, Heartbeat, Hello, WireError};
use early::EarlyRuns;
use forks::Probe;
use link::Link;
use random::Random;
use request::SiteSync;
use stats::StatsTable;

/// The engine of one node.
#[derive(Debug)]
pub struct Peer {
    config: Config,
    random: Random,
    now_ms: i64,
    /// What is durable here.
    have: Have,
    /// Sites this node writes: nobody else has more of them.
    own: BTreeSet<SiteId>,
    links: BTreeMap<NodeId, Link>,
    sites: BTreeMap<SiteId, SiteSync>,
    /// Sites with a request or an ingest under way.
    busy: BTreeSet<SiteId>,
    /// Bytes of all requests and ingests under way.
    in_flight_bytes: usize,
    early: EarlyRuns,
    /// Sites that somebody may hold another branch of.
    probes: BTreeMap<SiteId, Probe>,
    /// This node's own last heartbeat.
    own_beat: Option<Heartbeat>,
    /// Time of the last verified heartbeat of each node.
    beats: BTreeMap<NodeId, Stamp>,
    snapshot: snapshot::Snapshotting,
    stats: StatsTable,
    outputs: VecDeque<Output>,
    round_at_ms: i64,
    housekeeping_at_ms: i64,
}

impl Peer {
    /// An engine without connections, for a node that durably holds `have`.
    #[must_use]
    pub fn new(config: Config, have: Have) -> Peer {
        Peer {
            random: Random::seeded(config.seed ^ u64::from(config.node.0)),
            early: EarlyRuns::new(config.limits),
            config,
            now_ms: i64::MIN,
            have,
            own: BTreeSet::new(),
            links: BTreeMap::new(),
            sites: BTreeMap::new(),
            busy: BTreeSet::new(),
            in_flight_bytes: 0,
            probes: BTreeMap::new(),
            own_beat: None,
            beats: BTreeMap::new(),
            snapshot: snapshot::Snapshotting::default(),
            stats: StatsTable::default(),
            outputs: VecDeque::new(),
            round_at_ms: 0,
            housekeeping_at_ms: 0,
        }
    }

    /// Takes note of what happened. `now_ms` is monotonic; earlier times than before count as before. Take all
    /// outputs before the next call: their number is then bounded by one frame's content.
    pub fn handle(&mut self, now_ms: i64, input: Input) {
        self.now_ms = self.now_ms.max(now_ms);
        match input {
            Input::Connected { peer } => self.on_connected(peer),
            Input::Disconnected { peer } => self.forget_link(peer),
            Input::Frame { peer, frame } => self.on_frame(peer, frame),
            Input::FrameRefused { peer, error } => self.on_frame_refused(peer, error),
            Input::Committed { run, have } => self.on_committed(run, have),
            Input::Ingested { site, have } => self.on_ingested(site, have),
            Input::IngestRefused {
                peer,
                site,
                reason,
                have,
            } => self.on_ingest_refused(peer, site, reason, have),
            Input::Served { peer, site, run } => self.on_served(peer, site, run),
            Input::Beat(beat) => self.on_own_beat(beat),
            Input::BeatVerified { peer, beat } => self.on_beat_verified(peer, beat),
            Input::BeatRefused { peer } => self.stats.of(peer).refused_beats += 1,
            Input::Retired { site } => self.on_retired(site),
            Input::Reverted { site, have } => self.on_reverted(site, have),
            Input::SnapshotBegun { chosen } => self.on_snapshot_begun(chosen),
            Input::PageTaken { peer, taken } => self.on_page_taken(peer, taken),
            Input::PageServed { peer, page } => self.on_snapshot_served(peer, page),
            Input::Tick => {}
        }
        self.run_timers();
    }

    /// The next thing to do, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Peer::handle`] with [`Input::Tick`] unless something happens before; `None`: not at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<i64> {
        let idle = self.links.is_empty() && self.busy.is_empty() && self.early.is_empty();
        (!idle).then(|| self.round_at_ms.min(self.housekeeping_at_ms))
    }

    /// What is durable here, as far as reported.
    #[must_use]
    pub fn have(&self) -> &Have {
        &self.have
    }

    /// Up to where any connected peer is known to hold a site.
    #[must_use]
    pub fn copied(&self, site: SiteId) -> Seq {
        let offers = self
            .sites
            .get(&site)
            .into_iter()
            .flat_map(|sync| sync.offers.values());
        offers.map(|offer| offer.head).max().unwrap_or_default()
    }

    /// Up to where a connected peer is known to hold a site, because it told or showed it; it may hold more.
    #[must_use]
    pub fn known_of(&self, peer: NodeId, site: SiteId) -> Seq {
        let offer = self.sites.get(&site).and_then(|sync| sync.offers.get(&peer));
        offer.map_or(Seq::NONE, |offer| offer.head)
    }

    /// Counters per peer, in order of their numbers.
    pub fn stats(&self) -> impl Iterator<Item = (NodeId, &PeerStats)> {
        self.stats.iter()
    }

    /// Peers that introduced themselves and were heard lately.
    pub fn live_peers(&self) -> impl Iterator<Item = NodeId> {
        let silence_ms = self.config.limits.silence_ms();
        let live = self
            .links
            .iter()
            .filter(move |(_, link)| link.is_live(self.now_ms, silence_ms));
        live.map(|(peer, _)| *peer)
    }

    fn on_connected(&mut self, peer: NodeId) {
        self.forget_link(peer);
        if peer == self.config.node {
            return self.close(peer, CloseReason::OwnNumber);
        }
        if self.poll_timeout().is_none() {
            self.round_at_ms = self
                .now_ms
                .saturating_add(self.random.jittered(self.config.limits.round_ms));
            self.housekeeping_at_ms = self.now_ms.saturating_add(self.config.limits.housekeeping_ms());
        }
        self.links.insert(peer, Link::new(self.now_ms));
        self.send_hello(peer);
    }

    fn send_hello(&mut self, peer: NodeId) {
        let hello = Hello {
            node: self.config.node,
            terminal: self.config.terminal,
            schema_version: self.config.schema_version,
            schema_hash: self.config.schema_hash,
        };
        if let Some(link) = self.links.get_mut(&peer) {
            link.hello_sent_ms = self.now_ms;
        }
        self.send(peer, Frame::Hello(hello));
    }

    fn on_frame(&mut self, peer: NodeId, frame: Frame) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        link.heard_ms = self.now_ms;
        if !link.is_open() && !matches!(frame, Frame::Hello(_)) {
            self.stats.of(peer).frames_before_hello += 1;
            return;
        }
        match frame {
            Frame::Hello(hello) => self.on_hello(peer, &hello),
            Frame::HaveDigest(digest) => self.on_digest(peer, digest),
            Frame::Have { reply, sites } => self.on_have(peer, reply, sites),
            Frame::Need { ranges, bytes_max } => self.on_need(peer, ranges, bytes_max),
            Frame::Changesets(runs) => self.on_runs(peer, runs),
            Frame::Heartbeats(beats) => self.on_beats(peer, beats),
            Frame::SnapshotNeed(need) => self.on_snapshot_need(peer, need),
            Frame::SnapshotPage(page) => self.on_snapshot_page(peer, *page),
        }
    }

    fn on_hello(&mut self, peer: NodeId, hello: &Hello) {
        if hello.node != peer {
            let reason = CloseReason::WrongNode {
                said: hello.node,
                authenticated: peer,
            };
            return self.close(peer, reason);
        }
        if hello.terminal.is_none() != peer.is_hub() {
            return self.close(peer, CloseReason::Terminal);
        }
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let again = link.is_open();
        link.terminal = hello.terminal;
        link.scope = Some(Scope::from(self.config.terminal).and(hello.terminal.into()));
        // A repeated Hello says that ours was lost.
        if again && self.now_ms - link.hello_sent_ms >= limits::HELLO_RETRY_MS / 2 {
            self.send_hello(peer);
        }
        if again {
            return;
        }
        // Or a gate that has just started would not know for seconds that the hub is there.
        if let Some(beat) = self.own_beat.clone() {
            self.send(peer, Frame::Heartbeats(vec![beat]));
        }
        if self.config.node > peer {
            self.send_digest(peer);
        }
    }

    fn on_frame_refused(&mut self, peer: NodeId, error: WireError) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        link.heard_ms = self.now_ms;
        if let WireError::UnknownKind(_) = error {
            self.stats.of(peer).unknown_frames += 1;
            return;
        }
        link.malformed_frames += 1;
        let give_up =
            matches!(error, WireError::Version(_)) || link.malformed_frames >= limits::MALFORMED_FRAMES_MAX;
        self.stats.of(peer).malformed_frames += 1;
        if give_up {
            self.close(peer, CloseReason::Wire(error));
        }
    }

    fn close(&mut self, peer: NodeId, reason: CloseReason) {
        self.forget_link(peer);
        self.outputs.push_back(Output::Close { peer, reason });
    }

    fn forget_link(&mut self, peer: NodeId) {
        if self.links.contains_key(&peer) {
            self.forget_offers(peer);
            self.forget_snapshot(peer);
            self.links.remove(&peer);
        }
    }

    fn send(&mut self, peer: NodeId, frame: Frame) {
        self.send_all(vec![peer], frame);
    }

    fn send_all(&mut self, to: Vec<NodeId>, frame: Frame) {
        for peer in &to {
            if let Some(link) = self.links.get_mut(peer) {
                link.sent_ms = self.now_ms;
            }
        }
        if !to.is_empty() {
            self.outputs.push_back(Output::Send { to, frame });
        }
    }

    fn run_timers(&mut self) {
        if self.poll_timeout().is_none() {
            return;
        }
        if self.now_ms >= self.housekeeping_at_ms {
            self.housekeeping_at_ms = self.now_ms.saturating_add(self.config.limits.housekeeping_ms());
            self.expire_serves();
            self.expire_early();
            self.expire_requests();
            self.expire_probes();
            self.keep_links_alive();
            self.ask_everyone();
            self.look_for_snapshot();
        }
        if self.now_ms >= self.round_at_ms {
            self.round_at_ms = self
                .now_ms
                .saturating_add(self.random.jittered(self.config.limits.round_ms));
            self.start_round();
        }
    }
}
