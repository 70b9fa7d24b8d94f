//! What goes wrong: kinds, times, places and numbers.

use super::*;

fn with_fault(fault: &str) -> String {
    format!("{MINIMAL}[[fault]]\nat_s = 0\nfor_s = 600\n{fault}\n")
}

/// Each fault's own keys, of which the first is in line 12, and what is said then.
fn refused(cases: &[(&str, &str)]) {
    for (fault, expected) in cases {
        assert_eq!(error_of(&with_fault(fault)), *expected, "{fault}");
    }
}

/// Every kind with keys that are allowed.
const ALLOWED: &[&str] = &[
    "kind = \"island\"\nterminal = \"C\"",
    "kind = \"hub_away\"",
    "kind = \"alone\"\ngate = \"A-ENTRY-01\"",
    "kind = \"all_alone\"",
    "kind = \"cut\"\nfrom = \"A-ENTRY-01\"\nto = \"hub\"",
    "kind = \"one_way\"\nfrom = \"A-ENTRY-01\"\nto = \"A-EXIT-01\"",
    "kind = \"flapping\"\nterminal = \"A\"\nperiod_ms = 1000",
    "kind = \"bridge\"\nterminal = \"A\"\ngate = \"A-EXIT-01\"",
    "kind = \"lossy\"",
    "kind = \"lossy\"\nloss_per_mille = 1\nduplicate_per_mille = 2\nreorder_per_mille = 3\nterminal = \"A\"",
    "kind = \"slow_links\"\nbytes_per_s = 1000\nqueue_bytes = 5000",
    "kind = \"crash\"\ngate = \"A-ENTRY-01\"\nmoment = \"before_commit\"",
    "kind = \"crash\"\ngate = \"A-ENTRY-01\"\nmoment = \"after_commit\"",
    "kind = \"crash\"\ngate = \"A-ENTRY-01\"\nmoment = \"mid_apply\"",
    "kind = \"pause\"\nnode = \"hub\"",
    "kind = \"pause\"\nnode = \"A-ENTRY-01\"",
    "kind = \"power_loss\"\ngate = \"A-ENTRY-01\"",
    "kind = \"disk_full\"\ngate = \"A-ENTRY-01\"",
    "kind = \"slow_disk\"\ngate = \"A-ENTRY-01\"\nsync_ms = 500",
    "kind = \"wiped_disk\"\ngate = \"A-ENTRY-01\"",
    "kind = \"restored_disk\"\ngate = \"A-ENTRY-01\"\nage_s = 60",
    "kind = \"clock\"\ngate = \"A-ENTRY-01\"\noffset_ms = -259200000",
    "kind = \"clock\"\ngate = \"A-ENTRY-01\"\noffset_ms = 0\ndrift_ppm = -100000",
    "kind = \"hub_down\"\nheal = \"at_once\"",
    "kind = \"hub_restored\"\nage_s = 3600",
    "kind = \"gate_added\"\ngate = \"A-ENTRY-01\"",
    "kind = \"gate_removed\"\ngate = \"A-ENTRY-01\"",
    "kind = \"newer_gate\"\ngate = \"A-ENTRY-01\"",
    "kind = \"poison\"\nwhat = \"edge_sizes\"",
    "kind = \"equivocation\"\ngate = \"A-ENTRY-01\"",
    "kind = \"byzantine\"\ngate = \"A-ENTRY-01\"\nwhat = \"far_future\"",
];

#[test]
fn every_kind_of_the_catalogue_can_be_written_or_says_that_it_cannot_yet() {
    for fault in ALLOWED {
        assert_eq!(parsed(&with_fault(fault)).faults.len(), 1, "{fault}");
    }
    for entry in fault_catalogue() {
        let kind = format!("kind = \"{}\"", entry.kind);
        if entry.is_not_yet() {
            let expected = format!(
                "t.toml:12: fault: {} is not simulated yet: `simulator list --faults` shows what is",
                entry.kind
            );
            assert_eq!(error_of(&with_fault(&kind)), expected);
        } else {
            let mut written = ALLOWED.iter().filter(|fault| fault.lines().next() == Some(&kind));
            let keys: std::collections::BTreeSet<&str> = written
                .clone()
                .flat_map(|fault| fault.lines().skip(1))
                .filter_map(|line| line.split(" = ").next())
                .filter(|key| *key != "heal")
                .collect();
            assert!(written.next().is_some(), "{kind} is not tested");
            assert!(
                keys.iter().all(|key| entry.parameters.contains(key)),
                "{kind}: {keys:?}"
            );
        }
    }
}

#[test]
fn times_and_kinds_are_checked() {
    let kinds = error_of(&with_fault("kind = \"quake\""));
    assert!(
        kinds.starts_with("t.toml:12: fault: unknown variant `quake`, expected one of `island`, `hub_away`"),
        "{kinds}"
    );
    refused(&[
        ("", "t.toml:9: fault: missing field `kind`"),
        (
            "kind = \"hub_away\"\nheal = \"slowly\"",
            "t.toml:13: fault: unknown variant `slowly`, expected `spread` or `at_once`",
        ),
        (
            "kind = \"hub_away\"\nterminal = \"C\"",
            "t.toml:13: fault: unknown field `terminal`: hub_away has no fields of its own",
        ),
        (
            "kind = \"island\"\nterminal = \"C\"\nextra = 1",
            "t.toml:14: fault: unexpected keys in table: extra, available keys: terminal",
        ),
        ("kind = \"island\"", "t.toml:9: fault: missing field `terminal`"),
    ]);
    let late = "[[fault]]\nat_s = 3000\nfor_s = 601\nkind = \"hub_away\"";
    let endless = "[[fault]]\nat_s = 0\nkind = \"hub_away\"";
    super::refused_after(&[
        (
            late,
            "t.toml:11: fault: it ends 3601 s after the start, the traffic after 3600 s",
        ),
        (endless, "t.toml:9: fault: missing field `for_s`"),
    ]);
    let many = "[[fault]]\nat_s = 0\nfor_s = 1\nkind = \"hub_away\"\n".repeat(FAULTS_MAX + 1);
    assert_eq!(
        error_of(&format!("{MINIMAL}{many}")),
        "t.toml:265: 65 faults: at most 64 are allowed"
    );
}

#[test]
fn a_model_store_has_no_disk_to_run_full_or_slow() {
    for kind in ["disk_full", "slow_disk"] {
        let model = "[engine]\nstore = \"model\"\n";
        let own = if kind == "slow_disk" { "sync_ms = 50\n" } else { "" };
        let fault =
            format!("[[fault]]\nat_s = 0\nfor_s = 600\nkind = \"{kind}\"\ngate = \"A-ENTRY-01\"\n{own}");
        assert_eq!(
            error_of(&format!("{MINIMAL}{model}{fault}")),
            "t.toml:14: fault: a model store has no disk that runs full or slow, and knows no second branch: use store = \"sqlite\" in [engine]"
        );
    }
}

#[test]
fn places_are_checked_against_the_network() {
    let gates = "A-ENTRY-01, A-EXIT-01, A-BI-01, B-ENTRY-01, B-EXIT-01, C-ENTRY-01, C-EXIT-01, D-BI-01, E-ENTRY-01, \
                     E-EXIT-01";
    refused(&[
        (
            "kind = \"island\"\nterminal = \"c\"",
            "t.toml:13: fault: \"c\" is not a terminal code: 1 to 3 of A-Z are allowed",
        ),
        (
            "kind = \"island\"\nterminal = \"Z\"",
            "t.toml:13: fault: the network has no terminal Z: A, B, C, D, E are allowed",
        ),
        (
            "kind = \"lossy\"\nterminal = \"Z\"",
            "t.toml:13: fault: the network has no terminal Z: A, B, C, D, E are allowed",
        ),
        (
            "kind = \"bridge\"\nterminal = \"A\"\ngate = \"B-EXIT-01\"",
            "t.toml:14: fault: gate B-EXIT-01 is not of terminal A: A-ENTRY-01, A-EXIT-01, A-BI-01 are allowed",
        ),
        (
            "kind = \"pause\"\nnode = \"Z-9\"",
            &format!("t.toml:13: fault: the network has no gate Z-9: {gates} are allowed"),
        ),
        (
            "kind = \"crash\"\nmoment = \"mid_apply\"\ngate = \"Z-9\"",
            &format!("t.toml:14: fault: the network has no gate Z-9: {gates} are allowed"),
        ),
        (
            "kind = \"cut\"\nfrom = \"z\"\nto = \"hub\"",
            "t.toml:13: fault: \"z\" is not a gate code: 1 to 20 of A-Z, 0-9 and - are allowed, such as A-ENTRY-01; \
                 or write \"hub\"",
        ),
    ]);
    for (from, to) in [
        ("B-ENTRY-01", "C-EXIT-01"),
        ("B-ENTRY-01", "B-ENTRY-01"),
        ("hub", "hub"),
    ] {
        for kind in ["cut", "one_way"] {
            let error = error_of(&with_fault(&format!(
                "kind = \"{kind}\"\nfrom = \"{from}\"\nto = \"{to}\""
            )));
            let expected = format!(
                "t.toml:14: fault: there is no link between {from} and {to}: a gate has links to the hub and to the \
                     other gates of its terminal"
            );
            assert_eq!(error, expected);
        }
    }
}

#[test]
fn of_many_names_the_first_are_shown() {
    let network = "[network]\nkind = \"generated\"\nterminals = 60\ngates_per_terminal = 1\n";
    let text =
        with_fault("kind = \"island\"\nterminal = \"ZZZ\"").replace("network = \"sample\"\n", "") + network;
    let error = error_of(&text);
    assert!(error.ends_with("AL, AM, AN and 20 more are allowed"), "{error}");
}

#[test]
fn numbers_are_bounded() {
    refused(&[
        (
            "kind = \"flapping\"\nterminal = \"A\"\nperiod_ms = 100",
            "t.toml:14: fault: 100 is out of range: 200 to 600000 are allowed",
        ),
        (
            "kind = \"lossy\"\nloss_per_mille = 901",
            "t.toml:13: fault: 901 is out of range: 0 to 900 are allowed",
        ),
        (
            "kind = \"slow_disk\"\ngate = \"A-BI-01\"\nsync_ms = 0",
            "t.toml:14: fault: 0 is out of range: 1 to 60000 are allowed",
        ),
        (
            "kind = \"clock\"\ngate = \"A-BI-01\"\noffset_ms = 34560000001",
            "t.toml:14: fault: 34560000001 is out of range: -34560000000 to 34560000000 are allowed",
        ),
        (
            "kind = \"clock\"\ngate = \"A-BI-01\"\noffset_ms = 0\ndrift_ppm = 100001",
            "t.toml:15: fault: 100001 is out of range: -100000 to 100000 are allowed",
        ),
        (
            "kind = \"crash\"\ngate = \"A-BI-01\"\nmoment = \"later\"",
            "t.toml:14: fault: unknown variant `later`, expected one of `before_commit`, `after_commit`, `mid_apply`",
        ),
        (
            "kind = \"poison\"\nwhat = \"arsenic\"",
            "t.toml:13: fault: unknown variant `arsenic`, expected one of `oversized`, `truncated`, `wrong_hash`, \
                 `edge_sizes`",
        ),
    ]);
}
