//! A hub and two gates to try by hand: starts everything they need, says what to try, and ends all of it on Ctrl-C.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tests::harness::database::{Database, TRANSACTIONS, USERS};
use tests::harness::gate::{A_ENTRY, B_EXIT, Gate, Neighbourhood};
use tests::harness::gate_database::GateDatabase;
use tests::harness::hub::Hub;
use tests::harness::program;
use tests::harness::scratch::Scratch;
use tests::harness::services::Server;
use tests::harness::wait::wait_for;
use tokio::signal::unix::{SignalKind, signal};

/// Everything is up long before this.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked whether everything still runs.
const LOOK: Duration = Duration::from_millis(200);

struct Up {
    hub: Hub,
    gates: [Gate; 2],
    database: Database,
    postgres: Server,
    redis: Server,
    folder: PathBuf,
    _scratch: Scratch,
}

fn main() -> anyhow::Result<()> {
    let target = program::target_folder()?;
    let lock = target.join("up.lock");
    let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    lock.try_lock()
        .map_err(|_| anyhow::anyhow!("it is up already: end the other one with Ctrl-C first"))?;
    let folder = target.join("up");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut ended = runtime.block_on(async { Ended::new() })?;
    // Starting blocks this thread; a signal meanwhile ends the program, and with it whatever was started.
    let mut up = Up::start(&folder)?;
    up.say_what_to_try();
    runtime.block_on(async {
        let mut told = [false; 3];
        loop {
            tokio::select! {
                () = ended.wait() => return,
                () = tokio::time::sleep(LOOK) => up.tell_who_is_gone(&mut told),
            }
        }
    });
    println!("\nstopping");
    up.stop()?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))
}

/// The signals that mean the end.
struct Ended([tokio::signal::unix::Signal; 3]);

impl Ended {
    fn new() -> anyhow::Result<Ended> {
        Ok(Ended([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn wait(&mut self) {
        let Ended([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

impl Up {
    fn start(folder: &Path) -> anyhow::Result<Up> {
        println!("starting PostgreSQL and Redis");
        let scratch = Scratch::new("up")?;
        let postgres = Server::postgres(&scratch.path().join("postgres"))?;
        let redis = Server::redis(&scratch.path().join("redis"))?;
        let database = Database::new(&postgres.url(), "")?;

        println!("making certificates, and the databases with the sample network");
        let mut hub = Hub::new(&folder.join("hub"), &postgres.url(), "", &redis.url())?;
        hub.prefer_ports(7500, 7501);
        hub.configure()?;
        let mut gates = [
            Gate::new(A_ENTRY, &folder.join(A_ENTRY.code))?,
            Gate::new(B_EXIT, &folder.join(B_EXIT.code))?,
        ];
        for (gate, port) in gates.iter_mut().zip([7400, 7410]) {
            gate.prefer_ports(port, port + 1);
            hub.issue_keys(gate.name.id, gate.name.terminal, &gate.folder().join("keys"))?;
            let hub = Some(hub.sync_address());
            gate.configure(&Neighbourhood {
                hub,
                gates: Vec::new(),
            })?;
        }
        hub.run(&["migrate"])?;
        hub.run(&["sample", "load"])?;

        println!(
            "starting the hub and the gates {} and {}",
            A_ENTRY.code, B_EXIT.code
        );
        hub.start()?;
        for gate in &mut gates {
            gate.start()?;
        }
        let up = Up {
            hub,
            gates,
            database,
            postgres,
            redis,
            folder: folder.to_owned(),
            _scratch: scratch,
        };
        up.wait_until_cards_are_known()?;
        Ok(up)
    }

    /// What the hub has settled is at both gates.
    fn wait_until_cards_are_known(&self) -> anyhow::Result<()> {
        wait_for("the gates to know the sample's cards", READY_LIMIT, || {
            let cards = self
                .database
                .number(TRANSACTIONS, "SELECT count(*)::text FROM card_states")?;
            for gate in &self.gates {
                let known = GateDatabase::new(gate).number("SELECT count(*) FROM users")?;
                anyhow::ensure!(
                    known == cards && cards > 0,
                    "{} knows {known} of {cards}",
                    gate.name.code
                );
            }
            Ok(Some(()))
        })
    }

    fn say_what_to_try(&self) {
        let card = self.a_card().unwrap_or_else(|_| "CARD0001".to_owned());
        let [entry, exit] = &self.gates;
        let tap = |gate: &Gate| {
            format!(
                "curl -s http://{}/v1/taps -H \"Authorization: Bearer $(cat {})\" --json '{{\"card\": \"{card}\"}}'",
                gate.http_address(),
                gate.folder().join("data/token").display()
            )
        };
        let psql = |database: &str, sql: &str| format!("psql {} -c \"{sql}\"", self.database.url(database));
        println!("\nEverything is up. In another terminal:\n");
        let steps = [
            (format!("A card enters at {}:", entry.name.code), tap(entry)),
            (
                "The hub has it:".to_owned(),
                psql(TRANSACTIONS, "SELECT * FROM taps ORDER BY at DESC LIMIT 3"),
            ),
            (
                format!("It leaves at {}, which knows where it entered:", exit.name.code),
                tap(exit),
            ),
            (
                "What that cost, in the books and in Redis:".to_owned(),
                psql(
                    TRANSACTIONS,
                    &format!("SELECT rule, debit, credit, amount FROM transfers WHERE card = '{card}'"),
                ),
            ),
            (
                String::new(),
                format!(
                    "redis-cli -u {} --no-auth-warning hgetall user:{}",
                    self.redis.url(),
                    self.user_id(&card).unwrap_or_else(|_| "1".to_owned())
                ),
            ),
            (
                "Pull the plug of the hub, tap on, plug it in again, and ask the books once more:".to_owned(),
                format!("kill -9 {}", self.hub_pid()),
            ),
            (String::new(), self.hub_command()),
        ];
        for (why, command) in steps {
            if !why.is_empty() {
                println!("{why}");
            }
            println!("  {command}");
        }
        println!(
            "\nLogs and configurations: {}. Ctrl-C ends everything.",
            self.folder.display()
        );
    }

    /// A card that may travel and has money.
    fn a_card(&self) -> anyhow::Result<String> {
        let sql = "SELECT card FROM card_states WHERE status = 'active' AND held = 0 ORDER BY balance DESC, card LIMIT 1";
        self.database
            .value(TRANSACTIONS, sql)?
            .context("the sample has no such card")
    }

    fn user_id(&self, card: &str) -> anyhow::Result<String> {
        let sql = format!("SELECT id::text FROM users WHERE card_id = '{card}'");
        wait_for("the card in user_service_db", READY_LIMIT, || {
            self.database.value(USERS, &sql)
        })
    }

    fn hub_pid(&self) -> u32 {
        self.hub.id().unwrap_or_default()
    }

    fn hub_command(&self) -> String {
        let program = program::path("hub").unwrap_or_else(|_| PathBuf::from("hub"));
        format!(
            "{} run --config {}",
            program.display(),
            self.hub.config_file().display()
        )
    }

    /// Says once of each process that it is gone: a plug that was pulled on purpose, or a failure.
    fn tell_who_is_gone(&mut self, told: &mut [bool; 3]) {
        let command = self.hub_command();
        let hub = self.hub.process().map(|process| (process, command));
        let gates = self.gates.iter_mut().map(|gate| {
            let command = format!("edge-node run --config {}", gate.config_file().display());
            gate.process().map(|process| (process, command))
        });
        for (running, told) in std::iter::once(hub).chain(gates).zip(told) {
            if let Ok((process, command)) = running
                && !*told
                && !process.is_running()
            {
                println!("{} has ended; start it again with\n  {command}", process.name());
                *told = true;
            }
        }
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        for gate in &mut self.gates {
            stop_if_running(gate.process()?)?;
        }
        stop_if_running(self.hub.process()?)?;
        self.redis.kill()?;
        self.postgres.kill()
    }
}

fn stop_if_running(process: &mut tests::harness::process::Process) -> anyhow::Result<()> {
    if process.is_running() {
        process.terminate()?;
    }
    Ok(())
}
