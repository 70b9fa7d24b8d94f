//! Replicas with one table of each shape, and random transactions on them.

use std::collections::BTreeMap;

use crsqlite::{Replica, SiteId, as_crr, changes_of_transaction, for_each_row_change, schema, set_site_id};
use proptest::prelude::*;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params_from_iter};
use sync_protocol::rows::{ROW_CHANGES_MAX, RowChange, RowSet, Schema, Value};

/// The values used in a column, by number.
type Values = fn(usize) -> SqlValue;

/// A replicated table: its definition, the keys used on it, its columns with the values used in them.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    definition: &'static str,
    key: &'static [&'static str],
    keys: fn(usize) -> Vec<SqlValue>,
    pub(crate) columns: &'static [(&'static str, Values)],
}

fn text(index: usize) -> SqlValue {
    let texts = ["", "a", "b", "nul\0nul", "'; DROP TABLE gates; --", "ü"];
    SqlValue::Text(texts[index % texts.len()].to_owned())
}

fn text_or_null(index: usize) -> SqlValue {
    if index.is_multiple_of(4) {
        SqlValue::Null
    } else {
        text(index)
    }
}

fn real_or_null(index: usize) -> SqlValue {
    let reals = [-6.2, 0.0, -0.0, 5.0, 1e300];
    if index.is_multiple_of(6) {
        SqlValue::Null
    } else {
        SqlValue::Real(reals[index % reals.len()])
    }
}

fn blob(index: usize) -> SqlValue {
    SqlValue::Blob(vec![0xff; index % 3])
}

fn integer(index: usize) -> SqlValue {
    let integers = [0, 1, -1, 255, 65_536, i64::MIN, i64::MAX];
    SqlValue::Integer(integers[index % integers.len()])
}

fn any(index: usize) -> SqlValue {
    [integer, real_or_null, text_or_null, blob][index % 4](index / 4)
}

pub(crate) const TABLES: [Table; 4] = [
    Table {
        name: "gates",
        definition: "CREATE TABLE gates (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL DEFAULT '',
                     status TEXT, latitude REAL) STRICT",
        key: &["id"],
        keys: |index| vec![integer(index + 2)],
        columns: &[
            ("name", text),
            ("status", text_or_null),
            ("latitude", real_or_null),
        ],
    },
    Table {
        name: "system_config",
        definition:
            "CREATE TABLE system_config (scope TEXT NOT NULL, name BLOB NOT NULL, value ANY, note BLOB,
                     PRIMARY KEY (scope, name)) STRICT",
        key: &["scope", "name"],
        keys: |index| vec![text(index / 2), blob(index)],
        columns: &[("value", any), ("note", blob)],
    },
    Table {
        name: "pairs",
        definition: "CREATE TABLE pairs (a INTEGER NOT NULL, b TEXT NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID",
        key: &["a", "b"],
        keys: |index| vec![integer(index), text(index)],
        columns: &[],
    },
    Table {
        name: "deny_list",
        definition: "CREATE TABLE deny_list (card VARCHAR(20) NOT NULL PRIMARY KEY, fare BIGINT)",
        key: &["card"],
        keys: |index| vec![text(index + 2)],
        columns: &[("fare", integer)],
    },
];

/// A replica in memory with all [`TABLES`].
pub(crate) struct Node {
    pub(crate) replica: Replica,
    pub(crate) site: SiteId,
    pub(crate) schema: Schema,
}

impl Node {
    pub(crate) fn new(number: u8) -> Node {
        let site = [number; 16];
        let uri = format!(
            "file:node-{number}-{:?}?mode=memory&cache=shared",
            std::thread::current().id()
        );
        // The site id holds for connections opened after it was set.
        let first = Replica::open(Connection::open(&uri).unwrap()).unwrap();
        set_site_id(&first, site).unwrap();
        let replica = Replica::open(Connection::open(&uri).unwrap()).unwrap();
        first.close().unwrap();
        for table in &TABLES {
            replica.execute_batch(table.definition).unwrap();
            as_crr(&replica, table.name).unwrap();
        }
        let schema = schema(&replica).unwrap();
        Node {
            replica,
            site,
            schema,
        }
    }

    /// Runs a transaction of its own and captures it.
    pub(crate) fn commit(&self, writes: &[Write]) -> Vec<RowChange> {
        self.replica.execute_batch("BEGIN IMMEDIATE").unwrap();
        writes.iter().for_each(|write| write.run(&self.replica));
        let changes = changes_of_transaction(&self.replica, &self.schema, ROW_CHANGES_MAX).unwrap();
        self.replica.execute_batch("COMMIT").unwrap();
        changes
    }

    /// Runs a transaction and takes it back.
    pub(crate) fn roll_back(&self, writes: &[Write]) {
        self.replica.execute_batch("BEGIN IMMEDIATE").unwrap();
        writes.iter().for_each(|write| write.run(&self.replica));
        self.replica.execute_batch("ROLLBACK").unwrap();
    }

    /// Applies changes in a transaction of their own, which is rolled back when they are refused.
    pub(crate) fn apply(&self, origin: SiteId, changes: &[RowChange]) -> crsqlite::Result<usize> {
        self.replica.execute_batch("BEGIN IMMEDIATE").unwrap();
        let applied = crsqlite::apply(&self.replica, origin, changes, &self.schema);
        if !self.replica.is_autocommit() {
            self.replica
                .execute_batch(if applied.is_ok() { "COMMIT" } else { "ROLLBACK" })
                .unwrap();
        }
        Ok(applied?.won)
    }

    pub(crate) fn state(&self) -> Vec<RowChange> {
        let mut state = Vec::new();
        for_each_row_change(&self.replica, |change| state.push(change)).unwrap();
        state
    }

    /// What a user reads: per table the rows by packed key.
    pub(crate) fn rows(&self) -> BTreeMap<&'static str, BTreeMap<Vec<u8>, Vec<Value>>> {
        TABLES
            .iter()
            .map(|table| (table.name, self.rows_of(table)))
            .collect()
    }

    fn rows_of(&self, table: &Table) -> BTreeMap<Vec<u8>, Vec<Value>> {
        let columns: String = table
            .columns
            .iter()
            .map(|(name, _)| format!(", {name}"))
            .collect();
        let sql = format!(
            "SELECT crsql_pack_columns({}){columns} FROM {}",
            table.key.join(", "),
            table.name
        );
        let mut statement = self.replica.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| {
            let values = (1..=table.columns.len()).map(|index| row.get(index).map(value_of));
            Ok((row.get(0)?, values.collect::<Result<_, _>>()?))
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }
}

/// What a reader of a [`RowSet`] sees of a table whose columns are all known.
pub(crate) fn live_rows(rows: &RowSet, table: &Table) -> BTreeMap<Vec<u8>, Vec<Value>> {
    let live = rows.live_rows(table.name);
    live.map(|(key, row)| {
        let values = table
            .columns
            .iter()
            .map(|(name, _)| row.value(name).unwrap().clone());
        (key.to_vec(), values.collect())
    })
    .collect()
}

fn value_of(value: SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(integer) => Value::Integer(integer),
        SqlValue::Real(real) => Value::real(real),
        SqlValue::Text(text) => Value::Text(text),
        SqlValue::Blob(blob) => Value::Blob(blob),
    }
}

/// One statement on one row.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    table: usize,
    key: usize,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Insert([usize; 3]),
    Replace([usize; 3]),
    Upsert([usize; 3]),
    Update { column: usize, value: usize },
    Delete,
}

impl Write {
    fn run(&self, connection: &Connection) {
        let table = &TABLES[self.table];
        match &self.action {
            Action::Insert(values) => self.insert(connection, "INSERT OR IGNORE", values, ""),
            Action::Replace(values) => self.insert(connection, "INSERT OR REPLACE", values, ""),
            Action::Upsert(values) => {
                let set: Vec<_> = table
                    .columns
                    .iter()
                    .map(|(name, _)| format!("{name} = excluded.{name}"))
                    .collect();
                let conflict = match set.is_empty() {
                    true => "ON CONFLICT DO NOTHING".to_owned(),
                    false => format!("ON CONFLICT DO UPDATE SET {}", set.join(", ")),
                };
                self.insert(connection, "INSERT", values, &conflict);
            }
            Action::Update { .. } if table.columns.is_empty() => (),
            Action::Update { column, value } => {
                let (name, values) = table.columns[column % table.columns.len()];
                let sql = format!("UPDATE {} SET {name} = ? WHERE {}", table.name, table.where_key());
                let parameters = std::iter::once(values(*value)).chain((table.keys)(self.key));
                connection.execute(&sql, params_from_iter(parameters)).unwrap();
            }
            Action::Delete => {
                let sql = format!("DELETE FROM {} WHERE {}", table.name, table.where_key());
                connection
                    .execute(&sql, params_from_iter((table.keys)(self.key)))
                    .unwrap();
            }
        }
    }

    fn insert(&self, connection: &Connection, verb: &str, values: &[usize; 3], conflict: &str) {
        let table = &TABLES[self.table];
        let names = table.key.iter().chain(table.columns.iter().map(|(name, _)| name));
        let names: Vec<_> = names.copied().collect();
        let holes = vec!["?"; names.len()].join(", ");
        let sql = format!(
            "{verb} INTO {} ({}) VALUES ({holes}) {conflict}",
            table.name,
            names.join(", ")
        );
        let values = table
            .columns
            .iter()
            .zip(values)
            .map(|((_, value), index)| value(*index));
        connection
            .execute(
                &sql,
                params_from_iter((table.keys)(self.key).into_iter().chain(values)),
            )
            .unwrap();
    }
}

impl Table {
    fn where_key(&self) -> String {
        self.key
            .iter()
            .map(|name| format!("{name} = ?"))
            .collect::<Vec<_>>()
            .join(" AND ")
    }
}

/// Writes on few keys, so that sites meet on the same rows.
pub(crate) fn writes() -> impl Strategy<Value = Vec<Write>> {
    let values = || [0..12_usize, 0..12, 0..12];
    let action = prop_oneof![
        values().prop_map(Action::Insert),
        values().prop_map(Action::Replace),
        values().prop_map(Action::Upsert),
        (0..3_usize, 0..12_usize).prop_map(|(column, value)| Action::Update { column, value }),
        Just(Action::Delete),
    ];
    let write =
        (0..TABLES.len(), 0..2_usize, action).prop_map(|(table, key, action)| Write { table, key, action });
    prop::collection::vec(write, 1..5)
}
