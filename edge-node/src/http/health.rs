//! How the gate stands: for people, for supervisors, for Prometheus.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sync_shell::http::Problem;

use super::App;
use crate::node::Snapshot;
use crate::status::{Counts, Status, surroundings};

/// The format that Prometheus reads.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How the gate stands.
#[utoipa::path(
    get, path = "/v1/status",
    responses(
        (status = 200, description = "How it stands", body = Status),
        (status = 401, description = "No token", body = Problem, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
pub(super) async fn status(State(app): State<App>) -> Result<Json<Status>, Problem> {
    let mut snapshot = app.snapshot().await?;
    let counts = app.counts().await?;
    note_twins(&app, &mut snapshot);
    let links = app.0.links.stats();
    Ok(Json(Status::of(&app.0.own, &snapshot, &counts, &links)))
}

/// Whether the gate decides taps.
#[utoipa::path(
    get, path = "/healthz",
    responses(
        (status = 200, description = "It does", body = String, content_type = "text/plain"),
        (status = 503, description = "Its writer does not answer", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn healthz(State(app): State<App>) -> Result<&'static str, Problem> {
    app.snapshot().await?;
    Ok("ok\n")
}

/// What the gate counts and measures.
#[utoipa::path(
    get, path = "/metrics",
    responses((status = 200, description = "For Prometheus", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let mut snapshot = app.snapshot().await?;
    note_twins(&app, &mut snapshot);
    // A database that cannot be read beside its writer must not hide everything else.
    let counts = app.counts().await.unwrap_or_else(|_| Counts::default());
    let certificate = app.0.own.certificate.at(snapshot.wall_ms);
    let (links, waiting) = (app.0.links.stats(), app.0.taps.waiting());
    let surroundings = surroundings(&counts, links, waiting, certificate);
    let text = app.0.metrics.render(&snapshot, &surroundings);
    Ok(([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response())
}

/// Two processes of one node also show by linking in turn.
fn note_twins(app: &App, snapshot: &mut Snapshot) {
    let twins = app.0.links.twins();
    snapshot.cloned.extend(twins.into_iter().map(|(node, _)| node));
}
