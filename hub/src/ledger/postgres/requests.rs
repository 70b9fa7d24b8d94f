//! Decisions asked for through any hub process, until the settler numbers them.
//!
//! A request is a row. Whoever has the lease takes them in order, each on its own: the facts of one are written, or
//! its refusal is. A request with an Idempotency-Key is written once, whatever becomes of the answer (T-30).

mod take;

use serde_json::json;
use sync_protocol::codec;
use sync_protocol::id::FactId;

use super::columns::{self, corrupt, readable};
use super::{LedgerError, PostgresLedger, sql};
use crate::decisions::{Decision, Refusal, check_texts};

pub use take::Taken;

/// Names a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i64);

/// Decisions that are asked for: all, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The caller's name for it. The same name again gets the outcome of the first.
    pub idempotency_key: Option<String>,
    /// What is decided, in order.
    pub decisions: Vec<Decision>,
    /// Whether a person overrides the lead time of fare versions (T-22b).
    pub override_lead_time: bool,
    /// Who asks: a person, a channel, a job.
    pub requested_by: String,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The settler has not taken it yet.
    Pending,
    /// The change that stands for each decision, in order.
    Taken(Vec<FactId>),
    /// One of its decisions is refused, and so all are.
    Refused {
        /// Why.
        refusal: String,
        /// Which, from 0.
        index: usize,
    },
}

/// A request that was stored, now or before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its name.
    pub id: RequestId,
    /// Whether its Idempotency-Key was used before, for the same request.
    pub is_repeated: bool,
    /// What became of it; pending when it is new.
    pub outcome: RequestOutcome,
}

/// Why a request was not stored.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// A text that cannot be stored.
    #[error("decision {index}: {refusal}")]
    Refused {
        /// Which decision, from 0.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
    /// The Idempotency-Key stands for another request.
    #[error("this Idempotency-Key was used for another request: give each request a key of its own")]
    KeyTaken(RequestId),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<sqlx::Error> for SubmitError {
    fn from(error: sqlx::Error) -> SubmitError {
        SubmitError::Ledger(error.into())
    }
}

impl PostgresLedger {
    /// Stores a request for the settler, who is told by `NOTIFY decisions`. When it is numbered, `NOTIFY decided`
    /// carries its id.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(&self, request: &Request) -> Result<Submitted, SubmitError> {
        check_texts(&request.decisions)
            .map_err(|(index, refusal)| SubmitError::Refused { index, refusal })?;
        let key = request.idempotency_key.as_deref().map(readable);
        let hash = hash(request);
        let decisions = serde_json::to_string(&request.decisions)
            .map_err(|error| corrupt("decisions that are no JSON:", error))?;
        let mut transaction = self.pool.begin().await?;
        let new: Option<i64> = sqlx::query_scalar(sql::REQUEST_INSERT)
            .bind(&key)
            .bind(hash.as_slice())
            .bind(decisions)
            .bind(request.override_lead_time)
            .bind(readable(request.requested_by.as_str()))
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(id) = new {
            sqlx::query(sql::REQUEST_NOTIFY)
                .bind(id)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            return Ok(Submitted {
                id: RequestId(id),
                is_repeated: false,
                outcome: RequestOutcome::Pending,
            });
        }
        let (id, stored, state, outcome): (i64, Vec<u8>, String, Option<String>) =
            sqlx::query_as(sql::REQUEST_BY_KEY)
                .bind(&key)
                .fetch_one(&mut *transaction)
                .await?;
        let id = RequestId(id);
        if stored != hash {
            return Err(SubmitError::KeyTaken(id));
        }
        Ok(Submitted {
            id,
            is_repeated: true,
            outcome: read_outcome(&state, outcome.as_deref())?,
        })
    }

    /// What became of a request; `None` for one that does not exist.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn outcome(&self, id: RequestId) -> Result<Option<RequestOutcome>, LedgerError> {
        let found: Option<(String, Option<String>)> = sqlx::query_as(sql::REQUEST_OUTCOME)
            .bind(id.0)
            .fetch_optional(&self.pool)
            .await?;
        let outcome = found.map(|(state, outcome)| read_outcome(&state, outcome.as_deref()));
        outcome.transpose()
    }
}

/// Names what is asked for. Who asks is no part of it.
fn hash(request: &Request) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 decision request");
    hasher.update(&codec::encode(&(&request.decisions, request.override_lead_time)));
    *hasher.finalize().as_bytes()
}

/// `outcome` as stored: `{facts: [id, …]}` or `{refusal, index}`.
fn outcome_json(outcome: &RequestOutcome) -> serde_json::Value {
    match outcome {
        RequestOutcome::Pending => serde_json::Value::Null,
        RequestOutcome::Taken(facts) => {
            let facts: Vec<String> = facts.iter().map(FactId::to_string).collect();
            json!({ "facts": facts })
        }
        RequestOutcome::Refused { refusal, index } => {
            json!({ "refusal": readable(refusal.as_str()), "index": index })
        }
    }
}

fn read_outcome(state: &str, outcome: Option<&str>) -> Result<RequestOutcome, LedgerError> {
    let unreadable = || corrupt("an unreadable outcome", outcome);
    let Some(text) = outcome else {
        return Ok(RequestOutcome::Pending);
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| unreadable())?;
    if state == "refused" {
        let refusal = value["refusal"].as_str().ok_or_else(unreadable)?.to_owned();
        let index = value["index"]
            .as_u64()
            .and_then(|index| usize::try_from(index).ok());
        let index = index.ok_or_else(unreadable)?;
        return Ok(RequestOutcome::Refused { refusal, index });
    }
    let facts = value["facts"].as_array().ok_or_else(unreadable)?.iter();
    let facts = facts.map(|fact| columns::fact_id_of_text(fact.as_str()?));
    let facts: Option<Vec<FactId>> = facts.collect();
    facts.map(RequestOutcome::Taken).ok_or_else(unreadable)
}
