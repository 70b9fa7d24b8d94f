//! Who may ask, how much, and for how long: one thin layer around a router.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use super::serve::Caller;
use super::{Problem, Token};

/// What the same machine may ask without token: a supervisor, a scraper, a reader of the documentation.
pub const OPEN_PATHS: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/openapi.json"];
/// The Host names under which a program of the same machine asks.
pub const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// Names an answer in logs and reports.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a [`guard`] lets through.
#[derive(Clone, Debug)]
pub struct GuardConfig {
    /// Who asks must bring it; `None`: anyone may ask.
    pub token: Option<Token>,
    /// Allowed Host names, with any port, or with just the one given (`gate.local:7400`); `*` allows all. A web page
    /// that points its own name at this machine (DNS rebinding) is told apart by its name. See [`LOOPBACK_HOSTS`].
    pub hosts: Vec<String>,
    /// Most bytes of a request's body.
    pub body_bytes_max: usize,
    /// A request that takes longer is given up and answered with 503.
    pub timeout: Duration,
}

struct Guard {
    config: GuardConfig,
    requests: AtomicU64,
}

/// Puts a guard around all of a router's paths, known or not. Paths and methods that are not known are problems.
pub fn guard(router: Router, config: GuardConfig) -> Router {
    let body_bytes_max = config.body_bytes_max;
    let state = Arc::new(Guard {
        config,
        requests: AtomicU64::new(0),
    });
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(middleware::from_fn_with_state(state, pass))
}

async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.refusal(&request) {
        Some(problem) => problem.into_response(),
        None => match tokio::time::timeout(guard.config.timeout, next.run(request)).await {
            Ok(response) => response,
            Err(_) => guard.too_slow().into_response(),
        },
    };
    let id = guard.next_id();
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

impl Guard {
    fn refusal(&self, request: &Request) -> Option<Problem> {
        self.refuse_host(request.headers(), request.uri())
            .or_else(|| self.refuse_stranger(request))
            .or_else(|| self.refuse_size(request.headers()))
    }

    fn refuse_host(&self, headers: &HeaderMap, uri: &Uri) -> Option<Problem> {
        let mut named = headers.get_all(header::HOST).iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => host.to_str().ok(),
            (None, _) => uri.authority().map(axum::http::uri::Authority::as_str),
            (Some(_), Some(_)) => None,
        };
        let Some(host) = host else {
            return Some(Problem::new(
                StatusCode::BAD_REQUEST,
                "the request names no one Host",
            ));
        };
        let is_allowed = |allowed: &String| {
            allowed == "*"
                || allowed.eq_ignore_ascii_case(host)
                || allowed.eq_ignore_ascii_case(without_port(host))
        };
        if self.config.hosts.iter().any(is_allowed) {
            return None;
        }
        let detail = format!(
            "this server does not answer under the name {host:?}; it does under {}",
            self.config.hosts.join(", ")
        );
        Some(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail))
    }

    fn refuse_stranger(&self, request: &Request) -> Option<Problem> {
        let token = self.config.token.as_ref()?;
        let given = request.headers().get(header::AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok()).and_then(bearer);
        if given.is_some_and(|given| token.is(given)) || is_open(request) {
            return None;
        }
        let detail = match given {
            Some(_) => "the token is not the one of this server",
            None => {
                "a token is needed: send the header authorization: Bearer, and the token from the server's file"
            }
        };
        Some(Problem::new(StatusCode::UNAUTHORIZED, detail))
    }

    /// A body that announces itself as too large; one that does not is stopped while it is read.
    fn refuse_size(&self, headers: &HeaderMap) -> Option<Problem> {
        let length: u64 = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
        let max = self.config.body_bytes_max;
        if usize::try_from(length).is_ok_and(|length| length <= max) {
            return None;
        }
        let detail = format!("a body of {length} bytes: at most {max} are taken");
        Some(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
    }

    fn too_slow(&self) -> Problem {
        let detail = format!(
            "the request was given up after {} ms; whether it had an effect is not known",
            self.config.timeout.as_millis()
        );
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// Unique among the processes of a machine that run at a time.
    fn next_id(&self) -> HeaderValue {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:x}-{number:x}", std::process::id());
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("0"))
    }
}

async fn unknown_path(uri: Uri) -> Problem {
    let detail = format!("nothing is at {}; /openapi.json lists what is", uri.path());
    Problem::new(StatusCode::NOT_FOUND, detail)
}

async fn unknown_method(method: Method, uri: Uri) -> Problem {
    let detail = format!(
        "{} does not take {method}; /openapi.json lists what it takes",
        uri.path()
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// Whether it is one of [`OPEN_PATHS`], asked from the same machine.
fn is_open(request: &Request) -> bool {
    let peer = request.extensions().get::<ConnectInfo<Caller>>();
    peer.is_some_and(|ConnectInfo(Caller(address))| address.ip().to_canonical().is_loopback())
        && OPEN_PATHS.contains(&request.uri().path())
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `localhost:7400` is `localhost`, `[::1]:7400` is `[::1]`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}
