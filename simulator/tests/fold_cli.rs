//! `simulator fold` as a process: exit codes, streams and the exact words of its refusals.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

const TAP: &str = r#"{"site": "A1", "seq": 1, "at_ms": 0, "at_counter": 0, "fact": "tap", "card": "CARD0001", "direction": "entry", "terminal": "A", "gate": "A-ENTRY-01", "uncertainty_ms": 2000, "accepted": true, "fare_version": 1, "hold": "8000.00"}"#;
const TOP_UP: &str = r#"{"site": "hub", "seq": 1, "at_ms": 0, "at_counter": 0, "fact": "top_up", "card": "CARD0001", "amount": "5000.00", "reference": "r1"}"#;
const CLOSE: &str = r#"{"site": "hub", "seq": 1, "at_ms": 0, "at_counter": 0, "fact": "close", "card": "CARD0001", "tap": {"site": "A1", "seq": 1}}"#;
const STATUS: &str = r#"{"site": "hub", "seq": 1, "at_ms": 0, "at_counter": 0, "fact": "card_status", "card": "CARD0001", "version": 1, "status": "blocked"}"#;
const FARES: &str = r#"{"site": "hub", "seq": 1, "at_ms": 0, "at_counter": 0, "fact": "fare_version", "version": 1, "effective_from_ms": 0, "orphan_policy": "release", "fares": [["A", "B", "5000.00"]]}"#;

fn fold(arguments: &[&str], input: &[u8]) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .arg("fold")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = process.wait_with_output().unwrap();
    // A refusal may come before the end of the input; then the pipe breaks, which is no failure.
    let _ = writer.join().unwrap();
    output
}

/// The refusal of an input. Nothing is on standard output, and the exit code is 2.
#[track_caller]
fn refusal(input: impl AsRef<[u8]>) -> String {
    let output = fold(&["-"], input.as_ref());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "standard output");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    message.trim_end().to_owned()
}

/// The refusal of a line in which `from` was replaced.
#[track_caller]
fn refusal_of(line: &str, from: &str, to: &str) -> String {
    assert!(line.contains(from), "{from} is not in {line}");
    refusal(line.replace(from, to))
}

#[track_caller]
fn accepted(input: impl AsRef<[u8]>) -> serde_json::Value {
    let output = fold(&["-"], input.as_ref());
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{message}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn facts_come_by_file_or_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("facts.jsonl");
    std::fs::write(&file, TAP).unwrap();
    let by_file = fold(&[file.to_str().unwrap()], b"");
    let by_stdin = fold(&["-"], TAP.as_bytes());
    assert_eq!(by_file.status.code(), Some(0));
    assert_eq!(by_file.stdout, by_stdin.stdout);
}

#[test]
fn output_is_laid_out_as_the_contract_says() {
    let output = fold(&["-"], [TAP, TOP_UP].join("\n").as_bytes());
    let expected = r#"{
 "cards": [
  {
   "card": "CARD0001",
   "balance": "5000.00",
   "held": "8000.00",
   "journeys": [
    {
     "entry": {
      "site": "A1",
      "seq": 1
     },
     "exit": null,
     "status": "active",
     "fare": "0.00"
    }
   ],
   "flags": [],
   "postings": [
    {
     "rule": "TOPUP",
     "debit": "topup_float",
     "credit": "card",
     "amount": "5000.00",
     "facts": [
      {
       "site": "hub",
       "seq": 1
      }
     ]
    }
   ]
  }
 ]
}
"#;
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn both_folds_can_be_asked_and_compared() {
    let facts = [TAP, TOP_UP].join("\n");
    let production = fold(&["-"], facts.as_bytes());
    let reference = fold(&["-", "--reference"], facts.as_bytes());
    assert_eq!(production.stdout, reference.stdout);
    let compared = fold(&["-", "--compare"], facts.as_bytes());
    assert_eq!(compared.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(compared.stdout).unwrap(),
        "{\n \"differing\": []\n}\n"
    );
    let both = fold(&["-", "--compare", "--reference"], b"");
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn every_card_mentioned_appears_sorted() {
    let other = TOP_UP
        .replace("CARD0001", "CARD0000")
        .replace("\"seq\": 1", "\"seq\": 2");
    let closed = CLOSE.replace("CARD0001", "CARD0002");
    let folded = accepted([other.as_str(), &closed, STATUS.replace("hub", "hub2").as_str()].join("\n"));
    let cards: Vec<_> = folded["cards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|card| card["card"].as_str().unwrap())
        .collect();
    assert_eq!(cards, ["CARD0000", "CARD0001", "CARD0002"]);
}

#[test]
fn blank_lines_byte_order_mark_and_carriage_returns_are_read_over() {
    let facts = format!("\u{feff}{TAP}\r\n\r\n  \t\n{TAP}\n\n");
    assert_eq!(accepted(facts), accepted(TAP));
    assert_eq!(accepted(""), serde_json::json!({"cards": []}));
    assert_eq!(accepted("\u{feff}\n"), serde_json::json!({"cards": []}));
    assert_eq!(
        refusal(format!("\n\u{feff}{TAP}")),
        "stdin:2: column 1: expected value; one JSON object a line is allowed"
    );
}

#[test]
fn a_repeated_fact_is_one_whatever_its_layout() {
    let compact = TAP.replace(": ", ":").replace("\"8000.00\"", "\"8000\"");
    assert_eq!(accepted(format!("{TAP}\n{compact}\n{TAP}")), accepted(TAP));
}

#[test]
fn two_facts_with_one_id_are_refused_by_both_lines() {
    let expected = "stdin:3: site \"A1\" seq 1 says something else than line 1; one fact for each site and seq is allowed, repeated as it is or not at all";
    for (from, to) in [
        ("8000.00", "8000.01"),
        ("\"at_ms\": 0", "\"at_ms\": 1"),
        ("\"at_counter\": 0", "\"at_counter\": 1"),
        ("CARD0001", "CARD0002"),
        ("A-ENTRY-01", "A-ENTRY-02"),
        ("\"accepted\": true", "\"accepted\": false"),
        ("\"fare_version\": 1", "\"fare_version\": 2"),
        ("\"uncertainty_ms\": 2000", "\"uncertainty_ms\": 2001"),
    ] {
        assert!(TAP.contains(from), "{from}");
        assert_eq!(
            refusal([TAP, TOP_UP, &TAP.replace(from, to)].join("\n")),
            expected,
            "{to}"
        );
    }
    let fares = FARES.replace("5000.00", "5000.01");
    assert_eq!(
        refusal([FARES, &fares].join("\n")),
        "stdin:2: site \"hub\" seq 1 says something else than line 1; one fact for each site and seq is allowed, repeated as it is or not at all"
    );
}

#[test]
fn sites_compare_as_text_whatever_their_length() {
    // All at one time: the exit is first exactly when its site sorts first, byte by byte.
    for (entry_site, exit_site, is_entry_first) in [
        ("B", "A", false),
        ("A", "B", true),
        ("A", "AA", true),
        ("Z", "a", true),
        ("a1", "a01", false),
        ("", "A", true),
        ("z", "é", true),
        (
            "a site with a name far longer than any key 2",
            "a site with a name far longer than any key 1",
            false,
        ),
    ] {
        let entry = TAP.replace("\"A1\"", &format!("{entry_site:?}"));
        let exit = TAP
            .replace("\"A1\"", &format!("{exit_site:?}"))
            .replace("\"entry\"", "\"exit\"")
            .replace(", \"hold\": \"8000.00\"", "");
        let folded = accepted([exit, entry].join("\n"));
        let journeys = folded["cards"][0]["journeys"].as_array().unwrap().len();
        assert_eq!(
            journeys == 1,
            is_entry_first,
            "entry at {entry_site:?}, exit at {exit_site:?}"
        );
    }
}

#[test]
fn a_close_may_name_a_site_that_says_nothing() {
    let folded = accepted(CLOSE);
    assert_eq!(folded["cards"][0]["journeys"], serde_json::json!([]));
}

#[test]
fn debt_is_a_flag_without_a_fact() {
    let adjust = TOP_UP
        .replace("top_up", "adjust")
        .replace("reference", "reason")
        .replace("5000.00", "-0.01");
    let folded = accepted(adjust);
    assert_eq!(folded["cards"][0]["balance"], "-0.01");
    assert_eq!(
        folded["cards"][0]["flags"],
        serde_json::json!([{"flag": "DEBT", "fact": null}])
    );
}

#[test]
fn limits_of_numbers_are_allowed() {
    let tap = TAP
        .replace("\"uncertainty_ms\": 2000", "\"uncertainty_ms\": 4294967295")
        .replace("\"at_ms\": 0", "\"at_ms\": -281474976710656")
        .replace("\"at_counter\": 0", "\"at_counter\": 4294967295")
        .replace("\"seq\": 1", "\"seq\": 18446744073709551615")
        .replace("8000.00", "9999999999999.99");
    assert_eq!(accepted(tap)["cards"][0]["held"], "9999999999999.99");
}

#[test]
fn what_is_not_json_is_refused() {
    let object = "one JSON object a line is allowed";
    assert_eq!(
        refusal("{\"site\": \"A1\""),
        format!("stdin:1: column 13: EOF while parsing an object; {object}")
    );
    assert_eq!(
        refusal("[]"),
        format!("stdin:1: invalid type: sequence, expected an object; {object}")
    );
    assert_eq!(
        refusal("{} {}"),
        format!("stdin:1: column 4: trailing characters; {object}")
    );
    assert_eq!(
        refusal_of(TOP_UP, "\"amount\"", "\"seq\": 1, \"amount\""),
        format!("stdin:1: column 101: field \"seq\" is given twice; {object}")
    );
    assert_eq!(
        refusal(b"\n{\"site\": \"\xff\"}"),
        "stdin:2: byte 11 is not UTF-8; lines of JSON in UTF-8 are allowed"
    );
}

#[test]
fn unknown_and_missing_names_are_refused() {
    let top_up = "a top_up has site, seq, at_ms, at_counter, fact, card, amount and reference";
    assert_eq!(
        refusal_of(TOP_UP, "top_up", "topup"),
        "stdin:1: fact \"topup\" is not known; fare_version, card_issued, top_up, adjust, refund, write_off, card_status, tap or close is allowed"
    );
    assert_eq!(
        refusal_of(TOP_UP, "\"fact\": \"top_up\", ", ""),
        "stdin:1: field \"fact\" is missing; a fact such as \"tap\" is allowed"
    );
    assert_eq!(
        refusal_of(TOP_UP, "\"at_counter\": 0, ", ""),
        format!("stdin:1: field \"at_counter\" is missing; {top_up}")
    );
    assert_eq!(
        refusal_of(TOP_UP, "\"amount\"", "\"sum\": 1, \"amount\""),
        format!("stdin:1: field \"sum\" is not known; {top_up}")
    );
    assert_eq!(
        refusal_of(TAP, "\"gate\": \"A-ENTRY-01\", ", ""),
        "stdin:1: field \"gate\" is missing; a tap has site, seq, at_ms, at_counter, fact, card, direction, terminal, gate, uncertainty_ms, accepted and fare_version, and may have hold and quoted"
    );
}

#[test]
fn wrong_values_are_quoted_as_they_are_written() {
    let amount = "a text such as \"5000.00\", from \"0.00\" to \"9999999999999.99\", is allowed";
    let text = "\"5000.00\"";
    for wrong in [
        "5000.00",
        "5000",
        "5e3",
        "\"-5000.00\"",
        "\"5000.001\"",
        "\"\"",
        "\"5,000.00\"",
        "\"10000000000000.00\"",
        "true",
        "[]",
    ] {
        assert_eq!(
            refusal_of(TOP_UP, text, wrong),
            format!("stdin:1: field \"amount\" is {wrong}; {amount}")
        );
    }
    let seq = "a whole number from 1 to 18446744073709551615 is allowed";
    for wrong in ["0", "-1", "1.0", "1e0", "\"1\"", "18446744073709551616"] {
        assert_eq!(
            refusal_of(TOP_UP, "\"seq\": 1", &format!("\"seq\": {wrong}")),
            format!("stdin:1: field \"seq\" is {wrong}; {seq}")
        );
    }
    let time = "a whole number from -281474976710656 to 281474976710656 is allowed";
    for wrong in ["281474976710657", "-281474976710657", "0.5", "\"0\""] {
        assert_eq!(
            refusal_of(TOP_UP, "\"at_ms\": 0", &format!("\"at_ms\": {wrong}")),
            format!("stdin:1: field \"at_ms\" is {wrong}; {time}")
        );
    }
    for (line, from, wrong, message) in [
        (
            TOP_UP,
            "\"CARD0001\"",
            "\"card0001\"",
            "field \"card\" is \"card0001\"; 8 to 20 of A-Z and 0-9 is allowed",
        ),
        (
            TOP_UP,
            "\"CARD0001\"",
            "\"CARD001\"",
            "field \"card\" is \"CARD001\"; 8 to 20 of A-Z and 0-9 is allowed",
        ),
        (TOP_UP, "\"hub\"", "7", "field \"site\" is 7; a text is allowed"),
        (
            TOP_UP,
            "\"r1\"",
            "7",
            "field \"reference\" is 7; a text is allowed",
        ),
        (
            TOP_UP,
            "\"at_counter\": 0",
            "\"at_counter\": 4294967296",
            "field \"at_counter\" is 4294967296; a whole number from 0 to 4294967295 is allowed",
        ),
        (
            TAP,
            "\"A\"",
            "\"ABCD\"",
            "field \"terminal\" is \"ABCD\"; 1 to 3 of A-Z is allowed",
        ),
        (
            TAP,
            "A-ENTRY-01",
            "a_entry",
            "field \"gate\" is \"a_entry\"; 1 to 20 of A-Z, 0-9 and - is allowed",
        ),
        (
            TAP,
            "\"entry\"",
            "\"in\"",
            "field \"direction\" is \"in\"; entry or exit is allowed",
        ),
        (
            TAP,
            "true",
            "\"true\"",
            "field \"accepted\" is \"true\"; true or false is allowed",
        ),
        (
            TAP,
            "true",
            "1",
            "field \"accepted\" is 1; true or false is allowed",
        ),
        (
            TAP,
            "2000",
            "4294967296",
            "field \"uncertainty_ms\" is 4294967296; a whole number from 0 to 4294967295 is allowed",
        ),
        (
            TAP,
            "\"fare_version\": 1",
            "\"fare_version\": -1",
            "field \"fare_version\" is -1; a whole number from 0 to 4294967295 is allowed",
        ),
        (
            STATUS,
            "blocked",
            "lost",
            "field \"status\" is \"lost\"; active, suspended, blocked or closed is allowed",
        ),
        (
            STATUS,
            "\"version\": 1",
            "\"version\": 0",
            "field \"version\" is 0; a whole number from 1 to 18446744073709551615 is allowed",
        ),
        (
            CLOSE,
            "{\"site\": \"A1\", \"seq\": 1}",
            "\"A1:1\"",
            "field \"tap\" is \"A1:1\"; an object of site and seq is allowed, such as {\"site\": \"A1\", \"seq\": 1}",
        ),
        (
            CLOSE,
            "{\"site\": \"A1\", \"seq\": 1}",
            "{\"site\": \"A1\"}",
            "field \"seq\" is missing; an object of site and seq is allowed, such as {\"site\": \"A1\", \"seq\": 1}",
        ),
        (
            CLOSE,
            "\"A1\", \"seq\": 1",
            "\"A1\", \"seq\": 1, \"index\": 0",
            "field \"index\" of field \"tap\" is not known; an object of site and seq is allowed, such as {\"site\": \"A1\", \"seq\": 1}",
        ),
        (
            CLOSE,
            "\"A1\", \"seq\": 1",
            "\"A1\", \"seq\": 0",
            "field \"seq\" is 0; a whole number from 1 to 18446744073709551615 is allowed",
        ),
    ] {
        assert_eq!(refusal_of(line, from, wrong), format!("stdin:1: {message}"));
    }
}

#[test]
fn holds_and_quotes_stand_where_they_belong() {
    assert_eq!(
        refusal_of(TAP, ", \"hold\": \"8000.00\"", ""),
        "stdin:1: field \"hold\" is missing; an accepted entry states what it holds, such as \"12000.00\""
    );
    assert_eq!(
        refusal_of(TAP, "\"hold\"", "\"quoted\": \"1.00\", \"hold\""),
        "stdin:1: field \"quoted\" stands on an entry; only an exit may quote a fare"
    );
    assert_eq!(
        refusal_of(TAP, "\"entry\"", "\"exit\""),
        "stdin:1: field \"hold\" of an exit is \"8000.00\"; an exit states no hold, or \"0.00\""
    );
    let exit = TAP.replace("\"entry\"", "\"exit\"");
    accepted(exit.replace("\"8000.00\"", "\"0.00\""));
    accepted(exit.replace("\"hold\": \"8000.00\"", "\"hold\": null, \"quoted\": null"));
    accepted(
        TAP.replace("true", "false")
            .replace(", \"hold\": \"8000.00\"", ""),
    );
}

#[test]
fn fare_tables_state_each_route_once_and_none_to_itself() {
    let row = "[\"A\", \"B\", \"5000.00\"]";
    let list = format!("a list of [origin, destination, price] is allowed, such as {row}");
    for (wrong, message) in [
        (
            "[\"A\", \"A\", \"1.00\"]",
            "field \"fares\": a fare from A to itself is not allowed; same-station journeys have their own rule",
        ),
        (
            "[\"A\", \"B\", \"1.00\"], [\"A\", \"B\", \"1.00\"]",
            "field \"fares\": two fares from A to B; a version states each route once",
        ),
        (
            "[\"A\", \"b\", \"1.00\"]",
            "field \"fares\" is \"b\"; 1 to 3 of A-Z is allowed",
        ),
        (
            "[\"A\", \"B\", 1.5]",
            "field \"fares\" is 1.5; a text such as \"5000.00\", from \"0.00\" to \"9999999999999.99\", is allowed",
        ),
        (
            "[\"A\", \"B\", \"-1.00\"]",
            "field \"fares\" is \"-1.00\"; a text such as \"5000.00\", from \"0.00\" to \"9999999999999.99\", is allowed",
        ),
    ] {
        assert_eq!(refusal_of(FARES, row, wrong), format!("stdin:1: {message}"));
    }
    assert_eq!(
        refusal_of(FARES, row, "[\"A\", \"B\"]"),
        format!("stdin:1: field \"fares\" is [\"A\", \"B\"]; {list}")
    );
    assert_eq!(
        refusal_of(FARES, "\"release\"", "\"free\""),
        "stdin:1: field \"orphan_policy\" is \"free\"; release, charge_max or charge_min is allowed"
    );
    assert_eq!(
        refusal_of(FARES, "\"version\": 1", "\"version\": 0"),
        "stdin:1: field \"version\" is 0; a whole number from 1 to 4294967295 is allowed"
    );
}

#[test]
fn long_lines_are_refused_and_read_over() {
    let long = format!("{}{}", " ".repeat(16 << 20), TAP);
    assert_eq!(
        refusal(format!("{TOP_UP}\n{long}\n{{}}\n")),
        "stdin:2: the line is too long; up to 16777216 bytes are allowed\nstdin:3: field \"fact\" is missing; a fact such as \"tap\" is allowed"
    );
    let whole = format!("{TAP}{}", " ".repeat((16 << 20) - TAP.len()));
    assert_eq!(accepted(&whole), accepted(TAP));
    assert_eq!(accepted(format!("{whole}\n")), accepted(TAP));
}

#[test]
fn long_values_are_clipped_in_messages() {
    let message = refusal_of(TOP_UP, "5000.00", &"9".repeat(1_000));
    let quoted = format!("\"{}…", "9".repeat(59));
    assert!(
        message.starts_with(&format!("stdin:1: field \"amount\" is {quoted};")),
        "{message}"
    );
    for from in ["\"amount\"", "\"top_up\""] {
        let message = refusal_of(TOP_UP, from, &format!("{:?}", "x".repeat(1_000)));
        assert!(message.len() < 400, "{message}");
    }
}

#[test]
fn the_first_twenty_errors_are_reported() {
    let message = refusal("{}\n".repeat(25));
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines.len(), 21);
    assert_eq!(
        lines[19],
        "stdin:20: field \"fact\" is missing; a fact such as \"tap\" is allowed"
    );
    assert_eq!(lines[20], "stdin: stopped after 20 errors");
    assert_eq!(refusal("{}\n".repeat(19)).lines().count(), 19);
}

#[test]
fn an_unreadable_file_is_named() {
    let output = fold(&["no/such/file.jsonl"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "no/such/file.jsonl: No such file or directory (os error 2); a readable file of facts, one JSON object a line, or - is allowed\n"
    );
    assert_eq!(fold(&[], b"").status.code(), Some(2));
}

#[test]
fn messages_name_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("facts.jsonl");
    std::fs::write(&file, "{}").unwrap();
    let output = fold(&[file.to_str().unwrap()], b"");
    let message = String::from_utf8(output.stderr).unwrap();
    let expected = format!("{}:1: field \"fact\" is missing", file.display());
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn an_object_of_fields_without_end_is_refused_at_once() {
    let fields: Vec<String> = (0..300_000).map(|number| format!("\"{number}\":1")).collect();
    let message = refusal(format!("{{{}}}\n", fields.join(",")));
    assert!(
        message.ends_with("more than 32 fields; one JSON object a line is allowed"),
        "{message}"
    );
}
