//! The HTTP interface: what channels, operators and supervisors ask of the hub.
//!
//! Every change is a decision: it is written as a request into the database, numbered by the settler wherever that
//! runs, and answered when it is a fact. Errors are problem details (RFC 9457). Amounts are decimal strings.

pub mod cards;
pub mod decide;
pub mod fares;
pub mod gates;
pub mod health;
pub mod network;
pub mod openapi;
pub mod payments;
pub mod person;
pub mod problem;
pub mod requests;
pub mod values;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};
use metrics_exporter_prometheus::PrometheusHandle;
use sync_shell::http::{GuardConfig, Token, guard};
use tokio::sync::{Notify, watch};

use crate::cache::CacheProjector;
use crate::clock::Clock;
use crate::config::HttpConfig;
use crate::databases::Pools;
use crate::followers::Lags;
use crate::ledger::postgres::PostgresLedger;
use crate::metrics as names;
use crate::net::SharedStanding;
use crate::people::People;

pub use cards::{CardAnswer, EndAnswer, JourneyAnswer, read as read_card};
pub use fares::FaresBody;
pub use openapi::document;

/// Most bytes of a request's body: a fare version of 300 terminals.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// What a request may take beyond what it waits for a decision.
const REQUEST_MARGIN: Duration = Duration::from_secs(10);

/// What the handlers share.
pub struct Shared {
    /// The system of record.
    pub ledger: PostgresLedger,
    /// Connections, for the question whether they answer.
    pub pools: Pools,
    /// Who holds which card.
    pub people: People,
    /// Shows a new person to Redis at once.
    pub cache: Option<Arc<CacheProjector>>,
    /// Rises when requests have been decided.
    pub decided: watch::Receiver<u64>,
    /// Wakes the settler of this process.
    pub requested: Arc<Notify>,
    /// How long a decision is waited for.
    pub decision_wait: Duration,
    /// How long the database may take for an answer.
    pub patience: Duration,
    /// Who is connected.
    pub standing: SharedStanding,
    /// How far the projections are.
    pub lags: Lags,
    /// The clocks.
    pub clock: Clock,
    /// Renders the counters.
    pub metrics: PrometheusHandle,
}

/// [`Shared`], as handlers take it.
#[derive(Clone)]
pub struct App(pub Arc<Shared>);

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// All routes, guarded and counted.
pub fn router(app: App, config: &HttpConfig, token: Option<Token>) -> Router {
    let router = Router::new()
        .route("/v1/cards", post(cards::issue))
        .route("/v1/cards/{card}", get(cards::show))
        .route("/v1/cards/{card}/status", put(cards::set_status))
        .route("/v1/topups", post(payments::top_up))
        .route("/v1/refunds", post(payments::refund))
        .route("/v1/fare-versions", post(fares::publish))
        .route("/v1/gates/{gate}/status", put(gates::set_status))
        .route("/v1/network", get(network::show))
        .route("/v1/requests/{id}", get(requests::show))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::serve))
        .with_state(app.clone());
    let hosts = match config.hosts.is_empty() {
        true => vec!["*".to_owned()],
        false => config.hosts.clone(),
    };
    let guarded = guard(
        router,
        GuardConfig {
            token,
            hosts,
            body_bytes_max: BODY_BYTES_MAX,
            timeout: app.decision_wait + REQUEST_MARGIN,
        },
    );
    guarded.layer(middleware::from_fn(move |request, next| {
        counted(app.clone(), request, next)
    }))
}

async fn counted(app: App, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "unknown".to_owned(), |route| route.as_str().to_owned());
    let method = request.method().clone();
    let started = app.clock.instant();
    let response = next.run(request).await;
    let labels = [
        ("method", method.as_str().to_owned()),
        ("route", route.clone()),
        ("status", response.status().as_u16().to_string()),
    ];
    metrics::counter!(names::HTTP_REQUESTS, &labels).increment(1);
    metrics::histogram!(names::HTTP_SECONDS, "route" => route).record(started.elapsed());
    response
}
