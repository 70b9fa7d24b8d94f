//! The running gate, asked over its own HTTP interface.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use edge_node::config::GateConfig;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use sync_shell::http::{Problem, Token};
use tokio::net::TcpStream;

/// A gate that does not answer within this is stuck.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// What became of a question.
pub(crate) enum Asked {
    /// The gate's answer, JSON.
    Answer(Vec<u8>),
    /// What was asked is wrong, the gate says.
    Refused(Problem),
    /// No gate listens there.
    NotRunning(SocketAddr),
}

/// Asks the gate.
///
/// # Errors
/// Something listens that does not answer like this gate.
pub(crate) fn ask(
    config: &GateConfig,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> anyhow::Result<Asked> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let address = address(config);
    let asked = runtime.block_on(async {
        tokio::time::timeout(ANSWER_MAX, exchange(config, address, method, path, body)).await
    });
    asked.with_context(|| {
        format!(
            "the gate at {address} does not answer within {} s",
            ANSWER_MAX.as_secs()
        )
    })?
}

/// Where the gate listens: what it wrote down, or else what is configured.
fn address(config: &GateConfig) -> SocketAddr {
    let written = std::fs::read_to_string(config.address_file()).ok();
    let written = written.and_then(|text| text.trim().parse().ok());
    written.unwrap_or(config.http.listen)
}

async fn exchange(
    config: &GateConfig,
    address: SocketAddr,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> anyhow::Result<Asked> {
    let Ok(stream) = TcpStream::connect(address).await else {
        return Ok(Asked::NotRunning(address));
    };
    let token = Token::load(&config.token()).context("the gate's token")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // What goes wrong on the connection shows in the answer.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::AUTHORIZATION, format!("Bearer {}", token.text()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.unwrap_or_default())))?;
    let sent = sender.send_request(request).await;
    let response = sent.with_context(|| format!("what listens at {address} does not speak HTTP"))?;
    let is_answer = response.status().is_success();
    let body = response.into_body().collect().await?.to_bytes().to_vec();
    if is_answer {
        return Ok(Asked::Answer(body));
    }
    let problem = serde_json::from_slice(&body);
    Ok(Asked::Refused(problem.with_context(|| {
        format!("what listens at {address} is no gate")
    })?))
}
