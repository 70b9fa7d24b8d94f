//! The merged rows of the shared tables, one cell a row. The rules of the merge are [`RowSet`]'s alone.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnection;
use sync_protocol::id::FactId;
use sync_protocol::rows::{RowChange, RowSet, Value};

use super::columns::corrupt;
use super::{LedgerError, PostgresLedger, sql};
use crate::ledger::rows::{Merged, merge_rows};
use crate::outbox::Event;

/// `rows` as read: table, key, column, causal length, col_version, type, then the value in the column of its type.
type CellColumns = (
    String,
    Vec<u8>,
    String,
    i64,
    i64,
    String,
    Option<i64>,
    Option<f64>,
    Option<String>,
    Option<Vec<u8>>,
);

impl PostgresLedger {
    /// The merged rows of all shared tables.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn rows(&self) -> Result<RowSet, LedgerError> {
        let cells: Vec<CellColumns> = sqlx::query_as(sql::ROWS_ALL).fetch_all(&self.pool).await?;
        row_set(cells)
    }

    /// Some of the merged rows, by table and packed key. Those that are not known are left out.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn rows_of(&self, keys: &BTreeSet<(String, Vec<u8>)>) -> Result<RowSet, LedgerError> {
        let mut connection = self.pool.acquire().await?;
        read(&mut connection, keys.iter()).await
    }
}

/// Merges what ingest took into the stored rows, and returns what is told of it.
pub(super) async fn merge(
    connection: &mut PgConnection,
    changes: Vec<(FactId, RowChange)>,
) -> Result<Vec<Event>, LedgerError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(sql::ROWS_LOCK).execute(&mut *connection).await?;
    let keys: BTreeSet<(String, Vec<u8>)> = changes
        .iter()
        .map(|(_, change)| (change.table.clone(), change.key.clone()))
        .collect();
    let mut rows = read(connection, keys.iter()).await?;
    let Merged { events, .. } = merge_rows(&mut rows, changes);
    let mut altered = BTreeSet::new();
    for event in &events {
        if let Event::RowMerged { table, key, .. } = event {
            altered.insert((table.clone(), key.clone()));
        }
    }
    if !altered.is_empty() {
        write(connection, &rows, &altered).await?;
    }
    Ok(events)
}

async fn read(
    connection: &mut PgConnection,
    keys: impl Iterator<Item = &(String, Vec<u8>)>,
) -> Result<RowSet, LedgerError> {
    let (tables, keys): (Vec<&str>, Vec<&[u8]>) =
        keys.map(|(table, key)| (table.as_str(), key.as_slice())).unzip();
    let cells: Vec<CellColumns> = sqlx::query_as(sql::ROWS_SOME)
        .bind(tables)
        .bind(keys)
        .fetch_all(connection)
        .await?;
    row_set(cells)
}

/// A state read as the changes that make it (see [`RowSet::changes`]).
fn row_set(cells: Vec<CellColumns>) -> Result<RowSet, LedgerError> {
    let mut rows = RowSet::default();
    for cell in cells {
        let change = row_change(cell)?;
        rows.merge(&change)
            .map_err(|refusal| corrupt("a row of a shared table that is refused:", refusal))?;
    }
    Ok(rows)
}

fn row_change(cell: CellColumns) -> Result<RowChange, LedgerError> {
    let (table, key, column, causal_length, col_version, value_type, integer, real, text, blob) = cell;
    let value = match (value_type.as_str(), integer, real, text, blob) {
        ("null", ..) => Some(Value::Null),
        ("integer", Some(integer), ..) => Some(Value::Integer(integer)),
        ("real", _, Some(real), ..) => Some(Value::real(real)),
        ("text", _, _, Some(text), _) => Some(Value::Text(text)),
        ("text", _, _, None, Some(bytes)) => String::from_utf8(bytes).ok().map(Value::Text),
        ("blob", _, _, _, Some(blob)) => Some(Value::Blob(blob)),
        _ => None,
    };
    Ok(RowChange {
        value: value.ok_or_else(|| corrupt("a value of a shared table of type", &value_type))?,
        table,
        key,
        column,
        col_version,
        causal_length,
        seq: 0,
    })
}

async fn write(
    connection: &mut PgConnection,
    rows: &RowSet,
    altered: &BTreeSet<(String, Vec<u8>)>,
) -> Result<(), LedgerError> {
    let (tables, keys): (Vec<&str>, Vec<&[u8]>) = altered
        .iter()
        .map(|(table, key)| (table.as_str(), key.as_slice()))
        .unzip();
    sqlx::query(sql::ROWS_DELETE)
        .bind(tables)
        .bind(keys)
        .execute(&mut *connection)
        .await?;
    let is_altered = |change: &RowChange| altered.contains(&(change.table.clone(), change.key.clone()));
    let mut columns = Columns::default();
    rows.changes()
        .filter(is_altered)
        .for_each(|change| columns.push(change));
    columns.insert(connection).await
}

#[derive(Default)]
struct Columns {
    tables: Vec<String>,
    keys: Vec<Vec<u8>>,
    names: Vec<String>,
    causal_lengths: Vec<i64>,
    col_versions: Vec<i64>,
    types: Vec<&'static str>,
    integers: Vec<Option<i64>>,
    reals: Vec<Option<f64>>,
    texts: Vec<Option<String>>,
    blobs: Vec<Option<Vec<u8>>>,
}

impl Columns {
    fn push(&mut self, change: RowChange) {
        let (mut integer, mut real, mut text, mut blob) = (None, None, None, None);
        self.types.push(match change.value {
            Value::Null => "null",
            Value::Integer(value) => {
                integer = Some(value);
                "integer"
            }
            Value::Real(bits) => {
                real = Some(f64::from_bits(bits));
                "real"
            }
            Value::Text(value) if value.contains('\0') => {
                blob = Some(value.into_bytes());
                "text"
            }
            Value::Text(value) => {
                text = Some(value);
                "text"
            }
            Value::Blob(value) => {
                blob = Some(value);
                "blob"
            }
        });
        self.tables.push(change.table);
        self.keys.push(change.key);
        self.names.push(change.column);
        self.causal_lengths.push(change.causal_length);
        self.col_versions.push(change.col_version);
        self.integers.push(integer);
        self.reals.push(real);
        self.texts.push(text);
        self.blobs.push(blob);
    }

    async fn insert(self, connection: &mut PgConnection) -> Result<(), LedgerError> {
        sqlx::query(sql::ROWS_INSERT)
            .bind(self.tables)
            .bind(self.keys)
            .bind(self.names)
            .bind(self.causal_lengths)
            .bind(self.col_versions)
            .bind(self.types)
            .bind(self.integers)
            .bind(self.reals)
            .bind(self.texts)
            .bind(self.blobs)
            .execute(connection)
            .await?;
        Ok(())
    }
}
