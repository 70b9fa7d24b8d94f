//! Reading what the current transaction changed.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use sync_protocol::rows::{RowChange, Schema, Value};

use crate::{Error, Result, site};

/// The changes that this connection's current transaction made itself, in the order it made them, without
/// those it applied for other sites. Call it last before the commit.
///
/// A transaction with more than `limit` changes, or with one that peers would refuse (`schema`), is an error,
/// and must be rolled back: it could not be replicated. For changesets the limit is
/// [`sync_protocol::rows::ROW_CHANGES_MAX`].
pub fn changes_of_transaction(
    connection: &Connection,
    schema: &Schema,
    limit: usize,
) -> Result<Vec<RowChange>> {
    if connection.is_autocommit() {
        return Err(Error::NoTransaction);
    }
    if site::is_stale(connection)? {
        return Err(Error::SiteChanged);
    }
    let sql = "SELECT \"table\", pk, cid, val, col_version, cl, seq FROM crsql_changes
               WHERE db_version = crsql_next_db_version() AND site_id = crsql_site_id()
               ORDER BY seq LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([limit as i64 + 1])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        if changes.len() == limit {
            return Err(Error::TooManyChanges { limit });
        }
        let change = RowChange {
            seq: row.get(6)?,
            ..change_of_row(row)?
        };
        schema.check(&change).map_err(|refusal| Error::Unsendable {
            change: change.to_string(),
            refusal,
        })?;
        changes.push(change);
    }
    Ok(changes)
}

/// Reads `table, pk, cid, val, col_version, cl` from a row of `crsql_changes`.
pub(crate) fn change_of_row(row: &Row<'_>) -> rusqlite::Result<RowChange> {
    let value = match row.get_ref(3)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::real(real),
        ValueRef::Text(_) => Value::Text(row.get(3)?),
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
    };
    Ok(RowChange {
        table: row.get(0)?,
        key: row.get(1)?,
        column: row.get(2)?,
        value,
        col_version: row.get(4)?,
        causal_length: row.get(5)?,
        seq: 0,
    })
}
