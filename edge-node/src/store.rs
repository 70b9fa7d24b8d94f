//! A gate's database: one SQLite file that holds all it needs to decide alone, and all it passes on.
//!
//! - A tap is decided and committed in one transaction ([`Store::tap`]); the changeset it returns goes to the peers.
//! - Edits of the replicated tables are captured in their transaction ([`Store::edit`]).
//! - Logs of others are verified, appended and applied changeset by changeset ([`Store::ingest`]).
//! - What is held is told by [`Store::have`], and served by [`Store::serve`].
//!
//! Nothing here reads a clock or draws randomness. One thread owns a store; it is `Send`.
//!
//! # Promises
//! - What a call returned is durable (WAL, synchronous=FULL); what failed left nothing behind.
//! - Every start writes a site of its own, so a restored or cloned file never reuses a number. Its first changeset
//!   opens it and names the node's site before.
//! - A head never moves back; a changeset is applied as a whole or not at all; nothing verified is lost.
//! - A card here = the hub's settled state + this terminal's uncovered taps in the order of arrival. It is
//!   provisional: money is what the hub's fold says.
//! - Gates that hold the same logs have equal [`Store::digest`]s (`tests/convergence.rs`).

mod apply;
mod cards;
mod digest;
mod edit;
mod error;
mod ingest;
mod journal;
mod open;
mod schema;
mod sites;
mod sql;
mod taps;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};

use crsqlite::Replica;
use rusqlite::{Connection, OptionalExtension};
use sync_protocol::decide::{CardKnowledge, Gate, Mode, Policy};
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, SiteId};
use sync_protocol::rows::Schema;
use sync_protocol::time::Stamp;

pub use digest::StoreDigest;
pub use edit::GateStatus;
pub use error::{Fault, IngestError, StoreError};
pub use ingest::{Ingested, Quarantined, SLICE_CHANGES, Verified};
pub use journal::RecentTap;
pub use open::Opening;
pub use schema::SCHEMA_VERSION;
pub use taps::{Committed, CommittedGroup, Decided};

use cards::Remembered;
use sites::Sites;
use writer::Writer;

/// Most taps in one group commit.
pub const GROUP_TAPS_MAX: usize = sync_protocol::changeset::TAPS_MAX;

/// One gate's database.
pub struct Store {
    replica: Replica,
    path: PathBuf,
    _lock: File,
    own_gate: Gate,
    /// The mode that the `gates` table gives this gate, if it does.
    mode: Option<Mode>,
    policy: Policy,
    writer: Writer,
    sites: Sites,
    fares: FareBook,
    remembered: Remembered,
    schema: Schema,
    /// The highest arrival number given.
    arrival: i64,
    counters: Counters,
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
}

impl Store {
    /// What the gate holds about a card.
    ///
    /// # Errors
    /// The database failed.
    pub fn card(&self, card: CardId) -> Result<CardKnowledge, StoreError> {
        if let Some(card) = self.remembered.get(card) {
            return Ok(card.knowledge);
        }
        let terminal = self.own_gate.terminal;
        let card = cards::load(&self.replica, &self.sites, &self.fares, terminal, card);
        self.named(card.map(|card| card.knowledge))
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

    /// The connection, for reading what has no method here. Writing past the store breaks its promises.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.replica
    }

    /// Moves the WAL file's content into the database while nobody waits, so that no tap has to.
    ///
    /// # Errors
    /// The database failed.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        let moved = self
            .replica
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        self.named(moved.map_err(Fault::from))
    }

    /// Closes the file and tells when that fails; dropping the store closes it silently.
    ///
    /// # Errors
    /// SQLite could not close the file. Everything committed is durable nevertheless.
    pub fn close(self) -> Result<(), StoreError> {
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
        result.map_err(|fault| StoreError {
            path: self.path.clone(),
            fault,
        })
    }
}
