//! Taps of a gate travel to the hub over QUIC and come back settled, whatever dies in between.

use std::net::SocketAddr;

use serde_json::json;
use sync_protocol::fact::Direction;
use sync_protocol::id::CardId;
use sync_protocol::money::Money;

use super::gate::Gate;
use super::support::{HubProcess, Installation, text};

/// 2026-01-05 07:00 in Jakarta.
const MORNING_MS: i64 = 1_767_571_200_000;
const HOLD: Money = Money::rupiah(12_000);
const FARE: Money = Money::rupiah(5_000);

fn card() -> CardId {
    "CARD0001".parse().unwrap()
}

/// Fares A–B in force since long ago, and a card with money.
fn found(installation: &Installation, hub: &HubProcess) {
    let fares = json!({
        "version": 1, "effective_from": "2025-01-01T00:00:00+07:00", "orphan_policy": "release",
        "fares": [["A", "B", "5000.00"], ["B", "A", "5000.00"]], "override_lead_time": true,
    });
    assert_eq!(hub.post("/v1/fare-versions", "-", &fares).status, 201);
    assert_eq!(hub.post("/v1/cards", "-", &json!({"card": card()})).status, 201);
    let top_up = json!({"card": card(), "amount": "50000.00", "reference": "first"});
    assert_eq!(hub.post("/v1/topups", "first", &top_up).status, 201);
    for (gate, terminal) in [("1", "A"), ("2", "B")] {
        let (ca, out) = (installation.path("ca"), installation.path(terminal));
        installation.succeed(&[
            "ca",
            "issue",
            "--dir",
            text(&ca),
            "--gate",
            gate,
            "--terminal",
            terminal,
            "--out",
            text(&out),
        ]);
    }
}

fn gate(installation: &Installation, terminal: &str, hub: SocketAddr, wall_ms: i64) -> Gate {
    Gate::start(&installation.path(terminal), hub, wall_ms)
}

fn balance(gate: &Gate) -> Option<Money> {
    let settled = gate.settled(card())?;
    Some(settled.state.posted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_is_acknowledged_and_comes_back_settled() {
    let installation = Installation::migrated();
    let mut hub = installation.start();
    found(&installation, &hub);
    let mut entry = gate(&installation, "A", hub.sync, MORNING_MS);
    let mut exit = gate(&installation, "B", hub.sync, MORNING_MS + 1_800_000);

    entry
        .until("the gate of A is connected", Gate::is_connected)
        .await;
    entry.tap(card(), Direction::Entry, HOLD);
    entry
        .until("the hub acknowledges the entry", |gate| {
            gate.acknowledged() == gate.written()
        })
        .await;
    let is_open = |gate: &Gate| {
        gate.settled(card())
            .is_some_and(|settled| settled.state.open.is_some())
    };
    entry.until("the entry comes back settled", is_open).await;
    let shown = hub.get("/v1/cards/CARD0001").json();
    assert_eq!(shown["held"], "12000.00");
    assert_eq!(shown["open_journey"]["entry"]["terminal"], "A");

    exit.until("the gate of B knows of the entry", is_open).await;
    exit.tap(card(), Direction::Exit, Money::ZERO);
    let paid = |gate: &Gate| balance(gate) == Some(Money::rupiah(50_000) - FARE);
    exit.until("the journey comes back settled at B", paid).await;
    entry.until("and at A", paid).await;

    let shown = hub.get("/v1/cards/CARD0001").json();
    assert_eq!(shown["balance"], "45000.00");
    assert_eq!(shown["journeys"][0]["status"], "completed");
    assert_eq!(shown["journeys"][0]["fare"], "5000.00");

    entry.beat();
    entry
        .until("the hub's heartbeat", |gate| !gate.hub_beats().is_empty())
        .await;
    let network = super::support::wait_for("the gate's heartbeat is shown", || {
        let network = hub.get("/v1/network").json();
        let gate = &network["gates"][0];
        (gate["last_heartbeat"].is_string() && gate["behind_changesets"] == 0).then_some(network)
    });
    assert_eq!(network["gates"][0]["gate"], 1);
    assert_eq!(network["gates"][0]["connected"], true);
    entry.stop().await;
    exit.stop().await;
    assert_eq!(hub.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_loses_nothing_and_books_nothing_twice() {
    let installation = Installation::migrated();
    let mut hub = installation.start();
    found(&installation, &hub);
    let mut gate = gate(&installation, "A", hub.sync, MORNING_MS);
    gate.until("the gate is connected", Gate::is_connected).await;
    for _ in 0..20 {
        gate.tap(card(), Direction::Entry, HOLD);
    }
    gate.until("the hub has some", |gate| gate.acknowledged() > 0)
        .await;
    hub.kill();
    for _ in 0..20 {
        gate.tap(card(), Direction::Entry, HOLD);
    }
    let written = gate.written();
    gate.stop().await;

    // The same log, at a gate that starts again and dials where the hub is now.
    let hub = installation.start();
    let mut gate = self::gate(&installation, "A", hub.sync, MORNING_MS);
    for _ in 0..40 {
        gate.tap(card(), Direction::Entry, HOLD);
    }
    assert_eq!(gate.written(), written);
    gate.until("the hub has all", |gate| gate.acknowledged() == written)
        .await;
    let all = |gate: &Gate| gate.settled(card()).is_some_and(|settled| settled.facts == 42);
    gate.until("all is settled: 40 taps, the issue and the top-up", all)
        .await;
    assert_eq!(balance(&gate), Some(Money::rupiah(50_000)));
    let metrics = hub.get("/metrics").text;
    assert!(metrics.contains("hub_settle_lease_held 1"), "{metrics}");
    gate.stop().await;
}
