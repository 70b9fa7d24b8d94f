//! `SCENARIOS.md` names every key and every kind, and its example can be run.

use super::*;

const DOCUMENTATION: &str = include_str!("../../../SCENARIOS.md");

/// The keys that an error offers instead of one that does not exist.
fn keys_offered(text: &str) -> Vec<String> {
    let error = error_of(text);
    let (_, offered) = error.split_once("expected one of ").unwrap();
    offered.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_key_is_documented() {
    let generated =
        MINIMAL.replace("network = \"sample\"\n", "") + "[network]\nkind = \"generated\"\nnone = 1\n";
    let mut count = 0;
    for text in [
        format!("none = 1\n{MINIMAL}"),
        format!("{MINIMAL}none = 1\n"),
        format!("{MINIMAL}[policy]\nnone = 1\n"),
        format!("{MINIMAL}[engine]\nnone = 1\n"),
        format!("{MINIMAL}[[fare_change]]\nnone = 1\n"),
        generated,
    ] {
        for key in keys_offered(&text) {
            let named = [format!("`{key}`"), format!("`[{key}]`"), format!("`[[{key}]]`")];
            assert!(named.iter().any(|name| DOCUMENTATION.contains(name)), "{key}");
            count += 1;
        }
    }
    assert!(count > 50, "{count} keys");
}

#[test]
fn every_kind_of_fault_is_documented() {
    for entry in fault_catalogue() {
        assert!(
            DOCUMENTATION.contains(&format!("`{}`", entry.kind)),
            "{}",
            entry.kind
        );
    }
}

#[test]
fn the_example_can_be_run() {
    let (_, example) = DOCUMENTATION.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    assert_eq!(parsed(example).faults.len(), 1);
}
