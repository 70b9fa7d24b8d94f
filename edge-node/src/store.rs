//! A gate's database: one SQLite file that holds all it needs to decide alone, and all it passes on.
//!
//! - Taps are decided and committed by one row of the journal ([`Store::taps`]). After the answer, [`Store::seal`]
//!   signs them and returns the run for the peers, and when nobody waits [`Store::file`] writes what follows from
//!   them into the other tables.
//! - Edits of the replicated tables are captured in their transaction ([`Store::edit`]).
//! - Logs of others are verified, appended and applied changeset by changeset ([`Store::ingest`]).
//! - What is held is told by [`Store::have`], and served by [`Store::serve`]; what is held longer than it must be is
//!   cut off between taps ([`Store::prune`]).
//!
//! Nothing here reads a clock or draws randomness. One thread owns a store; it is `Send`.
//!
//! # Promises
//! - What a call returned is durable (WAL, synchronous=FULL); what failed left nothing behind.
//! - After a sync that failed nothing more is recorded until the file is opened anew ([`Store::is_unsynced`]).
//! - The journal is the truth: a crash between commit, seal and file loses nothing and changes no outcome
//!   (`tests/store/crash.rs`). Nothing leaves unsigned, and [`Store::have`] tells of signed heads only.
//! - A tap runs no checkpoint, and when the disk is full it has the ballast ([`Store::disk`]).
//! - Every start writes a site of its own, so a restored or cloned file never reuses a number. Its first changeset
//!   opens it and names the node's site before.
//! - A head never moves back; a changeset is applied as a whole or not at all; nothing verified is lost.
//! - A card here = the hub's settled state + this terminal's uncovered taps in the order of arrival. It is
//!   provisional: money is what the hub's fold says.
//! - Gates that hold the same logs have equal [`Store::digest`]s (`tests/store/convergence.rs`).

mod apply;
mod ballast;
mod card;
mod cards;
mod digest;
mod edit;
mod error;
mod fork;
mod group;
mod ingest;
mod inspect;
mod journal;
mod open;
mod piece;
mod prune;
mod quarantine;
mod replay;
mod retention;
mod roster;
mod schema;
mod seal;
mod sites;
mod snapshot;
mod sql;
mod taps;
mod unfiled;
mod unsynced;
mod wal;
mod writer;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use crsqlite::Replica;
use rusqlite::{Connection, OptionalExtension};
use sync_protocol::changeset::Signature;
use sync_protocol::decide::{CardKnowledge, Gate, Mode, Policy};
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, SiteId};
use sync_protocol::rows::Schema;
use sync_protocol::time::Stamp;

pub use ballast::{BALLAST_BYTES, BallastState, Disk};
pub use card::{Card, FiledTap};
pub use digest::StoreDigest;
pub use edit::GateStatus;
pub use error::{Fault, IngestError, StoreError};
pub use fork::Forks;
pub use group::Group;
pub use ingest::{Ingested, SLICE_CHANGES, Verified};
pub use inspect::{Inspection, SiteFound};
pub use journal::RecentTap;
pub use open::{Opening, prepare};
pub use piece::{PIECE_BYTES, PIECE_CHANGESETS, Piece};
pub use prune::{Kept, Pruned};
pub use quarantine::{QUARANTINE_TOLD_MAX, Quarantined, Retried};
pub use retention::{Limits, Mark, Marks, Retention};
pub use schema::{SCHEMA_VERSION, hash as schema_hash, replicated as replicated_schema};
pub use snapshot::{Installed, PageWork};
pub use taps::{Committed, Decided, Unrecorded};

use ballast::Ballast;
use cards::Remembered;
use sites::{Ordinal, Sites};
use unfiled::Unfiled;
use unsynced::Unsynced;
use writer::Writer;

/// Most taps in one group commit.
pub const GROUP_TAPS_MAX: usize = sync_protocol::changeset::TAPS_MAX;

/// One gate's database.
pub struct Store {
    replica: Replica,
    path: PathBuf,
    /// Held while the store is open, except under a file system of the caller's.
    _lock: Option<File>,
    own_gate: Gate,
    /// The mode that the `gates` table gives this gate, if it does.
    mode: Option<Mode>,
    policy: Policy,
    writer: Writer,
    /// Over the own site's head, once it was signed.
    signed: Option<Signature>,
    sites: Sites,
    /// When which part of each log was held.
    marks: BTreeMap<Ordinal, Marks>,
    /// Which signature at the end of each log the next one replaces.
    pieces: BTreeMap<Ordinal, Piece>,
    fares: FareBook,
    unfiled: Unfiled,
    remembered: Remembered,
    ballast: Ballast,
    /// No checkpoint is tried before the WAL file has so many pages.
    wal_retry_pages: i64,
    /// Slices since the WAL file was looked at.
    wal_unlooked_slices: u32,
    unsynced: Unsynced,
    schema: Schema,
    /// The highest arrival number given.
    arrival: i64,
    /// Logs that have a second branch.
    forks: Forks,
    /// Logs dropped for another branch, of which the engine has not been told.
    reverted: Vec<SiteId>,
    /// A proven snapshot is taken over.
    installing: Option<Installing>,
    counters: Counters,
}

/// How far a snapshot is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Installing {
    /// It is proven; nothing is taken over yet, or that is not known after a start.
    All,
    /// What is left is cards, one by one.
    Cards,
}

/// What happened since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Taps committed.
    pub taps: u64,
    /// Changesets of others appended.
    pub ingested: u64,
    /// Runs with nothing new.
    pub duplicates: u64,
    /// Runs that started beyond the head, or sites beyond the one they follow.
    pub gaps: u64,
    /// Runs refused: a wrong signature, an unknown node, malformed.
    pub refused_runs: u64,
    /// Changes put into the quarantine.
    pub quarantined: u64,
    /// Settled states that were compared with this gate's own fold.
    pub compared: u64,
    /// Of those, different ones: an alarm of severity 1.
    pub divergences: u64,
    /// Own changesets that were filed from the journal after a crash.
    pub replayed: u64,
    /// Own changesets in the journal that nobody can sign, because the node has another key by now: they are not in
    /// the tables and go to nobody. A start with the old key brings them back. An alarm.
    pub unsigned: u64,
    /// Times that filing failed; it is tried again.
    pub filing_failures: u64,
    /// Times that moving the WAL file's content failed; it is tried again.
    pub checkpoint_failures: u64,
    /// Times the ballast was freed for a tap.
    pub ballast_freed: u64,
    /// Times the ballast was made.
    pub ballast_made: u64,
    /// Commits of taps that failed because the disk was full, without the ballast too.
    pub disk_full: u64,
    /// Slices of runs refused because what is left of the disk is kept for taps.
    pub kept_out: u64,
    /// Changes that left the quarantine, tried again.
    pub released: u64,
    /// Changesets cut off logs.
    pub pruned: u64,
    /// Times that a second branch of a log was proven, signed by its own writer: an alarm.
    pub forks: u64,
    /// Changesets of this gate's own that came from others, because the database was an older copy, or a copy of the
    /// gate runs.
    pub taken_back: u64,
    /// Logs dropped because by the hub's word another branch of them counts.
    pub reverted: u64,
    /// Snapshots taken over.
    pub snapshots: u64,
    /// Snapshots refused: false ones.
    pub snapshots_refused: u64,
}

impl Store {
    /// What the gate holds about a card.
    ///
    /// # Errors
    /// The database failed.
    pub fn card(&self, card: CardId) -> Result<CardKnowledge, StoreError> {
        if let Some(card) = self.remembered.get(card) {
            return Ok(*card.knowledge());
        }
        let terminal = self.own_gate.terminal;
        let card = cards::load(&self.replica, &self.sites, &self.fares, terminal, card);
        self.named(card.map(|card| *card.knowledge()))
    }

    /// The gate, in the mode that the `gates` table gives it or else the configuration.
    #[must_use]
    pub fn gate(&self) -> Gate {
        Gate {
            mode: self.mode.unwrap_or(self.own_gate.mode),
            ..self.own_gate
        }
    }

    /// How far the gate's clock may be off from now on, milliseconds.
    pub const fn set_uncertainty_ms(&mut self, uncertainty_ms: u32) {
        self.own_gate.uncertainty_ms = uncertainty_ms;
    }

    /// The limits of deciding alone.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Changes the limits of deciding alone.
    pub const fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Every fare version held.
    #[must_use]
    pub const fn fares(&self) -> &FareBook {
        &self.fares
    }

    /// The site this start of the node writes. It has a head once something was committed.
    #[must_use]
    pub const fn site(&self) -> SiteId {
        self.writer.site
    }

    /// The last stamp given.
    #[must_use]
    pub const fn last_stamp(&self) -> Stamp {
        self.writer.last
    }

    /// What happened since the store was opened.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connection, for reading what has no method here. Writing past the store breaks its promises. Rows of the
    /// last taps are in all tables and views after [`Store::file`].
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.replica
    }

    /// Files what waits, closes the file and tells when that fails. Dropping the store closes it silently and files
    /// nothing, as a crash would.
    ///
    /// # Errors
    /// Filing failed, or SQLite could not close the file. Everything committed is durable nevertheless.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.file()?;
        let Store { replica, path, .. } = self;
        replica.close().map_err(|error| StoreError {
            path,
            fault: error.into(),
        })
    }

    fn read_mode(&mut self) -> Result<(), Fault> {
        let named: Option<String> = self
            .replica
            .prepare_cached(sql::GATE_MODE)?
            .query_row([self.own_gate.id.0], |row| row.get(0))
            .optional()?;
        self.mode = named.as_deref().and_then(edit::mode_named);
        Ok(())
    }

    fn named<T>(&self, result: Result<T, Fault>) -> Result<T, StoreError> {
        result.map_err(|fault| {
            self.unsynced.note(&fault);
            StoreError {
                path: self.path.clone(),
                fault,
            }
        })
    }
}
