//! Merging the changes of another site.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, params};
use sync_protocol::rows::{RowChange, SENTINEL, Schema, Value};

use crate::{Error, Result, SiteId, site_id};

/// What [`apply`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many of the changes altered this replica; the others had been overtaken or were here already.
    pub won: usize,
}

/// Merges changes of one changeset, made by `origin`, inside the caller's transaction.
///
/// All are checked against `schema` before the first is merged: [`Error::Refused`] leaves the transaction as it
/// was. When SQLite itself refuses one ([`Error::Unmerged`]: a CHECK constraint, a full disk), the **whole
/// transaction is rolled back**, because a savepoint must not surround CRR writes.
pub fn apply(
    connection: &Connection,
    origin: SiteId,
    changes: &[RowChange],
    schema: &Schema,
) -> Result<Applied> {
    if connection.is_autocommit() {
        return Err(Error::NoTransaction);
    }
    if site_id(connection)? == origin {
        return Err(Error::OwnSite);
    }
    for (index, change) in changes.iter().enumerate() {
        schema
            .check(change)
            .map_err(|refusal| Error::Refused { index, refusal })?;
    }
    let mut applied = Applied::default();
    let mut merge = Merge::prepare(connection, origin)?;
    for (index, change) in changes.iter().enumerate() {
        match merge.change(change) {
            Ok(won) => applied.won += usize::from(won),
            Err(source) => {
                drop(merge);
                roll_back(connection)?;
                return Err(Error::Unmerged { index, source });
            }
        }
    }
    Ok(applied)
}

struct Merge<'connection> {
    insert: CachedStatement<'connection>,
    impact: CachedStatement<'connection>,
    origin: SiteId,
}

impl<'connection> Merge<'connection> {
    fn prepare(connection: &'connection Connection, origin: SiteId) -> Result<Merge<'connection>> {
        // The version of the sender is never used: a great one would leave no room for local changes.
        let insert =
            "INSERT INTO crsql_changes (\"table\", pk, cid, val, col_version, db_version, site_id, cl, seq)
                      VALUES (?, ?, ?, ?, ?, crsql_next_db_version(), ?, ?, ?)";
        Ok(Merge {
            insert: connection.prepare_cached(insert)?,
            impact: connection.prepare_cached("SELECT crsql_rows_impacted()")?,
            origin,
        })
    }

    /// Merges one change; whether it altered this replica.
    fn change(&mut self, change: &RowChange) -> rusqlite::Result<bool> {
        let before = self.impact()?;
        if change.causal_length > 2 && change.causal_length % 2 == 1 {
            self.insert_deletion_before(change)?;
        }
        self.insert(change)?;
        Ok(self.impact()? > before)
    }

    /// A row in its third or later life was deleted before. cr-sqlite, when it missed that, keeps the values of
    /// the old life; replicas that did not miss it have none. Where it was not missed this changes nothing.
    fn insert_deletion_before(&mut self, change: &RowChange) -> rusqlite::Result<()> {
        let causal_length = change.causal_length - 1;
        self.insert(&RowChange {
            column: SENTINEL.to_owned(),
            value: Value::Null,
            col_version: causal_length,
            causal_length,
            table: change.table.clone(),
            key: change.key.clone(),
            seq: change.seq,
        })
    }

    fn insert(&mut self, change: &RowChange) -> rusqlite::Result<()> {
        self.insert.execute(params![
            change.table,
            change.key,
            change.column,
            ToSqlOutput::Borrowed(to_sql(&change.value)),
            change.col_version,
            self.origin,
            change.causal_length,
            change.seq,
        ])?;
        Ok(())
    }

    fn impact(&mut self) -> rusqlite::Result<i64> {
        self.impact.query_row([], |row| row.get(0))
    }
}

fn to_sql(value: &Value) -> ValueRef<'_> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Integer(integer) => ValueRef::Integer(*integer),
        Value::Real(bits) => ValueRef::Real(f64::from_bits(*bits)),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Blob(blob) => ValueRef::Blob(blob),
    }
}

/// cr-sqlite silences its triggers while it merges (the "sync bit") and forgets to wake them when SQLite refuses
/// the merged value; nothing written on this connection would be captured any more.
fn roll_back(connection: &Connection) -> Result<()> {
    connection.query_row("SELECT crsql_internal_sync_bit(0)", [], |_| Ok(()))?;
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    Ok(())
}
