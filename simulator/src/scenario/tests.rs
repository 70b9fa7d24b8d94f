//! What is allowed, and what an error says about what is not.

mod documentation;
mod faults;
mod networks;

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
            "orphan_policy = \"release\"\n[policy]\norphan_policy = \"release\"",
            "t.toml:11: policy: orphan_policy stands in [traffic] already: state it once",
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
