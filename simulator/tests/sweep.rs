//! Sweeps over drawn scenarios, kept cases, and running one again.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::path::Path;
use std::process::Command;

use simulator::case::Case;

/// Nine frames in ten are lost until the end, and everybody ought to be level within a second: too soon.
const TOO_SOON: &str = r#"title = "too soon"
network = "sample"
starts_at = "07:00"
duration_s = 120
converge_within_s = 1
[traffic]
cards = 20
trips_per_hour_at_peak = 900
[[fault]]
at_s = 5
for_s = 1
kind = "hub_away"
[[fault]]
at_s = 20
for_s = 100
kind = "lossy"
loss_per_mille = 900

[case]
seed = 1
"#;

fn simulator(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_sweep_counts_its_seeds_and_a_seed_is_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = text_of(folder.path());
    let (code, said, error) = simulator(&["sweep", "--seeds", "3", "--from", "5", "--out", out]);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(said.contains("3 seeds: "), "{said}");
    assert!(folder.path().join("sweep.json").exists());
    let (code, said, error) = simulator(&["replay", "6", "--out", out]);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(said.contains(": the same twice"), "{said}");
}

#[test]
fn a_case_that_fails_says_so_again_with_the_trace_that_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("case.toml"), folder.path().join("out"));
    let (file, out) = (text_of(&file), text_of(&out));
    std::fs::write(file, TOO_SOON).unwrap();
    let (code, said, error) = simulator(&["replay", file, "--out", out]);
    assert_eq!(code, Some(1), "{said}{error}");
    let report = std::fs::read_to_string(folder.path().join("out/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    for trace in [report["trace_hash"].as_str().unwrap(), "another"] {
        std::fs::write(file, format!("{TOO_SOON}trace_hash = \"{trace}\"\n")).unwrap();
        let (code, said, _) = simulator(&["replay", file, "--out", out]);
        assert_eq!(code, Some(1));
        assert_eq!(
            said.contains("equal to the recorded one"),
            trace != "another",
            "{said}"
        );
    }
}

#[test]
fn a_shortened_case_still_fails_with_less() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.toml");
    std::fs::write(&file, TOO_SOON).unwrap();
    let out = text_of(folder.path());
    let (code, said, error) = simulator(&["replay", text_of(&file), "--minimise", "--out", out]);
    assert_eq!(code, Some(1), "{said}{error}");
    let shortest = Case::read(&folder.path().join("minimised.toml")).unwrap();
    assert_eq!(shortest.run.failed, ["converges in time"]);
    assert_eq!(shortest.text.matches("[[fault]]").count(), 1, "{}", shortest.text);
}

#[test]
fn bad_input_exits_2_and_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plain.toml");
    std::fs::write(&file, "title = \"t\"\n").unwrap();
    let kept = folder.path().join("kept.toml");
    std::fs::write(&kept, TOO_SOON).unwrap();
    for (arguments, expected) in [
        (&["replay", "no-such-file.toml"][..], "no-such-file.toml: "),
        (&["replay", text_of(&file)], "there is no table [case]"),
        (&["run", text_of(&kept)], "It is a kept case: `simulator replay "),
        (&["sweep", "--seeds", "0"], "--seeds"),
        (&["sweep", "--threads", "0"], "--threads"),
        (&["sweep", "--seeds", "many"], "--seeds"),
    ] {
        let (code, said, error) = simulator(arguments);
        assert_eq!((code, said.as_str()), (Some(2), ""), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}
