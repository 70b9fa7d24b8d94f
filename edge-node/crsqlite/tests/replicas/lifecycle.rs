//! The life of one replica: its site, its tables, its transactions.

use crsqlite::{
    Error, Replica, as_crr, begin_alter, changes_of_transaction, commit_alter, schema, set_site_id, site_id,
};
use rusqlite::Connection;
use sync_protocol::rows::{Refusal, Value};

use crate::support::Node;

fn replica(definition: &str) -> Replica {
    let replica = Replica::open(Connection::open_in_memory().unwrap()).unwrap();
    replica.execute_batch(definition).unwrap();
    replica
}

#[test]
fn the_site_holds_for_connections_opened_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Replica::open(Connection::open(folder.path().join("gate.db")).unwrap()).unwrap();
    let first = open();
    first
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL) STRICT")
        .unwrap();
    as_crr(&first, "t").unwrap();
    set_site_id(&first, [5; 16]).unwrap();
    assert_ne!(site_id(&first).unwrap(), [5; 16]);
    first.execute_batch("BEGIN; INSERT INTO t VALUES (1)").unwrap();
    let stale = changes_of_transaction(&first, &schema(&first).unwrap(), 256);
    assert!(
        matches!(stale, Err(Error::SiteChanged)),
        "it would capture nothing: {stale:?}"
    );
    first.execute_batch("ROLLBACK").unwrap();

    let second = open();
    assert_eq!(site_id(&second).unwrap(), [5; 16]);
    second.execute_batch("BEGIN; INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(
        changes_of_transaction(&second, &schema(&second).unwrap(), 256)
            .unwrap()
            .len(),
        1
    );
    let own = crsqlite::apply(&second, [5; 16], &[], &schema(&second).unwrap());
    assert!(matches!(own, Err(Error::OwnSite)));
}

#[test]
fn the_site_holds_for_the_connection_that_names_it_before_cr_sqlite_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let connect = || Connection::open(folder.path().join("gate.db")).unwrap();
    let first = Replica::open(connect()).unwrap();
    first
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a TEXT) STRICT")
        .unwrap();
    as_crr(&first, "t").unwrap();
    first.execute_batch("INSERT INTO t VALUES (1, 'a')").unwrap();
    first.close().unwrap();

    for site in [[5; 16], [6; 16]] {
        let connection = connect();
        set_site_id(&connection, site).unwrap();
        let replica = Replica::open(connection).unwrap();
        assert_eq!(site_id(&replica).unwrap(), site);
        replica
            .execute("UPDATE t SET a = ?", [format!("{site:?}")])
            .unwrap();
        replica.execute_batch("BEGIN; UPDATE t SET a = 'b'").unwrap();
        let schema = schema(&replica).unwrap();
        assert_eq!(changes_of_transaction(&replica, &schema, 256).unwrap().len(), 1);
        replica.execute_batch("ROLLBACK").unwrap();
        let by: Vec<u8> = replica
            .query_row("SELECT site_id FROM crsql_changes WHERE cid = 'a'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(by, site);
        replica.close().unwrap();
    }
}

#[test]
fn only_ordinary_tables_can_be_replicated() {
    let replica = replica(
        "CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a ANY) STRICT;
         CREATE VIEW v AS SELECT * FROM t;
         CREATE VIRTUAL TABLE f USING fts5(a)",
    );
    for name in ["v", "f", "nothing"] {
        let refused = as_crr(&replica, name);
        assert!(
            matches!(refused, Err(Error::Unreplicable { .. })),
            "{name}: {refused:?}"
        );
    }
    as_crr(&replica, "t").unwrap();
    assert_eq!(schema(&replica).unwrap().tables.len(), 1);
}

#[test]
fn a_transaction_is_needed() {
    let node = Node::new(1);
    assert!(matches!(
        changes_of_transaction(&node.replica, &node.schema, 256),
        Err(Error::NoTransaction)
    ));
    assert!(matches!(
        crsqlite::apply(&node.replica, [7; 16], &[], &node.schema),
        Err(Error::NoTransaction)
    ));
}

#[test]
fn a_transaction_beyond_the_limit_is_refused() {
    let node = Node::new(1);
    node.replica
        .execute_batch("BEGIN; INSERT INTO pairs VALUES (1, ''), (2, ''), (3, '')")
        .unwrap();
    assert_eq!(
        changes_of_transaction(&node.replica, &node.schema, 3)
            .unwrap()
            .len(),
        3
    );
    let refused = changes_of_transaction(&node.replica, &node.schema, 2);
    assert!(
        matches!(refused, Err(Error::TooManyChanges { limit: 2 })),
        "{refused:?}"
    );
}

#[test]
fn changes_come_in_the_order_they_were_made_without_those_of_others() {
    let [node, peer] = [1, 2].map(Node::new);
    peer.replica
        .execute_batch("BEGIN; INSERT INTO pairs VALUES (9, 'peer')")
        .unwrap();
    let foreign = changes_of_transaction(&peer.replica, &peer.schema, 256).unwrap();

    let pair = "INSERT INTO pairs VALUES (2, 'b'); INSERT INTO pairs VALUES (1, 'a')";
    node.replica.execute_batch(&format!("BEGIN; {pair}")).unwrap();
    crsqlite::apply(&node.replica, peer.site, &foreign, &node.schema).unwrap();
    let changes = changes_of_transaction(&node.replica, &node.schema, 256).unwrap();
    let words: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "pairs[2, \"b\"] created (life 1)",
            "pairs[1, \"a\"] created (life 1)"
        ]
    );
    assert!(changes.is_sorted_by_key(|change| change.seq));
}

#[test]
fn a_value_that_peers_would_refuse_is_not_captured() {
    // Only a table that is not STRICT takes it in the first place.
    let replica = replica("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a INTEGER)");
    as_crr(&replica, "t").unwrap();
    replica
        .execute_batch("BEGIN; INSERT INTO t VALUES (1, 'many')")
        .unwrap();
    let refused = changes_of_transaction(&replica, &schema(&replica).unwrap(), 256).unwrap_err();
    assert!(
        matches!(
            &refused,
            Error::Unsendable {
                refusal: Refusal::ValueMismatch { .. },
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn a_primary_key_is_fixed() {
    let replica = replica(
        "CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a TEXT) STRICT; INSERT INTO t VALUES (1, 'a')",
    );
    as_crr(&replica, "t").unwrap();
    let moved = replica.execute("UPDATE t SET id = 2", []).unwrap_err();
    assert!(moved.to_string().contains("a primary key is fixed"), "{moved}");
    assert!(replica.execute("UPDATE t SET rowid = 2", []).is_err());
    replica.execute("UPDATE t SET id = 1, a = 'b'", []).unwrap();
}

#[test]
fn tables_that_would_diverge_are_not_replicated() {
    for (definition, why) in [
        ("CREATE TABLE t (id NUMERIC PRIMARY KEY NOT NULL)", "declare id"),
        (
            "CREATE TABLE t (id REAL PRIMARY KEY NOT NULL)",
            "declare key column id",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, fare DECIMAL(15, 2))",
            "declare fare",
        ),
        (
            "CREATE TABLE t (id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL)",
            "BINARY",
        ),
        (
            "CREATE TABLE other (id INTEGER PRIMARY KEY NOT NULL)",
            "no such table",
        ),
    ] {
        let refused = as_crr(&replica(definition), "t").unwrap_err();
        assert!(
            matches!(&refused, Error::Unreplicable { reason, .. } if reason.contains(why)),
            "{refused}"
        );
    }
    let unique = replica("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, code TEXT UNIQUE) STRICT");
    assert!(
        matches!(as_crr(&unique, "t"), Err(Error::Sqlite(_))),
        "cr-sqlite refuses unique constraints"
    );
}

#[test]
fn a_table_is_altered_and_captured_again() {
    let replica = replica("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a TEXT) STRICT");
    as_crr(&replica, "t").unwrap();
    as_crr(&replica, "t").unwrap();
    replica.execute_batch("INSERT INTO t VALUES (1, 'a')").unwrap();

    begin_alter(&replica, "t").unwrap();
    replica
        .execute_batch("ALTER TABLE t ADD COLUMN b INTEGER")
        .unwrap();
    commit_alter(&replica, "t").unwrap();
    assert!(replica.is_autocommit());

    let altered = schema(&replica).unwrap();
    assert!(altered.tables["t"].columns.contains_key("b"));
    replica
        .execute_batch("BEGIN; UPDATE t SET b = 5; UPDATE t SET a = 'b'")
        .unwrap();
    let changes = changes_of_transaction(&replica, &altered, 256).unwrap();
    let values: Vec<_> = changes
        .iter()
        .map(|change| (change.column.as_str(), &change.value, change.col_version))
        .collect();
    assert_eq!(
        values,
        [
            ("b", &Value::Integer(5), 1),
            ("a", &Value::Text("b".to_owned()), 2)
        ]
    );
    assert!(
        replica.execute("UPDATE t SET id = 2", []).is_err(),
        "the key is fixed still"
    );
}

/// Adds a column to a table of so many rows, and counts what peers would be sent of it.
fn replicated_by_a_new_column(rows: u32) -> i64 {
    let replica = replica("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a TEXT) STRICT");
    as_crr(&replica, "t").unwrap();
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                INSERT INTO t SELECT i, 'row ' || i FROM n";
    replica.execute(fill, [rows]).unwrap();
    let version = || -> i64 {
        let version = replica.query_row("SELECT crsql_db_version()", [], |row| row.get(0));
        version.unwrap()
    };
    let clock = || -> i64 {
        let cells = replica.query_row("SELECT count(*) FROM t__crsql_clock", [], |row| row.get(0));
        cells.unwrap()
    };
    let (version_before, cells_before) = (version(), clock());
    assert_eq!(cells_before, i64::from(rows));

    begin_alter(&replica, "t").unwrap();
    replica
        .execute_batch("ALTER TABLE t ADD COLUMN b TEXT NOT NULL DEFAULT 'new'")
        .unwrap();
    commit_alter(&replica, "t").unwrap();
    assert_eq!(clock(), cells_before, "no cell was stamped");
    let changes = "SELECT count(*) FROM crsql_changes WHERE db_version > ?1";
    let sent: i64 = replica
        .query_row(changes, [version_before], |row| row.get(0))
        .unwrap();
    assert_eq!(version(), version_before);
    replica
        .execute_batch("UPDATE t SET b = 'edited' WHERE id = 7")
        .unwrap();
    let edits: i64 = replica
        .query_row(changes, [version_before], |row| row.get(0))
        .unwrap();
    assert_eq!(edits, 1, "an edit of the new column is captured");
    sent
}

#[test]
fn a_new_column_replicates_nothing() {
    assert_eq!(replicated_by_a_new_column(20_000), 0);
}

#[test]
#[ignore = "a minute: run it by its name, with --run-ignored all"]
fn a_new_column_replicates_nothing_at_a_million_rows() {
    assert_eq!(replicated_by_a_new_column(1_000_000), 0);
}

#[test]
fn names_are_taken_from_nobody() {
    let replica = replica("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL) STRICT");
    for name in ["t'); DROP TABLE t; --", "", "t\0"] {
        for call in [as_crr, begin_alter, commit_alter] {
            assert!(matches!(call(&replica, name), Err(Error::TableName { .. })));
        }
    }
}
