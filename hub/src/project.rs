//! Projections: the databases of the services, filled from the outbox of the system of record.
//!
//! Each projector reads the outbox after its own checkpoint, in order and in batches, and writes what it makes of it
//! *and* the moved checkpoint in one transaction of its service's database. So each event is once in effect, whatever
//! is killed in between; and a database that was lost is filled again from the beginning ([`UserProjector::rebuild`],
//! [`TerminalProjector::rebuild`]).
//!
//! Invariant: what a projection shows once it has caught up depends on the events and on the settled states, not on how
//! the events were cut into batches or how often they were replayed (`tests/project`). But for one time: a hold that
//! no event ends, because a late fact took its journey apart, ends when that was seen here.
//!
//! One process at a time works on a projection: whoever holds the checkpoint's row lock. Others look on.

mod checkpoint;
pub(crate) mod fares;
mod holds;
mod shared_rows;
mod source;
pub(crate) mod sql;
mod terminals;
mod users;

pub use terminals::TerminalProjector;
pub use users::UserProjector;

pub(crate) use source::Source;

/// Most events in one batch.
pub const BATCH_EVENTS: i64 = 2_048;
/// A gate that was not heard for this long is offline (D-45).
pub const OFFLINE_AFTER_MS: i64 = 120_000;
/// A hold is a candidate for release this long after the entry (D-24). The ledger decides, not this time.
pub const HOLD_TTL_MS: i64 = 30 * 60_000;

/// What a projector did, and where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events applied now.
    pub events: usize,
    /// The last event of the outbox that is applied.
    pub position: i64,
    /// The last event of the outbox.
    pub head: i64,
    /// Whether another process is at work on this projection; nothing was done here then.
    pub busy: bool,
}

impl Progress {
    /// How many events are not applied yet.
    #[must_use]
    pub const fn lag(&self) -> i64 {
        self.head - self.position
    }

    /// Whether to call again at once.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        !self.busy && self.lag() > 0
    }
}

/// Why a projection does not move.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// A database does not answer as it should.
    #[error("{database} cannot be used: {source}: check that it runs and that its URL is right")]
    Database {
        /// Which one.
        database: &'static str,
        /// What it said.
        source: sqlx::Error,
    },
    /// A table or column is missing.
    #[error("{database} is not set up for this version: {detail}: run `hub migrate`")]
    NotMigrated {
        /// Which one.
        database: &'static str,
        /// What is missing.
        detail: String,
    },
    /// The checkpoint stands behind events that do not exist.
    #[error(
        "projection {name} has applied event {position}, but the outbox ends at {head}: transaction_service_db was \
         restored to an earlier state; rebuild the projection"
    )]
    Ahead {
        /// The projection.
        name: &'static str,
        /// Where it stands.
        position: i64,
        /// Where the outbox ends.
        head: i64,
    },
    /// A rebuild would miss the events that are gone.
    #[error(
        "the outbox begins at {first}, not at 1: projection {name} cannot be rebuilt from it; restore its database \
         from a backup instead"
    )]
    Pruned {
        /// The projection.
        name: &'static str,
        /// The first event there is.
        first: i64,
    },
    /// What the system of record holds cannot be read by this version.
    #[error("transaction_service_db, {what}: {detail}: update this program, or report the damage")]
    Unreadable {
        /// Which row.
        what: String,
        /// Why.
        detail: String,
    },
}

impl ProjectError {
    /// Names the database behind an error.
    pub(crate) fn of(database: &'static str) -> impl Fn(sqlx::Error) -> ProjectError + Copy {
        const UNDEFINED_TABLE: &str = "42P01";
        const UNDEFINED_COLUMN: &str = "42703";
        move |source| {
            let error = source.as_database_error();
            match error.and_then(|error| Some((error.code()?, error))) {
                Some((code, error)) if code == UNDEFINED_TABLE || code == UNDEFINED_COLUMN => {
                    ProjectError::NotMigrated {
                        database,
                        detail: error.message().to_owned(),
                    }
                }
                _ => ProjectError::Database { database, source },
            }
        }
    }

    pub(crate) fn unreadable(what: impl Into<String>, detail: impl ToString) -> ProjectError {
        ProjectError::Unreadable {
            what: what.into(),
            detail: detail.to_string(),
        }
    }
}

/// `user_service_db`.
pub(crate) const USERS: &str = "user_service_db";
/// `terminal_service_db`.
pub(crate) const TERMINALS: &str = "terminal_service_db";
/// `transaction_service_db`.
pub(crate) const TRANSACTIONS: &str = "transaction_service_db";

/// A time as PostgreSQL shows it: gates with a dead clock stamp taps thousands of years away, which is for the ledger
/// to deal with and must not stop a projection.
pub(crate) fn shown_ms(ms: i64) -> i64 {
    ms.clamp(0, sync_protocol::time::WALL_MS_MAX)
}
