//! The program as operators run it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::Town;

/// The program of this build.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-node"));
    command.env_clear();
    command
}

fn run(arguments: &[&str], settings: &Path) -> Output {
    let mut command = program();
    command.args(arguments).arg("--config").arg(settings);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Settings of gate 1 on ports of the system's choice, and its database stocked.
fn settings(town: &mut Town) -> PathBuf {
    let config = town.config(1, &[]);
    town.stock(&config);
    town.folder.path().join("gate-1.toml")
}

/// A running gate process; killed when the test fails.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    /// Starts a gate that reads cards from its standard input, and waits until it runs.
    fn start(settings: &Path) -> Running {
        let mut child = program()
            .args(["run", "--config"])
            .arg(settings)
            .env("EDGE_READER", "stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut log = log.lines();
        let mut said = Vec::new();
        loop {
            match log.next() {
                Some(Ok(line)) if line.contains("the gate runs") => break,
                Some(Ok(line)) => said.push(line),
                _ => panic!("it did not start: {said:?}"),
            }
        }
        // Whoever stops reading a pipe stops the writer once it is full.
        std::thread::spawn(move || log.for_each(drop));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { child, lines }
    }

    fn present(&mut self, line: &[u8]) -> String {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(line).unwrap();
        input.flush().unwrap();
        self.lines.next().unwrap().unwrap()
    }

    fn terminate(mut self) -> ExitStatus {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_reader_on_standard_input_is_answered_line_by_line_until_sigterm() {
    let mut town = Town::new();
    let settings = settings(&mut town);
    let mut gate = Running::start(&settings);
    let entry = gate.present(b"card0001 entry\r\n");
    assert!(entry.starts_with("open Mode luring. Silakan masuk."), "{entry}");
    assert!(gate.present(b"CARD\xff\xfe\n").starts_with("refused "), "binary");
    assert!(
        gate.present(&[[b'A'; 5_000].as_slice(), b"\n"].concat())
            .starts_with("refused "),
        "overlong"
    );
    assert!(gate.present(b"CARD0001 sideways\n").starts_with("refused "));
    assert!(gate.present(b"\nCARD0001 exit\n").starts_with("open "));
    // The end of the reader's input leaves the gate running.
    drop(gate.child.stdin.take());
    let status = run(&["status", "--json"], &settings);
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(
        (&status["running"], &status["head"]),
        (&Value::Bool(true), &Value::from(2))
    );

    let tap = run(&["tap", "CARD0002", "--direction", "exit"], &settings);
    assert_eq!(tap.status.code(), Some(0), "{}", text(&tap.stderr));
    assert!(
        text(&tap.stdout).starts_with("open  EXIT_OPEN (T-09)\n"),
        "{}",
        text(&tap.stdout)
    );
    let denied = run(&["tap", "CARD0002", "--direction", "entry", "--json"], &settings);
    assert_eq!(denied.status.code(), Some(1), "{}", text(&denied.stderr));
    let denied: Value = serde_json::from_slice(&denied.stdout).unwrap();
    assert_eq!(denied["reason"], "UNKNOWN_CARD");
    let taps = run(&["taps", "--last", "2"], &settings);
    let table = text(&taps.stdout);
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(
        table
            .lines()
            .nth(1)
            .is_some_and(|line| line.contains("UNKNOWN_CARD")),
        "newest first: {table}"
    );

    let other = run(&["run"], &settings);
    assert_eq!(other.status.code(), Some(3));
    assert!(
        text(&other.stderr).contains("another process has the database open"),
        "{}",
        text(&other.stderr)
    );
    assert_eq!(gate.terminate().code(), Some(0));
}

#[test]
fn commands_work_on_the_database_when_the_gate_does_not_run() {
    let mut town = Town::new();
    let settings = settings(&mut town);
    let status = run(&["status"], &settings);
    assert_eq!(status.status.code(), Some(3));
    assert!(
        text(&status.stdout).contains("no gate answers at 127.0.0.1:0"),
        "{}",
        text(&status.stdout)
    );

    let tap = run(&["tap", "CARD0001", "--direction", "entry"], &settings);
    assert_eq!(tap.status.code(), Some(0), "{}", text(&tap.stderr));
    assert!(
        text(&tap.stderr).contains("the gate does not run"),
        "{}",
        text(&tap.stderr)
    );
    let taps = run(&["taps", "--json"], &settings);
    let taps: Value = serde_json::from_slice(&taps.stdout).unwrap();
    assert_eq!(taps.as_array().unwrap().len(), 1);
    assert_eq!(taps[0]["hold"], "12000.00");
    let status = run(&["status", "--json"], &settings);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(
        (&status["running"], &status["uncovered"]),
        (&Value::Bool(false), &Value::from(1))
    );
}

#[test]
fn bad_input_is_refused_with_what_to_do_and_exit_code_2() {
    let mut town = Town::new();
    let settings = settings(&mut town);
    let refusal = |arguments: &[&str], settings: &Path, words: &[&str]| {
        let output = run(arguments, settings);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
    };
    refusal(&["tap", "SHORT"], &settings, &["8 to 20 of A-Z and 0-9"]);
    refusal(
        &["tap", "CARD0001", "--direction", "up"],
        &settings,
        &["entry or exit"],
    );
    refusal(&["taps", "--last", "0"], &settings, &["1..=1000"]);
    refusal(&["fly"], &settings, &["fly"]);

    let good = std::fs::read_to_string(&settings).unwrap();
    let bad = town.folder.path().join("bad.toml");
    let with = |old: &str, new: &str| {
        assert!(good.contains(old), "{old} is not in: {good}");
        std::fs::write(&bad, good.replace(old, new)).unwrap();
    };
    with("[gate]", "[gate]\nspeed = 3");
    refusal(&["run"], &bad, &["speed"]);
    with("id = 1", "id = 0");
    refusal(&["run"], &bad, &["the hub's number"]);
    with("id = 1", "id = 3");
    refusal(&["run"], &bad, &["gate 1 of terminal A", "gate 3 of terminal A"]);
    with(
        "http = { listen = \"127.0.0.1:0\" }",
        "http = { listen = \"0.0.0.0:7400\" }",
    );
    refusal(&["config", "check"], &bad, &["loopback"]);
    refusal(&["run"], &town.folder.path().join("none.toml"), &["none.toml"]);
}

#[test]
fn what_keeps_a_gate_from_starting_is_said_with_exit_code_3() {
    let mut town = Town::new();
    let settings = settings(&mut town);
    let check = run(&["config", "check"], &settings);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check.stderr));
    assert!(text(&check.stdout).contains("in order"));

    let failure = |arguments: &[&str], words: &[&str]| {
        let output = run(arguments, &settings);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    failure(&["run", "--http", &address], &[&address, "http.listen"]);
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    failure(&["run", "--sync", &address], &[&address, "sync.listen"]);

    let connection = rusqlite::Connection::open(town.config(1, &[]).database()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    failure(&["run"], &["schema 99", "start the newer version"]);
    failure(&["status"], &["schema 99"]);
    std::fs::remove_file(town.folder.path().join("keys-1/node.key")).unwrap();
    failure(&["run"], &["node.key"]);
}
