//! The hub process, and the commands a person gives it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::client::Client;
use super::gate::read_token;
use super::process::{self, Process};
use super::{ports, program};

/// A hub may have to wait for its database, and for the lease of the one that was killed.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A hub: its folder, its ports and, while it runs, its process.
pub struct Hub {
    folder: PathBuf,
    http: SocketAddr,
    sync: SocketAddr,
    database_url: String,
    database_prefix: String,
    redis_url: String,
    process: Option<Process>,
}

impl Hub {
    /// A hub whose files are in `folder`. Makes the authority and the hub's own keys; nothing runs yet.
    ///
    /// # Errors
    /// No ports, or a command failed.
    pub fn new(
        folder: &Path,
        database_url: &str,
        database_prefix: &str,
        redis_url: &str,
    ) -> anyhow::Result<Hub> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let hub = Hub {
            folder: folder.to_owned(),
            http: (Ipv4Addr::LOCALHOST, ports::free()?).into(),
            sync: (Ipv4Addr::LOCALHOST, ports::free()?).into(),
            database_url: database_url.to_owned(),
            database_prefix: database_prefix.to_owned(),
            redis_url: redis_url.to_owned(),
            process: None,
        };
        let mut command = program::command("hub")?;
        command.args(["ca", "init", "--dir"]).arg(hub.folder.join("ca"));
        command.arg("--hub-keys").arg(hub.folder.join("keys"));
        process::run(&mut command)?;
        Ok(hub)
    }

    /// Takes these ports instead, where they are free. Before it is configured.
    pub fn prefer_ports(&mut self, http: u16, sync: u16) {
        for (address, port) in [(&mut self.http, http), (&mut self.sync, sync)] {
            if ports::is_free(port) {
                address.set_port(port);
            }
        }
    }

    /// Where gates connect.
    #[must_use]
    pub const fn sync_address(&self) -> SocketAddr {
        self.sync
    }

    /// Where its HTTP interface is.
    #[must_use]
    pub const fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// The file with the token of its HTTP interface.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.folder.join("token")
    }

    /// Its configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("hub.toml")
    }

    /// Makes the keys of a gate.
    ///
    /// # Errors
    /// The command failed.
    pub fn issue_keys(&self, gate: u32, terminal: &str, out: &Path) -> anyhow::Result<()> {
        let mut command = program::command("hub")?;
        command.args(["ca", "issue", "--dir"]).arg(self.folder.join("ca"));
        command
            .args(["--gate", &gate.to_string(), "--terminal", terminal, "--out"])
            .arg(out);
        process::run(&mut command).map(drop)
    }

    /// Writes its configuration file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn configure(&self) -> anyhow::Result<()> {
        let text = format!(
            "database_url = \"{database_url}\"\ndatabase_prefix = \"{prefix}\"\nredis_url = \"{redis_url}\"\n\
             keys = \"{keys}\"\n\n\
             [http]\nlisten = \"{http}\"\ntoken_file = \"{token}\"\n\n\
             [sync]\nlisten = \"{sync}\"\n\n\
             [authority]\ndir = \"{authority}\"\n",
            database_url = self.database_url,
            prefix = self.database_prefix,
            redis_url = self.redis_url,
            keys = self.folder.join("keys").display(),
            http = self.http,
            token = self.token_file().display(),
            sync = self.sync,
            authority = self.folder.join("ca").display(),
        );
        let file = self.config_file();
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// `hub` with its configuration and these arguments.
    ///
    /// # Errors
    /// The program is not built.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = program::command("hub")?;
        command.args(arguments).arg("--config").arg(self.config_file());
        Ok(command)
    }

    /// Runs a command of the hub to its end.
    ///
    /// # Errors
    /// It failed.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        process::run(&mut self.command(arguments)?)
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// It did not come up.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.launch()?;
        let mut client = Client::new(self.http, None);
        let process = self.process.as_mut().context("it was just started")?;
        process.wait_until("it is ready", START_LIMIT, || {
            client.get("/readyz").is_ok_and(|answer| answer.status == 200)
        })
    }

    /// Starts it and waits for nothing.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let log = self.folder.join("hub.log");
        self.process = Some(Process::start("hub", &mut self.command(&["run"])?, &log)?);
        Ok(())
    }

    /// Its process.
    ///
    /// # Errors
    /// It is not running.
    pub fn process(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("the hub was not started")
    }

    /// The process id, if it was started.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// It is not running.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process()?.kill()
    }

    /// A client that shows the hub's token.
    ///
    /// # Errors
    /// The hub has written no token yet.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(self.http, Some(read_token(&self.token_file())?)))
    }

    /// Issues a card with money on it.
    ///
    /// # Errors
    /// The hub refused.
    pub fn issue_card(&self, card: &str, amount: &str) -> anyhow::Result<()> {
        let mut client = self.client()?;
        client.post("/v1/cards", &json!({ "card": card }))?.success()?;
        top_up(&mut client, card, amount, &format!("first-{card}")).map(drop)
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        self.process
            .as_ref()
            .map_or_else(|| "(not started)".to_owned(), Process::log_end)
    }
}

/// Pays money into a card, once for each key.
///
/// # Errors
/// The hub refused.
pub fn top_up(client: &mut Client, card: &str, amount: &str, key: &str) -> anyhow::Result<Value> {
    let body = json!({ "card": card, "amount": amount, "reference": key });
    let headers = [("idempotency-key", key)];
    client
        .send("POST", "/v1/topups", &headers, &body.to_string())?
        .success()
}
