//! The HTTP interface: every call, what it answers, and what it refuses.

use serde_json::{Value, json};

use super::support::{Answer, HubProcess, Installation, wait_for};

fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(
        answer.head.contains("application/problem+json"),
        "{}",
        answer.head
    );
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    problem["detail"].as_str().unwrap_or_default().to_owned()
}

fn issue(hub: &HubProcess, card: &str) {
    let issued = hub.post("/v1/cards", "-", &json!({"card": card}));
    assert_eq!(issued.status, 201, "{issued:?}");
}

#[test]
fn cards_are_issued_paid_for_and_shown() {
    let installation = Installation::migrated();
    let hub = installation.start();
    let person = json!({"full_name": "Siti Rahma", "email": "siti@example.org", "age_group": "25-34"});
    let issued = hub.post("/v1/cards", "-", &json!({"card": "CARD0001", "person": person}));
    assert_eq!(issued.status, 201, "{issued:?}");
    assert_eq!(issued.json()["status"], "taken");
    assert!(
        issued.json()["references"][0]
            .as_str()
            .unwrap()
            .starts_with("TXN-")
    );
    let again = hub.post("/v1/cards", "-", &json!({"card": "CARD0001"}));
    assert_eq!(
        again.json()["facts"],
        issued.json()["facts"],
        "the same fact stands"
    );

    let body = json!({"card": "CARD0001", "amount": "50000.00", "reference": "bank-1"});
    let paid = hub.post("/v1/topups", "key-1", &body);
    assert_eq!(paid.status, 201, "{paid:?}");
    let again = hub.post("/v1/topups", "key-1", &body);
    assert_eq!((again.status, again.json()), (201, paid.json()), "a replay");
    let other = json!({"card": "CARD0001", "amount": "50000.01", "reference": "bank-1"});
    problem(&hub.post("/v1/topups", "key-1", &other), 422);
    let said = problem(&hub.post("/v1/topups", "key-2", &other), 422);
    assert!(said.contains("bank-1"), "{said}");
    let refund = json!({"card": "CARD0001", "amount": "1000.00", "reason": "charged twice"});
    assert_eq!(hub.post("/v1/refunds", "key-3", &refund).status, 201);

    let status = json!({"status": "blocked", "reason": "lost"});
    assert_eq!(hub.put("/v1/cards/CARD0001/status", &status).status, 201);
    let shown = hub.get("/v1/cards/CARD0001").json();
    assert_eq!(shown["facts"], 4, "what was answered with 201 is settled");
    assert_eq!(shown["balance"], "51000.00");
    assert_eq!(
        (&shown["held"], &shown["status"]),
        (&json!("0.00"), &json!("blocked"))
    );
    let rules: Vec<&Value> = shown["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["rule"])
        .collect();
    assert_eq!(rules, ["REFUND", "TOPUP"]);
    assert!(!shown.to_string().contains("Siti"));
    let request = paid.json()["request"].clone();
    assert_eq!(hub.get(&format!("/v1/requests/{request}")).json(), paid.json());
}

#[test]
fn what_makes_no_sense_is_a_problem_with_a_reason() {
    let installation = Installation::migrated();
    let hub = installation.start();
    issue(&hub, "CARD0001");
    let top_up = |amount: Value| json!({"card": "CARD0001", "amount": amount, "reference": "r"});
    for (amount, status) in [
        (json!(5000), 422),
        (json!(50.5), 422),
        (json!("5.001"), 422),
        (json!("-1.00"), 422),
        (json!("0"), 422),
    ] {
        let key = format!("key{amount}").replace('"', "");
        let said = problem(&hub.post("/v1/topups", &key, &top_up(amount.clone())), status);
        assert!(said.contains("amount"), "{amount}: {said}");
    }
    let said = problem(
        &hub.ask("POST", "/v1/topups", &[], &top_up(json!("5.00")).to_string()),
        400,
    );
    assert!(said.contains("Idempotency-Key"), "{said}");
    let extra = json!({"card": "CARD0001", "amount": "5.00", "reference": "r", "currency": "IDR"});
    let said = problem(&hub.post("/v1/topups", "k", &extra), 422);
    assert!(said.contains("currency"), "{said}");
    let said = problem(&hub.ask("POST", "/v1/cards", &[], "{\"card\": "), 400);
    assert!(said.contains("JSON"), "{said}");
    let said = problem(&hub.post("/v1/cards", "-", &json!({"card": "card 1"})), 422);
    assert!(said.contains("is not a card"), "{said}");
    let unknown = json!({"card": "CARD0404", "amount": "5.00", "reference": "r2"});
    let said = problem(&hub.post("/v1/topups", "k2", &unknown), 422);
    assert!(said.contains("CARD0404 is not known"), "{said}");
    problem(&hub.get("/v1/cards/CARD0404"), 404);
    problem(&hub.get("/v1/requests/999999"), 404);
    problem(&hub.get("/v1/nothing"), 404);
    problem(&hub.ask("DELETE", "/v1/cards/CARD0001", &[], ""), 405);
    problem(
        &hub.put("/v1/gates/A-ENTRY-77/status", &json!({"status": "online"})),
        404,
    );
    problem(
        &hub.put("/v1/gates/A-ENTRY-77/status", &json!({"status": "asleep"})),
        422,
    );
    let person = json!({"card": "CARD0002", "person": {"full_name": "Siti", "email": "nowhere"}});
    problem(&hub.post("/v1/cards", "-", &person), 422);
    problem(&hub.get("/v1/cards/CARD0002"), 404);
    problem(&hub.ask_with("GET", "/v1/network", &[], ""), 401);
    problem(
        &hub.ask_with(
            "GET",
            "/v1/network",
            &[("authorization", "Bearer wrong-wrong-wrong-wrong")],
            "",
        ),
        401,
    );
}

#[test]
fn fare_versions_are_published_whole_and_in_order() {
    let installation = Installation::migrated();
    let hub = installation.start();
    let fares = |version: u32, from: Value| {
        json!({"version": version, "effective_from": from, "orphan_policy": "release",
            "fares": [["A", "B", "5000.00"], ["B", "A", "6000.00"]]})
    };
    let late = hub.post(
        "/v1/fare-versions",
        "-",
        &fares(1, json!("2025-01-01T00:00:00+07:00")),
    );
    assert!(problem(&late, 422).contains("too soon"));
    let published = hub.post(
        "/v1/fare-versions",
        "-",
        &fares(1, json!("2090-01-01T00:00:00+07:00")),
    );
    assert_eq!(published.status, 201, "{published:?}");
    let hole = hub.post(
        "/v1/fare-versions",
        "-",
        &fares(3, json!("2090-01-01T00:00:00+07:00")),
    );
    assert!(problem(&hole, 422).contains("not the next"));
    let in_ms = hub.post("/v1/fare-versions", "-", &fares(2, json!(3_800_000_000_000_i64)));
    assert_eq!(in_ms.status, 201, "{in_ms:?}");
    let mut twice = fares(3, json!("2091-01-01T00:00:00+07:00"));
    twice["fares"] = json!([["A", "B", "1.00"], ["A", "B", "2.00"]]);
    assert!(problem(&hub.post("/v1/fare-versions", "-", &twice), 422).contains("two fares"));
}

#[test]
fn gates_are_shown_and_their_status_set() {
    let installation = Installation::migrated();
    installation.succeed(&["sample", "load"]);
    let hub = installation.start();
    let gates = hub.get("/v1/network").json()["gates"].clone();
    let code = gates[0]["code"].as_str().unwrap().to_owned();
    assert_eq!(gates[0]["connected"], false);
    let set = hub.put(
        &format!("/v1/gates/{code}/status"),
        &json!({"status": "maintenance"}),
    );
    assert_eq!(set.status, 201, "{set:?}");
    assert_eq!(hub.get("/v1/network").json()["gates"][0]["status"], "maintenance");
}

#[test]
fn supervisors_see_whether_it_lives_and_works() {
    let installation = Installation::migrated();
    let hub = installation.start();
    let open = |path: &str| hub.ask_with("GET", path, &[], "");
    assert_eq!(open("/healthz").text, "ok\n");
    wait_for("it is ready", || (open("/readyz").status == 200).then_some(()));
    let ready = open("/readyz").json();
    assert_eq!(
        (&ready["database"]["well"], &ready["lease"]["well"]),
        (&json!(true), &json!(true))
    );
    issue(&hub, "CARD0001");
    let metrics = wait_for("it has settled", || {
        let metrics = open("/metrics").text;
        metrics.contains("hub_settle_seconds").then_some(metrics)
    });
    for name in [
        "hub_http_requests_total",
        "hub_settle_lease_held 1",
        "hub_settle_seconds_bucket",
        "hub_peers_connected 0",
    ] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    let described = open("/openapi.json").json();
    for path in [
        "/v1/cards",
        "/v1/cards/{card}",
        "/v1/topups",
        "/v1/refunds",
        "/v1/fare-versions",
        "/v1/network",
    ] {
        assert!(described["paths"][path].is_object(), "{path}");
    }
    assert_eq!(
        described["components"]["securitySchemes"]["token"]["scheme"],
        "bearer"
    );
}
