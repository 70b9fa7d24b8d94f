//! What others may send: it is refused or it converges, nothing panics, and local writes go on being captured.

use crsqlite::{Error, Replica};
use proptest::prelude::*;
use proptest::sample::Index;
use rusqlite::Connection;
use sync_protocol::rows::{
    Kind, Refusal, RowChange, RowSet, SENTINEL, Schema, VALUE_BYTES_MAX, VERSION_MAX, Value, key,
};

use crate::support::{Node, TABLES, Write, writes};

fn some_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        prop::sample::select(vec![f64::NAN, f64::INFINITY, -0.0, 5.0, f64::MIN_POSITIVE])
            .prop_map(|real| Value::Real(real.to_bits())),
        prop::sample::select(vec!["", "5", "5.0", "'; DROP TABLE gates; --", "x\0y", "💣"])
            .prop_map(|text| Value::Text(text.to_owned())),
        prop::sample::select(vec![0, 1, VALUE_BYTES_MAX, VALUE_BYTES_MAX + 1])
            .prop_map(|size| Value::Blob(vec![7; size])),
    ]
}

fn some_version() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0..6_i64,
        1 => prop::sample::select(vec![i64::MIN, -1, VERSION_MAX - 1, VERSION_MAX, VERSION_MAX + 1, i64::MAX]),
    ]
}

fn some_key() -> impl Strategy<Value = Vec<u8>> {
    let packed = |values: &[Value]| key::pack(values).unwrap();
    let text = |text: &str| Value::Text(text.to_owned());
    prop_oneof![
        prop::sample::select(vec![
            packed(&[Value::Integer(-1)]),
            packed(&[Value::Integer(255)]),
            packed(&[text("b")]),
            packed(&[text(""), Value::Blob(vec![])]),
            packed(&[Value::Integer(0), text("")]),
            packed(&[Value::Blob(vec![1]), Value::Integer(1)]),
        ]),
        prop::collection::vec(any::<u8>(), 0..24),
    ]
}

fn some_name() -> impl Strategy<Value = String> {
    let table_names = TABLES.iter().map(|table| table.name);
    let column_names = TABLES
        .iter()
        .flat_map(|table| table.columns)
        .map(|(name, _)| *name);
    let others = [
        "",
        SENTINEL,
        "id",
        "gates__crsql_clock",
        "crsql_site_id",
        "sqlite_schema",
        "a\"b",
        "-1 ",
        "name; --",
    ];
    prop::sample::select(
        table_names
            .chain(column_names)
            .chain(others)
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    )
}

/// Well-formed for its table in most parts, so that many of them are taken.
fn plausible_change() -> impl Strategy<Value = RowChange> {
    let columns = TABLES.iter().flat_map(|table| {
        let names = table.columns.iter().map(|(name, _)| *name).chain([SENTINEL]);
        names.map(|column| (table.name.to_owned(), column.to_owned()))
    });
    let column = prop::sample::select(columns.collect::<Vec<_>>());
    let odd_one_out = prop::bool::weighted(0.1);
    (column, some_key(), some_value(), 0..4_i64, 1..6_i64, odd_one_out).prop_map(
        |((table, column), key, value, version, life, odd_one_out)| {
            let sentinel = column == SENTINEL;
            RowChange {
                table,
                key,
                column,
                value: if sentinel { Value::Null } else { value },
                col_version: if sentinel && !odd_one_out { life } else { version },
                causal_length: if sentinel || odd_one_out { life } else { life | 1 },
                seq: version,
            }
        },
    )
}

fn any_change() -> impl Strategy<Value = RowChange> {
    let parts = (
        some_name(),
        some_key(),
        some_name(),
        some_value(),
        some_version(),
        some_version(),
        some_version(),
    );
    let wild = parts.prop_map(
        |(table, key, column, value, col_version, causal_length, seq)| RowChange {
            table,
            key,
            column,
            value,
            col_version,
            causal_length,
            seq,
        },
    );
    prop_oneof![6 => plausible_change(), 1 => wild]
}

/// Local writes are captured and reach others, whatever happened before.
fn check_local_capture(node: &Node, peer: &Node, writes: &[Write]) {
    node.replica.execute_batch("BEGIN IMMEDIATE").unwrap();
    node.replica.execute("DELETE FROM gates", []).unwrap();
    node.replica
        .execute("INSERT INTO gates (id, name) VALUES (-7, 'captured')", [])
        .unwrap();
    let changes = crsqlite::changes_of_transaction(&node.replica, &node.schema, 256).unwrap();
    node.replica.execute_batch("COMMIT").unwrap();
    let name = changes
        .iter()
        .find(|change| change.column == "name")
        .expect("the insertion is captured");
    assert_eq!(name.value, Value::Text("captured".to_owned()));
    peer.apply(node.site, &changes).unwrap();
    peer.apply(node.site, &node.commit(writes)).unwrap();
    assert_eq!(node.state(), peer.state());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn hostile_changes_are_refused_or_converge(
        local in writes(),
        changes in prop::collection::vec(any_change(), 1..60),
        order in prop::collection::vec(any::<Index>(), 0..60),
    ) {
        let [left, right] = [1, 2].map(Node::new);
        right.apply(left.site, &left.commit(&local)).unwrap();
        let mut shadow = RowSet::default();
        left.state().iter().for_each(|change| { shadow.merge(change).unwrap(); });

        let mut taken = Vec::new();
        for change in &changes {
            match left.apply([7; 16], std::slice::from_ref(change)) {
                Ok(_) => taken.push(change),
                Err(Error::Refused { index: 0, .. }) => (),
                Err(error) => prop_assert!(false, "{error}: {change:?}"),
            }
        }
        // The other replica gets them in another order, some twice.
        let shuffled = order.iter().filter(|_| !changes.is_empty()).map(|index| index.get(&changes));
        for change in shuffled.chain(changes.iter().rev()) {
            prop_assert_eq!(right.apply([8; 16], std::slice::from_ref(change)).is_ok(), taken.contains(&change));
        }
        taken.iter().for_each(|change| { shadow.merge(change).unwrap(); });
        prop_assert_eq!(left.state(), right.state());
        prop_assert!(left.state().into_iter().eq(shadow.changes()), "the set converges with them");
        prop_assert_eq!(left.rows(), right.rows());
        let versions_end = left.state().iter().any(|change| change.causal_length.max(change.col_version) >= VERSION_MAX - 8);
        if !versions_end {
            check_local_capture(&left, &right, &local);
            check_local_capture(&right, &left, &local);
        }
    }
}

fn status(value: Value) -> RowChange {
    RowChange {
        table: "gates".to_owned(),
        key: key::pack(&[Value::Integer(1)]).unwrap(),
        column: "status".to_owned(),
        value,
        col_version: 1,
        causal_length: 1,
        seq: 0,
    }
}

fn open_text() -> Value {
    Value::Text("open".to_owned())
}

#[test]
fn one_refused_change_refuses_all_and_tells_which() {
    let node = Node::new(1);
    let good = status(open_text());
    let bad = RowChange {
        col_version: i64::MAX,
        ..good.clone()
    };
    let refused = node
        .apply([7; 16], &[good.clone(), bad, good.clone()])
        .unwrap_err();
    assert!(
        matches!(
            refused,
            Error::Refused {
                index: 1,
                refusal: Refusal::ColVersion {
                    col_version: i64::MAX
                }
            }
        ),
        "{refused}"
    );
    assert_eq!(node.state(), []);

    // The transaction itself goes on.
    node.replica.execute_batch("BEGIN").unwrap();
    let unknown = RowChange {
        table: "sqlite_schema".to_owned(),
        ..good.clone()
    };
    assert!(crsqlite::apply(&node.replica, [7; 16], &[good.clone(), unknown], &node.schema).is_err());
    assert!(!node.replica.is_autocommit());
    crsqlite::apply(&node.replica, [7; 16], std::slice::from_ref(&good), &node.schema).unwrap();
    node.replica.execute_batch("COMMIT").unwrap();
    assert_eq!(node.state(), [good]);
}

/// A table whose constraint the schema does not know, so that SQLite refuses after our own checks.
fn checked_table() -> (Replica, Schema) {
    let replica = Replica::open(Connection::open_in_memory().unwrap()).unwrap();
    let sql =
        "CREATE TABLE gates (id INTEGER PRIMARY KEY NOT NULL, status TEXT CHECK (status <> 'stolen')) STRICT";
    replica.execute_batch(sql).unwrap();
    crsqlite::as_crr(&replica, "gates").unwrap();
    let schema = crsqlite::schema(&replica).unwrap();
    assert_eq!(schema.tables["gates"].key, [Kind::Integer]);
    (replica, schema)
}

#[test]
fn capture_survives_a_change_that_sqlite_refuses() {
    let (replica, schema) = checked_table();
    let stolen = Value::Text("stolen".to_owned());
    let good = RowChange {
        key: key::pack(&[Value::Integer(2)]).unwrap(),
        ..status(open_text())
    };
    replica.execute_batch("BEGIN").unwrap();
    let unmerged = crsqlite::apply(&replica, [7; 16], &[good, status(stolen)], &schema).unwrap_err();
    assert!(matches!(unmerged, Error::Unmerged { index: 1, .. }), "{unmerged}");
    assert!(replica.is_autocommit(), "rolled back as a whole");
    assert_eq!(
        replica.query_row("SELECT count(*) FROM gates", [], |row| row.get(0)),
        Ok(0)
    );

    replica
        .execute_batch("BEGIN; INSERT INTO gates VALUES (1, 'open')")
        .unwrap();
    let changes = crsqlite::changes_of_transaction(&replica, &schema, 256).unwrap();
    assert_eq!(changes, [status(open_text())]);
}

#[test]
fn a_re_insertion_without_its_deletion_leaves_nothing_of_the_old_life() {
    let [left, right] = [1, 2].map(Node::new);
    let first = status(open_text());
    let again = RowChange {
        column: SENTINEL.to_owned(),
        value: Value::Null,
        col_version: 3,
        causal_length: 3,
        ..first.clone()
    };
    left.apply([7; 16], &[first.clone(), again.clone()]).unwrap();
    right.apply([7; 16], &[again, first]).unwrap();
    assert_eq!(left.state(), right.state());
    assert_eq!(left.rows(), right.rows());
}

#[test]
fn db_version_is_local() {
    let node = Node::new(1);
    let version = || {
        node.replica
            .query_row("SELECT crsql_db_version()", [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let before = version();
    for value in ["a", "b", "c"] {
        let change = RowChange {
            col_version: VERSION_MAX,
            ..status(Value::Text(value.to_owned()))
        };
        node.apply([7; 16], &[change]).unwrap();
    }
    assert_eq!(version(), before + 3);
}

#[test]
fn a_cell_at_its_last_version_is_freed_by_a_new_row() {
    let node = Node::new(1);
    node.apply(
        [7; 16],
        &[RowChange {
            col_version: VERSION_MAX,
            ..status(open_text())
        }],
    )
    .unwrap();
    let capture = |sql: &str| {
        node.replica.execute_batch(&format!("BEGIN; {sql}")).unwrap();
        let changes = crsqlite::changes_of_transaction(&node.replica, &node.schema, 256);
        node.replica
            .execute_batch(if changes.is_ok() { "COMMIT" } else { "ROLLBACK" })
            .unwrap();
        changes
    };
    let refused = capture("UPDATE gates SET status = 'shut'").unwrap_err();
    assert!(matches!(refused, Error::Unsendable { .. }), "{refused}");
    capture("DELETE FROM gates").unwrap();
    capture("INSERT INTO gates (id, status) VALUES (1, 'shut')").unwrap();
    capture("UPDATE gates SET status = 'open'").unwrap();
}
