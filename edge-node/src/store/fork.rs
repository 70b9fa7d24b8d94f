//! Second branches of a log that is held here: proven, counted and told; nothing stops.
//!
//! The writer's own key signed both, so the writer equivocates, or two processes write one site: a machine was copied
//! while it ran. The branch that is held stays, and is passed on. What becomes of it is the hub's to say, by a SiteFork
//! fact after an operator's decision: who holds another branch drops it and takes the one that counts.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, params};
use sync_protocol::changeset::{ChainHash, Compared, Head, Run, RunError, Trust};
use sync_protocol::have::SiteHave;
use sync_protocol::id::{Seq, SiteId};

use super::apply::Applier;
use super::error::{Fault, IngestError};
use super::sites::{Site, integer, seq};
use super::{Store, sql};

/// Most changesets read to find the chain at the start of a run; beyond it nothing is proven here. The hub, which keeps
/// every chain, has no such limit.
const READ_BACK_MAX: u64 = 65_536;
/// Most sites with two branches that are remembered.
const FORKS_MAX: usize = 64;

/// Sites of which a second branch was proven since the store was opened, and where it parts from the one held.
pub type Forks = BTreeMap<SiteId, Seq>;

impl Store {
    /// Sites of which a second branch was proven since the store was opened, at most 64, and the first changeset that
    /// exists twice. An alarm.
    #[must_use]
    pub const fn forks(&self) -> &Forks {
        &self.forks
    }

    /// Whether another process writes this one's site, too.
    #[must_use]
    pub fn is_written_twice(&self) -> bool {
        self.forks.contains_key(&self.writer.site)
    }

    /// What to make of a run that does not follow on the log: its own error, or that it is another branch.
    pub(super) fn why_not(&mut self, run: &Run, error: RunError, trust: &impl Trust) -> IngestError {
        let Some(site) = self.sites.get(run.site).copied() else {
            return error.into();
        };
        match self.compare(&site, run, trust) {
            Ok(Some(Compared::Fork { at })) => self.note_fork(run.site, at).into(),
            Ok(Some(Compared::Unproven)) => RunError::Signature.into(),
            Ok(Some(Compared::Alike) | None) => error.into(),
            Err(fault) => match self.named::<()>(Err(fault)) {
                Err(error) => error.into(),
                Ok(()) => error.into(),
            },
        }
    }

    /// Notes that a site has a second branch.
    pub(super) fn note_fork(&mut self, site: SiteId, at: Seq) -> RunError {
        self.counters.forks += 1;
        if self.forks.len() < FORKS_MAX || self.forks.contains_key(&site) {
            let first = self.forks.entry(site).or_insert(at);
            *first = at.min(*first);
        }
        RunError::Fork
    }

    /// `None` where the run starts at no place that is held.
    fn compare(&self, site: &Site, run: &Run, trust: &impl Trust) -> Result<Option<Compared>, Fault> {
        let before = Seq(run.first.0.saturating_sub(1));
        let is_held = (site.floor.seq..site.head.seq).contains(&before);
        if !is_held || before.0 - site.floor.seq.0 > READ_BACK_MAX {
            return Ok(None);
        }
        let mut start = site.floor;
        let mut held: BTreeMap<Seq, ChainHash> = BTreeMap::new();
        let mut head = site.floor;
        for_each_body(&self.replica, site, run.last(), |body| {
            head = head.then(body);
            if head.seq <= before {
                start = head;
            } else {
                held.insert(head.seq, head.chain);
            }
        })?;
        let held = |seq| held.get(&seq).copied();
        Ok(Some(run.compare(&start, held, &site.key, trust)))
    }
}

impl Store {
    /// Sites that were dropped since this was asked last, because another branch of them counts, and what is held of
    /// them now: the sync engine is to be told.
    pub fn take_reverted(&mut self) -> Vec<(SiteId, Option<SiteHave>)> {
        let reverted = std::mem::take(&mut self.reverted);
        let now = |site: SiteId| (site, self.sites.have().get(site).copied());
        reverted.into_iter().map(now).collect()
    }

    /// Tells memory that a log was dropped down to its floor.
    pub(super) fn forget_log(&mut self, site: Site) {
        self.sites.revert(site);
        self.pieces.remove(&site.ordinal);
        self.marks.remove(&site.ordinal);
        self.remembered.forget_all();
        self.forks.remove(&site.id);
        self.reverted.push(site.id);
        self.counters.reverted += 1;
    }
}

impl Applier<'_> {
    /// Takes the hub's word which branch of a site counts. What is held of another one goes, down to the floor, and
    /// comes anew from whoever has the branch that counts: where they part need not be known. What settled states cover
    /// stays settled; row changes of the branch that does not count stay merged.
    pub(super) fn site_fork(&mut self, id: SiteId, head: Head) -> Result<(), Fault> {
        let decided = params![id.0, integer(head.seq), head.chain.0];
        self.transaction
            .prepare_cached(sql::FORK_DECIDE)?
            .execute(decided)?;
        self.effects.decided.push((id, head));
        let Some(site) = self.sites.get(id).copied() else {
            return Ok(());
        };
        // The own open log cannot be dropped: its writer goes on, and says so.
        let reaches = site.floor.seq < head.seq && head.seq <= site.head.seq;
        if id == self.writes || !reaches || head_at(self.transaction, &site, head.seq)? == head {
            return Ok(());
        }
        let floor = params![site.ordinal, integer(site.floor.seq)];
        for statement in [sql::JOURNAL_DROP, sql::FACTS_DROP, sql::HELD_MARKS_DROP] {
            self.transaction
                .prepare_cached(statement)?
                .execute([site.ordinal])?;
        }
        for statement in [sql::UNAPPLIED_DROP, sql::QUARANTINE_DROP] {
            self.transaction.prepare_cached(statement)?.execute(floor)?;
        }
        let site = Site {
            head: site.floor,
            journal_bytes: 0,
            ..site
        };
        let row = params![site.ordinal, integer(site.head.seq), site.head.chain.0];
        self.transaction.prepare_cached(sql::SITE_REVERT)?.execute(row)?;
        self.effects.reverted.push(site);
        Ok(())
    }
}

/// Reads the bodies above the floor, up to `last` or the head.
fn for_each_body(
    connection: &Connection,
    site: &Site,
    last: Seq,
    mut each: impl FnMut(&Bytes),
) -> Result<(), Fault> {
    let mut expected = site.floor.seq.next();
    let mut statement = connection.prepare_cached(sql::JOURNAL_RANGE)?;
    let last = last.min(site.head.seq);
    let mut rows = statement.query(params![site.ordinal, integer(expected), integer(last)])?;
    while let Some(row) = rows.next()? {
        if seq(row.get(0)?) != expected {
            return Err(Fault::Content(format!("changeset {expected} of {}", site.id)));
        }
        each(&Bytes::from(row.get::<_, Vec<u8>>(1)?));
        expected = expected.next();
    }
    Ok(())
}

/// The chain of a log at a number that is held, from the bodies.
pub(super) fn head_at(connection: &Connection, site: &Site, at: Seq) -> Result<Head, Fault> {
    let mut head = site.floor;
    for_each_body(connection, site, at, |body| head = head.then(body))?;
    Ok(head)
}
