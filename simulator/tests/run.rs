//! Whole runs: real stores, real engines, real ledger, in virtual time.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::process::Command;

use simulator::report::{Report, Verdict};
use simulator::run::play;
use simulator::scenario::Scenario;

/// Five minutes of the sample network with the given faults.
fn scenario(faults: &str) -> String {
    format!(
        r#"title = "five minutes"
network = "sample"
starts_at = "07:00"
duration_s = 300
converge_within_s = 20
[traffic]
cards = 60
trips_per_hour_at_peak = 900
missing_exit_per_mille = 50
repeated_tap_per_mille = 100
poor_card_per_mille = 100
top_ups_per_hour = 240
blocks_per_hour = 60
orphan_policy = "charge_max"
{faults}"#
    )
}

fn played(faults: &str, seed: u64) -> Report {
    let text = scenario(faults);
    play(Scenario::parse("test", "test.toml", &text).unwrap(), seed)
        .unwrap()
        .0
}

fn failures(report: &Report) -> Vec<String> {
    let failed = report.checks.iter().filter(|check| !check.passed);
    failed
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect()
}

const ISLAND: &str = "[[fault]]\nat_s = 60\nfor_s = 180\nkind = \"island\"\nterminal = \"A\"\n";

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let [first, second, other] = [3, 3, 4].map(|seed| played(ISLAND, seed));
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_eq!(first.taps, second.taps);
    assert_ne!(first.trace_hash, other.trace_hash);
}

#[test]
fn an_island_goes_on_and_everybody_is_level_after_the_heal() {
    let report = played(ISLAND, 11);
    assert_eq!(failures(&report), Vec::<String>::new());
    assert_eq!(report.verdict, Verdict::Pass);
    assert!(
        report.faults[0].unseen_entries > 0,
        "the island was meant to let passengers in meanwhile"
    );
    assert!(report.decided_alone > 0);
    assert!(report.converged_after_ms.is_some_and(|took_ms| took_ms <= 5_000));
}

#[test]
fn a_gate_without_uplink_reaches_the_hub_through_its_neighbour() {
    let report = played(
        "[[fault]]\nat_s = 30\nfor_s = 240\nkind = \"cut\"\nfrom = \"B-ENTRY-01\"\nto = \"hub\"\n",
        5,
    );
    assert_eq!(failures(&report), Vec::<String>::new());
    assert!(report.faults[0].taps > 0, "passengers were meant to use the gate");
    // All but what was tapped in the last moments has gone round by the time the link heals.
    assert!(
        report.faults[0].unseen_entries <= 1,
        "{} entries never went round",
        report.faults[0].unseen_entries
    );
    assert_eq!(
        report.decided_alone, 0,
        "the hub's heartbeats were meant to come round too"
    );
}

#[test]
fn loss_and_repetition_on_every_link_lose_nothing_and_repeat_nothing() {
    let lossy = "[[fault]]\nat_s = 20\nfor_s = 260\nkind = \"lossy\"\nloss_per_mille = 400\nduplicate_per_mille = 300\n";
    for seed in [1, 2] {
        let report = played(lossy, seed);
        assert_eq!(failures(&report), Vec::<String>::new());
        assert!(report.faults[0].frames > 100);
    }
}

#[test]
fn overlapping_faults_heal_too() {
    let away = "[[fault]]\nat_s = 100\nfor_s = 100\nkind = \"hub_away\"\n";
    let report = played(&format!("{ISLAND}{away}"), 9);
    assert_eq!(failures(&report), Vec::<String>::new());
    assert_eq!(report.faults.len(), 2);
}

fn simulator(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn bad_input_exits_2_and_says_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    let path = path.to_str().unwrap();
    for (text, expected) in [
        (
            scenario("").replace("cards = 60", "cards = -1"),
            "bad.toml:7: -1 is out of range: 1 to 9999999 are allowed",
        ),
        (
            scenario("[[fault]]\nat_s = 0\nfor_s = 9\nkind = \"island\"\nterminal = \"Q\"\n"),
            "no terminal Q: A, B, C, D, E are allowed",
        ),
        (
            scenario("[[fault]]\nat_s = 0\nfor_s = 9\nkind = \"cut\"\nfrom = \"Q-9\"\nto = \"hub\"\n"),
            "no gate Q-9: A-ENTRY-01, ",
        ),
    ] {
        std::fs::write(path, text).unwrap();
        let (code, out, error) = simulator(&["run", path, "--out", folder.path().to_str().unwrap()]);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(error.contains(expected), "{error}");
    }
    let (code, _, error) = simulator(&["run", "no-such-scenario"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("simulator list"), "{error}");
}

#[test]
fn the_list_names_every_built_in_scenario() {
    let (code, out, _) = simulator(&["list"]);
    assert_eq!(code, Some(0));
    assert!(
        out.lines().any(|line| line.starts_with("terminal-c-island ")),
        "{out}"
    );
}
