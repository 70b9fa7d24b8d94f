//! A small HTTP/1.1 client that keeps its connection: JSON in, JSON out.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Longest answer taken.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A client of one server.
pub struct Client {
    address: SocketAddr,
    token: Option<String>,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its `Content-Type`, empty when there is none.
    pub content_type: String,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON in {self:?}"))
    }

    /// The body as JSON, of an answer with a status of 200 to 299.
    ///
    /// # Errors
    /// Another status, or no JSON.
    pub fn success(&self) -> anyhow::Result<Value> {
        anyhow::ensure!((200..300).contains(&self.status), "not a success: {self:?}");
        self.json()
    }
}

impl Client {
    /// A client that shows a token, if given one. Nothing is connected yet.
    #[must_use]
    pub const fn new(address: SocketAddr, token: Option<String>) -> Client {
        Client {
            address,
            token,
            connection: None,
        }
    }

    /// `GET`.
    ///
    /// # Errors
    /// No answer.
    pub fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send("GET", path, &[], "")
    }

    /// `POST` of JSON.
    ///
    /// # Errors
    /// No answer.
    pub fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send("POST", path, &[], &body.to_string())
    }

    /// `PUT` of JSON.
    ///
    /// # Errors
    /// No answer.
    pub fn put(&mut self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send("PUT", path, &[], &body.to_string())
    }

    /// A request with headers of the caller's and any body.
    ///
    /// # Errors
    /// No answer. The request is never sent twice: it may have had its effect.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> anyhow::Result<Answer> {
        let request = self.request(method, path, headers, body);
        let answer = self.exchange(request.as_bytes());
        if answer.is_err() {
            self.connection = None;
        }
        answer.with_context(|| format!("{method} http://{}{path}", self.address))
    }

    /// The bytes of a request.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        let mut add = |name: &str, value: &str| {
            request.push_str(name);
            request.push_str(": ");
            request.push_str(value);
            request.push_str("\r\n");
        };
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            add("host", &self.address.to_string());
        }
        if let Some(token) = &self.token {
            add("authorization", &format!("Bearer {token}"));
        }
        if !body.is_empty() {
            add("content-type", "application/json");
        }
        add("content-length", &body.len().to_string());
        for (name, value) in headers {
            add(name, value);
        }
        request + "\r\n" + body
    }

    /// Sends the bytes of one request and reads its answer.
    ///
    /// # Errors
    /// No answer.
    pub fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        let connection = match self.connection.take() {
            Some(connection) if is_open(&connection) => connection,
            _ => connect(self.address)?,
        };
        let connection = self.connection.insert(connection);
        connection.get_mut().write_all(request).context("cannot send")?;
        let (answer, keep) = read_answer(connection)?;
        if !keep {
            self.connection = None;
        }
        Ok(answer)
    }
}

fn connect(address: SocketAddr) -> anyhow::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT).context("cannot connect")?;
    stream.set_nodelay(true).context("cannot set an option")?;
    stream
        .set_read_timeout(Some(ANSWER_LIMIT))
        .context("cannot set an option")?;
    Ok(BufReader::new(stream))
}

/// Between answers the server says nothing, so a kept connection that can be read from has been closed.
fn is_open(connection: &BufReader<TcpStream>) -> bool {
    let stream = connection.get_ref();
    let _never_fails_on_a_socket = stream.set_nonblocking(true);
    let silent = stream
        .peek(&mut [0])
        .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).is_ok() && silent
}

fn read_answer(connection: &mut BufReader<TcpStream>) -> anyhow::Result<(Answer, bool)> {
    let mut line = String::new();
    connection.read_line(&mut line).context("no answer")?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.with_context(|| format!("no answer but {line:?}"))?;
    let (mut content_type, mut length, mut chunked, mut keep) = (String::new(), None, false, true);
    loop {
        line.clear();
        connection
            .read_line(&mut line)
            .context("the answer's head ends")?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => value.clone_into(&mut content_type),
            "content-length" => length = Some(value.parse::<usize>().context("content-length")?),
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => keep = !value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let body = match (chunked, length) {
        (true, _) => read_chunks(connection)?,
        (false, Some(length)) => read_exactly(connection, length)?,
        (false, None) => Vec::new(),
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    let answer = Answer {
        status,
        content_type,
        body,
    };
    Ok((answer, keep))
}

fn read_exactly(connection: &mut BufReader<TcpStream>, length: usize) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(
        length <= BODY_BYTES_MAX,
        "an answer of {length} bytes is too long"
    );
    let mut body = vec![0; length];
    connection
        .read_exact(&mut body)
        .context("the answer's body ends")?;
    Ok(body)
}

fn read_chunks(connection: &mut BufReader<TcpStream>) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        connection
            .read_line(&mut line)
            .context("the answer's body ends")?;
        let length =
            usize::from_str_radix(line.trim(), 16).with_context(|| format!("a chunk of {line:?} bytes"))?;
        anyhow::ensure!(body.len() + length <= BODY_BYTES_MAX, "the answer is too long");
        body.extend(read_exactly(connection, length)?);
        read_exactly(connection, 2)?;
        if length == 0 {
            return Ok(body);
        }
    }
}
