//! Two terminals with two gates each, a hub, and their databases: the sample network, every link through a proxy.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use super::books::{self, Facts};
use super::database::{Database, TRANSACTIONS};
use super::gate::{A_ENTRY, A_EXIT, B_ENTRY, B_EXIT, Gate, GateName, Neighbourhood, Tapped};
use super::gate_database::GateDatabase;
use super::hub::Hub;
use super::process;
use super::proxy::{Link, Proxy, Way, Weather};
use super::scratch::Scratch;
use super::services::{Server, shared_database_url};
use super::small_disk::SmallDisk;
use super::wait::wait_for;

/// How long after the last fault everybody may take to agree.
pub const LEVEL_LIMIT: Duration = Duration::from_secs(60);
/// Everything that is quick takes less.
pub const SOON: Duration = Duration::from_secs(20);

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

    /// Issues a card with money on it and waits until every gate knows it.
    ///
    /// # Errors
    /// The hub refused, or a gate did not hear of it.
    pub fn issue(&self, card: &str, amount: &str) -> anyhow::Result<()> {
        self.hub.issue_card(card, amount)?;
        for gate in self.gates.values() {
            self.wait_for_balance(gate.name, card, amount)?;
        }
        Ok(())
    }

    /// Waits until a gate shows a balance.
    ///
    /// # Errors
    /// It did not, [`SOON`].
    pub fn wait_for_balance(&self, gate: GateName, card: &str, amount: &str) -> anyhow::Result<()> {
        let store = GateDatabase::new(self.gate(gate));
        let mut seen = None;
        let what = format!("{} to show {amount} on {card}", gate.code);
        let waited = wait_for(&what, SOON, || {
            seen = store.balance(card)?;
            Ok((seen.as_deref() == Some(amount)).then_some(()))
        });
        waited.with_context(|| format!("it shows {seen:?}"))
    }

    /// Waits until a fact is at the hub.
    ///
    /// # Errors
    /// It is not, in time.
    pub fn wait_for_fact(&self, fact: &str, limit: Duration) -> anyhow::Result<()> {
        wait_for(&format!("the fact {fact} at the hub"), limit, || {
            Ok(self.has_fact(fact)?.then_some(()))
        })
    }

    /// Whether a fact is at the hub.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn has_fact(&self, fact: &str) -> anyhow::Result<bool> {
        let parts: Vec<&str> = fact.split(':').collect();
        let [site, seq, index] = parts.as_slice() else {
            anyhow::bail!("{fact} is no fact");
        };
        let count = self.database.number(
            TRANSACTIONS,
            &format!(
                "SELECT count(*)::text FROM facts WHERE site = '{site}'::uuid AND seq = {seq} AND index = {index}"
            ),
        )?;
        Ok(count == 1)
    }

    /// Every tap at the hub, as `site:seq:index`.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn taps_at_hub(&self) -> anyhow::Result<BTreeSet<String>> {
        let rows = self.database.rows(
            TRANSACTIONS,
            "SELECT replace(site::text, '-', '') || ':' || seq || ':' || index FROM facts WHERE kind = 'tap'",
        )?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Waits until a gate shows that a card travels, or that it does not.
    ///
    /// # Errors
    /// It did not, [`SOON`].
    pub fn wait_for_trip(&self, gate: GateName, card: &str, travels: bool) -> anyhow::Result<()> {
        let store = GateDatabase::new(self.gate(gate));
        wait_for(
            &format!("{} to show whether {card} travels", gate.code),
            SOON,
            || Ok((store.travels(card)? == travels).then_some(())),
        )
    }

    /// What the hub calls a key in Redis: its own name for it after the prefix of its databases.
    #[must_use]
    pub fn redis_key(&self, name: &str) -> String {
        format!("{}{name}", self.database.prefix())
    }

    /// Asks Redis, as `redis-cli` does.
    ///
    /// # Errors
    /// It does not answer.
    pub fn ask_redis(&self, words: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("redis-cli");
        let answer = process::run(
            command
                .args(["-u", &self.redis.url(), "--no-auth-warning"])
                .args(words),
        )?;
        Ok(answer.trim().to_owned())
    }

    /// Presents a card, which has to be let through.
    ///
    /// # Errors
    /// No answer, or the barrier stayed closed.
    pub fn pass(&self, gate: GateName, card: &str) -> anyhow::Result<Tapped> {
        let tapped = self.gate(gate).tap(card)?;
        anyhow::ensure!(tapped.opened, "{} stayed closed: {}", gate.code, tapped.whole);
        Ok(tapped)
    }

    /// Somebody gets in at Terminal A and out at Terminal B: the network goes on.
    ///
    /// # Errors
    /// It does not.
    pub fn pass_somebody(&self) -> anyhow::Result<()> {
        const CARD: &str = "SOMEBODY0001";
        self.issue(CARD, "50000.00")?;
        self.pass(A_ENTRY, CARD)?;
        self.wait_for_trip(B_EXIT, CARD, true)?;
        self.pass(B_EXIT, CARD)?;
        for name in self.gates.values().map(|gate| gate.name) {
            self.wait_for_balance(name, CARD, "45000.00")?;
        }
        Ok(())
    }

    /// Waits until nothing is under way and everybody agrees; then checks the books.
    ///
    /// # Errors
    /// Somebody disagrees when [`LEVEL_LIMIT`] is over, or the books are wrong.
    pub fn level(&self) -> anyhow::Result<Facts> {
        wait_for("everybody to agree", LEVEL_LIMIT, || self.is_level().map(Some))?;
        books::check(&self.database)
    }

    /// An error says who does not agree about what.
    fn is_level(&self) -> anyhow::Result<()> {
        let waiting = self
            .database
            .number(TRANSACTIONS, "SELECT count(*)::text FROM arrivals")?;
        anyhow::ensure!(waiting == 0, "{waiting} changesets wait to be settled");
        let sites = self.database.rows(
            TRANSACTIONS,
            "SELECT replace(s.site::text, '-', ''), coalesce(s.terminal, ''), s.head_seq::text
             FROM sites AS s
             LEFT JOIN hub_sites AS h ON h.role = s.role AND h.head_chain = s.head_chain
             WHERE s.role = 'gate' OR h.role IS NOT NULL",
        )?;
        let cards = self.database.rows(
            TRANSACTIONS,
            "SELECT card, balance::numeric(15,2)::text, status FROM card_states ORDER BY card",
        )?;
        let cards: BTreeSet<Vec<String>> = cards.into_iter().collect();
        for gate in self.gates.values() {
            let store = GateDatabase::new(gate);
            let heads = store.heads()?;
            for site in &sites {
                let [id, terminal, head] = books::columns(site)?;
                if terminal.is_empty() || terminal == gate.name.terminal {
                    let head: u64 = head.parse()?;
                    let held = heads.get(id).copied().unwrap_or_default();
                    anyhow::ensure!(
                        held == head,
                        "{} holds {held} of site {id}, the hub {head}",
                        gate.name.code
                    );
                }
            }
            let shown = store.cards()?;
            let difference: Vec<_> = shown.symmetric_difference(&cards).take(4).collect();
            anyhow::ensure!(
                difference.is_empty(),
                "{} and the hub differ: {difference:?}",
                gate.name.code
            );
        }
        Ok(())
    }

    fn wait_for_fares(&self) -> anyhow::Result<()> {
        let count = "SELECT count(*)::text FROM fare_versions";
        let known = wait_for("the sample's fares at the hub", SOON, || {
            let known = self.database.number(TRANSACTIONS, count)?;
            Ok((known > 0).then_some(known))
        })?;
        for gate in self.gates.values() {
            let store = GateDatabase::new(gate);
            wait_for(&format!("{} to know the fares", gate.name.code), SOON, || {
                Ok((store.fare_versions()? == known).then_some(()))
            })
            .with_context(|| format!("{} says:\n{}", gate.name.code, gate.log_end()))?;
        }
        Ok(())
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
