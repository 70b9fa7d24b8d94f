//! A gate's first certificate: by a token that counts once, for one gate, for a while, and only at its own hub.

use std::path::Path;
use std::process::Command;

use tests::harness::database::TRANSACTIONS;
use tests::harness::gate::{Gate, GateName, Neighbourhood};
use tests::harness::network::{Databases, Network, SOON, case};
use tests::harness::process::{self, Finished};
use tests::harness::program;
use tests::harness::wait::wait_for;

const NEW: GateName = GateName {
    id: 3,
    code: "A-BI-01",
    terminal: "A",
    kind: "bidirectional",
};
/// Of another terminal.
const OTHER: GateName = GateName {
    id: 8,
    code: "D-BI-01",
    terminal: "D",
    kind: "bidirectional",
};

fn token(network: &Network, valid_for: &str) -> anyhow::Result<String> {
    let flags = ["--terminal", NEW.terminal, "--gate", NEW.code];
    let arguments = [&["enroll-token", "--valid-for", valid_for], &flags[..]].concat();
    Ok(network.hub.run(&arguments)?.trim().to_owned())
}

fn new_gate(network: &Network, name: GateName, folder: &str) -> anyhow::Result<Gate> {
    let gate = Gate::new(name, &network.folder().join(folder))?;
    gate.configure(&Neighbourhood {
        hub: Some(network.hub.sync_address()),
        gates: Vec::new(),
    })?;
    Ok(gate)
}

fn enroll(gate: &Gate, token: &str) -> anyhow::Result<Finished> {
    let mut command: Command = program::command("edge-node")?;
    command
        .args(["enroll", token, "--config"])
        .arg(gate.config_file());
    process::finish(&mut command)
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// It says why, and leaves nothing behind.
fn assert_refused(gate: &Gate, token: &str, code: i32, says: &str) -> anyhow::Result<()> {
    let ended = enroll(gate, token)?;
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(ended.errors.contains(says), "{says:?} is not in {ended:?}");
    assert_eq!(files(&gate.folder().join("keys")), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_token_lets_one_gate_enrol_once() {
    case("enrolment", Databases::Shared, |network| {
        let mut gate = new_gate(network, NEW, "new")?;
        let good = token(network, "24h")?;
        // Whom the token says to believe is not who answers.
        let (prefix, rest) = good.split_at("enrol1.".len());
        let digit = if rest.starts_with('0') { '1' } else { '0' };
        let strange = format!("{prefix}{digit}{}", &rest[1..]);
        assert_refused(&gate, &strange, 2, "is not the hub of the expected authority")?;
        // A secret that nobody gave out.
        let at = good.find('@').expect("an address is in it");
        let digit = if good[..at].ends_with('0') { '1' } else { '0' };
        let unknown = format!("{}{digit}{}", &good[..at - 1], &good[at..]);
        assert_refused(&gate, &unknown, 2, "the hub knows no such token")?;
        assert_refused(&gate, "enrol1.x", 2, "this is no enrolment token")?;
        let other = new_gate(network, OTHER, "other")?;
        assert_refused(
            &other,
            &good,
            2,
            "the token is for A-BI-01 (gate 3 of terminal A)",
        )?;

        let enrolled = enroll(&gate, &good)?;
        assert!(enrolled.succeeded, "{enrolled:?}");
        let keys = gate.folder().join("keys");
        assert_eq!(files(&keys), ["ca.crt", "node.crt", "node.key"]);
        let ended = enroll(&gate, &good)?;
        assert!(ended.errors.contains("has enrolled before"), "{ended:?}");
        let twin = new_gate(network, NEW, "twin")?;
        assert_refused(&twin, &good, 2, "was used at")?;

        // It is a gate like the others.
        gate.start()?;
        network.issue("TESTCARD0009", "50000.00")?;
        let tapped = gate.tap("TESTCARD0009")?;
        network.wait_for_fact(tapped.fact()?, SOON)?;
        assert!(gate.process()?.terminate()?.success());
        Ok(())
    });
}

#[test]
fn a_token_ends_and_a_hub_that_is_away_is_named() {
    case("enrolment_late", Databases::Shared, |network| {
        let gate = new_gate(network, NEW, "late")?;
        let short = token(network, "1s")?;
        wait_for("the token to end", SOON, || {
            let over = "SELECT count(*)::text FROM enrol_tokens WHERE expires_at < clock_timestamp()";
            Ok((network.database.number(TRANSACTIONS, over)? == 1).then_some(()))
        })?;
        assert_refused(&gate, &short, 2, "the token ended at")?;
        let long = token(network, "1h")?;
        network.hub.kill()?;
        assert_refused(&gate, &long, 3, "cannot be reached")?;
        network.hub.start()?;
        let enrolled = enroll(&gate, &long)?;
        assert!(enrolled.succeeded, "{enrolled:?}");
        // A gate that nobody entered gets no token, nor one by the wrong terminal.
        let tokens = |terminal: &str, gate: &str| {
            let arguments = ["enroll-token", "--terminal", terminal, "--gate", gate];
            process::finish(&mut network.hub.command(&arguments)?)
        };
        let unknown = tokens("A", "A-NONE-01")?;
        assert!(
            unknown.errors.contains("no gate has the code A-NONE-01"),
            "{unknown:?}"
        );
        let astray = tokens("B", "A-BI-01")?;
        assert!(
            astray.errors.contains("stands in terminal A, not in B"),
            "{astray:?}"
        );
        Ok(())
    });
}
