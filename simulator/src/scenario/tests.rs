//! What is allowed, and what an error says about what is not.

use super::*;
use sync_protocol::codec;
use sync_protocol::fare::OrphanPolicy;

const MINIMAL: &str = r#"title = "t"
network = "sample"
starts_at = "06:30"
duration_s = 3600
converge_within_s = 10
[traffic]
cards = 1
trips_per_hour_at_peak = 1
"#;

fn error_of(text: &str) -> String {
    match Scenario::parse("t", "t.toml", text) {
        Ok(_) => panic!("this was meant to be refused:\n{text}"),
        Err(error) => error.to_string(),
    }
}

fn parsed(text: &str) -> Scenario {
    Scenario::parse("t", "t.toml", text).unwrap()
}

/// Each text in place of another one, and what is said then.
fn refused(cases: &[(&str, &str, &str)]) {
    for (from, to, expected) in cases {
        assert!(MINIMAL.contains(from), "{from}");
        assert_eq!(error_of(&MINIMAL.replace(from, to)), *expected, "{to}");
    }
}

/// Each text after the minimal one, and what is said then. Its first line is line 9.
fn refused_after(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let error = error_of(&format!("{MINIMAL}{text}\n"));
        assert_eq!(error, *expected, "{text}");
    }
}

#[test]
fn the_library_is_valid() {
    for scenario in library() {
        scenario.unwrap();
    }
}

#[test]
fn what_is_left_out_does_not_happen() {
    let scenario = parsed(MINIMAL);
    assert_eq!(scenario.traffic.pass_back_per_mille.get(), 0);
    assert_eq!(scenario.policy, PolicyTable::default());
    assert_eq!(scenario.engine, Engine::default());
    assert!(scenario.engine.departures().is_empty());
    assert!(scenario.faults.is_empty() && scenario.fare_changes.is_empty());
}

#[test]
fn errors_name_the_file_the_line_and_what_is_allowed() {
    refused(&[
        (
            "cards = 1\n",
            "cards = 0\n",
            "t.toml:7: 0 is out of range: 1 to 9999999 are allowed",
        ),
        (
            "cards = 1\n",
            "cards = \"1\"\n",
            "t.toml:7: invalid type: string \"1\", expected i64",
        ),
        (
            "\"06:30\"",
            "\"6:30\"",
            "t.toml:3: \"6:30\" is not a time of day: write HH:MM, such as \"06:30\"",
        ),
        (
            "\"06:30\"",
            "\"24:00\"",
            "t.toml:3: \"24:00\" is not a time of day: write HH:MM, such as \"06:30\"",
        ),
        (
            "= 3600",
            "= 30",
            "t.toml:4: 30 is out of range: 60 to 604800 are allowed",
        ),
        (
            "\"sample\"",
            "\"moon\"",
            "t.toml:2: network: there is no network \"moon\": \"sample\" is built in, a [network] table describes another",
        ),
        (
            "\"sample\"",
            "7",
            "t.toml:2: network: there is no network integer: \"sample\" is built in, a [network] table describes another",
        ),
        ("network = \"sample\"\n", "", "t.toml:1: missing field `network`"),
        ("cards = 1\n", "", "t.toml:6: missing field `cards`"),
        (
            "[traffic]",
            "fault = 3\n[traffic]",
            "t.toml:6: fault: write [[fault]] before each",
        ),
        (
            "title = \"t\"",
            "title = ",
            "t.toml:1: string values must be quoted, expected literal string",
        ),
    ]);
}

#[test]
fn keys_that_do_not_exist_are_refused_with_those_that_do() {
    let error = error_of(&MINIMAL.replace("cards = 1", "carts = 1"));
    assert!(
        error.starts_with(
            "t.toml:7: unknown field `carts`, expected one of `cards`, `trips_per_hour_at_peak`"
        ),
        "{error}"
    );
    let error = error_of(&format!("colour = 3\n{MINIMAL}"));
    assert!(
        error.starts_with("t.toml:1: unknown field `colour`, expected one of `title`, `network`"),
        "{error}"
    );
}

#[test]
fn a_title_is_one_line() {
    for title in ["", "a\\nverdict: pass", "\\u001b[2J", &"x".repeat(121)] {
        let error = error_of(&MINIMAL.replace("\"t\"", &format!("\"{title}\"")));
        assert_eq!(
            error,
            "t.toml:1: title: one line of 1 to 120 characters is allowed"
        );
    }
}

#[test]
fn traffic_is_checked() {
    refused_after(&[
        (
            "missing_exit_per_mille = 1001",
            "t.toml:9: 1001 is out of range: 0 to 1000 are allowed",
        ),
        (
            "ride_min_s = 900\nride_max_s = 600",
            "t.toml:9: traffic: ride_min_s is 900, ride_max_s 600: the shortest ride is no longer than the longest",
        ),
        (
            "\nday_curve = \"lunch\"",
            "t.toml:10: invalid value: string \"lunch\", expected \"working_day\", \"weekend\", \"flat\" or 24 numbers \
             from 0 to 1000, one an hour",
        ),
        (
            "day_curve = [1, 2]",
            "t.toml:9: invalid length 2, expected \"working_day\", \"weekend\", \"flat\" or 24 numbers from 0 to 1000, \
             one an hour",
        ),
        (
            "day_curve = [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]",
            "t.toml:9: a day without trips: at least one hour is above 0",
        ),
        (
            "pairs = \"far\"",
            "t.toml:9: invalid value: string \"far\", expected \"uniform\", \"commuter\" or a list such as [{ from = \
             \"A\", to = \"B\", weight = 3 }]",
        ),
        ("pairs = []", "t.toml:9: 0 pairs: 1 to 10000 are allowed"),
        (
            "pairs = [\n{ from = \"A\", to = \"B\", weight = 1 },\n{ from = \"A\", to = \"Z\", weight = 1 },\n]",
            "t.toml:11: pairs: the network has no terminal Z: A, B, C, D, E are allowed",
        ),
        (
            "pairs = [{ from = \"A\", to = \"A\", weight = 1 }]",
            "t.toml:9: pairs: a pair leads elsewhere: same_station_per_mille draws trips within one terminal",
        ),
        (
            "pairs = [\n{ from = \"A\", to = \"B\", weight = 0 }]",
            "t.toml:10: 0 is out of range: 1 to 1000000 are allowed",
        ),
        (
            "orphan_policy = \"keep\"",
            "t.toml:9: unknown variant `keep`, expected one of `release`, `charge_max`, `charge_min`",
        ),
    ]);
}

#[test]
fn the_day_curve_may_be_listed() {
    let hours: Vec<String> = (0..24).map(|hour| (hour * 10).to_string()).collect();
    let scenario = parsed(&format!("{MINIMAL}day_curve = [{}]\n", hours.join(", ")));
    assert_eq!(scenario.traffic.day_curve.share(23), 230);
    assert_eq!(scenario.traffic.day_curve.share(25), 10);
}

#[test]
fn policy_and_engine_are_checked() {
    refused_after(&[
        (
            "[policy]\nspend_max_fares = -1",
            "t.toml:10: -1 is out of range: 0 to 100 are allowed",
        ),
        (
            "[policy]\nbeyond_autonomy = \"shut\"",
            "t.toml:10: unknown variant `shut`, expected `closed` or `free_flow`",
        ),
        (
            "[engine]\nstore = \"redis\"",
            "t.toml:10: unknown variant `redis`, expected `sqlite` or `model`",
        ),
        (
            "[engine]\nsignatures = \"none\"",
            "t.toml:10: unknown variant `none`, expected `ed25519` or `keyed_hash`",
        ),
        (
            "[engine]\nround_ms = 1",
            "t.toml:10: 1 is out of range: 100 to 600000 are allowed",
        ),
    ]);
}

#[test]
fn an_engine_says_where_it_departs_from_production() {
    let engine =
        "[engine]\nstore = \"model\"\nsignatures = \"keyed_hash\"\nsettle_every_ms = 500\nhub_beat_s = 60\n";
    let departures = parsed(&format!("{MINIMAL}{engine}")).engine.departures();
    assert_eq!(
        departures,
        [
            "gates keep their facts in a model store, not in SQLite",
            "signatures are keyed hashes, not Ed25519",
            "the hub settles every 500 ms instead of 20",
            "the hub sends a sign of life every 60 s instead of 10",
        ]
    );
}

#[test]
fn fare_changes_are_checked() {
    let change = |at_s, lead_s, more: &str| {
        format!("[[fare_change]]\nat_s = {at_s}\nlead_s = {lead_s}\nprice_per_mille = 1100\n{more}\n")
    };
    refused_after(&[
        (
            &change(1_800, 600, ""),
            "t.toml:11: fare_change: the hub would refuse it: publish it 86400 s ahead, or say override_lead_time = \
             true",
        ),
        (
            &change(1_800, 1_900, ""),
            "t.toml:11: fare_change: it would be published before the start: 0 to 1800 are allowed",
        ),
        (
            &change(3_700, 60, ""),
            "t.toml:10: fare_change: it comes into force 3700 s after the start, the traffic ends after 3600 s",
        ),
        (
            &(change(1_800, 60, "override_lead_time = true") + &change(600, 60, "override_lead_time = true")),
            "t.toml:15: fare_change: it would be published before the change above it: versions are numbered as they \
             are published",
        ),
        (
            "[[fare_change]]\nat_s = 1\nlead_s = 0\nprice_per_mille = 20000",
            "t.toml:12: fare_change: 20000 is out of range: 0 to 10000 are allowed",
        ),
    ]);
    let early = change(1_800, 1_200, "lead_time_s = 900\norphan_policy = \"charge_max\"");
    let scenario = parsed(&format!("{MINIMAL}{early}"));
    assert_eq!(
        scenario.fare_changes[0].orphan_policy,
        Some(OrphanPolicy::ChargeMax)
    );
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let error = Scenario::find("/dev/zero").unwrap_err().to_string();
    assert_eq!(error, "/dev/zero: a scenario has at most 1048576 bytes");
}

#[test]
fn an_unknown_name_says_where_to_look() {
    let error = Scenario::find("no-such-scenario").unwrap_err().to_string();
    assert!(error.contains("simulator list"), "{error}");
}

mod networks {
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
}

mod faults {
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
        "kind = \"gate_added\"\ngate = \"A-ENTRY-01\"",
        "kind = \"gate_removed\"\ngate = \"A-ENTRY-01\"",
        "kind = \"newer_gate\"\ngate = \"A-ENTRY-01\"",
        "kind = \"poison\"\nwhat = \"edge_sizes\"",
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
            kinds.starts_with(
                "t.toml:12: fault: unknown variant `quake`, expected one of `island`, `hub_away`"
            ),
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
        let text = with_fault("kind = \"island\"\nterminal = \"ZZZ\"").replace("network = \"sample\"\n", "")
            + network;
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
}
