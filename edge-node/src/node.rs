//! What a gate does, without threads, sockets or clocks: taps, the sync engine, the age of its knowledge.
//!
//! The shell ([`crate::writer`]) reads the clock, asks for one thing at a time and carries out [`Effect`]s:
//! [`Node::taps`] decides and commits what waits at the readers; [`Node::handle`] takes note of what came from
//! outside; [`Node::step`] does one piece of the work that is left, short enough for a tap to wait for.
//!
//! # Promises
//! - A tap that was answered is durable; a store that fails opens exits and denies entries, and the gate goes on.
//! - Nothing here waits for a peer, and nothing a peer sends ends the gate: it is counted, told to the engine, and
//!   logged at a bounded rate.
//! - Fresh changesets come before a backlog, taps before both, and cutting old logs after everything else.
//! - No tap is stamped at or before a time that a heartbeat has declared stated.

mod alarms;
mod beats;
mod catching_up;
mod copies;
mod intake;
mod policy;
mod pruning;
pub(crate) mod quiet;
mod roster;
mod snapshot;
mod taps;
mod work;

use std::collections::BTreeMap;

use sync_protocol::changeset::{Head, PublicKey, Run, Signer, Trust};
use sync_protocol::clones::LiveSites;
use sync_protocol::id::{NodeId, SiteId};
use sync_protocol::knowledge::KnowledgeAge;
use sync_protocol::peer::{self, CloseReason, Config, Limits, Output, Peer};
use sync_protocol::time::Stamp;
use sync_protocol::wire::{Frame, WireError};

use crate::clock::{ClockState, Moment};
use crate::config::PolicyConfig;
use crate::store::{BallastState, Retention, SCHEMA_VERSION, Store, StoreError};

pub use beats::{BEAT_MS, HEARTBEAT_SAVE_MS};
pub use roster::{Roster, revoked_keys};
pub use snapshot::Snapshot;
pub use taps::Tapped;

use alarms::Alarms;
use copies::Copies;
use pruning::Pruning;
use quiet::Quiet;
use work::Work;

/// Things that need no more than a look now and then (clock, limits, roster) are looked at this often, milliseconds.
pub const HOUSEKEEPING_MS: i64 = 1_000;
/// While a tap came within this time, others' changesets are applied in the smallest slices. Milliseconds.
pub const BUSY_MS: i64 = 2_000;
/// Most lines a minute about what peers sent and the database refused.
const REFUSAL_LINES_MAX: u32 = 10;
/// No tap for this long is an idle moment: rows that can wait are filed. Milliseconds.
pub const IDLE_MS: i64 = 20;

/// What a node is made of.
pub struct Parts<T> {
    /// The database, open.
    pub store: Store,
    /// Whom it believes.
    pub trust: T,
    /// Signs its heartbeats.
    pub signer: Box<dyn Signer + Send>,
    /// Limits of deciding alone, as configured.
    pub policy: PolicyConfig,
    /// Where other nodes are, as configured, and where this one is.
    pub roster: Roster,
    /// How far the clock may be off while it is kept in step, milliseconds.
    pub uncertainty_ms: u32,
    /// How long logs are kept that the hub has.
    pub retention: Retention,
    /// Drawn anew at every start.
    pub seed: u64,
}

/// What came from outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// A link to an authenticated node stands.
    Connected {
        /// Which.
        peer: NodeId,
        /// The key of its certificate.
        key: PublicKey,
    },
    /// It is gone.
    Disconnected {
        /// Which.
        peer: NodeId,
    },
    /// A frame came, or what should have been one.
    Frame {
        /// From.
        peer: NodeId,
        /// Decoded.
        frame: Result<Frame, WireError>,
    },
}

/// What the shell shall do.
#[derive(Debug)]
pub enum Effect {
    /// Send a frame.
    Send {
        /// Whom to.
        to: Vec<NodeId>,
        /// What.
        frame: Frame,
    },
    /// Close a link.
    Close {
        /// Which.
        peer: NodeId,
        /// Why.
        reason: CloseReason,
    },
    /// Keep links to these.
    Targets(std::collections::BTreeSet<String>),
    /// Link no more with these keys.
    Revoked(std::collections::BTreeSet<PublicKey>),
    /// More of a log of another node is durable.
    Advanced {
        /// The log.
        site: SiteId,
        /// Up to here.
        head: Head,
    },
    /// A second node holds what was committed here.
    Copied {
        /// How long after the first of its taps was decided, microseconds.
        took_us: i64,
    },
}

/// Things that went wrong and did no harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mishaps {
    /// Taps that could not be recorded.
    pub taps_unrecorded: u64,
    /// Of those, the ones for which the barrier opened all the same: exits, and free flow.
    pub unrecorded_open: u64,
    /// Runs of others that were not taken.
    pub ingests_refused: u64,
    /// Heartbeats of others that were not believed.
    pub beats_refused: u64,
    /// Failed writes and reads of the database.
    pub store_failures: u64,
}

/// One gate.
pub struct Node<T> {
    store: Store,
    peer: Peer,
    trust: T,
    signer: Box<dyn Signer + Send>,
    knowledge: KnowledgeAge,
    policy: PolicyConfig,
    /// Fare versions known when the limits were last made.
    fares_known: usize,
    roster: Roster,
    uncertainty_ms: u32,
    clock: ClockState,
    /// Keys of the nodes at the other ends of the links.
    keys: BTreeMap<NodeId, PublicKey>,
    work: Work,
    beat: beats::Own,
    hub: beats::Hub,
    /// When a tap last came, monotonic milliseconds.
    tapped_ms: i64,
    sealing: Sealing,
    copies: Copies,
    pruning: Pruning,
    /// A proven snapshot is not taken over before. Monotonic milliseconds.
    installing_at_ms: i64,
    housekeeping_at_ms: i64,
    mishaps: Mishaps,
    quiet: Quiet,
    alarms: Alarms,
    /// Whose processes are heard.
    live: LiveSites,
    started_ms: i64,
}

/// What is left to do after own commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sealing {
    /// Commits that the engine does not know of.
    unsealed: bool,
    /// Sealing failed: not to be tried before this, monotonic milliseconds.
    retry_at_ms: i64,
    /// Rows wait to be filed, or the WAL file to be emptied, from this moment on if nobody taps. Monotonic
    /// milliseconds.
    file_at_ms: Option<i64>,
}

impl<T: Trust> Node<T> {
    /// A node without links.
    ///
    /// # Errors
    /// The database failed.
    pub fn new(parts: Parts<T>, now: Moment) -> Result<Node<T>, StoreError> {
        let store = parts.store;
        let gate = store.gate();
        let config = Config {
            node: gate.id.node(),
            terminal: Some(gate.terminal),
            schema_version: SCHEMA_VERSION,
            schema_hash: crate::store::schema_hash(),
            seed: parts.seed,
            limits: Limits::default(),
        };
        let heartbeats = store.heartbeats()?;
        let hub_beat = heartbeats.into_iter().find(|beat| beat.node.is_hub());
        let now_ms = now.monotonic_ms();
        let mut node = Node {
            peer: Peer::new(config, store.have().clone()),
            knowledge: KnowledgeAge::unknown(hub_beat.as_ref().map(|beat| beat.t.ms), now_ms),
            store,
            trust: parts.trust,
            signer: parts.signer,
            policy: parts.policy,
            fares_known: usize::MAX,
            roster: parts.roster,
            uncertainty_ms: parts.uncertainty_ms,
            clock: ClockState::Plausible,
            keys: BTreeMap::new(),
            work: Work::default(),
            beat: beats::Own::starting(now_ms),
            hub: beats::Hub::default(),
            tapped_ms: i64::MIN / 2,
            sealing: Sealing::default(),
            copies: Copies::default(),
            pruning: Pruning::starting(parts.retention, now_ms),
            installing_at_ms: now_ms,
            housekeeping_at_ms: now_ms,
            mishaps: Mishaps::default(),
            quiet: Quiet::of(REFUSAL_LINES_MAX),
            alarms: Alarms::default(),
            live: LiveSites::default(),
            started_ms: now_ms,
        };
        node.look_at_clock(now);
        node.recompute_policy();
        Ok(node)
    }

    /// Takes note of what came from outside.
    pub fn handle(&mut self, now: Moment, input: Input, effects: &mut Vec<Effect>) {
        let input = match input {
            Input::Connected { peer, key } => {
                self.keys.insert(peer, key);
                peer::Input::Connected { peer }
            }
            Input::Disconnected { peer } => {
                self.keys.remove(&peer);
                peer::Input::Disconnected { peer }
            }
            Input::Frame {
                peer,
                frame: Ok(frame),
            } => peer::Input::Frame { peer, frame },
            Input::Frame {
                peer,
                frame: Err(error),
            } => peer::Input::FrameRefused { peer, error },
        };
        self.feed(now, input, effects);
        self.look_at_copies(now, effects);
    }

    /// Does one piece of what is left to do. Returns whether there was any; there may be more.
    pub fn step(&mut self, now: Moment, effects: &mut Vec<Effect>) -> bool {
        let now_ms = now.monotonic_ms();
        if self.sealing.unsealed && now_ms >= self.sealing.retry_at_ms {
            self.seal(now, effects);
            return true;
        }
        if now_ms >= self.housekeeping_at_ms {
            self.keep_house(now, effects);
            return true;
        }
        if self.peer.poll_timeout().is_some_and(|at_ms| now_ms >= at_ms) {
            self.feed(now, peer::Input::Tick, effects);
            return true;
        }
        if let Some(task) = self.work.next() {
            self.perform(now, task, effects);
            return true;
        }
        if self.install(now, effects) {
            return true;
        }
        if self.sealing.file_at_ms.is_some_and(|at_ms| now_ms >= at_ms) {
            self.file(now);
            return true;
        }
        if now_ms >= self.pruning_at_ms() {
            self.prune(now, effects);
            return true;
        }
        false
    }

    /// When [`Node::step`] has something to do though nothing came: monotonic milliseconds.
    #[must_use]
    pub fn poll_timeout(&self) -> i64 {
        let mut at_ms = self.housekeeping_at_ms.min(self.beat.due_at_ms());
        at_ms = at_ms.min(self.pruning_at_ms());
        if let Some(engine_at_ms) = self.peer.poll_timeout() {
            at_ms = at_ms.min(engine_at_ms);
        }
        if self.sealing.unsealed {
            at_ms = at_ms.min(self.sealing.retry_at_ms);
        }
        if let Some(file_at_ms) = self.sealing.file_at_ms {
            at_ms = at_ms.min(file_at_ms);
        }
        if let Some(installing_at_ms) = self.installing_at_ms() {
            at_ms = at_ms.min(installing_at_ms);
        }
        at_ms
    }

    /// Whether a tap came so lately that another one may.
    const fn is_busy(&self, now: Moment) -> bool {
        now.monotonic_ms() - self.tapped_ms < BUSY_MS
    }

    /// Makes everything durable that waits, and lets the database go.
    ///
    /// # Errors
    /// The database failed. Every answered tap is durable nevertheless.
    pub fn close(mut self, now: Moment, effects: &mut Vec<Effect>) -> Result<(), StoreError> {
        if self.sealing.unsealed {
            self.seal(now, effects);
        }
        self.store.file()?;
        self.store.checkpoint()?;
        self.store.close()
    }

    /// The database, for reading.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Things that went wrong and did no harm.
    #[must_use]
    pub const fn mishaps(&self) -> Mishaps {
        self.mishaps
    }

    /// The sync engine, for looking at.
    #[must_use]
    pub const fn engine(&self) -> &Peer {
        &self.peer
    }

    /// What the clock is worth.
    #[must_use]
    pub const fn clock(&self) -> ClockState {
        self.clock
    }

    /// Tells the engine, and takes what it puts out.
    fn feed(&mut self, now: Moment, input: peer::Input, effects: &mut Vec<Effect>) {
        self.peer.handle(now.monotonic_ms(), input);
        while let Some(output) = self.peer.poll_output() {
            match output {
                Output::Send { to, frame } => effects.push(Effect::Send { to, frame }),
                Output::Close { peer, reason } => {
                    self.keys.remove(&peer);
                    effects.push(Effect::Close { peer, reason });
                }
                task => self.work.push(task),
            }
        }
    }

    /// Gives own commits to the engine.
    fn seal(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        match self.store.seal() {
            Ok(run) => {
                self.sealing.unsealed = false;
                self.give(now, run, effects);
            }
            Err(error) => {
                self.sealing.retry_at_ms = now.monotonic_ms() + HOUSEKEEPING_MS;
                self.store_failed(now, "sealing what was committed", &error);
            }
        }
    }

    /// Gives a signed run of this node's own to the engine.
    fn give(&mut self, now: Moment, run: Option<Run>, effects: &mut Vec<Effect>) {
        let Some(run) = run else {
            return;
        };
        self.copies.sealed(now, run.last());
        if let Some(have) = self.store.have().get(run.site).copied() {
            self.feed(now, peer::Input::Committed { run, have }, effects);
        }
    }

    /// Uses an idle moment.
    fn file(&mut self, now: Moment) {
        self.sealing.file_at_ms = None;
        if let Err(error) = self.store.file() {
            self.sealing.file_at_ms = Some(now.monotonic_ms() + HOUSEKEEPING_MS);
            self.store_failed(now, "filing in an idle moment", &error);
        }
    }

    fn keep_house(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.housekeeping_at_ms = now.monotonic_ms() + HOUSEKEEPING_MS;
        self.look_at_clock(now);
        self.look_at_roster(now, effects);
        self.save_hub_beat(now);
        // A disk with room again gets its ballast back.
        if self.store.disk().ballast == BallastState::Freed {
            self.sealing
                .file_at_ms
                .get_or_insert(now.monotonic_ms() + IDLE_MS);
        }
        self.alarms.look(&self.store);
        self.quiet.tell_held_back(now.monotonic_ms());
    }

    fn look_at_clock(&mut self, now: Moment) {
        let state = now.clock_state(self.store.last_stamp().ms);
        self.store
            .set_uncertainty_ms(state.uncertainty_ms(self.uncertainty_ms));
        if state == self.clock {
            return;
        }
        match state.advice() {
            Some(advice) => tracing::error!(wall_ms = now.wall_ms, "{advice}"),
            None => tracing::info!(wall_ms = now.wall_ms, "the system clock is plausible again"),
        }
        self.clock = state;
    }

    fn store_failed(&mut self, now: Moment, doing: &'static str, error: &StoreError) {
        self.mishaps.store_failures += 1;
        if self.quiet.may_speak(now.monotonic_ms()) {
            tracing::error!(%error, "{doing} failed; the gate goes on");
        }
    }

    /// The last time that this node has declared stated.
    const fn stated(&self) -> Stamp {
        self.beat.stated()
    }
}
