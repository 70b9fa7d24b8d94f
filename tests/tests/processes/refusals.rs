//! Bad input: each is refused with what happened and what to do, and whoever runs goes on.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tests::harness::client::Client;
use tests::harness::database::{Database, TRANSACTIONS};
use tests::harness::gate::{A_ENTRY, A_EXIT, B_EXIT, Gate, Neighbourhood, Tapped};
use tests::harness::network::{Databases, Network, case, new_prefix};
use tests::harness::process::{self, Process};
use tests::harness::{ports, program};

/// A program that cannot start says so within this.
const REFUSAL_LIMIT: Duration = Duration::from_secs(30);
const CARD: &str = "TESTCARD0001";

#[test]
fn cards_and_bodies_that_make_no_sense_are_answered_with_reasons() {
    case("bad-requests", Databases::Shared, |network| {
        network.issue(CARD, "50000.00")?;
        let unknown = network.gate(A_ENTRY).tap("NOBODY0001")?;
        assert_eq!((unknown.opened, unknown.reason.as_str()), (false, "UNKNOWN_CARD"));
        let direction = json!({ "card": CARD, "direction": "entry" });
        let answer = network.gate(B_EXIT).client()?.post("/v1/taps", &direction)?;
        let wrong_way = Tapped::read(&answer)?;
        assert_eq!(
            (wrong_way.opened, wrong_way.reason.as_str()),
            (false, "WRONG_GATE")
        );

        for name in [A_ENTRY, B_EXIT] {
            let gate = network.gate(name);
            for body in [
                "",
                "{",
                "[]",
                "{}",
                "{\"card\": 1}",
                "{\"card\": \"short\"}",
                "{\"card\": \"CARD0001\", \"way\": \"in\"}",
            ] {
                let answer = gate.client()?.send("POST", "/v1/taps", &[], body)?;
                assert!((400..=422).contains(&answer.status), "{body:?}: {answer:?}");
                assert_eq!(answer.content_type, "application/problem+json", "{body:?}");
            }
            let mut nobody = Client::new(gate.http_address(), None);
            assert_eq!(nobody.post("/v1/taps", &json!({ "card": CARD }))?.status, 401);
            let mut liar = Client::new(gate.http_address(), Some("0".repeat(64)));
            assert_eq!(liar.post("/v1/taps", &json!({ "card": CARD }))?.status, 401);
            let foreign = [("host", "attacker.example")];
            let answer = gate.client()?.send("GET", "/v1/status", &foreign, "")?;
            assert!(
                matches!(answer.status, 403 | 421),
                "a page elsewhere may not ask: {answer:?}"
            );
            assert_eq!(gate.client()?.get("/v1/nothing")?.status, 404);
        }
        refused_by_the_hub(network)?;
        network.pass(A_ENTRY, CARD).map(drop)
    });
}

fn refused_by_the_hub(network: &Network) -> anyhow::Result<()> {
    let mut client = network.hub.client()?;
    let float = json!({ "card": CARD, "amount": 5000.5, "reference": "float" });
    let key = [("idempotency-key", "float")];
    let answer = client.send("POST", "/v1/topups", &key, &float.to_string())?;
    assert!(
        (400..=422).contains(&answer.status),
        "floats are no money (D-20): {answer:?}"
    );
    let money = json!({ "card": CARD, "amount": "5000.00", "reference": "no-key" });
    assert_eq!(
        client.post("/v1/topups", &money)?.status,
        400,
        "no Idempotency-Key"
    );
    let stranger = json!({ "card": "NOBODY0002", "amount": "5000.00", "reference": "nobody" });
    let key = [("idempotency-key", "nobody")];
    let answer = client.send("POST", "/v1/topups", &key, &stranger.to_string())?;
    assert_eq!(answer.content_type, "application/problem+json", "{answer:?}");
    let mut nobody = Client::new(network.hub.http_address(), None);
    assert_eq!(nobody.get(&format!("/v1/cards/{CARD}"))?.status, 401);
    assert_eq!(client.get("/readyz")?.status, 200);
    Ok(())
}

#[test]
fn a_gate_that_cannot_start_says_what_is_wrong() {
    case("gate-refuses", Databases::Shared, |network| {
        let folder = network.folder().join("other");
        let gate = Gate::new(A_EXIT, &folder)?;
        gate.configure(&Neighbourhood::default())?;
        says(&mut gate.command()?, &["node.key"]).context("no keys")?;

        network
            .hub
            .issue_keys(B_EXIT.id, B_EXIT.terminal, &folder.join("keys"))?;
        says(&mut gate.command()?, &["certificate"]).context("another gate's keys")?;
        std::fs::remove_dir_all(folder.join("keys"))?;
        network
            .hub
            .issue_keys(A_EXIT.id, A_EXIT.terminal, &folder.join("keys"))?;

        let config = std::fs::read_to_string(gate.config_file())?;
        std::fs::write(gate.config_file(), config.replace("[gate]", "[gate]\nspeed = 3"))?;
        says(&mut gate.command()?, &["gate.toml", "speed", "terminal"]).context("an unknown key")?;
        std::fs::write(gate.config_file(), &config)?;
        says(gate.command()?.env("EDGE_SYNC__SPEED", "3"), &["speed"]).context("an unknown variable")?;

        let taken = network.gate(A_ENTRY);
        for (own, others) in [
            (gate.http_address(), taken.http_address()),
            (gate.sync_address(), taken.sync_address()),
        ] {
            let text = config.replace(&own.to_string(), &others.to_string());
            std::fs::write(gate.config_file(), text)?;
            says(&mut gate.command()?, &[&others.to_string(), "is taken"]).context("a taken port")?;
        }
        std::fs::write(gate.config_file(), &config)?;

        taps_in_1999(&gate)?;
        newer_schema(&gate)?;
        network.pass_somebody()
    });
}

/// A database of a later program is left alone.
fn newer_schema(gate: &Gate) -> anyhow::Result<()> {
    gate_process(&mut gate.command()?, gate)?.terminate()?;
    let connection = rusqlite::Connection::open(gate.database())?;
    connection.pragma_update(None, "user_version", 99)?;
    drop(connection);
    says(&mut gate.command()?, &["99", "newer"])
        .map(drop)
        .context("a newer schema")
}

fn gate_process(command: &mut Command, gate: &Gate) -> anyhow::Result<Process> {
    let mut process = Process::start("gate", command, &gate.folder().join("gate.log"))?;
    let mut client = Client::new(gate.http_address(), None);
    process.wait_until("it is healthy", REFUSAL_LIMIT, || {
        client.get("/healthz").is_ok_and(|answer| answer.status == 200)
    })?;
    Ok(process)
}

#[test]
fn a_hub_that_cannot_start_says_what_is_wrong() {
    case("hub-refuses", Databases::Shared, |network| {
        let file = network.hub.config_file();
        let config = std::fs::read_to_string(&file)?;
        let second = network.folder().join("second.toml");
        let run = |text: &str| -> anyhow::Result<Command> {
            std::fs::write(&second, text)?;
            let mut command = program::command("hub")?;
            command.arg("run").arg("--config").arg(&second);
            Ok(command)
        };
        let unknown = config.replace("[http]", "[http]\nspeed = 3");
        says(&mut run(&unknown)?, &["second.toml", "speed", "listen"]).context("an unknown key")?;

        let (http, sync) = (network.hub.http_address(), network.hub.sync_address());
        let elsewhere = |address: std::net::SocketAddr| -> anyhow::Result<String> {
            Ok(config.replace(&address.to_string(), &format!("127.0.0.1:{}", ports::free()?)))
        };
        says(&mut run(&elsewhere(sync)?)?, &[&http.to_string(), "is taken"]).context("a taken HTTP port")?;
        says(&mut run(&elsewhere(http)?)?, &[&sync.to_string(), "is taken"]).context("a taken QUIC port")?;

        let nowhere = format!("127.0.0.1:{}", ports::free()?);
        let url = format!("postgres://postgres:secret@{nowhere}");
        let free = elsewhere(http)?.replace(&sync.to_string(), &format!("127.0.0.1:{}", ports::free()?));
        let gone = free.replace(network.database.server_url(), &url) + "\n[database]\nstart_wait_s = 1\n";
        let said = says(&mut run(&gone)?, &[&nowhere]).context("no database")?;
        assert!(!said.contains("secret"), "the password is in the log: {said}");

        let mut command = run(&config)?;
        if in_1999(&mut command) {
            says(&mut command, &["clock", "2020"]).context("a clock before 2020")?;
        }
        network.pass_somebody()
    });
}

#[test]
fn a_database_of_a_later_program_is_left_alone() {
    let url = tests::harness::services::shared_database_url().unwrap();
    let prefix = new_prefix();
    let database = Database::new(&url, &prefix).unwrap();
    let hub = |arguments: &[&str]| {
        let mut command = program::command("hub").unwrap();
        command
            .args(arguments)
            .args(["--database-url", &url, "--database-prefix", &prefix]);
        command
    };
    process::run(&mut hub(&["migrate"])).unwrap();
    database
        .rows(
            TRANSACTIONS,
            "INSERT INTO schema_migrations (version, name, hash) VALUES (9999, 'later', '')",
        )
        .unwrap();
    says(&mut hub(&["migrate"]), &[TRANSACTIONS, "newer", "install"]).unwrap();
    database.drop_all().unwrap();
}

/// The command has to end by itself, not well, and say all of this.
fn says(command: &mut Command, words: &[&str]) -> anyhow::Result<String> {
    let log = tempfile::NamedTempFile::new()?;
    let mut process = Process::start("the program", command, log.path())?;
    let status = process
        .exit_status(REFUSAL_LIMIT)
        .with_context(|| format!("it ought to have refused, and said:\n{}", process.log()))?;
    let said = process.log();
    anyhow::ensure!(!status.success(), "it ended well, and said:\n{said}");
    anyhow::ensure!(!said.contains("panicked"), "it panicked:\n{said}");
    for word in words {
        anyhow::ensure!(
            said.to_lowercase().contains(&word.to_lowercase()),
            "no {word:?} in:\n{said}"
        );
    }
    Ok(said)
}

/// A gate whose clock was never set says so, and lets people through.
fn taps_in_1999(gate: &Gate) -> anyhow::Result<()> {
    let mut command = gate.command()?;
    if !in_1999(&mut command) {
        return Ok(());
    }
    let mut process = gate_process(&mut command, gate)?;
    let said = process.log();
    anyhow::ensure!(
        said.contains("2020") && said.contains("clock"),
        "it does not warn:\n{said}"
    );
    gate.tap(CARD)?.fact()?;
    process.terminate().map(drop)
}

/// Puts a command under a clock that stands in 1999. Says so where that cannot be had, and the check is skipped.
fn in_1999(command: &mut Command) -> bool {
    let places = ["lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib64", "lib"];
    let files = places.map(|place| format!("/usr/{place}/faketime/libfaketimeMT.so.1"));
    let Some(library) = files.iter().find(|file| Path::new(file).exists()) else {
        println!("skipped: no clock of 1999 without libfaketime (.ci/setup test installs it on Debian)");
        return false;
    };
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME", "@1999-12-31 12:00:00");
    true
}
