//! After the barrier was told: signing what was committed, and filing what follows from it.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use sync_protocol::changeset::Run;

use super::error::Fault;
use super::piece::Piece;
use super::sites::{Ordinal, Sites};
use super::unfiled::Unfiled;
use super::wal::{WAL_PAGES, WAL_PAGES_HARD};
use super::writer::Writer;
use super::{Store, StoreError};

impl Store {
    /// Signs the head once for all taps committed since the last call, and returns what is to go to the peers;
    /// `None` when there is nothing new. From now on [`Store::have`] tells of it and [`Store::serve`] serves it.
    ///
    /// To be called right after the taps were answered. When much waits to be filed, or the WAL file has grown to
    /// its hard limit, that is seen to as well.
    ///
    /// # Errors
    /// The database failed while filing, and there was nothing to return. Nothing is lost, and it is tried again.
    pub fn seal(&mut self) -> Result<Option<Run>, StoreError> {
        self.sign_head();
        let run = self.signed.and_then(|signature| self.writer.take_run(signature));
        let filed = if self.unfiled.is_due() {
            self.file_unfiled()
        } else {
            Ok(())
        };
        self.bound_wal(WAL_PAGES_HARD);
        match filed {
            Err(fault) if run.is_none() => self.named(Err(fault)),
            Err(fault) => {
                self.unsynced.note(&fault);
                self.counters.filing_failures += 1;
                Ok(run)
            }
            Ok(()) => Ok(run),
        }
    }

    /// Whether taps were committed that [`Store::seal`] did not sign yet. A heartbeat issued now would promise
    /// more than its heads show.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sites
            .get(self.writer.site)
            .is_none_or(|site| self.sites.is_sealed(site))
    }

    /// Whether taps were committed whose rows in the derived tables are not written yet.
    #[must_use]
    pub fn is_filed(&self) -> bool {
        self.unfiled.is_empty()
    }

    /// The work for when nobody waits: writes the derived rows of the taps committed so far, moves the WAL file's
    /// content into the database once it is worth it, and makes the ballast again when there is room.
    ///
    /// Signs the head, too, but returns no run: [`Store::seal`] does, now or later.
    ///
    /// # Errors
    /// The database failed. Nothing is lost, and it is tried again.
    pub fn file(&mut self) -> Result<(), StoreError> {
        let filed = self.file_unfiled();
        self.bound_wal(WAL_PAGES);
        if filed.is_ok() && self.ballast.make() {
            self.counters.ballast_made += 1;
        }
        self.named(filed)
    }

    /// Signs the head of the own site, unless it is signed.
    pub(super) fn sign_head(&mut self) {
        let Some(site) = self.sites.get(self.writer.site).copied() else {
            return;
        };
        if self.sites.is_sealed(&site) {
            return;
        }
        let signature = self.writer.sign(site.id, &site.head);
        self.unfiled.sign_last(signature);
        self.signed = Some(signature);
        self.sites.sealed(site.id);
    }

    /// Files all that waits, at the price of the ballast if it must be.
    pub(super) fn file_unfiled(&mut self) -> Result<(), Fault> {
        self.unsynced.check()?;
        if self.unfiled.is_empty() {
            return Ok(());
        }
        self.sign_head();
        self.commit_late()?;
        self.with_ballast(|store| {
            let transaction = Transaction::new(&mut store.replica, TransactionBehavior::Immediate)?;
            let piece = write_unfiled(
                &transaction,
                &store.unfiled,
                &store.writer,
                &store.sites,
                &store.pieces,
            )?;
            transaction.commit()?;
            store.pieces.extend(piece);
            Ok(())
        })?;
        self.unfiled.clear();
        Ok(())
    }
}

/// Writes the rows of all that waits, inside the caller's transaction. Returns the end of the own log, to be noted
/// after the commit.
pub(super) fn write_unfiled(
    transaction: &Connection,
    unfiled: &Unfiled,
    writer: &Writer,
    sites: &Sites,
    pieces: &BTreeMap<Ordinal, Piece>,
) -> Result<Option<(Ordinal, Piece)>, Fault> {
    let Some(site) = sites.get(writer.site) else {
        return Ok(None);
    };
    let mut piece = pieces.get(&site.ordinal).copied().unwrap_or_default();
    unfiled.write(transaction, site, &mut piece, |head| writer.sign(site.id, head))?;
    Ok(Some((site.ordinal, piece)))
}
