//! Databases, folders and processes of a test's own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long a process may take to come up.
const START_LIMIT: Duration = Duration::from_secs(60);

/// An installation: an authority, the hub's keys and databases that nobody else uses.
pub(crate) struct Installation {
    folder: TempDir,
    server_url: String,
    prefix: String,
}

impl Installation {
    /// An authority and the hub's keys; databases are not migrated yet.
    pub(crate) fn new() -> Installation {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let server_url = std::env::var("TEST_DATABASE_URL").expect(
            "TEST_DATABASE_URL is not set: run make test, or start the services with .ci/services \
             (eval \"$(.ci/services start)\")",
        );
        let installation = Installation {
            folder: tempfile::tempdir().unwrap(),
            server_url,
            prefix: format!("hub{}_{number}_", std::process::id()),
        };
        let ca = installation.path("ca");
        let keys = installation.path("keys");
        installation.succeed(&["ca", "init", "--dir", text(&ca), "--hub-keys", text(&keys)]);
        installation
    }

    /// The same, migrated.
    pub(crate) fn migrated() -> Installation {
        let installation = Installation::new();
        installation.succeed(&["migrate"]);
        installation
    }

    pub(crate) fn server_url(&self) -> &str {
        &self.server_url
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The hub's program with the environment of this installation and no other.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
        command
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", &self.server_url)
            .env("HUB_DATABASE_PREFIX", &self.prefix)
            .env("HUB_REDIS_URL", "")
            .env("HUB_KEYS", self.path("keys"))
            .env("HUB_HTTP__TOKEN_FILE", self.path("token"))
            .env("HUB_HTTP__LISTEN", "127.0.0.1:0")
            .env("HUB_SYNC__LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }

    /// Runs a command that has to succeed; gives what it printed.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(
            ended.code,
            Some(0),
            "hub {arguments:?}: {}{}",
            ended.stdout,
            ended.stderr
        );
        ended.stdout
    }

    /// Runs a command that has to fail so; gives what it said.
    pub(crate) fn fail(&self, code: i32, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(
            ended.code,
            Some(code),
            "hub {arguments:?}: {}{}",
            ended.stdout,
            ended.stderr
        );
        ended.stderr
    }

    /// Starts `hub run` and waits until it says where it listens.
    pub(crate) fn start(&self) -> HubProcess {
        self.start_with(self.command(&["run"]))
    }

    /// The same with a command of the test's own.
    pub(crate) fn start_with(&self, command: Command) -> HubProcess {
        HubProcess::start(command, &self.path("token"))
    }

    /// Does something to a database behind the hub's back.
    pub(crate) fn sql(&self, database: &str, sql: &str) {
        let named = self.server_url.rsplit_once('/');
        let base = match named {
            Some((base, _)) if !base.ends_with('/') => base,
            _ => self.server_url.as_str(),
        };
        let url = format!("{base}/{}{database}", self.prefix);
        let ended = Ended::of(
            Command::new("psql")
                .args(["-q", "-d", &url, "-c", sql])
                .output()
                .unwrap(),
        );
        assert_eq!(ended.code, Some(0), "{sql}: {}", ended.stderr);
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // Databases of a server that is thrown away anyway: dropped to keep it small, whatever comes of it.
        let names = [
            "user",
            "terminal",
            "transaction",
            "journey",
            "notification",
            "analytics",
        ];
        for name in names {
            let sql = format!(
                "DROP DATABASE IF EXISTS \"{}{name}_service_db\" WITH (FORCE)",
                self.prefix
            );
            let _ = Command::new("psql")
                .args(["-q", "-d", &self.server_url, "-c", &sql])
                .output();
        }
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a test's folder is UTF-8")
}

/// A command that came to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Ended {
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running `hub run`.
pub(crate) struct HubProcess {
    child: Killed,
    pub(crate) http: SocketAddr,
    pub(crate) sync: SocketAddr,
    token: String,
}

impl HubProcess {
    fn start(mut command: Command, token_file: &Path) -> HubProcess {
        command.stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = Killed(command.spawn().unwrap());
        let lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
        let (said, heard) = mpsc::sync_channel(1_024);
        // Goes on reading to the end of the process, so that the process never waits for a reader.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("hub: {line}");
                let _ = said.try_send(line);
            }
        });
        loop {
            let line = heard
                .recv_timeout(START_LIMIT)
                .expect("the hub says nothing more");
            if line.contains("the hub runs") {
                return HubProcess {
                    http: address(&line, "http="),
                    sync: address(&line, "sync="),
                    token: std::fs::read_to_string(token_file).unwrap().trim().to_owned(),
                    child,
                };
            }
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    /// Asks it to stop and waits for its end.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let pid = self.child.0.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        self.child.0.wait().unwrap().code()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("idempotency-key", key)], &body.to_string())
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask("PUT", path, &[], &body.to_string())
    }

    /// One request with the token.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        all.extend(headers);
        self.ask_with(method, path, &all, body)
    }

    /// One request with just these headers.
    pub(crate) fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(START_LIMIT)).unwrap();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.http,
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream
            .write_all(format!("{request}\r\n{body}").as_bytes())
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::read(&String::from_utf8(answer).unwrap())
    }
}

fn address(line: &str, name: &str) -> SocketAddr {
    let (_, rest) = line.split_once(name).expect("the line names it");
    let end = rest.find(' ').unwrap_or(rest.len());
    rest[..end].parse().expect("an address")
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    fn read(answer: &str) -> Answer {
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head
            .split(' ')
            .nth(1)
            .expect("a status")
            .parse()
            .expect("a number");
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Answer {
            status,
            head: head.to_owned(),
            text: if chunked { unchunked(body) } else { body.to_owned() },
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

fn unchunked(body: &str) -> String {
    let mut rest = body;
    let mut text = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            break;
        }
        text.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    text
}

/// Waits until `check` gives something, or fails after 30 s with what was waited for.
pub(crate) fn wait_for<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    const LIMIT: Duration = Duration::from_secs(30);
    const PAUSE: Duration = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(waited < LIMIT, "waited in vain: {what}");
        std::thread::sleep(PAUSE);
        waited += PAUSE;
    }
}
