//! The engine's shell: one task owns the sync engine and carries out what it puts out.
//!
//! Links' events and reports of work come in; runs go to [`ingest`], reads to [`serve`], heartbeats to [`beats`],
//! frames to the links. The task itself never waits for any of them: what does not fit a bounded queue is answered
//! at once with "not now", and the engine comes back to it. So PostgreSQL may be slow or away without a gate noticing
//! more than that its changesets are not acknowledged yet.
//!
//! Invariant: what is told to the engine as held is durable. Nothing is acknowledged before its transaction is.

pub mod beats;
pub mod ingest;
pub mod serve;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sync_protocol::changeset::Run;
use sync_protocol::have::{Have, Range, SiteHave};
use sync_protocol::id::{NodeId, SiteId, TerminalCode};
use sync_protocol::peer::{Ahead, Config, Input, Limits, Output, PageTaken, Peer, PeerStats, Refusal};
use sync_protocol::wire::Heartbeat;
use sync_shell::links::{LinkEvent, Links};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::stop::Stop;

/// Version of the shared tables' schema that gates and hub tell each other.
pub const SCHEMA_VERSION: u32 = 1;
/// Most events of links that wait for the engine.
pub const EVENTS_MAX: usize = 1_024;
/// Most reports that wait for the engine.
pub const REPORTS_MAX: usize = 4_096;
/// Most heartbeats that wait to be verified.
pub const BEATS_MAX: usize = 4_096;
/// The counters of the engine are published this often.
const STATS_MS: i64 = 5_000;

/// What the engine is told besides the links' events.
#[derive(Debug)]
pub enum Report {
    /// Something the engine understands as it is.
    Input(Input),
    /// A run was not taken and may be later. What is held is what the engine knows to be held.
    NotNow {
        /// Whom it came from.
        peer: NodeId,
        /// Its site.
        site: SiteId,
    },
    /// What the ledger holds, read by itself: another process may have stored more.
    Held(Have),
    /// Asks how far gates are ahead of what is held.
    Ahead(oneshot::Sender<Ahead>),
}

/// A connected peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Its terminal.
    pub terminal: Option<TerminalCode>,
    /// From where it is connected.
    pub address: SocketAddr,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
}

/// What others may see of the engine.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Who is connected.
    pub connected: BTreeMap<NodeId, Connected>,
    /// The engine's counters, a few seconds old.
    pub stats: BTreeMap<NodeId, PeerStats>,
    /// Whether this process takes back from gates what its database lacks, before it settles.
    pub is_recovering: bool,
}

/// [`Standing`], shared.
#[derive(Clone, Debug, Default)]
pub struct SharedStanding(Arc<Mutex<Standing>>);

impl SharedStanding {
    /// A copy.
    #[must_use]
    pub fn read(&self) -> Standing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells whether this process takes back from gates what its database lacks.
    pub fn set_recovering(&self, is_recovering: bool) {
        self.edit(|standing| standing.is_recovering = is_recovering);
    }

    fn edit(&self, edit: impl FnOnce(&mut Standing)) {
        edit(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Where the engine's work goes.
pub struct Queues {
    /// Runs to store.
    pub ingest: ingest::IngestQueue,
    /// Ranges to read.
    pub serve: mpsc::Sender<(NodeId, Range, usize)>,
    /// Heartbeats to verify.
    pub beats: mpsc::Sender<beats::Heard>,
}

/// The engine and its shell.
pub struct Engine {
    peer: Peer,
    links: Links,
    queues: Queues,
    standing: SharedStanding,
    clock: Clock,
    stats_at_ms: i64,
}

impl Engine {
    /// The engine of the hub, which durably holds `have`.
    #[must_use]
    pub fn new(
        have: Have,
        seed: u64,
        in_flight_bytes: usize,
        links: Links,
        queues: Queues,
        standing: SharedStanding,
        clock: Clock,
    ) -> Engine {
        let config = Config {
            node: NodeId::HUB,
            terminal: None,
            schema_version: SCHEMA_VERSION,
            schema_hash: [0; 32],
            seed,
            limits: Limits {
                in_flight_bytes,
                ..Limits::default()
            },
        };
        Engine {
            peer: Peer::new(config, have),
            links,
            queues,
            standing,
            clock,
            stats_at_ms: 0,
        }
    }

    /// Runs until told to stop, or until nobody is left who could tell it anything.
    pub async fn run(
        mut self,
        mut events: mpsc::Receiver<LinkEvent>,
        mut reports: mpsc::Receiver<Report>,
        mut stop: Stop,
    ) {
        loop {
            let wake_up = self.wake_up();
            tokio::select! {
                biased;
                () = stop.told() => return,
                report = reports.recv() => match report {
                    Some(report) => self.on_report(report),
                    None => return,
                },
                event = events.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => return,
                },
                () = sleep_until(wake_up) => self.feed(Input::Tick),
            }
            self.carry_out();
        }
    }

    /// When to look at the clock unless something happens before.
    fn wake_up(&self) -> Instant {
        let now_ms = self.clock.monotonic_ms();
        let at_ms = self.peer.poll_timeout().unwrap_or(i64::MAX).min(self.stats_at_ms);
        let wait_ms = at_ms.saturating_sub(now_ms).clamp(0, STATS_MS);
        self.clock.instant() + Duration::from_millis(wait_ms.unsigned_abs())
    }

    fn feed(&mut self, input: Input) {
        self.peer.handle(self.clock.monotonic_ms(), input);
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Input(input) => self.feed(input),
            Report::NotNow { peer, site } => self.not_now(peer, site),
            // Whoever asked may have gone.
            Report::Ahead(answer) => _ = answer.send(self.peer.ahead()),
            Report::Held(held) => {
                let behind =
                    |(site, have): &(SiteId, &SiteHave)| have.head.seq > self.peer.have().head(*site).seq;
                let news: Vec<(SiteId, SiteHave)> = held
                    .wanted_by(None)
                    .filter(behind)
                    .map(|(site, have)| (site, *have))
                    .collect();
                for (site, have) in news {
                    self.feed(Input::Ingested { site, have });
                    self.carry_out();
                }
            }
        }
    }

    fn not_now(&mut self, peer: NodeId, site: SiteId) {
        let have = self.peer.have().get(site).copied();
        self.feed(Input::IngestRefused {
            peer,
            site,
            reason: Refusal::NotNow,
            have,
        });
    }

    fn on_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Connected { peer, address } => {
                info!(peer = %peer.node, %address, "connected");
                let connected = Connected {
                    terminal: peer.terminal,
                    address,
                    since_ms: self.clock.wall_ms(),
                };
                self.standing.edit(|standing| {
                    standing.connected.insert(peer.node, connected);
                });
                let heard = beats::Heard::Key(peer.node, peer.key);
                // A full queue only costs a look into the ledger later.
                let _ = self.queues.beats.try_send(heard);
                self.feed(Input::Connected { peer: peer.node });
            }
            LinkEvent::Disconnected { peer, reason } => {
                info!(%peer, reason, "disconnected");
                self.standing.edit(|standing| {
                    standing.connected.remove(&peer);
                });
                self.feed(Input::Disconnected { peer });
            }
            LinkEvent::Frame { peer, frame, .. } => self.feed(match frame {
                Ok(frame) => Input::Frame { peer, frame },
                Err(error) => Input::FrameRefused { peer, error },
            }),
        }
    }

    /// Carries out everything the engine has put out.
    fn carry_out(&mut self) {
        while let Some(output) = self.peer.poll_output() {
            match output {
                Output::Send { to, frame } => self.links.send(&to, &frame),
                Output::Ingest { peer, run } => self.ingest(peer, run),
                Output::Serve {
                    peer,
                    range,
                    bytes_max,
                } => {
                    if self.queues.serve.try_send((peer, range, bytes_max)).is_err() {
                        let site = range.site;
                        let run = None;
                        self.feed(Input::Served { peer, site, run });
                    }
                }
                Output::Heard { peer, beat } => self.heard(peer, beat),
                // The hub serves the logs themselves, and has nobody to ask.
                Output::SnapshotServe { peer, .. } => self.feed(Input::PageServed { peer, page: None }),
                Output::SnapshotBegin { .. } => self.feed(Input::SnapshotBegun { chosen: None }),
                Output::SnapshotTake { peer, .. } => {
                    let taken = PageTaken::NotNow;
                    self.feed(Input::PageTaken { peer, taken });
                }
                Output::Close { peer, reason } => {
                    warn!(%peer, %reason, "closing the connection");
                    self.links.close(peer, &reason.to_string());
                }
            }
        }
        let now_ms = self.clock.monotonic_ms();
        if now_ms >= self.stats_at_ms {
            self.stats_at_ms = now_ms + STATS_MS;
            let stats = self.peer.stats().map(|(node, stats)| (node, *stats)).collect();
            self.standing.edit(|standing| standing.stats = stats);
        }
    }

    fn ingest(&mut self, peer: NodeId, run: Run) {
        let site = run.site;
        if !self.queues.ingest.offer(peer, run) {
            debug!(%peer, %site, "too much waits for the ledger");
            self.not_now(peer, site);
        }
    }

    fn heard(&mut self, peer: NodeId, beat: Heartbeat) {
        let heard = beats::Heard::Beat(peer, beat);
        if self.queues.beats.try_send(heard).is_err() {
            self.feed(Input::BeatRefused { peer });
        }
    }
}
