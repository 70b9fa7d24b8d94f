//! Edits of the replicated tables, captured inside the transaction that makes them.

use rusqlite::{Transaction, TransactionBehavior, params};
use sync_protocol::changeset::{Change, Content, Run};
use sync_protocol::decide::Mode;
use sync_protocol::id::{CardId, GateId};
use sync_protocol::rows::ROW_CHANGES_MAX;

use super::error::Fault;
use super::seal::write_unfiled;
use super::sites::Site;
use super::writer::append_body;
use super::{Store, StoreError, sql};

/// What the `gates` table says of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateStatus {
    /// In service.
    Online,
    /// Being worked on: holds no frontier (domain 4.6).
    Maintenance,
    /// Out of order.
    Error,
    /// Taken away.
    Removed,
}

impl GateStatus {
    const fn name(self) -> &'static str {
        match self {
            GateStatus::Online => "online",
            GateStatus::Maintenance => "maintenance",
            GateStatus::Error => "error",
            GateStatus::Removed => "removed",
        }
    }
}

/// A mode as the `gates` table names it.
pub(super) const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Normal => "normal",
        Mode::Closed => "closed",
        Mode::FreeFlow => "free_flow",
    }
}

/// The mode the `gates` table names, if it is one.
pub(super) fn mode_named(name: &str) -> Option<Mode> {
    [Mode::Normal, Mode::Closed, Mode::FreeFlow]
        .into_iter()
        .find(|mode| mode_name(*mode) == name)
}

impl Store {
    /// Edits replicated tables: what `write` changes in them becomes one changeset of the same transaction.
    /// `None` when it changed nothing. `write` must not use savepoints, and nothing of it stays when it fails. Taps
    /// that were not sealed yet are in the run before it.
    ///
    /// # Errors
    /// `write` failed, changed more than [`ROW_CHANGES_MAX`] cells or something that peers would refuse, or the
    /// database failed. Nothing is committed.
    pub fn edit(
        &mut self,
        wall_ms: i64,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<Option<Run>, StoreError> {
        let result = self.try_edit(wall_ms, write);
        self.named(result)
    }

    /// Denies a card here until the hub lifts it (T-27).
    ///
    /// # Errors
    /// See [`Store::edit`].
    pub fn deny_card(&mut self, card: CardId, reason: &str, wall_ms: i64) -> Result<Option<Run>, StoreError> {
        let node = self.own_gate.id.node();
        self.edit(wall_ms, |transaction| {
            let row = params![card.as_str(), node.0, reason, wall_ms];
            transaction.prepare_cached(sql::DENY)?.execute(row).map(|_| ())
        })
    }

    /// Sets what the `gates` table says of a gate.
    ///
    /// # Errors
    /// See [`Store::edit`].
    pub fn set_gate_status(
        &mut self,
        gate: GateId,
        status: GateStatus,
        wall_ms: i64,
    ) -> Result<Option<Run>, StoreError> {
        self.edit(wall_ms, |transaction| {
            let mut statement = transaction.prepare_cached(sql::GATE_STATUS_SET)?;
            statement.execute(params![gate.0, status.name()]).map(|_| ())
        })
    }

    /// Switches a gate.
    ///
    /// # Errors
    /// See [`Store::edit`].
    pub fn set_gate_mode(
        &mut self,
        gate: GateId,
        mode: Mode,
        wall_ms: i64,
    ) -> Result<Option<Run>, StoreError> {
        self.edit(wall_ms, |transaction| {
            let mut statement = transaction.prepare_cached(sql::GATE_MODE_SET)?;
            statement.execute(params![gate.0, mode_name(mode)]).map(|_| ())
        })
    }

    /// Sets a configuration value for all who hold the table.
    ///
    /// # Errors
    /// See [`Store::edit`].
    pub fn set_config(&mut self, key: &str, value: &str, wall_ms: i64) -> Result<Option<Run>, StoreError> {
        self.edit(wall_ms, |transaction| {
            let mut statement = transaction.prepare_cached(sql::CONFIG_SET)?;
            statement
                .execute(params![key, value, wall_ms / 1_000])
                .map(|_| ())
        })
    }

    fn try_edit(
        &mut self,
        wall_ms: i64,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<Option<Run>, Fault> {
        self.unsynced.check()?;
        self.sign_head();
        self.commit_late()?;
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)?;
        let piece = write_unfiled(
            &transaction,
            &self.unfiled,
            &self.writer,
            &self.sites,
            &self.pieces,
        )?;
        write(&transaction)?;
        let rows = crsqlite::changes_of_transaction(&transaction, &self.schema, ROW_CHANGES_MAX)?;
        if rows.is_empty() {
            transaction.commit()?;
            self.pieces.extend(piece);
            self.unfiled.clear();
            return Ok(None);
        }
        let changes = rows.into_iter().map(|row| Change::new(&Content::Row(row)));
        let at = self.writer.last.next(wall_ms);
        let place = self.writer.place(&self.sites);
        let body = place.body(at, changes)?;
        let head = place.site.head.then(&body);
        let signature = self.writer.sign(place.site.id, &head);
        let site = Site {
            arrival: self.arrival,
            ..place.site.then(head, body.len(), at)
        };
        if place.open.is_some() {
            site.insert(&transaction)?;
        } else {
            site.advance(&transaction)?;
        }
        append_body(&transaction, site.ordinal, head.seq, &body, Some(&signature))?;
        transaction.commit()?;

        self.unfiled.clear();
        // Its signature stays: the next piece begins behind it.
        self.pieces.remove(&site.ordinal);
        self.writer.last = at;
        self.sites.put(site);
        self.signed = Some(signature);
        self.writer.keep_for_run(head.seq, body);
        self.remembered.forget_all();
        self.read_mode()?;
        Ok(self.writer.take_run(signature))
    }
}
