//! How the hub's own errors are told over HTTP.

use axum::http::StatusCode;
use sync_shell::http::Problem;
use tracing::warn;

use crate::ledger::postgres::{LedgerError, SubmitError};
use crate::people::PeopleError;

/// Turns an error into a problem.
pub trait Refuse<T> {
    /// The value, or the error as a problem.
    ///
    /// # Errors
    /// The error.
    fn or_refuse(self) -> Result<T, Problem>;
}

impl<T> Refuse<T> for Result<T, LedgerError> {
    fn or_refuse(self) -> Result<T, Problem> {
        self.map_err(|error| away(&error))
    }
}

impl<T> Refuse<T> for Result<T, SubmitError> {
    fn or_refuse(self) -> Result<T, Problem> {
        self.map_err(|error| match error {
            SubmitError::KeyTaken(_) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
                .of_type(
                    "idempotency-key-taken",
                    "The Idempotency-Key stands for another request",
                ),
            SubmitError::Refused { ref refusal, .. } => refused(refusal),
            SubmitError::Ledger(error) => away(&error),
        })
    }
}

impl<T> Refuse<T> for Result<T, PeopleError> {
    fn or_refuse(self) -> Result<T, Problem> {
        self.map_err(|error| match error {
            PeopleError::Person(error) => bad_input(error),
            PeopleError::Database(error) => away(&error),
        })
    }
}

/// The hub says no.
#[must_use]
pub fn refused(refusal: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.to_string())
        .of_type("refused", "The decision is refused")
}

/// The caller's input makes no sense.
#[must_use]
pub fn bad_input(detail: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail.to_string())
}

/// What was asked for is not there.
#[must_use]
pub fn not_found(detail: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, detail.to_string())
}

/// Something the hub needs is away.
#[must_use]
pub fn unavailable(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).of_type("unavailable", "The hub cannot answer now")
}

fn away(error: &(impl std::error::Error + 'static)) -> Problem {
    warn!(%error, "a request cannot be answered");
    metrics::counter!(crate::metrics::DATABASE_ERRORS, "tried" => "http").increment(1);
    unavailable("the database does not answer: try again; repeat a payment with the same Idempotency-Key")
}
