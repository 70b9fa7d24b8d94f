//! What became of a decision that was not settled in time.

use axum::Json;
use axum::extract::State;
use sync_shell::http::{PathParts, Problem};

use super::App;
use super::decide::RequestAnswer;
use super::problem::{Refuse, not_found};
use crate::ledger::postgres::RequestId;

/// Shows how a decision request stands.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "requests",
    params(("id" = i64, Path, description = "The request's number")),
    responses((status = 200, body = RequestAnswer), (status = 404, body = Problem)))]
pub async fn show(
    State(app): State<App>,
    PathParts(id): PathParts<i64>,
) -> Result<Json<RequestAnswer>, Problem> {
    let id = RequestId(id);
    let outcome = app.ledger.outcome(id).await.or_refuse()?;
    match outcome {
        Some(outcome) => Ok(Json(RequestAnswer::new(id, outcome))),
        None => Err(not_found(format!("there is no request {}", id.0))),
    }
}
