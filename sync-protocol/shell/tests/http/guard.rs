//! Who is let through, and what the others are told.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use sync_shell::http::GuardConfig;

use super::client::{Server, TOKEN, config};

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn who_has_the_token_is_let_through() {
    let server = Server::start(config()).await;
    let answer = server
        .ask("POST", "/v1/taps", JSON, r#"{"card":"CARD0001","amount":5}"#)
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "CARD0001 5"));
    let answer = server.ask("GET", "/v1/cards/7?last=9", "", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "7 9"));
}

#[tokio::test]
async fn without_the_token_there_is_only_what_is_open_to_this_machine() {
    let server = Server::start(config()).await;
    let wrong = [
        String::new(),
        "authorization: Bearer 0123456789abcdeX\r\n".to_owned(),
        "authorization: Bearer \r\n".to_owned(),
        "authorization: Bearer\r\n".to_owned(),
        format!("authorization: Basic {TOKEN}\r\n"),
        format!("authorization: {TOKEN}\r\n"),
        format!("authorization: Bearer {TOKEN}0\r\n"),
        format!("x-token: {TOKEN}\r\n"),
    ];
    for header in wrong {
        let headers = format!("host: localhost\r\n{header}");
        for path in [
            "/v1/cards/7?last=9",
            "/nothing",
            "/healthz/",
            "//healthz",
            "/v1/../healthz",
        ] {
            let answer = server.ask_bare("GET", path, &headers, "").await;
            assert_eq!(answer.status, 401, "{path} with {header:?}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            assert!(answer.problem().detail.contains("token"), "{answer:?}");
        }
        let answer = server.ask_bare("GET", "/healthz", &headers, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    }
}

#[tokio::test]
async fn a_server_without_token_lets_everybody_through() {
    let server = Server::start(GuardConfig {
        token: None,
        ..config()
    })
    .await;
    let answer = server
        .ask_bare("GET", "/v1/cards/7?last=9", "host: localhost\r\n", "")
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_foreign_host_name_is_refused_even_with_the_token_and_for_open_paths() {
    let server = Server::start(config()).await;
    for host in [
        "evil.example",
        "evil.example:7400",
        "localhost.evil.example",
        "127.0.0.1.evil.example:1",
        "",
        "[::2]:1",
    ] {
        let headers = format!("host: {host}\r\nauthorization: Bearer {TOKEN}\r\n");
        for path in ["/v1/cards/7?last=9", "/healthz"] {
            let answer = server.ask_bare("GET", path, &headers, "").await;
            assert_eq!(answer.status, 421, "{host}");
            assert!(
                answer
                    .problem()
                    .detail
                    .contains("it does under localhost, 127.0.0.1, [::1]"),
                "{answer:?}"
            );
        }
    }
    for host in [
        "localhost",
        "LocalHost:80",
        "127.0.0.1:7400",
        "[::1]:7400",
        "[::1]",
    ] {
        let answer = server
            .ask_bare("GET", "/healthz", &format!("host: {host}\r\n"), "")
            .await;
        assert_eq!(answer.status, 200, "{host}");
    }
    let two = server
        .ask_bare("GET", "/healthz", "host: localhost\r\nhost: evil.example\r\n", "")
        .await;
    assert_eq!(two.status, 400);
    let none = server.ask_bare("GET", "/healthz", "", "").await;
    assert_eq!(none.status, 400);
}

#[tokio::test]
async fn host_names_are_configurable() {
    let hosts = vec!["gate.local:7400".to_owned(), "gate".to_owned()];
    let server = Server::start(GuardConfig { hosts, ..config() }).await;
    for (host, status) in [
        ("gate.local:7400", 200),
        ("gate.local:1", 421),
        ("gate:1", 200),
        ("localhost", 421),
    ] {
        let answer = server
            .ask_bare("GET", "/healthz", &format!("host: {host}\r\n"), "")
            .await;
        assert_eq!(answer.status, status, "{host}");
    }
    let server = Server::start(GuardConfig {
        hosts: vec!["*".to_owned()],
        ..config()
    })
    .await;
    let answer = server.ask_bare("GET", "/healthz", "host: whatever\r\n", "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn bad_json_is_told_with_its_place_and_what_is_expected() {
    let server = Server::start(config()).await;
    let cases = [
        (
            "{\n  \"card\": }",
            400,
            "the body is not JSON: expected value at line 2 column 11",
        ),
        (
            "{\"card\":\"A\"",
            400,
            "the body ends before the JSON in it does: EOF while parsing an object at line 1 column 11",
        ),
        (
            "",
            400,
            "the body ends before the JSON in it does: EOF while parsing a value at line 1 column 0",
        ),
        (
            "{\"card\":\"A\",\"amount\":\"5\"}",
            422,
            "the body is JSON, but not what is expected here: invalid type: string \"5\", expected u32 at line 1 column 24",
        ),
        (
            "{\"card\":\"A\",\"amuont\":5}",
            422,
            "the body is JSON, but not what is expected here: unknown field `amuont`, expected `card` or `amount` at line 1 column 20",
        ),
    ];
    for (body, status, detail) in cases {
        let answer = server.ask("POST", "/v1/taps", JSON, body).await;
        let problem = answer.problem();
        assert_eq!((answer.status, problem.detail.as_str()), (status, detail));
        assert!(problem.extra.contains_key("line") && problem.extra.contains_key("column"));
    }
    for header in [
        "",
        "content-type: text/plain\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
    ] {
        let answer = server.ask("POST", "/v1/taps", header, "{}").await;
        assert_eq!(answer.status, 415);
        assert!(answer.problem().detail.contains("content-type: application/json"));
    }
    let utf8 = "content-type: application/json; charset=utf-8\r\n";
    let answer = server
        .ask("POST", "/v1/taps", utf8, r#"{"card":"A","amount":5}"#)
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_bad_path_or_query_is_a_problem() {
    let server = Server::start(config()).await;
    for path in ["/v1/cards/x?last=9", "/v1/cards/7", "/v1/cards/7?last=999"] {
        let answer = server.ask("GET", path, "", "").await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(!answer.problem().detail.is_empty());
    }
}

#[tokio::test]
async fn large_bodies_are_refused_announced_or_not() {
    let server = Server::start(config()).await;
    let large = format!(r#"{{"card":"{}","amount":5}}"#, "A".repeat(1_000));
    let answer = server.ask("POST", "/v1/taps", JSON, &large).await;
    assert_eq!(answer.status, 413);
    assert!(answer.problem().detail.contains("at most 1000"), "{answer:?}");

    let mut client = server.connect().await;
    let head = format!(
        "POST /v1/taps HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n{JSON}transfer-encoding: \
         chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    tokio::io::AsyncWriteExt::write_all(&mut client.stream, head.as_bytes())
        .await
        .unwrap();
    let answer = client.answer().await;
    assert_eq!(answer.status, 413);
    answer.problem();
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let server = Server::start(config()).await;
    let answer = server.ask("GET", "/v1/nothing", "", "").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.problem().detail,
        "nothing is at /v1/nothing; /openapi.json lists what is"
    );
    let answer = server.ask("DELETE", "/v1/taps", "", "").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers["allow"], "POST");
    assert_eq!(answer.problem().title, "Method Not Allowed");
}

#[tokio::test]
async fn a_problem_tells_its_type_and_more() {
    let server = Server::start(config()).await;
    let answer = server.ask("GET", "/v1/conflict", "", "").await;
    assert_eq!(
        answer.body,
        r#"{"type":"open-elsewhere","title":"Open elsewhere","status":409,"detail":"the card is open elsewhere","terminal":"A"}"#
    );
    assert_eq!(answer.problem().extra["terminal"], "A");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let server = Server::start(config()).await;
    let answer = server.ask("GET", "/v1/never", "", "").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.problem().detail.contains("given up after 1000 ms"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn every_answer_has_an_id_of_its_own() {
    let server = Server::start(config()).await;
    let mut client = server.connect().await;
    let mut ids = BTreeSet::new();
    for path in ["/healthz", "/nothing", "/healthz", "/v1/taps"] {
        client.send("GET", path, "host: localhost\r\n", "").await;
        ids.insert(client.answer().await.headers["x-request-id"].clone());
    }
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_taken_port_is_told_with_the_setting_that_chooses_it() {
    let server = Server::start(config()).await;
    let address: SocketAddr = server.address;
    let error = sync_shell::http::bind(address, "http.listen (EDGE_HTTP__LISTEN)")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{address} is taken: another process listens there; stop it, or choose another port with http.listen \
             (EDGE_HTTP__LISTEN)"
        )
    );
    let elsewhere = "192.0.2.1:1".parse().unwrap();
    let error = sync_shell::http::bind(elsewhere, "http.listen")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot listen on 192.0.2.1:1 (http.listen): "),
        "{error}"
    );
}
