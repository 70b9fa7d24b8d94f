//! Cutting logs at the front, a slice at a time, so that no tap waits for more than one.
//!
//! A slice deletes changesets of one log, the rows of [`facts_by_card`](super::cards) that stand for their facts, and
//! moves the floor, in one transaction. The chain at the floor stays, so what is left can still be verified. Pages
//! that become free are used again by what comes: the file does not shrink, and it does not grow either.
//!
//! Invariant: nothing is cut that a decision, a digest or a balance needs. Covered taps are in the settled state; the
//! hub holds everything below any floor (`tests/store/prune.rs`, and the checks of every simulated run).

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use sync_protocol::changeset::{Body, Content, Head, site_open};
use sync_protocol::codec;
use sync_protocol::fact::Fact;
use sync_protocol::have::SiteHave;
use sync_protocol::id::{Seq, SiteId};

use super::error::Fault;
use super::retention::{Limits, Mark, Marks, Retention};
use super::sites::{Ordinal, Site, integer, seq};
use super::{Store, StoreError, sql};

/// Facts in one slice: one to two milliseconds with the commit. A changeset is never split.
const SLICE_FACTS: usize = 64;
/// Changesets in one slice.
const SLICE_CHANGESETS: usize = 256;
/// Bytes of bodies in one slice.
const SLICE_BYTES: usize = 256 << 10;

/// What a slice did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The log that was cut, and what is held of it now; `None` when there was nothing to cut.
    pub cut: Option<(SiteId, SiteHave)>,
    /// Changesets that went.
    pub changesets: u64,
}

/// What is kept of logs, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Bytes of the bodies in the journal.
    pub journal_bytes: u64,
    /// Changesets in the journal.
    pub changesets: u64,
    /// Changesets that were cut off, since the database was made.
    pub pruned: u64,
    /// Logs that are cut.
    pub cut_sites: u64,
}

/// What one slice takes.
struct Slice {
    floor: Head,
    bytes: u64,
    changesets: u64,
}

impl Store {
    /// Cuts the next slice off some log that is held longer than it must be; `hub_ms` is the hub's own time in its
    /// newest heartbeat. To be called when nobody waits, and again while it cuts something.
    ///
    /// # Errors
    /// The database failed. Nothing is cut, and it is tried again.
    pub fn prune(&mut self, hub_ms: i64, retention: &Retention) -> Result<Pruned, StoreError> {
        let result = self.try_prune(hub_ms, retention);
        self.named(result)
    }

    /// What is kept of logs.
    #[must_use]
    pub fn kept(&self) -> Kept {
        let mut kept = Kept::default();
        for site in self.sites.iter() {
            kept.journal_bytes += site.journal_bytes;
            kept.changesets += site.head.seq.0 - site.floor.seq.0;
            kept.pruned += site.floor.seq.0;
            kept.cut_sites += u64::from(site.floor.seq > Seq::NONE);
        }
        kept
    }

    /// Where a log is cut: the last changeset that is gone, and the chain there.
    #[must_use]
    pub fn floor(&self, site: SiteId) -> Head {
        self.sites
            .get(site)
            .map_or_else(|| Head::empty(site), |site| site.floor)
    }

    fn try_prune(&mut self, hub_ms: i64, retention: &Retention) -> Result<Pruned, Fault> {
        let new_marks = self.note_marks(hub_ms, retention);
        let found = self.sites.iter().find_map(|site| {
            let to = self.cut_of(site, hub_ms, retention);
            (to > site.floor.seq).then_some((*site, to))
        });
        if new_marks.is_empty() && found.is_none() {
            return Ok(Pruned::default());
        }
        // The row of the own log is that of its filed part.
        if found.is_some_and(|(site, _)| site.id == self.writer.site) {
            self.file_unfiled()?;
        }
        self.commit_late()?;
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)?;
        for (ordinal, mark) in new_marks {
            let row = params![ordinal, integer(mark.seq), mark.at_ms];
            transaction.prepare_cached(sql::HELD_MARK_INSERT)?.execute(row)?;
        }
        let cut = match found {
            Some((site, to)) => Some(cut(&transaction, site, to)?),
            None => None,
        };
        transaction.commit()?;

        let Some((site, changesets)) = cut else {
            return Ok(Pruned::default());
        };
        self.sites.cut(site);
        if let Some(marks) = self.marks.get_mut(&site.ordinal) {
            marks.forget(site.floor.seq);
        }
        self.counters.pruned += changesets;
        self.bound_wal_of_slices();
        Ok(Pruned {
            cut: Some((site.id, site.have())),
            changesets,
        })
    }

    /// Notes which logs are held up to where by now. A mark that is lost with a failed transaction is only missed in
    /// the next start: what it stands for is kept longer then.
    fn note_marks(&mut self, hub_ms: i64, retention: &Retention) -> Vec<(Ordinal, Mark)> {
        let Store { sites, marks, .. } = self;
        let news = sites.iter().filter_map(|site| {
            let of_site = marks.entry(site.ordinal).or_default();
            let mark = of_site.note(site.head.seq, hub_ms, retention.kept_ms(site.role))?;
            Some((site.ordinal, mark))
        });
        news.collect()
    }

    fn cut_of(&self, site: &Site, hub_ms: i64, retention: &Retention) -> Seq {
        let limits = Limits {
            role: site.role,
            head: site.head.seq,
            covered: self.sites.covered(site.id),
            bytes: site.journal_bytes,
        };
        let marks = self.marks.get(&site.ordinal);
        marks.map_or(Seq::NONE, |marks| retention.cut(&limits, marks, hub_ms))
    }
}

/// The marks that are stored.
pub(super) fn marks(connection: &Connection) -> Result<BTreeMap<Ordinal, Marks>, Fault> {
    let mut marks: BTreeMap<Ordinal, Marks> = BTreeMap::new();
    let mut statement = connection.prepare(sql::HELD_MARKS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mark = Mark {
            seq: seq(row.get(1)?),
            at_ms: row.get(2)?,
        };
        marks.entry(row.get(0)?).or_default().restore(mark);
    }
    Ok(marks)
}

/// Cuts a log, up to `to` or one slice. Returns the site as it is then, and how many changesets went.
fn cut(transaction: &Connection, mut site: Site, to: Seq) -> Result<(Site, u64), Fault> {
    if site.floor.seq == Seq::NONE {
        keep_opening(transaction, &site)?;
    }
    let slice = take_slice(transaction, &site, to)?;
    let upper = params![site.ordinal, integer(slice.floor.seq)];
    transaction
        .prepare_cached(sql::JOURNAL_KEEP_BODIES)?
        .execute(upper)?;
    let gone = transaction.prepare_cached(sql::JOURNAL_PRUNE)?.execute(upper)?;
    // Nothing gone would be tried again and again.
    if gone as u64 != slice.changesets || gone == 0 {
        return Err(Fault::Content(format!(
            "{gone} changesets up to {} of {}, {} were read",
            slice.floor.seq, site.id, slice.changesets
        )));
    }
    transaction
        .prepare_cached(sql::HELD_MARKS_PRUNE)?
        .execute(upper)?;
    site.floor = slice.floor;
    site.journal_bytes = site.journal_bytes.saturating_sub(slice.bytes);
    site.cut(transaction)?;
    Ok((site, slice.changesets))
}

/// Keeps what opened a site, for those who get its rows in a snapshot.
fn keep_opening(transaction: &Connection, site: &Site) -> Result<(), Fault> {
    let body: Option<Vec<u8>> = transaction
        .prepare_cached(sql::JOURNAL_BODY)?
        .query_row(params![site.ordinal, integer(Seq(1))], |row| row.get(0))
        .optional()?;
    if let Some(open) = body.and_then(|body| site_open(&body)) {
        transaction
            .prepare_cached(sql::SITE_OPENING_SET)?
            .execute(params![site.ordinal, codec::encode(&open)])?;
    }
    Ok(())
}

/// Reads the changesets of a slice, and deletes what stands for their facts.
fn take_slice(transaction: &Connection, site: &Site, to: Seq) -> Result<Slice, Fault> {
    let mut slice = Slice {
        floor: site.floor,
        bytes: 0,
        changesets: 0,
    };
    let mut facts = 0;
    let mut statement = transaction.prepare_cached(sql::JOURNAL_RANGE)?;
    let range = params![site.ordinal, integer(site.floor.seq.next()), integer(to)];
    let mut rows = statement.query(range)?;
    while let Some(row) = rows.next()? {
        let position = seq(row.get(0)?);
        if position != slice.floor.seq.next() {
            return Err(Fault::Content(format!(
                "changeset {} of {}",
                slice.floor.seq.next(),
                site.id
            )));
        }
        let body = Bytes::from(row.get::<_, Vec<u8>>(1)?);
        facts += forget_facts(transaction, site, position, &body)?;
        slice.floor = slice.floor.then(&body);
        slice.bytes += body.len() as u64;
        slice.changesets += 1;
        if facts >= SLICE_FACTS
            || slice.bytes >= SLICE_BYTES as u64
            || slice.changesets >= SLICE_CHANGESETS as u64
        {
            break;
        }
    }
    Ok(slice)
}

/// Deletes the rows of a changeset's facts. Returns how many facts it has.
fn forget_facts(transaction: &Connection, site: &Site, position: Seq, body: &Bytes) -> Result<usize, Fault> {
    // One that does not decode is in the quarantine as a whole, and no row stands for it.
    let Ok(body) = Body::decode(body) else {
        return Ok(0);
    };
    let mut count = 0;
    for (index, change) in body.changes.iter().enumerate() {
        let Ok(Some(Content::Fact(fact))) = change.read() else {
            continue;
        };
        let Some(card) = fact.card() else {
            continue;
        };
        count += 1;
        if matches!(fact, Fact::CardIssued { .. }) {
            let at_ms = body.order_key(site.id, position, index).at.ms;
            transaction
                .prepare_cached(sql::CARD_REGISTERED)?
                .execute(params![card.as_str(), at_ms])?;
        }
        transaction.prepare_cached(sql::FACTS_PRUNE)?.execute(params![
            card.as_str(),
            site.ordinal,
            integer(position)
        ])?;
    }
    Ok(count)
}
