//! Two terminals with two gates each, a hub, and their databases: the sample network, every link through a proxy.

mod level;
mod look;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use super::database::Database;
use super::gate::{A_ENTRY, A_EXIT, B_ENTRY, B_EXIT, Gate, GateName, Neighbourhood};
use super::hub::Hub;
use super::proxy::{Link, Proxy, Way, Weather};
use super::scratch::Scratch;
use super::services::{Server, shared_database_url};
use super::small_disk::SmallDisk;

pub use level::LEVEL_LIMIT;
pub use look::SOON;

/// Whose PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Databases {
    /// The server that all tests share, under names of this test's own.
    Shared,
    /// A server of this test's own, durable, which it may kill.
    Own,
}

/// The hub's place in [`Network::cut`] and its like.
pub const HUB: u32 = 0;

/// The network. Dropping it ends everything.
pub struct Network {
    /// The hub.
    pub hub: Hub,
    /// The gates, by their numbers.
    pub gates: BTreeMap<u32, Gate>,
    /// Disks that gates were put on; unmounted after the gates ended.
    pub disks: Vec<SmallDisk>,
    /// The hub's databases.
    pub database: Database,
    /// PostgreSQL, when it is this test's own.
    pub postgres: Option<Server>,
    /// Redis, always this test's own.
    pub redis: Server,
    links: BTreeMap<(u32, u32), Link>,
    _proxy: Proxy,
    scratch: Scratch,
}

/// Runs a case against a network that is up, level, and loaded with the sample data. When the case failed, shows the
/// ends of all logs and keeps the files; otherwise checks that everybody agrees, and the books ([`Network::level`]).
///
/// # Panics
/// The case failed, or what has to be true afterwards is not.
pub fn case(name: &str, databases: Databases, case: impl FnOnce(&mut Network) -> anyhow::Result<()>) {
    let mut network = match Network::start(name, databases) {
        Ok(network) => network,
        Err(error) => panic!("the network did not start: {error:?}"),
    };
    let result = case(&mut network).and_then(|()| network.level().map(drop));
    if let Err(error) = result {
        network.show_logs();
        network.scratch.keep();
        panic!(
            "{error:?}\n\nThe files are kept in {}",
            network.scratch.path().display()
        );
    }
    if let Err(error) = network.end() {
        panic!("{error:?}");
    }
}

/// What no other test's databases begin with, in this process or another.
#[must_use]
pub fn new_prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("p{}_{count}_", std::process::id())
}

impl Network {
    /// Starts everything and waits until every gate knows the fares.
    ///
    /// # Errors
    /// Something did not come up.
    pub fn start(name: &str, databases: Databases) -> anyhow::Result<Network> {
        let mut network = Network::prepare(name, databases)?;
        network.hub.run(&["migrate"])?;
        network.hub.run(&["sample", "load"])?;
        network.hub.start()?;
        for gate in network.gates.values_mut() {
            gate.start()?;
        }
        network.wait_for_fares()?;
        Ok(network)
    }

    /// Everything but the processes of the hub and the gates.
    ///
    /// # Errors
    /// A server did not start, or keys could not be made.
    pub fn prepare(name: &str, databases: Databases) -> anyhow::Result<Network> {
        let scratch = Scratch::new(name)?;
        let postgres = match databases {
            Databases::Own => Some(Server::postgres(&scratch.path().join("postgres"))?),
            Databases::Shared => None,
        };
        let server_url = match &postgres {
            Some(server) => server.url(),
            None => shared_database_url()?,
        };
        let redis = Server::redis(&scratch.path().join("redis"))?;
        let prefix = new_prefix();
        let database = Database::new(&server_url, &prefix)?;
        let hub = Hub::new(&scratch.path().join("hub"), &server_url, &prefix, &redis.url())?;
        hub.configure()?;
        let proxy = Proxy::new(1)?;
        let mut network = Network {
            hub,
            gates: BTreeMap::new(),
            disks: Vec::new(),
            database,
            postgres,
            redis,
            links: BTreeMap::new(),
            _proxy: proxy,
            scratch,
        };
        for name in [A_ENTRY, A_EXIT, B_ENTRY, B_EXIT] {
            network.add_gate(name)?;
        }
        network.configure_gates()?;
        Ok(network)
    }

    fn add_gate(&mut self, name: GateName) -> anyhow::Result<()> {
        let gate = Gate::new(name, &self.scratch.path().join(name.code))?;
        self.hub
            .issue_keys(name.id, name.terminal, &gate.folder().join("keys"))?;
        self.gates.insert(name.id, gate);
        Ok(())
    }

    /// Every gate dials the hub and the other gates of its terminal, each over a link of its own.
    fn configure_gates(&mut self) -> anyhow::Result<()> {
        let names: Vec<GateName> = self.gates.values().map(|gate| gate.name).collect();
        for from in &names {
            let mut around = Neighbourhood::default();
            let hub = self._proxy.link(self.hub.sync_address())?;
            around.hub = Some(hub.address());
            self.links.insert((from.id, HUB), hub);
            for to in names
                .iter()
                .filter(|to| to.id != from.id && to.terminal == from.terminal)
            {
                let link = self._proxy.link(self.gate(*to).sync_address())?;
                around.gates.push(link.address());
                self.links.insert((from.id, to.id), link);
            }
            self.gate(*from).configure(&around)?;
        }
        Ok(())
    }

    /// A gate.
    ///
    /// # Panics
    /// The network has no such gate.
    #[must_use]
    pub fn gate(&self, name: GateName) -> &Gate {
        self.gates.get(&name.id).expect("BUG: a gate of this network")
    }

    /// A gate, to be started and killed.
    ///
    /// # Panics
    /// The network has no such gate.
    pub fn gate_mut(&mut self, name: GateName) -> &mut Gate {
        self.gates.get_mut(&name.id).expect("BUG: a gate of this network")
    }

    /// The folder of this test.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.scratch.path()
    }

    /// Changes the weather of everything that `from` sends to `to`, whichever of them dialled.
    pub fn set_weather(&self, from: u32, to: u32, weather: Weather) {
        if let Some(link) = self.links.get(&(from, to)) {
            link.set(Way::Forth, weather);
        }
        if let Some(link) = self.links.get(&(to, from)) {
            link.set(Way::Back, weather);
        }
    }

    /// Nothing passes between two nodes any more.
    pub fn cut(&self, one: u32, other: u32) {
        self.set_weather(one, other, Weather::cut());
        self.set_weather(other, one, Weather::cut());
    }

    /// The same weather on every link.
    pub fn set_weather_everywhere(&self, weather: Weather) {
        for link in self.links.values() {
            link.set_both(weather);
        }
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.set_weather_everywhere(Weather::default());
    }

    /// Stops everything in order and drops the databases.
    ///
    /// # Errors
    /// A process did not stop when asked to, or not well.
    pub fn end(mut self) -> anyhow::Result<()> {
        for gate in self.gates.values_mut() {
            let process = gate.process()?;
            if process.is_running() {
                let status = process.terminate()?;
                anyhow::ensure!(
                    status.success(),
                    "{} ended badly:\n{}",
                    process.name(),
                    process.log_end()
                );
            }
        }
        let process = self.hub.process()?;
        if process.is_running() {
            let status = process.terminate()?;
            anyhow::ensure!(status.success(), "the hub ended badly:\n{}", process.log_end());
        }
        if self.postgres.is_none() {
            self.database.drop_all()?;
        }
        Ok(())
    }

    fn show_logs(&self) {
        eprintln!("--- hub\n{}", self.hub.log_end());
        for gate in self.gates.values() {
            eprintln!("--- {}\n{}", gate.name.code, gate.log_end());
        }
    }
}
