//! Terminals, gates and fares.

use hub::decisions::Decision;
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::rows::{RowChange, SENTINEL, Value, key};

use crate::network::minutes;
use crate::world::{World, execute, fare_version, row, texts};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

const GATES: &str = "SELECT concat_ws(' ', id, gate_code, status) FROM gates ORDER BY id";
const REJECTED: &str = "SELECT concat_ws(' ', table_name, row_key, reason) FROM rejected_rows ORDER BY 1";

#[tokio::test]
async fn shared_rows_become_terminals_and_gates_or_are_rejected_with_a_reason() {
    let mut world = World::new("rows", OrphanPolicy::Release).await;
    let gate = [
        ("terminal_id", Value::Integer(1)),
        ("gate_code", text("A-ENTRY-01")),
        ("type", text("entry")),
    ];
    world.decide(row("gates", 11, 1, &gate)).await;
    world.decide(row("gates", 12, 1, &gate)).await;
    world.decide(row("terminals", 4, 1, &[("code", text("A"))])).await;
    world.services.follow().await;
    assert_eq!(
        texts(&world.services.terminals, GATES).await,
        ["11 A-ENTRY-01 offline"],
        "never heard (D-45)"
    );
    assert_eq!(
        texts(&world.services.terminals, REJECTED).await,
        [
            "gates 12 code A-ENTRY-01 belongs to gate 11",
            "terminals 4 code A belongs to terminal 1"
        ]
    );

    // Two terminals exchange their codes in one transaction; the gate and what was rejected are put right.
    let mut swap = row("terminals", 1, 2, &[("code", text("B"))]);
    swap.extend(row("terminals", 2, 2, &[("code", text("A"))]));
    swap.extend(row("gates", 12, 2, &[("gate_code", text("A-EXIT-01"))]));
    swap.extend(row("gates", 11, 2, &[("status", text("maintenance"))]));
    swap.extend(row("terminals", 4, 2, &[("code", text("D"))]));
    world.decide(swap).await;
    world.services.follow().await;
    let terminals = "SELECT id || ' ' || code FROM terminals ORDER BY id";
    assert_eq!(
        texts(&world.services.terminals, terminals).await,
        ["1 B", "2 A", "3 C", "4 D"]
    );
    let gates = ["11 A-ENTRY-01 maintenance", "12 A-EXIT-01 offline"];
    assert_eq!(texts(&world.services.terminals, GATES).await, gates);
    assert_eq!(
        texts(&world.services.terminals, REJECTED).await,
        Vec::<String>::new()
    );
    let fares = "SELECT concat_ws(' ', o.code, d.code, price) FROM fares \
                 JOIN terminals AS o ON o.id = origin_terminal_id \
                 JOIN terminals AS d ON d.id = destination_terminal_id ORDER BY 1";
    assert_eq!(
        texts(&world.services.terminals, fares).await[0],
        "A B 5100.00",
        "fares follow the codes"
    );
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn what_is_deleted_is_retired() {
    let mut world = World::new("retire", OrphanPolicy::Release).await;
    let gate = [("terminal_id", Value::Integer(1)), ("gate_code", text("A-1"))];
    world.decide(row("gates", 11, 1, &gate)).await;
    world.services.follow().await;
    let deleted = |table: &str, id| {
        Decision::Row(RowChange {
            table: table.to_owned(),
            key: key::pack(&[Value::Integer(id)]).unwrap(),
            column: SENTINEL.to_owned(),
            value: Value::Null,
            col_version: 2,
            causal_length: 2,
            seq: 0,
        })
    };
    world
        .decide(vec![deleted("gates", 11), deleted("terminals", 3)])
        .await;
    world.services.follow().await;
    assert_eq!(texts(&world.services.terminals, GATES).await, ["11 A-1 removed"]);
    let terminals = "SELECT code || ' ' || is_active FROM terminals ORDER BY id";
    assert_eq!(
        texts(&world.services.terminals, terminals).await,
        ["A true", "B true", "C false"],
        "D-12"
    );
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_code_passes_from_what_is_retired_or_rejected_to_another() {
    let mut world = World::new("codes", OrphanPolicy::Release).await;
    let gate = [("terminal_id", Value::Integer(1)), ("gate_code", text("A-1"))];
    world.decide(row("gates", 52, 1, &gate)).await;
    world.decide(row("terminals", 9, 1, &[("code", text("X"))])).await;
    world.services.follow().await;
    // A lower id claims each code; in the next step the same with ids that are above.
    world.decide(row("gates", 51, 1, &gate)).await;
    world.decide(row("terminals", 8, 1, &[("code", text("X"))])).await;
    world.services.follow().await;
    let terminals = "SELECT concat_ws(' ', id, code, is_active) FROM terminals WHERE id > 5 ORDER BY id";
    assert_eq!(
        texts(&world.services.terminals, terminals).await,
        ["8 X t", "9 f"]
    );
    assert_eq!(
        texts(&world.services.terminals, GATES).await,
        ["51 A-1 offline", "52 removed"]
    );
    world
        .decide(row("gates", 51, 2, &[("gate_code", text("A-2"))]))
        .await;
    world.decide(row("terminals", 8, 2, &[("code", text("Y"))])).await;
    world.services.follow().await;
    assert_eq!(
        texts(&world.services.terminals, terminals).await,
        ["8 Y t", "9 X t"]
    );
    assert_eq!(
        texts(&world.services.terminals, GATES).await,
        ["51 A-2 offline", "52 A-1 offline"]
    );
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_gate_is_online_while_it_is_heard() {
    let mut world = World::new("live", OrphanPolicy::Release).await;
    for (id, code, status) in [(11, "A-1", "online"), (12, "A-2", "online"), (13, "A-3", "error")] {
        let cells = [
            ("terminal_id", Value::Integer(1)),
            ("gate_code", text(code)),
            ("status", text(status)),
        ];
        world.decide(row("gates", id, 1, &cells)).await;
    }
    world.services.follow().await;
    let heard = "INSERT INTO heartbeats (node, public_key, t_ms, t_counter, beat, heard_ms) \
                 SELECT node, '', 0, 0, '', 1700000000000 FROM unnest(ARRAY[11, 13]) AS node";
    execute(world.ledger.pool(), heard).await;
    let refresh = |now_ms| world.services.terminal_projector.refresh(now_ms);
    refresh(minutes(2)).await.unwrap();
    let gates = ["11 A-1 online", "12 A-2 offline", "13 A-3 error"];
    assert_eq!(texts(&world.services.terminals, GATES).await, gates);
    refresh(minutes(2) + 1).await.unwrap();
    let gates = ["11 A-1 offline", "12 A-2 offline", "13 A-3 error"];
    assert_eq!(
        texts(&world.services.terminals, GATES).await,
        gates,
        "silent for more than two minutes"
    );
    let beats = "SELECT (last_heartbeat = TIMESTAMPTZ 'epoch' + INTERVAL '1700000000 seconds')::text \
                 FROM gates WHERE id IN (11, 13)";
    assert_eq!(texts(&world.services.terminals, beats).await, ["true", "true"]);
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_fare_version_is_in_force_from_its_time_until_the_next() {
    let mut world = World::new("fares", OrphanPolicy::Release).await;
    world
        .decide(vec![Decision::Fares(fare_version(
            2,
            minutes(1_000),
            OrphanPolicy::Release,
        ))])
        .await;
    world.services.follow().await;
    let fares = "SELECT concat_ws(' ', version, price, is_active, \
                 ((extract(epoch FROM effective_until) - 1700000000) / 60)::bigint) \
                 FROM fares WHERE origin_terminal_id = 1 AND destination_terminal_id = 2 ORDER BY version";
    world
        .services
        .terminal_projector
        .refresh(minutes(999))
        .await
        .unwrap();
    assert_eq!(
        texts(&world.services.terminals, fares).await,
        ["1 5100.00 t 1000", "2 5200.00 f"]
    );
    world
        .services
        .terminal_projector
        .refresh(minutes(1_000))
        .await
        .unwrap();
    assert_eq!(
        texts(&world.services.terminals, fares).await,
        ["1 5100.00 f 1000", "2 5200.00 t"]
    );
    assert_eq!(
        texts(&world.services.terminals, "SELECT count(*)::text FROM fares").await,
        ["12"]
    );
    world.end(Vec::new()).await;
}
