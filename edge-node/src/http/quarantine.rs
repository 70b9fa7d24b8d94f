//! The quarantine over HTTP: what is in it, and trying it again.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sync_shell::http::Problem;
use utoipa::ToSchema;

use super::App;
use crate::store::{Inspection, Quarantined, Retried};

/// Most changes tried again by one request: a few milliseconds between taps, each a commit of its own.
pub const RETRIED_MAX: usize = 8;

/// A change that verified and could not be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedChange {
    /// The log it is in.
    pub site: String,
    /// Its changeset.
    pub seq: u64,
    /// Its place in the changeset; null when the whole changeset is meant.
    pub change: Option<u16>,
    /// Why it could not be applied.
    pub reason: String,
    /// How often it was tried again.
    pub attempts: u32,
}

impl From<&Quarantined> for QuarantinedChange {
    fn from(quarantined: &Quarantined) -> QuarantinedChange {
        QuarantinedChange {
            site: quarantined.site.to_string(),
            seq: quarantined.seq.0,
            change: quarantined.change,
            reason: quarantined.reason.clone(),
            attempts: quarantined.attempts,
        }
    }
}

/// What became of changes that were tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetryAnswer {
    /// So many were tried, those tried least before.
    pub tried: u64,
    /// Of those, so many left the quarantine.
    pub released: u64,
}

impl From<Retried> for RetryAnswer {
    fn from(retried: Retried) -> RetryAnswer {
        RetryAnswer {
            tried: retried.tried,
            released: retried.released,
        }
    }
}

/// What is in the quarantine: at most 1,000 changes, in order.
#[utoipa::path(
    get,
    path = "/v1/quarantine",
    security(("token" = [])),
    responses((status = 200, body = Vec<QuarantinedChange>), (status = 401, body = Problem)),
)]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Vec<QuarantinedChange>>, Problem> {
    let found = app
        .looked_up(|database| Inspection::open(database)?.quarantine())
        .await?;
    Ok(Json(found.iter().map(QuarantinedChange::from).collect()))
}

/// Tries changes of the quarantine again, at most 8.
#[utoipa::path(
    post,
    path = "/v1/quarantine/retry",
    security(("token" = [])),
    responses((status = 200, body = RetryAnswer), (status = 401, body = Problem), (status = 503, body = Problem)),
)]
pub(super) async fn retry(State(app): State<App>) -> Result<Json<RetryAnswer>, Problem> {
    Ok(Json(app.retry_quarantine().await?.into()))
}
