//! Generated and listed networks.

use super::*;

fn with_network(table: &str) -> String {
    MINIMAL.replace("network = \"sample\"\n", "") + "[network]\n" + table + "\n"
}

/// Each `[network]` table, whose first line is line 9, and what is said then.
fn refused(cases: &[(&str, &str)]) {
    for (table, expected) in cases {
        assert_eq!(error_of(&with_network(table)), *expected, "{table}");
    }
}

#[test]
fn generated_networks_are_checked() {
    refused(&[
        ("", "t.toml:8: network: missing field `kind`"),
        ("kind = 3", "t.toml:9: network: kind: a name in quotes is allowed"),
        (
            "kind = \"ring\"",
            "t.toml:9: network: unknown variant `ring`, expected one of `sample`, `generated`, `listed`",
        ),
        (
            "kind = \"generated\"\nterminals = 500\ngates_per_terminal = 2",
            "t.toml:10: network: 500 is out of range: 2 to 480 are allowed",
        ),
        (
            "kind = \"generated\"\nterminals = 5",
            "t.toml:8: network: missing field `gates_per_terminal`",
        ),
        (
            "kind = \"generated\"\nterminals = 5\ngates_per_terminal = 200",
            "t.toml:11: network: 200 is out of range: 1 to 128 are allowed",
        ),
        (
            "kind = \"generated\"\nterminals = 5\ngates_per_terminal = { entry = 2 }",
            "t.toml:11: network: a terminal needs a way in and a way out: an entry and an exit, or a bidirectional \
                 gate",
        ),
        (
            "kind = \"generated\"\nterminals = 400\ngates_per_terminal = 100",
            "t.toml:11: network: 40000 gates: at most 20000 are allowed",
        ),
        (
            "kind = \"generated\"\nterminals = 5\ngates_per_terminal = 2\nfare_furthest = 1000",
            "t.toml:12: network: 1000 is less than fare_nearest: 3000 to 1000000 are allowed",
        ),
        (
            "kind = \"generated\"\nterminals = 350\ngates_per_terminal = 2\nlayout = \"line\"\nfare_nearest = 3001\n\
                 fare_step = 1\nfare_furthest = 9000",
            "t.toml:8: network: the fares take 367868 bytes as one version, 261120 are allowed: have fewer \
                 terminals, or prices that are small multiples of one unit",
        ),
    ]);
    let error = error_of(&with_network(
        "kind = \"generated\"\nterminals = 5\ngates_per_terminal = 2\nplatforms = 3",
    ));
    assert!(
        error.starts_with("t.toml:12: network: unknown field `platforms`"),
        "{error}"
    );
}

#[test]
fn a_generated_network_has_what_was_asked_for() {
    let network = parsed(&with_network(
            "kind = \"generated\"\nterminals = 5\ngates_per_terminal = { entry = 4, exit = 4, bidirectional = 4 }",
        ))
        .topology();
    assert_eq!((network.terminals.len(), network.gates.len()), (5, 60));
    let codes: Vec<&str> = network.gates.iter().map(|gate| gate.code.as_str()).collect();
    assert_eq!(
        (codes[0], codes[11], codes[59]),
        ("A-ENTRY-01", "A-BI-04", "E-BI-04")
    );
}

/// The largest network that the benchmarks simulate: its fares travel as one changeset.
#[test]
fn the_fares_of_350_terminals_fit_in_one_changeset() {
    let scenario = parsed(&with_network(
        "kind = \"generated\"\nterminals = 350\ngates_per_terminal = 8",
    ));
    let network = scenario.topology();
    assert_eq!((network.terminals.len(), network.gates.len()), (350, 2_800));
    let fares = network.fare_version(1, 0, OrphanPolicy::Release).unwrap();
    assert_eq!(fares.fares().count(), 350 * 349);
    let bytes = codec::encode(&fares).len();
    assert!(bytes < 130_000, "{bytes}");
}

const LISTED: &str = r#"kind = "listed"
[[network.terminal]]
code = "A"
name = "Alun-Alun"
[[network.terminal]]
code = "B"
name = "Bundaran"
[[network.gate]]
code = "A-BI-01"
terminal = "A"
kind = "bidirectional"
[[network.gate]]
code = "B-BI-01"
terminal = "B"
kind = "bidirectional"
[network.fares]
A = { B = "3500.00" }
B = { A = "3500.00" }"#;

#[test]
fn listed_networks_are_checked() {
    assert_eq!(parsed(&with_network(LISTED)).topology().gates.len(), 2);
    for (from, to, expected) in [
        (
            "code = \"B\"",
            "code = \"A\"",
            "t.toml:14: network: terminal A is listed twice",
        ),
        (
            "code = \"B\"",
            "code = \"b\"",
            "t.toml:14: network: \"b\" is not a terminal code: 1 to 3 of A-Z are allowed",
        ),
        (
            "\"B-BI-01\"",
            "\"A-BI-01\"",
            "t.toml:21: network: gate A-BI-01 is listed twice: a code is one gate's in the whole network",
        ),
        (
            "terminal = \"B\"",
            "terminal = \"C\"",
            "t.toml:22: network: no terminal C is listed: write [[network.terminal]] for it",
        ),
        (
            "kind = \"bidirectional\"",
            "kind = \"wide\"",
            "t.toml:19: network: unknown variant `wide`, expected one of `entry`, `exit`, `bidirectional`",
        ),
        (
            "A = { B = \"3500.00\" }",
            "A = { C = \"3500.00\" }",
            "t.toml:25: network: no terminal C is listed: write [[network.terminal]] for it",
        ),
        (
            "A = { B = \"3500.00\" }",
            "A = { A = \"3500.00\" }",
            "t.toml:25: network: a fare from A to itself is not allowed: same-station journeys have their own rule",
        ),
        (
            "A = { B = \"3500.00\" }",
            "A = { B = \"-1.00\" }",
            "t.toml:25: network: -1.00 is not a price: 0.00 to 9999999999999.99 are allowed",
        ),
        (
            "A = { B = \"3500.00\" }\nB = { A = \"3500.00\" }",
            "A = {}",
            "t.toml:24: network: a network without a fare lets nobody in: state at least one",
        ),
        (
            "name = \"Bundaran\"",
            "name = \"\"",
            "t.toml:15: network: name: one line of 1 to 100 characters is allowed",
        ),
    ] {
        assert!(LISTED.contains(from), "{from}");
        assert_eq!(error_of(&with_network(&LISTED.replacen(from, to, 1))), expected);
    }
}
