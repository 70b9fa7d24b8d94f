//! Logs of others: verified once, then appended and applied in slices, so that taps come first in between.
//!
//! Invariant: journal, head and tables move in one transaction, changeset by changeset; a head never moves back.
//! What cannot be applied goes to the [quarantine](super::quarantine) with its reason and never blocks its site; what a later version
//! will understand stays listed until then ([`Store::open`] tries again). Nothing verified is ever lost.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use sync_protocol::changeset::{Body, Head, Run, RunError, SiteOpen, SiteRole, Trust};
use sync_protocol::have::SiteHave;
use sync_protocol::id::{Seq, SiteId};
use sync_protocol::mutation::{Mutation, is};
use sync_protocol::time::Stamp;

use super::apply::{Applier, Effects, Failure, Refusal};
use super::cards::Decoded;
use super::error::{Fault, IngestError};
use super::seal::write_unfiled;
use super::sites::{Ordinal, Site, integer, seq};
use super::unfiled::unsign;
use super::{Store, sql};

/// Changes in one slice while taps wait: one to two milliseconds with the commit. A changeset is never split.
pub const SLICE_CHANGES: usize = 64;

/// A run that was verified against the log held here.
#[derive(Clone, Debug)]
pub struct Verified {
    run: Run,
    /// Position among the bodies of the first one that is new, and the heads from there on.
    skipped: usize,
    heads: Vec<Head>,
    /// The site's opening, when it is new here.
    open: Option<SiteOpen>,
}

/// What a slice did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// The site.
    pub site: SiteId,
    /// What is held of it now, durably.
    pub have: SiteHave,
    /// Changesets appended.
    pub changesets: u64,
    /// Changes in them.
    pub changes: u64,
    /// Of those, changes put into the quarantine.
    pub quarantined: u64,
    /// Of those, changes kept for a later version.
    pub unapplied: u64,
    /// Whether the run is finished.
    pub complete: bool,
}

impl Verified {
    /// The run as it came.
    #[must_use]
    pub const fn run(&self) -> &Run {
        &self.run
    }

    /// The head after the body at a position.
    fn head_at(&self, seq: Seq) -> Option<&Head> {
        let first_new = self.heads.first()?.seq.0;
        self.heads
            .get(usize::try_from(seq.0.checked_sub(first_new)?).ok()?)
    }
}

impl Store {
    /// Verifies, appends and applies a whole run.
    ///
    /// # Errors
    /// See [`Store::verify`] and [`Store::ingest_slice`].
    pub fn ingest(&mut self, run: &Run, trust: &impl Trust) -> Result<Ingested, IngestError> {
        let verified = self.verify(run, trust)?;
        let mut total = self.ingest_slice(&verified, usize::MAX)?;
        while !total.complete {
            let slice = self.ingest_slice(&verified, usize::MAX)?;
            total = Ingested {
                changesets: total.changesets + slice.changesets,
                changes: total.changes + slice.changes,
                quarantined: total.quarantined + slice.quarantined,
                unapplied: total.unapplied + slice.unapplied,
                ..slice
            };
        }
        Ok(total)
    }

    /// Verifies a run against the durable head of its log.
    ///
    /// # Errors
    /// It does not extend the log; counted by reason.
    pub fn verify(&mut self, run: &Run, trust: &impl Trust) -> Result<Verified, IngestError> {
        let result = self.extension(run, trust);
        match &result {
            Err(IngestError::Run(RunError::Duplicate)) => self.counters.duplicates += 1,
            Err(IngestError::Run(RunError::Gap { .. }) | IngestError::Predecessor) => self.counters.gaps += 1,
            Err(_) => self.counters.refused_runs += 1,
            Ok(_) => {}
        }
        result
    }

    fn extension(&mut self, run: &Run, trust: &impl Trust) -> Result<Verified, IngestError> {
        let known = self.sites.get(run.site).copied();
        let head = known.map_or_else(|| Head::empty(run.site), |site| site.head);
        let extension = match run.extend(&head, known.as_ref().map(|site| &site.key), trust) {
            Ok(extension) => extension,
            Err(error @ (RunError::Duplicate | RunError::Signature)) => {
                return Err(self.why_not(run, error, trust));
            }
            Err(error) => return Err(error.into()),
        };
        if run.site == self.writer.site {
            // It follows on this process's own log and has its key: another process writes it, too.
            return Err(self.note_fork(run.site, head.seq.next()).into());
        }
        if self.sites.does_not_count(run.site, &extension.heads) {
            return Err(RunError::Fork.into());
        }
        let open = match known {
            Some(_) => None,
            None => Some(run.opening(trust)?),
        };
        if open.as_ref().is_some_and(|open| self.comes_too_soon(open)) {
            return Err(IngestError::Predecessor);
        }
        Ok(Verified {
            run: run.clone(),
            skipped: extension.skipped,
            heads: extension.heads,
            open,
        })
    }

    /// Whether a site of settled states opens before the one it follows is held up to where it follows it. What it
    /// covers rests on states published there: without them a covered tap would be in no state.
    fn comes_too_soon(&self, open: &SiteOpen) -> bool {
        let Some((previous, head)) = open.previous else {
            return false;
        };
        open.role == SiteRole::Settled && self.sites.have().seq(previous) < head.seq
    }

    /// Appends and applies the next changesets of a verified run in one transaction: at least one, and more while
    /// their changes stay within `changes_max`.
    ///
    /// # Errors
    /// The log moved on another branch since, or the database failed; then nothing of this slice is committed.
    pub fn ingest_slice(&mut self, verified: &Verified, changes_max: usize) -> Result<Ingested, IngestError> {
        let head = self.sites.have().head(verified.run.site);
        let moved = verified
            .head_at(head.seq)
            .is_some_and(|expected| *expected != head);
        if moved || (head.seq.next() < verified.heads[0].seq && !is(Mutation::IgnoreGap)) {
            return Err(IngestError::Forked);
        }
        let result = self.try_slice(verified, changes_max);
        Ok(self.named(result)?)
    }

    fn try_slice(&mut self, verified: &Verified, changes_max: usize) -> Result<Ingested, Fault> {
        self.unsynced.check()?;
        if !self.ballast.leaves_room_for_others() {
            self.counters.kept_out += 1;
            return Err(Fault::Reserved);
        }
        let mut refused = BTreeMap::new();
        loop {
            match self.attempt(verified, changes_max, &refused) {
                Ok(ingested) => {
                    self.bound_wal_of_slices();
                    return Ok(ingested);
                }
                Err((_, Failure::Fault(fault))) => return Err(fault),
                // Each turn adds a changeset, and a run has finitely many.
                Err((seq, Failure::Rows(reason))) => {
                    refused.insert(seq, reason);
                }
            }
        }
    }

    fn attempt(
        &mut self,
        verified: &Verified,
        changes_max: usize,
        refused: &BTreeMap<Seq, Refusal>,
    ) -> Result<Ingested, (Seq, Failure)> {
        let fault = |fault: Fault| (Seq::NONE, Failure::Fault(fault));
        self.sign_head();
        self.commit_late().map_err(fault)?;
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)
            .map_err(|error| fault(error.into()))?;
        let own_piece = write_unfiled(
            &transaction,
            &self.unfiled,
            &self.writer,
            &self.sites,
            &self.pieces,
        )
        .map_err(fault)?;
        let known = self.sites.get(verified.run.site).copied();
        let mut site = known.unwrap_or_else(|| new_site(verified, self.sites.next_ordinal()));
        let mut piece = self.pieces.get(&site.ordinal).copied().unwrap_or_default();
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
        let mut changesets = 0;
        for (bytes, head) in rest(verified, &site) {
            let body = Body::decode(bytes).map_err(|error| error.to_string());
            let changes = body.as_ref().map_or(1, |body| body.changes.len());
            let so_far = usize::try_from(applier.effects.changes).unwrap_or(usize::MAX);
            if changesets > 0 && so_far.saturating_add(changes) > changes_max {
                break;
            }
            let seq = head.seq;
            applier
                .body(&site, seq, &body, refused.get(&seq))
                .map_err(|failure| (seq, failure))?;
            let signature = (seq == verified.run.last()).then_some(&verified.run.signature.0);
            take_body(&transaction, site.ordinal, seq, bytes, signature).map_err(fault)?;
            piece.push(bytes.len());
            if signature.is_some()
                && let Some(replaced) = piece.sign(seq)
            {
                unsign(&transaction, site.ordinal, replaced).map_err(fault)?;
            }
            let stamp = body.as_ref().map_or(site.stamp, last_stamp);
            site = site.then(*head, bytes.len(), stamp);
            changesets += 1;
        }
        let (effects, arrival) = (applier.effects, applier.arrival);
        site.arrival = arrival;
        if changesets > 0 {
            let written = if known.is_some() {
                site.advance(&transaction)
            } else {
                site.insert(&transaction)
            };
            written.map_err(fault)?;
        }
        transaction.commit().map_err(|error| fault(error.into()))?;

        if is(Mutation::MergeRemoteTime) {
            self.writer.last = self.writer.last.max(site.stamp);
        }
        self.unfiled.clear();
        self.pieces.extend(own_piece);
        self.arrival = arrival;
        if changesets > 0 {
            self.pieces.insert(site.ordinal, piece);
            self.sites.put(site);
        }
        let ingested = Ingested {
            site: site.id,
            have: site.have(),
            changesets,
            changes: effects.changes,
            quarantined: effects.quarantined,
            unapplied: effects.unapplied,
            complete: site.head.seq >= verified.run.last(),
        };
        self.counters.ingested += changesets;
        if site.node == self.own_gate.id.node() {
            self.counters.taken_back += changesets;
        }
        self.learn(effects).map_err(fault)?;
        Ok(ingested)
    }

    /// Applies what was kept for a later version, which this one may be. Returns how many changes left the list.
    pub(super) fn apply_pending(&mut self) -> Result<u64, Fault> {
        let listed = self.listed()?;
        let mut done = 0;
        for (ordinal, position, index) in listed {
            done += u64::from(self.apply_kept(ordinal, position, index)?);
        }
        Ok(done)
    }

    fn listed(&self) -> Result<Vec<(Ordinal, Seq, u16)>, Fault> {
        let mut statement = self.replica.prepare_cached(sql::UNAPPLIED)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, seq(row.get(1)?), row.get(2)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn apply_kept(&mut self, ordinal: Ordinal, position: Seq, index: u16) -> Result<bool, Fault> {
        let site = self.sites.by_ordinal(ordinal).copied();
        let site =
            site.ok_or_else(|| Fault::Content(format!("a change of site {ordinal}, which is in no table")))?;
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)?;
        let bytes: Vec<u8> =
            transaction.query_row(sql::JOURNAL_BODY, [ordinal, integer(position)], |row| row.get(0))?;
        let body = Body::decode(&bytes).map_err(|error| Fault::Content(error.to_string()))?;
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
        match applier.kept(&site, position, index, &body) {
            Ok(true) => {}
            // Still ahead of this version, or SQLite refuses it: it stays on the list.
            Ok(false) | Err(Failure::Rows(_)) => return Ok(false),
            Err(Failure::Fault(fault)) => return Err(fault),
        }
        let (effects, arrival) = (applier.effects, applier.arrival);
        let site = Site { arrival, ..site };
        site.advance(&transaction)?;
        transaction.execute(sql::UNAPPLIED_DELETE, params![ordinal, integer(position), index])?;
        transaction.commit()?;
        self.arrival = arrival;
        self.sites.put(site);
        self.learn(effects)?;
        Ok(true)
    }

    /// Tells memory what was committed.
    pub(super) fn learn(&mut self, effects: Effects) -> Result<(), Fault> {
        self.counters.quarantined += effects.quarantined;
        self.counters.compared += effects.compared;
        self.counters.divergences += effects.divergences;
        for card in &effects.cards {
            self.remembered.forget(*card);
        }
        if effects.rows || !effects.covered.is_empty() || !effects.fares.is_empty() {
            self.remembered.forget_all();
        }
        for (site, up_to) in effects.covered {
            self.sites.cover(site, up_to);
        }
        for (site, head) in effects.decided {
            self.sites.decide(site, head);
        }
        for site in effects.reverted {
            self.forget_log(site);
        }
        for version in effects.fares {
            self.fares.insert(version);
        }
        if effects.rows {
            self.read_mode()?;
        }
        Ok(())
    }
}

fn new_site(verified: &Verified, ordinal: Ordinal) -> Site {
    let open = verified
        .open
        .as_ref()
        .expect("BUG: a run of an unknown site verifies with its opening only");
    Site {
        ordinal,
        id: verified.run.site,
        role: open.role,
        node: open.node,
        key: open.public_key,
        own: false,
        floor: Head::empty(verified.run.site),
        head: Head::empty(verified.run.site),
        journal_bytes: 0,
        stamp: Stamp::default(),
        arrival: 0,
    }
}

/// The bodies beyond the head of the site, with the heads they lead to.
fn rest<'a>(verified: &'a Verified, site: &Site) -> impl Iterator<Item = (&'a Bytes, &'a Head)> + use<'a> {
    let head = site.head.seq;
    let bodies = verified.run.bodies.iter().skip(verified.skipped);
    bodies
        .zip(&verified.heads)
        .skip_while(move |(_, next)| next.seq <= head)
}

/// Appends a verified body to the journal. Only of an own site can there be one already: see [`super::replay`].
fn take_body(
    transaction: &Connection,
    site: Ordinal,
    seq: Seq,
    body: &Bytes,
    signature: Option<&[u8; 64]>,
) -> Result<(), Fault> {
    transaction.prepare_cached(sql::JOURNAL_TAKE)?.execute(params![
        site,
        integer(seq),
        body.as_ref(),
        signature.map(|bytes| bytes.as_slice())
    ])?;
    Ok(())
}

/// Time of a changeset's last change.
pub(super) fn last_stamp(body: &Body) -> Stamp {
    body.changes
        .last()
        .and_then(|change| change.at)
        .unwrap_or(body.at)
}
