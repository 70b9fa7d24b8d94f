//! Whether the process lives, whether it can work, and what it counted.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::App;

/// Most events a projection may be behind while the hub counts as ready.
pub const LAG_MAX: i64 = 50_000;

/// Whether the hub can work.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether all of the below is well.
    pub ready: bool,
    /// Whether the system of record answers; else why not.
    pub database: Check,
    /// Whether some hub process settles.
    pub lease: Check,
    /// Per projection, whether it keeps up. The cache is told of and not asked for: nothing depends on it.
    pub projections: BTreeMap<&'static str, Check>,
}

/// One of its conditions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Check {
    /// Whether it is met.
    pub well: bool,
    /// What there is to say about it.
    pub detail: String,
}

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = String)))]
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The hub can work: its database answers, somebody settles, the projections keep up.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub async fn ready(State(app): State<App>) -> Response {
    let database = database(&app).await;
    let lease = match database.well {
        true => lease(&app).await,
        false => Check {
            well: false,
            detail: "not known while the database does not answer".to_owned(),
        },
    };
    let projections: BTreeMap<&'static str, Check> = app
        .lags
        .read()
        .into_iter()
        .map(|(name, lag)| {
            let check = Check {
                well: lag.error.is_none() && lag.events <= LAG_MAX,
                detail: lag
                    .error
                    .unwrap_or_else(|| format!("{} events behind", lag.events)),
            };
            (name, check)
        })
        .collect();
    let keeps_up = projections
        .iter()
        .all(|(name, check)| check.well || *name == "cache");
    let readiness = Readiness {
        ready: database.well && lease.well && keeps_up,
        database,
        lease,
        projections,
    };
    let status = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(readiness)).into_response()
}

async fn database(app: &App) -> Check {
    match timeout(app.patience, app.pools.transactions.acquire()).await {
        Ok(Ok(_)) => Check {
            well: true,
            detail: "answers".to_owned(),
        },
        Ok(Err(error)) => Check {
            well: false,
            detail: error.to_string(),
        },
        Err(_) => Check {
            well: false,
            detail: "does not answer in time".to_owned(),
        },
    }
}

async fn lease(app: &App) -> Check {
    // The lease as it stands in an older database says nothing of now.
    if app.standing.read().is_recovering {
        return Check {
            well: false,
            detail:
                "not asked for yet: the database is an older one, and what it lacks is taken back from gates"
                    .to_owned(),
        };
    }
    match timeout(app.patience, app.ledger.lease_holder()).await {
        Ok(Ok(holder)) if holder.is_alive => Check {
            well: true,
            detail: format!("held by {}", holder.name),
        },
        Ok(Ok(_)) => Check {
            well: false,
            detail: "nobody settles".to_owned(),
        },
        Ok(Err(error)) => Check {
            well: false,
            detail: error.to_string(),
        },
        Err(_) => Check {
            well: false,
            detail: "not known: the database does not answer in time".to_owned(),
        },
    }
}

/// The counters, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, body = String)))]
pub async fn metrics(State(app): State<App>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.render()).into_response()
}
