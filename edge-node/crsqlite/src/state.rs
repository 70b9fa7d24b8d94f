//! Reading the present replicated state, to compare replicas.

use rusqlite::Connection;
use sync_protocol::rows::{RowChange, StateDigest};

use crate::Result;
use crate::capture::change_of_row;

/// Visits the replicated state as changes in canonical order (table, key, column), tombstones included, `seq` 0:
/// the same that [`RowSet::changes`](sync_protocol::rows::RowSet::changes) gives for an equal state.
pub fn for_each_row_change(connection: &Connection, mut visit: impl FnMut(RowChange)) -> Result<()> {
    let sql =
        "SELECT \"table\", pk, cid, val, col_version, cl FROM crsql_changes ORDER BY \"table\", pk, cid";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        visit(change_of_row(row)?);
    }
    Ok(())
}

/// The digest of the replicated state; equal for replicas that hold the same rows and tombstones.
pub fn state_digest(connection: &Connection) -> Result<[u8; 32]> {
    let mut digest = StateDigest::default();
    for_each_row_change(connection, |change| digest.add(&change))?;
    Ok(digest.finish())
}
