//! What the `gates` table says about where the gates of a terminal are.

use rusqlite::params;
use sync_protocol::changeset::Run;
use sync_protocol::id::{GateId, TerminalCode};

use super::error::Fault;
use super::{Store, StoreError, sql};

impl Store {
    /// Addresses of a terminal's gates but this one, as the `gates` table gives them, at most `count_max`. What
    /// people wrote there is not checked.
    ///
    /// # Errors
    /// The database failed.
    pub fn gate_addresses(
        &self,
        terminal: TerminalCode,
        count_max: usize,
    ) -> Result<Vec<String>, StoreError> {
        let read = || -> Result<Vec<String>, Fault> {
            let mut statement = self.replica.prepare_cached(sql::ROSTER)?;
            let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
            let rows = statement
                .query_map(params![terminal.as_str(), self.own_gate.id.0, count_max], |row| {
                    row.get(0)
                })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        self.named(read())
    }

    /// The keys of `system_config` that revoke public keys, at most `count_max`. Only the hub writes these.
    ///
    /// # Errors
    /// The database failed.
    pub fn revocations(&self, count_max: usize) -> Result<Vec<String>, StoreError> {
        let read = || -> Result<Vec<String>, Fault> {
            let mut statement = self.replica.prepare_cached(sql::REVOKED_KEYS)?;
            let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
            let rows = statement.query_map(params![count_max], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        self.named(read())
    }

    /// Sets the address of a gate that has a row in the `gates` table and another address in it. Makes no row: the
    /// columns it left open would compete with the hub's.
    ///
    /// # Errors
    /// See [`Store::edit`].
    pub fn set_gate_address(
        &mut self,
        gate: GateId,
        address: &str,
        wall_ms: i64,
    ) -> Result<Option<Run>, StoreError> {
        self.edit(wall_ms, |transaction| {
            let mut statement = transaction.prepare_cached(sql::GATE_ADDRESS_SET)?;
            statement.execute(params![gate.0, address]).map(|_| ())
        })
    }
}
