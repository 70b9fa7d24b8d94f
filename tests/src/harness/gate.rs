//! A gate process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::process::Process;
use super::{ports, program};

/// A gate that opens its database, also after a kill, is up long before this.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Which gate, as the sample network has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GateName {
    /// Its number.
    pub id: u32,
    /// Its code.
    pub code: &'static str,
    /// Its terminal.
    pub terminal: &'static str,
    /// `entry`, `exit` or `bidirectional`.
    pub kind: &'static str,
}

/// The entry gate of Terminal A.
pub const A_ENTRY: GateName = GateName {
    id: 1,
    code: "A-ENTRY-01",
    terminal: "A",
    kind: "entry",
};
/// The exit gate of Terminal A.
pub const A_EXIT: GateName = GateName {
    id: 2,
    code: "A-EXIT-01",
    terminal: "A",
    kind: "exit",
};
/// The entry gate of Terminal B.
pub const B_ENTRY: GateName = GateName {
    id: 4,
    code: "B-ENTRY-01",
    terminal: "B",
    kind: "entry",
};
/// The exit gate of Terminal B.
pub const B_EXIT: GateName = GateName {
    id: 5,
    code: "B-EXIT-01",
    terminal: "B",
    kind: "exit",
};

/// A gate: its folder, its ports and, while it runs, its process.
pub struct Gate {
    /// Which one.
    pub name: GateName,
    folder: PathBuf,
    http: SocketAddr,
    sync: SocketAddr,
    process: Option<Process>,
    /// Put before what it inherits.
    environment: Vec<(String, String)>,
}

/// Where a gate finds others.
#[derive(Clone, Debug, Default)]
pub struct Neighbourhood {
    /// The hub.
    pub hub: Option<SocketAddr>,
    /// Gates of the terminal.
    pub gates: Vec<SocketAddr>,
}

impl Gate {
    /// A gate whose files are in `folder` and whose keys were put into `folder/keys`. Nothing runs yet.
    ///
    /// # Errors
    /// No ports, or the folder cannot be made.
    pub fn new(name: GateName, folder: &Path) -> anyhow::Result<Gate> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Gate {
            name,
            folder: folder.to_owned(),
            http: (Ipv4Addr::LOCALHOST, ports::free()?).into(),
            sync: (Ipv4Addr::LOCALHOST, ports::free()?).into(),
            process: None,
            environment: Vec::new(),
        })
    }

    /// Takes these ports instead, where they are free. Before it is configured.
    pub fn prefer_ports(&mut self, http: u16, sync: u16) {
        for (address, port) in [(&mut self.http, http), (&mut self.sync, sync)] {
            if ports::is_free(port) {
                address.set_port(port);
            }
        }
    }

    /// Where other nodes reach it.
    #[must_use]
    pub const fn sync_address(&self) -> SocketAddr {
        self.sync
    }

    /// Where its HTTP interface is.
    #[must_use]
    pub const fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join("data/gate.db")
    }

    /// Its configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("gate.toml")
    }

    /// Environment variables it is started with from now on.
    pub fn set_environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    /// Writes its configuration file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn configure(&self, around: &Neighbourhood) -> anyhow::Result<()> {
        let GateName {
            id,
            code,
            terminal,
            kind,
        } = self.name;
        let hub = around
            .hub
            .map_or(String::new(), |hub| format!("hub = \"{hub}\"\n"));
        let neighbours: Vec<String> = around.gates.iter().map(|gate| format!("\"{gate}\"")).collect();
        let text = format!(
            "data_dir = \"{data}\"\nkeys_dir = \"{keys}\"\n\n\
             [gate]\nid = {id}\ncode = \"{code}\"\nterminal = \"{terminal}\"\ntype = \"{kind}\"\n\n\
             [http]\nlisten = \"{http}\"\n\n\
             [sync]\nlisten = \"{sync}\"\n{hub}neighbours = [{neighbours}]\n\n\
             [disk]\nballast_mib = 1\n",
            data = self.folder.join("data").display(),
            keys = self.folder.join("keys").display(),
            http = self.http,
            sync = self.sync,
            neighbours = neighbours.join(", "),
        );
        let file = self.config_file();
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// The command that runs it.
    ///
    /// # Errors
    /// The program is not built.
    pub fn command(&self) -> anyhow::Result<Command> {
        let mut command = program::command("edge-node")?;
        command.arg("run").arg("--config").arg(self.config_file());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Starts it and waits until it takes cards.
    ///
    /// # Errors
    /// It did not come up.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.launch()?;
        let mut client = Client::new(self.http, None);
        let process = self.process.as_mut().context("it was just started")?;
        process.wait_until("it is healthy", START_LIMIT, || {
            client.get("/healthz").is_ok_and(|answer| answer.status == 200)
        })
    }

    /// Starts it and waits for nothing.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let log = self.folder.join("gate.log");
        let process = Process::start(self.name.code, &mut self.command()?, &log)?;
        self.process = Some(process);
        Ok(())
    }

    /// Its process.
    ///
    /// # Errors
    /// It is not running.
    pub fn process(&mut self) -> anyhow::Result<&mut Process> {
        let code = self.name.code;
        self.process
            .as_mut()
            .with_context(|| format!("{code} was not started"))
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// It is not running.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process()?.kill()
    }

    /// A client that shows the gate's token.
    ///
    /// # Errors
    /// The gate has written no token yet.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(
            self.http,
            Some(read_token(&self.folder.join("data/token"))?),
        ))
    }

    /// Presents a card.
    ///
    /// # Errors
    /// No answer.
    pub fn tap(&self, card: &str) -> anyhow::Result<Tapped> {
        Tapped::read(&present(&mut self.client()?, card)?)
    }

    /// `GET /v1/status`.
    ///
    /// # Errors
    /// No answer.
    pub fn status(&self) -> anyhow::Result<Value> {
        self.client()?.get("/v1/status")?.success()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        self.process
            .as_ref()
            .map_or_else(|| "(not started)".to_owned(), Process::log_end)
    }
}

/// Presents a card over a kept connection.
///
/// # Errors
/// No answer.
pub fn present(client: &mut Client, card: &str) -> anyhow::Result<Answer> {
    client.post("/v1/taps", &json!({ "card": card }))
}

/// A token from its file.
///
/// # Errors
/// It cannot be read.
pub fn read_token(file: &Path) -> anyhow::Result<String> {
    let token = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(token.trim().to_owned())
}

/// A gate's answer to a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tapped {
    /// Whether the barrier opened.
    pub opened: bool,
    /// Why.
    pub reason: String,
    /// The balance shown, a decimal string.
    pub balance: Option<String>,
    /// The fare shown, a decimal string.
    pub fare: Option<String>,
    /// What is held, a decimal string.
    pub hold: Option<String>,
    /// The fact, `site:seq:index`; `None` when the tap could not be recorded.
    pub fact: Option<String>,
    /// The whole answer.
    pub whole: Value,
}

impl Tapped {
    /// Reads an answer.
    ///
    /// # Errors
    /// It is none to a tap.
    pub fn read(answer: &Answer) -> anyhow::Result<Tapped> {
        let whole = answer.success()?;
        let text = |key: &str| whole.get(key).and_then(Value::as_str).map(str::to_owned);
        let decision = text("decision").with_context(|| format!("no decision in {whole}"))?;
        Ok(Tapped {
            opened: decision == "open",
            reason: text("reason").unwrap_or_default(),
            balance: text("balance"),
            fare: text("fare"),
            hold: text("hold"),
            fact: text("fact"),
            whole,
        })
    }

    /// The fact.
    ///
    /// # Errors
    /// The tap was not recorded.
    pub fn fact(&self) -> anyhow::Result<&str> {
        let fact = self.fact.as_deref();
        fact.with_context(|| format!("the tap was not recorded: {}", self.whole))
    }
}
