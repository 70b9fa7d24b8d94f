//! The quarantine: changes that verified and cannot be applied, durable with the reason. Their site goes on without
//! them. They are tried again, a bounded number at a time, at every start (which may be that of a version that
//! understands them) and when somebody asks for it.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use sync_protocol::changeset::Body;
use sync_protocol::id::{Seq, SiteId};

use super::apply::{Applier, Effects, Failure};
use super::cards::Decoded;
use super::error::Fault;
use super::sites::{Ordinal, Site, integer, seq};
use super::{Store, StoreError, sql};

/// Most changes told at once.
pub const QUARANTINE_TOLD_MAX: usize = 1_000;
/// Most changes that a start tries again; those tried least come first, so each gets its turn.
pub(super) const RETRIED_AT_START_MAX: usize = 256;

/// A change that verified but could not be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its site.
    pub site: SiteId,
    /// Its changeset.
    pub seq: Seq,
    /// Its place in the changeset; `None` when the whole changeset is meant.
    pub change: Option<u16>,
    /// Why.
    pub reason: String,
    /// How often it was tried again.
    pub attempts: u32,
}

/// What became of changes that were tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// So many were tried.
    pub tried: u64,
    /// Of those, so many left the quarantine.
    pub released: u64,
}

/// A row: site, changeset, change.
type Place = (Ordinal, Seq, i64);

impl Store {
    /// What verified but could not be applied, in order; at most [`QUARANTINE_TOLD_MAX`] changes.
    ///
    /// # Errors
    /// The database failed.
    pub fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.named(told(&self.replica))
    }

    /// Tries changes of the quarantine again, at most so many, those tried least first.
    ///
    /// # Errors
    /// The database failed. What was released before stays released.
    pub fn retry_quarantine(&mut self, count_max: usize) -> Result<Retried, StoreError> {
        let result = self.try_retry(count_max);
        self.named(result)
    }

    pub(super) fn try_retry(&mut self, count_max: usize) -> Result<Retried, Fault> {
        let mut retried = Retried::default();
        let places = next(&self.replica, count_max)?;
        if !places.is_empty() {
            // What is released gets arrival numbers after those of the taps that wait.
            self.file_unfiled()?;
        }
        for place in places {
            retried.tried += 1;
            match self.release(place) {
                Ok(true) => retried.released += 1,
                Ok(false) | Err(Fault::Content(_)) => {
                    let (ordinal, position, change) = place;
                    let row = params![ordinal, integer(position), change];
                    self.replica.prepare_cached(sql::QUARANTINE_TRIED)?.execute(row)?;
                }
                Err(fault) => return Err(fault),
            }
        }
        self.counters.released += retried.released;
        Ok(retried)
    }

    /// Tries one again. Nothing of it stays when it is refused again.
    fn release(&mut self, (ordinal, position, change): Place) -> Result<bool, Fault> {
        let site = self.sites.by_ordinal(ordinal).copied();
        let site =
            site.ok_or_else(|| Fault::Content(format!("a change of site {ordinal}, which is in no table")))?;
        self.commit_late()?;
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)?;
        let row = params![ordinal, integer(position), change];
        transaction.prepare_cached(sql::QUARANTINE_DELETE)?.execute(row)?;
        let bytes: Option<Vec<u8>> = transaction
            .prepare_cached(sql::JOURNAL_BODY)?
            .query_row(params![ordinal, integer(position)], |row| row.get(0))
            .optional()?;
        let Some(Ok(body)) = bytes.map(|bytes| Body::decode(&bytes)) else {
            return Ok(false);
        };
        let mut applier = Applier {
            transaction: &transaction,
            sites: &self.sites,
            writes: self.writer.site,
            fares: &self.fares,
            schema: &self.schema,
            arrival: self.arrival,
            effects: Effects::default(),
            decoded: Decoded::default(),
        };
        let applied = match u16::try_from(change) {
            Ok(index) => applier.released(&site, position, index, &body),
            // A whole changeset that reads now: what of it cannot be applied is listed change by change.
            Err(_) => applier.body(&site, position, &Ok(body), None).map(|()| true),
        };
        match applied {
            Ok(true) => {}
            Ok(false) | Err(Failure::Rows(_)) => return Ok(false),
            Err(Failure::Fault(fault)) => return Err(fault),
        }
        let (effects, arrival) = (applier.effects, applier.arrival);
        let site = Site { arrival, ..site };
        site.advance(&transaction)?;
        transaction.commit()?;
        self.arrival = arrival;
        self.sites.put(site);
        self.learn(effects)?;
        Ok(true)
    }
}

fn next(connection: &Connection, count_max: usize) -> Result<Vec<Place>, Fault> {
    let mut statement = connection.prepare_cached(sql::QUARANTINE_NEXT)?;
    let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
    let rows = statement.query_map([count_max], |row| {
        Ok((row.get(0)?, seq(row.get(1)?), row.get(2)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The changes in the quarantine.
pub(super) fn told(connection: &Connection) -> Result<Vec<Quarantined>, Fault> {
    let mut statement = connection.prepare_cached(sql::QUARANTINE)?;
    let rows = statement.query_map([QUARANTINE_TOLD_MAX as i64], |row| {
        Ok(Quarantined {
            site: SiteId(row.get(0)?),
            seq: seq(row.get(1)?),
            change: u16::try_from(row.get::<_, i64>(2)?).ok(),
            reason: row.get(3)?,
            attempts: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
