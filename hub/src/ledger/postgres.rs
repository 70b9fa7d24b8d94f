//! The ledger in PostgreSQL: executes the same plans as [`super::memory`], each in one transaction.
//!
//! What a plan reads is fetched beforehand (`snapshot`), the planner of the core decides, and the plan is written
//! with arrays, not row by row. Statements are files in `sql/transaction_service_db/queries`.
//!
//! *Ingest* ([`PostgresLedger::ingest`]) may run in any number of processes. It locks the sites it touches, in the
//! order of their ids. *Settling* ([`PostgresLedger::settle`]) and the numbering of decisions
//! ([`PostgresLedger::take_requests`]) are fenced by a lease ([`Lease`]): each transaction first locks the lease's row
//! and finds its own term there, so of two settlers only the newer one ever writes.
//!
//! Whatever fails, fails whole. An error with [`LedgerError::is_retryable`] means: do the same again. After a lost
//! connection at commit nobody knows whether it happened; doing it again is safe, and [`PostgresLedger::have`] says
//! where things stand.
//!
//! Invariant: after any sequence of calls the tables say what the ledger in memory says after the same calls
//! (tests/postgres/equality.rs), and the audit of both holds ([`PostgresLedger::audit`]: I2, I8).

mod audit;
mod certificates;
mod columns;
mod error;
mod execute;
mod forks;
mod ingest;
mod lease;
mod money;
mod outbox;
mod read;
mod recovery;
mod requests;
mod revocation;
mod rows;
mod settle;
mod snapshot;
mod sql;

use std::sync::{Arc, Mutex};

use sqlx::postgres::PgPool;
use sync_protocol::fare::FareBook;
use sync_protocol::time::DAY_MS;

pub use certificates::{EnrolRow, Enrolling, IssuedRow};
pub use error::LedgerError;
pub use forks::{Alarms, Branch, ClonedNode};
pub use lease::{Holder, LEASE_S, Lease, Term};
pub use money::HoldRecord;
pub use outbox::{EVENTS_MAX, StoredEvent};
pub use read::{Evidence, Site};
pub use requests::{Request, RequestId, RequestOutcome, SubmitError, Submitted, Taken};
pub use revocation::{RevokeError, Revoked};
pub use settle::Settled;

use crate::migrate::{self, MigrateError, Service};

/// How long before its effect a fare version has to be published, unless set otherwise (T-22b).
pub const LEAD_TIME_MS: i64 = DAY_MS;

/// The ledger. Cheap to clone; clones share the pool.
#[derive(Clone, Debug)]
pub struct PostgresLedger {
    pool: PgPool,
    /// Fare versions read so far. They only ever grow, and only what is committed gets here.
    fares: Arc<Mutex<FareBook>>,
    lead_time_ms: i64,
}

impl PostgresLedger {
    /// A ledger over a database that was migrated.
    ///
    /// # Errors
    /// The database cannot be read, or its schema is not exactly the one this program knows.
    pub async fn connect(pool: PgPool) -> Result<PostgresLedger, MigrateError> {
        migrate::check(&pool, Service::Transaction).await?;
        Ok(PostgresLedger {
            pool,
            fares: Arc::default(),
            lead_time_ms: LEAD_TIME_MS,
        })
    }

    /// The same with another lead time of fare versions, milliseconds.
    #[must_use]
    pub fn with_lead_time_ms(self, lead_time_ms: i64) -> PostgresLedger {
        PostgresLedger { lead_time_ms, ..self }
    }

    /// The pool, for what reads the tables itself.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }
}
