//! The HTTP interface as a program of the same machine sees it.

use std::net::SocketAddr;

use edge_node::run::Gate;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::{Town, wait_for};

/// An answer.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Status expected, method, path, headers, body.
type Case<'a> = (u16, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

/// A client with the gate's token, unless a header says otherwise.
struct Client {
    address: SocketAddr,
    token: String,
}

impl Client {
    fn of(gate: &Gate) -> Client {
        Client {
            address: gate.http_address(),
            token: gate.token().to_owned(),
        }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        let given = |name: &str| headers.iter().any(|(given, _)| *given == name);
        if !given("host") {
            request = request.header("host", self.address.to_string());
        }
        if !given("authorization") {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        if !given("content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        connection.abort();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn tap(&self, body: Value) -> Answer {
        self.send("POST", "/v1/taps", &[], &body.to_string()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tap_is_answered_with_all_that_the_contract_names() {
    let mut town = Town::new();
    let gate = town.gate(1, &[]).await;
    let client = Client::of(&gate);
    let answer = client
        .tap(json!({ "card": " card0001 ", "direction": "entry" }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut told = answer.json();
    let fact = told["fact"].take();
    assert_eq!(fact.as_str().unwrap().split(':').count(), 3, "{fact}");
    let age_s = told["balance_age_s"].take();
    assert!(
        age_s.as_u64().unwrap() >= 24 * 3_600,
        "unknown after a start: {age_s}"
    );
    assert_eq!(
        told,
        json!({
            "decision": "open", "reason": "ACCEPTED", "rule": "T-01", "balance": "50000.00", "balance_age_s": null,
            "hold": "12000.00", "fare": null, "fact": null,
            "message": "Mode luring. Silakan masuk. Saldo Rp 50.000, ditahan Rp 12.000. Data 24 jam lalu.",
        })
    );
    let english = [("accept-language", "en-GB,en;q=0.8")];
    let exit = client
        .send(
            "POST",
            "/v1/taps",
            &english,
            r#"{"card":"CARD0002","direction":"exit"}"#,
        )
        .await;
    let told = exit.json();
    assert_eq!(
        (&told["decision"], &told["rule"]),
        (&json!("open"), &json!("T-09"))
    );
    assert_eq!(told["balance"], Value::Null, "a card nobody knows");
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("Please exit. The fare will be adjusted.")
    );

    let taps = client.send("GET", "/v1/taps?last=1", &[], "").await.json();
    assert_eq!(taps.as_array().unwrap().len(), 1);
    assert_eq!(
        (&taps[0]["card"], &taps[0]["decision"]),
        (&json!("CARD0002"), &json!("open"))
    );
    assert_eq!(taps[0]["fact"], told["fact"]);
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_with_a_problem_and_the_gate_goes_on() {
    let mut town = Town::new();
    let gate = town.gate(1, &[]).await;
    let client = Client::of(&gate);
    let tap = r#"{"card":"CARD0001"}"#;
    let huge = format!("{{\"card\":\"{}\"}}", "A".repeat(10_000));
    let cases: &[Case<'_>] = &[
        (400, "POST", "/v1/taps", &[], "{\"card\":"),
        (400, "POST", "/v1/taps", &[], "card=CARD0001"),
        (422, "POST", "/v1/taps", &[], "[]"),
        (422, "POST", "/v1/taps", &[], "{}"),
        (422, "POST", "/v1/taps", &[], r#"{"card":1}"#),
        (422, "POST", "/v1/taps", &[], r#"{"card":"SHORT"}"#),
        (422, "POST", "/v1/taps", &[], r#"{"card":"CARD-0001"}"#),
        (422, "POST", "/v1/taps", &[], r#"{"card":"CARD0001","way":"in"}"#),
        (
            422,
            "POST",
            "/v1/taps",
            &[],
            r#"{"card":"CARD0001","direction":"up"}"#,
        ),
        (401, "POST", "/v1/taps", &[("authorization", "")], tap),
        (
            401,
            "POST",
            "/v1/taps",
            &[("authorization", "Bearer 0000000000000000")],
            tap,
        ),
        (401, "GET", "/v1/status", &[("authorization", "")], ""),
        (421, "GET", "/v1/status", &[("host", "attacker.example")], ""),
        (404, "GET", "/v1/nothing", &[], ""),
        (405, "DELETE", "/v1/taps", &[], ""),
        (413, "POST", "/v1/taps", &[], &huge),
        (415, "POST", "/v1/taps", &[("content-type", "text/plain")], tap),
        (400, "GET", "/v1/taps?last=0", &[], ""),
        (400, "GET", "/v1/taps?last=1001", &[], ""),
        (400, "GET", "/v1/taps?last=many", &[], ""),
        (400, "GET", "/v1/taps?first=1", &[], ""),
    ];
    for (status, method, path, headers, body) in cases {
        let answer = client.send(method, path, headers, body).await;
        let case = format!("{method} {path} {body:.40} {headers:?}: {}", answer.body);
        assert_eq!(answer.status, *status, "{case}");
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{case}"
        );
        assert_eq!(answer.json()["status"], json!(status), "{case}");
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty(), "{case}");
    }
    let answer = client
        .tap(json!({ "card": "CARD0001", "direction": "exit" }))
        .await;
    assert_eq!(answer.json()["decision"], "open");
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_how_long_the_second_copy_took() {
    let mut town = Town::new();
    let one = town.gate(1, &[]).await;
    let two = town.gate(2, &[&one.sync_address().to_string()]).await;
    let client = Client::of(&two);
    client
        .tap(json!({ "card": "CARD0001", "direction": "exit" }))
        .await;
    let timed = |answer: &Answer| answer.body.contains("gate_second_copy_seconds_count 1");
    let metrics = || client.send("GET", "/metrics", &[], "");
    wait_for("the time to the second copy", metrics, timed).await;
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_metrics_and_the_description_need_no_token_and_tell_the_truth() {
    let mut town = Town::new();
    let gate = town.gate(1, &[]).await;
    let client = Client::of(&gate);
    for _ in 0..3 {
        client
            .tap(json!({ "card": "CARD0001", "direction": "exit" }))
            .await;
    }
    let open = [("authorization", "")];
    assert_eq!(client.send("GET", "/healthz", &open, "").await.body, "ok\n");
    let metrics = client.send("GET", "/metrics", &open, "").await.body;
    for line in [
        "gate_taps_total{decision=\"open\",reason=\"EXIT_OPEN\"} 3",
        "gate_tap_seconds_count 3",
        "gate_head 3",
        "gate_backlog_changesets 3",
        "gate_clock_plausible 1",
        "gate_quarantined_changes 0",
        "gate_divergences_total 0",
        "gate_link_refusals_total{reason=\"signature\"} 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
    let description = client.send("GET", "/openapi.json", &open, "").await.json();
    assert_eq!(
        description["openapi"].as_str().unwrap().split('.').next(),
        Some("3")
    );
    assert!(description["paths"]["/v1/taps"]["post"]["responses"]["503"].is_object());

    let status = client.send("GET", "/v1/status", &[], "").await.json();
    assert_eq!(
        (
            &status["node"],
            &status["terminal"],
            &status["head"],
            &status["mode"]
        ),
        (&json!(1), &json!("A"), &json!(3), &json!("normal"))
    );
    assert_eq!(status["fare_version"], json!(1));
    assert_eq!(status["hub"]["reachable"], json!(false));
    assert_eq!(status["disk"]["ballast"], json!("none"));
    gate.stop().await.unwrap();
}
