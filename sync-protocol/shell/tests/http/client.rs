//! A server with a guard, and a client that says exactly what a test wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use serde::Deserialize;
use sync_shell::http::{self, GuardConfig, JsonBody, LOOPBACK_HOSTS, PathParts, Problem, QueryParts, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// Nothing in these tests takes longer unless it never happens.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// The token of the server.
pub(crate) const TOKEN: &str = "0123456789abcdef";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tap {
    card: String,
    amount: u32,
}

#[derive(Deserialize)]
pub(crate) struct Last {
    last: u8,
}

async fn tap(JsonBody(tap): JsonBody<Tap>) -> String {
    format!("{} {}", tap.card, tap.amount)
}

async fn card(PathParts(card): PathParts<u32>, QueryParts(query): QueryParts<Last>) -> String {
    format!("{card} {}", query.last)
}

async fn conflict() -> Problem {
    Problem::new(axum::http::StatusCode::CONFLICT, "the card is open elsewhere")
        .of_type("open-elsewhere", "Open elsewhere")
        .with("terminal", "A")
}

async fn never() -> &'static str {
    std::future::pending::<()>().await;
    "never"
}

/// Told when the slow request has begun.
pub(crate) static SLOW_BEGAN: Notify = Notify::const_new();
/// Lets it end.
pub(crate) static SLOW_MAY_END: Notify = Notify::const_new();

async fn slow() -> &'static str {
    SLOW_BEGAN.notify_one();
    SLOW_MAY_END.notified().await;
    "done"
}

fn router() -> Router {
    Router::new()
        .route("/v1/taps", post(tap))
        .route("/v1/cards/{card}", get(card))
        .route("/v1/conflict", get(conflict))
        .route("/v1/never", get(never))
        .route("/v1/slow", get(slow))
        .route("/healthz", get(|| async { "ok" }))
}

/// What a server of these tests lets through.
pub(crate) fn config() -> GuardConfig {
    GuardConfig {
        token: Token::new(TOKEN),
        hosts: LOOPBACK_HOSTS.map(str::to_owned).to_vec(),
        body_bytes_max: 1_000,
        timeout: Duration::from_millis(1_000),
    }
}

/// A server on a free port.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start(config: GuardConfig) -> Server {
        let listener = http::bind("127.0.0.1:0".parse().unwrap(), "http.listen")
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(http::serve(listener, http::guard(router(), config), shutdown));
        Server {
            address,
            stop: Some(stop),
            serving,
        }
    }

    pub(crate) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            read: Vec::new(),
        }
    }

    /// Asks on a connection of its own, with the right Host and token.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let headers = format!("host: localhost:7400\r\nauthorization: Bearer {TOKEN}\r\n{headers}");
        self.ask_bare(method, path, &headers, body).await
    }

    /// Asks with just these headers.
    pub(crate) async fn ask_bare(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(method, path, headers, body).await;
        client.answer().await
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    /// The problem in the body.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{self:?}"
        );
        let problem: Problem = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem.status, self.status);
        problem
    }
}

impl Client {
    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let length = body.len();
        let text = format!("{method} {path} HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n{body}");
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next answer; the server keeps the connection.
    pub(crate) async fn answer(&mut self) -> Answer {
        tokio::time::timeout(LIMIT, self.read_answer())
            .await
            .expect("an answer comes")
    }

    async fn read_answer(&mut self) -> Answer {
        let head_end = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more().await;
        };
        let head: Vec<u8> = self.read.drain(..head_end).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers["content-length"].parse().unwrap();
        while self.read.len() < length {
            self.read_more().await;
        }
        let body = self.read.drain(..length).collect();
        Answer {
            status,
            headers,
            body: String::from_utf8(body).unwrap(),
        }
    }

    async fn read_more(&mut self) {
        let mut bytes = [0; 4_096];
        let length = self.stream.read(&mut bytes).await.unwrap();
        assert!(length > 0, "the server closed the connection");
        self.read.extend_from_slice(&bytes[..length]);
    }
}
