//! A hub and two gates to try by hand: starts everything they need, says what to try, and ends all of it on Ctrl-C.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tests::harness::database::{Database, TRANSACTIONS, USERS};
use tests::harness::gate::{A_ENTRY, B_EXIT, Gate, Neighbourhood, read_token};
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
    up.say_what_to_try()?;
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

    /// Writes what the commands below need into a file of shell variables.
    fn write_variables(&self) -> anyhow::Result<PathBuf> {
        let [entry, exit] = &self.gates;
        let token = |gate: &Gate| read_token(&gate.folder().join("data/token"));
        let variables = format!(
            "export DATABASE_URL={} REDIS_URL={}\nTOKEN_A={} TOKEN_B={} TOKEN_HUB={}\n",
            self.postgres.url(),
            self.redis.url(),
            token(entry)?,
            token(exit)?,
            read_token(&self.hub.token_file())?
        );
        let file = self.folder.join("env");
        std::fs::write(&file, variables).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    fn say_what_to_try(&self) -> anyhow::Result<()> {
        let card = self.a_card()?;
        let user = self.user_id(&card)?;
        let variables = self.write_variables()?;
        let [entry, exit] = &self.gates;
        let tap = |gate: &Gate, token: &str| {
            let address = gate.http_address();
            format!(
                "curl -s {address}/v1/taps -H \"Authorization: Bearer ${token}\" --json '{{\"card\": \"{card}\"}}'"
            )
        };
        let books = format!(
            "psql $DATABASE_URL/{TRANSACTIONS} -c \"SELECT rule, debit, credit, amount FROM transfers WHERE card = '{card}'\""
        );
        println!(
            "\nEverything is up. In another terminal, here:\n\n  . {}",
            shown(&variables)
        );
        println!(
            "  {}   # a card enters at {}",
            tap(entry, "TOKEN_A"),
            entry.name.code
        );
        println!(
            "  psql $DATABASE_URL/{TRANSACTIONS} -c 'SELECT * FROM taps ORDER BY at DESC LIMIT 3'   # the hub has it"
        );
        println!("  {}   # and leaves at {}", tap(exit, "TOKEN_B"), exit.name.code);
        println!("  {books}");
        println!("  redis-cli -u $REDIS_URL --no-auth-warning hgetall user:{user}");
        println!("\nPull the plug of the hub, tap on, plug it in again, and look at the books once more:\n");
        println!("  kill -9 {}", self.hub.id().unwrap_or_default());
        println!("  {}", self.hub_command());
        println!(
            "\nLogs and configurations are in {}. Ctrl-C ends everything.",
            shown(&self.folder)
        );
        Ok(())
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
            let program = program::path("edge-node").unwrap_or_else(|_| PathBuf::from("edge-node"));
            let command = format!("{} run --config {}", shown(&program), shown(&gate.config_file()));
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

/// A path as a person in the working folder writes it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

fn stop_if_running(process: &mut tests::harness::process::Process) -> anyhow::Result<()> {
    if process.is_running() {
        process.terminate()?;
    }
    Ok(())
}
