//! Editing gates in the shared table.

use axum::extract::State;
use serde::Deserialize;
use sync_protocol::id::GateCode;
use sync_shell::http::{JsonBody, PathParts, Problem};
use utoipa::ToSchema;

use super::App;
use super::decide::RequestAnswer;
use super::problem::{Refuse, bad_input, not_found};
use crate::decisions::Decision;
use crate::shared_tables::{EditError, GateStatus, set_gate_status};

/// A gate's new status.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GateStatusBody {
    /// `online`, `maintenance`, `error` or `removed`.
    #[schema(example = "maintenance")]
    pub status: String,
}

/// Sets a gate's status. Gates learn of it with the next changeset of the hub.
#[utoipa::path(put, path = "/v1/gates/{gate}/status", tag = "network", request_body = GateStatusBody,
    params(("gate" = String, Path, description = "The gate's code, such as A-ENTRY-01")),
    responses((status = 201, body = RequestAnswer), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn set_status(
    State(app): State<App>,
    PathParts(gate): PathParts<String>,
    JsonBody(body): JsonBody<GateStatusBody>,
) -> Result<RequestAnswer, Problem> {
    let code: GateCode = gate.parse().map_err(bad_input)?;
    let status: GateStatus = body.status.parse().map_err(bad_input)?;
    let rows = app.ledger.rows().await.or_refuse()?;
    let edit = set_gate_status(&rows, code, status).map_err(|error| match error {
        EditError::UnknownGate(_) => not_found(error),
        _ => bad_input(error),
    })?;
    app.decide(vec![Decision::Row(edit)], None, false).await
}
