//! The gate's HTTP interface, on the loopback only: taps, how the gate stands, and what it measured.

mod health;
mod openapi;
mod quarantine;
mod taps;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use sync_shell::http::{GuardConfig, LOOPBACK_HOSTS, Problem, Token, guard};
use sync_shell::links::Links;
use tokio::sync::{mpsc, oneshot};

use crate::message::Language;
use crate::metrics::Metrics;
use crate::node::Snapshot;
use crate::status::{Counts, Own};
use crate::store::Retried;
use crate::taps::Taps;
use crate::writer::Control;

pub use openapi::document;
pub use quarantine::{QuarantinedChange, RETRIED_MAX, RetryAnswer};
pub use taps::{RecordedTap, TAPS_LAST_DEFAULT, TAPS_LAST_MAX, TapBody};

/// Most bytes of a request's body.
pub const BODY_BYTES_MAX: usize = 4_096;
/// A request that takes longer is given up.
pub const REQUEST_MAX: Duration = Duration::from_secs(10);
/// The writer answers a question within this, or counts as stuck.
const QUESTION_MAX: Duration = Duration::from_secs(5);

/// What handlers work with.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Parts>);

/// What an [`App`] is made of.
pub struct Parts {
    /// The way to the writer.
    pub taps: Taps,
    /// Questions to the writer.
    pub controls: mpsc::Sender<Control>,
    /// The links.
    pub links: Links,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// The database, to be looked at beside its writer.
    pub database: PathBuf,
    /// What the gate knows of itself.
    pub own: Own,
    /// Language of messages when a request asks for none.
    pub language: Language,
}

impl App {
    /// Handlers that work with these.
    #[must_use]
    pub fn new(parts: Parts) -> App {
        App(Arc::new(parts))
    }

    /// How the node stands.
    async fn snapshot(&self) -> Result<Snapshot, Problem> {
        self.asked(Control::Snapshot).await
    }

    /// Asks the writer.
    async fn asked<R>(&self, question: impl FnOnce(oneshot::Sender<R>) -> Control) -> Result<R, Problem> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.0.controls.send(question(answer)).await.ok()?;
            answered.await.ok()
        };
        let stuck =
            "the writer did not answer in time: see the log; a supervisor should start the gate again";
        match tokio::time::timeout(QUESTION_MAX, asked).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the gate is stopping",
            )),
            Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, stuck)),
        }
    }

    /// Has the writer try changes of the quarantine again.
    async fn retry_quarantine(&self) -> Result<Retried, Problem> {
        self.asked(|answer| Control::RetryQuarantine(quarantine::RETRIED_MAX, answer))
            .await?
            .map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
    }

    /// What the database tells beside its writer.
    async fn counts(&self) -> Result<Counts, Problem> {
        self.looked_up(|database| Counts::read(&database)).await
    }

    /// Reads in the database, on a thread that may wait for the disk.
    async fn looked_up<R: Send + 'static>(
        &self,
        read: impl FnOnce(PathBuf) -> Result<R, crate::store::StoreError> + Send + 'static,
    ) -> Result<R, Problem> {
        let database = self.0.database.clone();
        let read = tokio::task::spawn_blocking(move || read(database)).await;
        let failed = |detail: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail);
        match read {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(error) => Err(failed(format!("reading the database failed: {error}"))),
        }
    }
}

/// The whole interface behind its guard.
pub fn router(app: App, token: Token, hosts: &[String]) -> Router {
    let router = Router::new()
        .route("/v1/taps", post(taps::present).get(taps::recent))
        .route("/v1/quarantine", get(quarantine::list))
        .route("/v1/quarantine/retry", post(quarantine::retry))
        .route("/v1/status", get(health::status))
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::serve))
        .with_state(app);
    let hosts = LOOPBACK_HOSTS
        .map(str::to_owned)
        .into_iter()
        .chain(hosts.iter().cloned());
    guard(
        router,
        GuardConfig {
            token: Some(token),
            hosts: hosts.collect(),
            body_bytes_max: BODY_BYTES_MAX,
            timeout: REQUEST_MAX,
        },
    )
}
