//! The source design's queries, on its table names and columns.

use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use sync_protocol::changeset::{Change, Content};
use sync_protocol::fact::{CardStatus, Fact, Reason};
use sync_protocol::id::Seq;
use sync_protocol::rows::{RowChange, Value, key};
use sync_protocol::time::{HOUR_MS, MINUTE_MS};

use crate::support::*;

fn texts(connection: &Connection, query: &str) -> Vec<String> {
    let mut statement = connection.prepare(query).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let values: Vec<String> = (0..columns)
            .map(|column| match row.get_unwrap(column) {
                Sql::Null => "NULL".to_owned(),
                Sql::Integer(integer) => integer.to_string(),
                Sql::Real(real) => format!("{real:?}"),
                Sql::Text(text) => text,
                Sql::Blob(_) => "BLOB".to_owned(),
            })
            .collect();
        Ok(values.join("|"))
    });
    rows.unwrap().map(|row| row.unwrap()).collect()
}

/// Terminals A to E with ids 1 to 5, as the hub publishes them.
fn terminals(hub: &mut Hub) {
    let changes = ["A", "B", "C", "D", "E"].iter().zip(1..).map(|(code, id)| {
        Change::new(&Content::Row(RowChange {
            table: "terminals".to_owned(),
            key: key::pack(&[Value::Integer(id)]).unwrap(),
            column: "code".to_owned(),
            value: Value::Text((*code).to_owned()),
            col_version: 1,
            causal_length: 1,
            seq: 0,
        }))
    });
    hub.decisions.changes(T0 - 10 * MINUTE_MS, changes);
}

#[test]
fn the_source_designs_columns_are_there() {
    let mut town = Town::new();
    let store = town.gate(1, "A");
    for query in [
        "SELECT id, card_id, full_name, email, phone, balance, status, current_trip_terminal_id, registered_at,
                updated_at FROM users",
        "SELECT id, origin_terminal_id, destination_terminal_id, price, is_active, effective_from,
                effective_until, created_at, updated_at FROM fares WHERE is_active = 1",
        "SELECT id, task_type, user_id, terminal_id, checkin_terminal_id, checkout_terminal_id, estimated_fare,
                payload, timestamp, status, attempts FROM offline_tasks WHERE status = 'pending'
         ORDER BY timestamp",
        "SELECT key, value, updated_at FROM system_config",
        "SELECT id, code, name, location, latitude, longitude FROM terminals",
        "SELECT id, user_id, terminal_id, action_type, amount, timestamp, reference_id, synced
         FROM local_transactions WHERE synced = 0",
    ] {
        assert!(texts(store.connection(), query).is_empty(), "{query}");
    }
}

#[test]
fn the_source_designs_queries_tell_what_the_gate_holds() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    stock(&mut hub);
    terminals(&mut hub);
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let fact = store.tap(&entry(1, T0), 0).unwrap().decided.fact;
    store.file().unwrap();
    let user = "SELECT card_id, full_name, email, phone, balance, status, current_trip_terminal_id FROM users
                WHERE card_id = 'CARD0001'";
    assert_eq!(
        texts(store.connection(), user),
        ["CARD0001|NULL|NULL|NULL|50000.00|active|1"]
    );
    let tasks = "SELECT t.id, task_type, u.card_id, terminal_id, checkin_terminal_id, checkout_terminal_id,
                        estimated_fare, timestamp, t.status, attempts, json_extract(payload, '$.reason')
                 FROM offline_tasks t JOIN users u ON u.id = t.user_id ORDER BY timestamp";
    let seconds = T0 / 1_000;
    assert_eq!(
        texts(store.connection(), tasks),
        [format!(
            "{fact}|checkin|CARD0001|1|1|NULL|12000.00|{seconds}|pending|0|ACCEPTED"
        )]
    );

    let denied = store.tap(&entry(2, T0 + 1), 0).unwrap().decided.decision.tap;
    assert_eq!(denied.reason, Reason::Funds);
    store.tap(&exit(1, T0 + 6 * MINUTE_MS), 0).unwrap();
    store.file().unwrap();
    assert_eq!(
        texts(store.connection(), user),
        ["CARD0001|NULL|NULL|NULL|45000.00|active|NULL"]
    );
    let log = "SELECT action_type, amount, synced FROM local_transactions ORDER BY id";
    assert_eq!(
        texts(store.connection(), log),
        [
            "checkin|12000.00|0",
            "checkin_denied|0.00|0",
            "checkout|5000.00|0"
        ]
    );
    let price = "SELECT price, typeof(price), is_active, effective_until FROM fares
                 WHERE origin_terminal_id = 1 AND destination_terminal_id = 5";
    assert_eq!(texts(store.connection(), price), ["12000.00|text|1|NULL"]);

    // The hub covers the two first changesets, blocks the card, and announces new fares.
    let run = hub.state(
        T0 + HOUR_MS,
        [
            status(1, 1, CardStatus::Blocked),
            Fact::FareVersion(sample_fares(2, T0 + 48 * HOUR_MS)),
        ],
    );
    store.ingest(&run, &town.trust).unwrap();
    let run = hub.settle(T0 + HOUR_MS, vec![(store.site(), Seq(2))]);
    store.ingest(&run, &town.trust).unwrap();
    assert_eq!(texts(store.connection(), log)[0], "checkin|12000.00|1");
    let count = |query: &str| texts(store.connection(), query)[0].clone();
    assert_eq!(
        count("SELECT count(*) FROM offline_tasks WHERE status = 'pending'"),
        "1"
    );
    assert_eq!(
        count("SELECT count(*) FROM users WHERE status = 'blocked'"),
        "1",
        "D-07"
    );
    assert_eq!(count("SELECT count(*) FROM fares"), "40");
    assert_eq!(count("SELECT count(*) FROM fares WHERE is_active = 1"), "20");
    assert_eq!(
        count("SELECT DISTINCT effective_until FROM fares WHERE is_active = 1"),
        ((T0 + 48 * HOUR_MS) / 1_000).to_string()
    );
}

#[test]
fn the_words_in_the_views_are_those_of_the_facts() {
    let mut town = Town::new();
    let store = town.gate(1, "A");
    let reasons = [
        (Reason::Accepted, "ACCEPTED"),
        (Reason::DupIn, "DUP_IN"),
        (Reason::ExitOpen, "EXIT_OPEN"),
        (Reason::Funds, "FUNDS"),
        (Reason::WrongGate, "WRONG_GATE"),
        (Reason::UnknownCard, "UNKNOWN_CARD"),
        (Reason::NoFare, "NO_FARE"),
        (Reason::GateClosed, "GATE_CLOSED"),
    ];
    for (reason, name) in reasons {
        let query = format!("SELECT name FROM tap_reasons WHERE code = {}", reason as i64);
        assert_eq!(texts(store.connection(), &query), [name]);
    }
    let statuses = [
        (CardStatus::Active, "active"),
        (CardStatus::Suspended, "suspended"),
        (CardStatus::Blocked, "blocked"),
        (CardStatus::Closed, "closed"),
    ];
    for (status, name) in statuses {
        let query = format!("SELECT name FROM card_statuses WHERE code = {}", status as i64);
        assert_eq!(texts(store.connection(), &query), [name]);
    }
}
