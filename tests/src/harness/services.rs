//! PostgreSQL and Redis: those that `make test` started for all tests, and a test's own that it may kill.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use super::process::Process;
use super::{ports, program};

/// A cluster is made, and a server may have a crash to recover from.
const START_LIMIT: Duration = Duration::from_secs(60);
const NOT_STARTED: &str =
    "run make test, or start the services with .ci/services (eval \"$(.ci/services start)\")";

/// The URL of the PostgreSQL server that all tests share, with its superuser.
///
/// # Errors
/// `TEST_DATABASE_URL` is not set.
pub fn shared_database_url() -> anyhow::Result<String> {
    std::env::var("TEST_DATABASE_URL")
        .ok()
        .with_context(|| format!("TEST_DATABASE_URL is not set: {NOT_STARTED}"))
}

/// Whether PostgreSQL's programs are on this machine.
#[must_use]
pub fn postgres_is_installed() -> bool {
    let mut command = Command::new("bash");
    command.current_dir(program::repository());
    command.args(["-c", ". .ci/tools && postgres_folder"]);
    super::process::finish(&mut command).is_ok_and(|finished| finished.succeeded)
}

/// A server of a test's own.
pub struct Server {
    kind: Kind,
    folder: PathBuf,
    port: u16,
    password: String,
    process: Option<Process>,
}

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Postgres,
    Redis,
}

impl Server {
    /// A PostgreSQL cluster in `folder`, durable as in production.
    ///
    /// # Errors
    /// PostgreSQL is missing, or did not start.
    pub fn postgres(folder: &Path) -> anyhow::Result<Server> {
        Server::new(Kind::Postgres, folder)
    }

    /// A Redis that keeps nothing on disk.
    ///
    /// # Errors
    /// Redis is missing, or did not start.
    pub fn redis(folder: &Path) -> anyhow::Result<Server> {
        Server::new(Kind::Redis, folder)
    }

    fn new(kind: Kind, folder: &Path) -> anyhow::Result<Server> {
        let mut server = Server {
            kind,
            folder: folder.to_owned(),
            port: ports::free()?,
            password: String::new(),
            process: None,
        };
        server.start()?;
        Ok(server)
    }

    /// How clients reach it: of PostgreSQL the server's URL, without a database.
    #[must_use]
    pub fn url(&self) -> String {
        let (password, port) = (&self.password, self.port);
        match self.kind {
            Kind::Postgres => format!("postgres://postgres:{password}@127.0.0.1:{port}"),
            Kind::Redis => format!("redis://default:{password}@127.0.0.1:{port}"),
        }
    }

    /// Starts it, with all that it had, where it was before.
    ///
    /// # Errors
    /// It did not come up.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let name = match self.kind {
            Kind::Postgres => "postgres",
            Kind::Redis => "redis",
        };
        let _left_by_a_killed_one = std::fs::remove_file(self.folder.join("data/postmaster.pid"));
        let mut command = Command::new(program::repository().join(".ci/services"));
        command.arg(name).arg(&self.folder).arg(self.port.to_string());
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let log = self.folder.join(format!("{name}.log"));
        let process = self.process.insert(Process::start(name, &mut command, &log)?);
        let (folder, kind, port) = (&self.folder, self.kind, self.port);
        process.wait_until("it answers", START_LIMIT, || match kind {
            Kind::Postgres => postgres_is_ready(folder),
            Kind::Redis => redis_is_ready(port),
        })?;
        let password = std::fs::read_to_string(self.folder.join("password"));
        self.password = password.context("the server's password was not written")?;
        Ok(())
    }

    /// `kill -9` of the server and of every process of it.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        // Frozen, so that it starts no more while its processes are counted.
        process.freeze()?;
        let others = children(process.id())?;
        process.kill()?;
        for pid in &others {
            signal(*pid, "KILL");
        }
        super::wait::wait_until("the killed server's processes to be gone", START_LIMIT, || {
            others.iter().all(|pid| !is_alive(*pid))
        })
    }

    /// Stops it in the middle of what it does: connections stay open and nobody answers.
    ///
    /// # Errors
    /// It is not running.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal_all("STOP")
    }

    /// Undoes [`Server::freeze`].
    ///
    /// # Errors
    /// It is not running.
    pub fn go_on(&self) -> anyhow::Result<()> {
        self.signal_all("CONT")
    }

    fn signal_all(&self, name: &str) -> anyhow::Result<()> {
        let process = self.process.as_ref().context("the server is not running")?;
        signal(process.id(), name);
        for pid in children(process.id())? {
            signal(pid, name);
        }
        Ok(())
    }
}

/// The file's eighth line tells, without a client.
fn postgres_is_ready(folder: &Path) -> bool {
    let state = std::fs::read_to_string(folder.join("data/postmaster.pid"));
    state.is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.starts_with("ready")))
}

fn redis_is_ready(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// PostgreSQL's processes lead sessions of their own, so no signal to a group reaches them.
fn children(parent: u32) -> anyhow::Result<Vec<u32>> {
    let table = super::process::run(Command::new("ps").args(["-A", "-o", "pid=,ppid="]))?;
    let numbers = table.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    Ok(numbers
        .filter(|(_, of)| *of == parent)
        .map(|(pid, _)| pid)
        .collect())
}

fn signal(pid: u32, name: &str) {
    let mut command = Command::new("kill");
    let _gone_already = command.arg(format!("-{name}")).arg(pid.to_string()).output();
}

/// A process that ended and was not yet taken note of is not alive.
fn is_alive(pid: u32) -> bool {
    let state = super::process::finish(Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]));
    state.is_ok_and(|state| state.succeeded && !state.text.trim_start().starts_with('Z'))
}
