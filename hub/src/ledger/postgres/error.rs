//! Why a call of the ledger failed. Nothing of it is then written.

use sync_protocol::changeset::BodyError;

use super::Term;
use crate::ingest::RefusedReason;
use crate::ledger::memory::AuditError;

/// SQLSTATE classes and codes after which the same transaction may well succeed: the connection or the server went
/// away, is starting, is full, or another transaction was in the way.
const RETRYABLE: [&str; 9] = [
    "08", "40", "53", "57P01", "57P02", "57P03", "57P05", "55P03", "25006",
];

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The connection was lost, the server is not ready, or another transaction was in the way.
    #[error("PostgreSQL did not finish ({0}): to be tried again")]
    Retry(#[source] sqlx::Error),
    /// Other processes opened the same sites at once, again and again.
    #[error("other hub processes took the same sites at the same time: to be tried again")]
    Raced,
    /// Another process settles by now.
    #[error("term {0} is over, another hub process settles: acquire the lease again")]
    LeaseLost(Term),
    /// What the hub would publish breaks the limits of a changeset.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The hub's own changesets are not believed.
    #[error("the hub's own changeset was refused ({0}): its certificate and key do not belong together")]
    OwnRefused(RefusedReason),
    /// The books do not agree. Severity 1.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The tables hold what this program never writes.
    #[error("transaction_service_db holds what no hub wrote: {0}; stop, and restore or repair it")]
    Corrupt(String),
    /// PostgreSQL refuses a statement.
    #[error("PostgreSQL refuses: {0}")]
    Refused(#[source] sqlx::Error),
}

impl LedgerError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, LedgerError::Retry(_) | LedgerError::Raced)
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> LedgerError {
        if is_retryable(&error) {
            LedgerError::Retry(error)
        } else {
            LedgerError::Refused(error)
        }
    }
}

fn is_retryable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| RETRYABLE.iter().any(|known| code.starts_with(known))),
        _ => false,
    }
}
