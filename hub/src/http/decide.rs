//! A decision on its way: submitted, then waited for until the settler has numbered it or the caller's patience ends.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sync_protocol::id::FactId;
use sync_shell::http::Problem;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::App;
use super::problem::{self, Refuse, unavailable};
use crate::decisions::Decision;
use crate::ledger::postgres::{Request, RequestId, RequestOutcome};
use crate::{reference, settlement};

/// Most bytes of an Idempotency-Key.
pub const KEY_BYTES_MAX: usize = 200;
/// A request that no notification told of is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How a decision stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// The settler has not come to it.
    Pending,
    /// It is a fact.
    Taken,
    /// It is refused; nothing of it was written.
    Refused,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RequestAnswer {
    /// The request, for `GET /v1/requests/{id}`.
    pub request: i64,
    /// How it stands.
    pub status: RequestStatus,
    /// The facts that stand for it, in the order of its parts: `site:seq:index`.
    pub facts: Vec<String>,
    /// The same for people, such as `TXN-7Q2MX-0B5KD-9RT3V-W41GH`.
    pub references: Vec<String>,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

impl RequestAnswer {
    /// The answer of an outcome.
    #[must_use]
    pub fn new(request: RequestId, outcome: RequestOutcome) -> RequestAnswer {
        let mut answer = RequestAnswer {
            request: request.0,
            status: RequestStatus::Pending,
            facts: Vec::new(),
            references: Vec::new(),
            refusal: None,
        };
        match outcome {
            RequestOutcome::Pending => {}
            RequestOutcome::Taken(facts) => {
                answer.status = RequestStatus::Taken;
                answer.facts = facts.iter().map(FactId::to_string).collect();
                answer.references = facts.into_iter().map(reference::of).collect();
            }
            RequestOutcome::Refused { refusal, .. } => {
                answer.status = RequestStatus::Refused;
                answer.refusal = Some(refusal);
            }
        }
        answer
    }
}

impl IntoResponse for RequestAnswer {
    /// 201 for what is taken, 422 with the refusal as a problem, 202 for what is still under way.
    fn into_response(self) -> Response {
        let location = format!("/v1/requests/{}", self.request);
        match self.status {
            RequestStatus::Taken => {
                (StatusCode::CREATED, [(header::LOCATION, location)], Json(self)).into_response()
            }
            RequestStatus::Pending => {
                (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(self)).into_response()
            }
            RequestStatus::Refused => refused(&self).into_response(),
        }
    }
}

fn refused(answer: &RequestAnswer) -> Problem {
    let refusal = answer.refusal.clone().unwrap_or_default();
    problem::refused(refusal).with("request", answer.request)
}

/// The `Idempotency-Key` of a request that needs one.
///
/// # Errors
/// It is missing, or not 1 to 200 visible ASCII characters.
pub fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut given = headers.get_all("idempotency-key").iter();
    let detail = match (given.next(), given.next()) {
        (Some(value), None) => {
            let text = value.to_str().unwrap_or_default();
            let is_key =
                (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
            if is_key {
                return Ok(text.to_owned());
            }
            "the Idempotency-Key must be 1 to 200 visible ASCII characters"
        }
        (None, _) => {
            "send the header Idempotency-Key with a value of your own for this payment; repeat it when you repeat the \
             request, and the money moves once"
        }
        (Some(_), Some(_)) => "send one Idempotency-Key, not several",
    };
    Err(Problem::new(StatusCode::BAD_REQUEST, detail)
        .of_type("idempotency-key", "An Idempotency-Key is needed"))
}

impl App {
    /// Submits decisions and waits for what becomes of them.
    ///
    /// # Errors
    /// The key was used for something else, or the database cannot be written.
    pub async fn decide(
        &self,
        decisions: Vec<Decision>,
        idempotency_key: Option<String>,
        override_lead_time: bool,
    ) -> Result<RequestAnswer, Problem> {
        let mut decided = self.decided.clone();
        let request = Request {
            idempotency_key,
            decisions,
            override_lead_time,
            requested_by: "http".to_owned(),
        };
        let submitted = self.ledger.submit(&request).await.or_refuse()?;
        self.requested.notify_one();
        let deadline = self.clock.instant() + self.decision_wait;
        loop {
            decided.mark_unchanged();
            let outcome = self.ledger.outcome(submitted.id).await.or_refuse()?;
            let outcome = outcome.ok_or_else(|| unavailable("the request disappeared: ask again"))?;
            let now = self.clock.instant();
            if let RequestOutcome::Taken(facts) = &outcome {
                // Whether it is settled already only decides what the next answer shows.
                let _ = settlement::wait(&self.ledger, facts, &self.clock).await;
            }
            if !matches!(outcome, RequestOutcome::Pending) || now >= deadline {
                return Ok(RequestAnswer::new(submitted.id, outcome));
            }
            wait(&mut decided, deadline.min(now + LOOK_EVERY)).await;
        }
    }
}

async fn wait(decided: &mut tokio::sync::watch::Receiver<u64>, until: Instant) {
    // Told, or time to look: either way the table says what is so.
    let _ = timeout_at(until, decided.changed()).await;
}
