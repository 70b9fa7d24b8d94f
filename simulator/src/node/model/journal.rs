//! Logs of others in, and pieces of any log out.

use bytes::Bytes;
use edge_node::store::{IngestError, Ingested};
use sync_protocol::changeset::{BODIES_MAX, Head, Run, RunError, Signature, SiteRole};
use sync_protocol::have::{Range, SiteHave};
use sync_protocol::id::{Seq, SiteId};

use super::ModelStore;
use super::shared::SharedLog;
use crate::trust::Authority;

/// Most bytes of own bodies that wait to be handed out in one run.
const UNSENT_BYTES_MAX: usize = 256 << 10;

/// Own changesets that are durable and were not handed out yet.
#[derive(Default)]
pub(super) struct Unsent {
    first: Seq,
    bodies: Vec<Bytes>,
    bytes: usize,
}

impl Unsent {
    pub(super) fn push(&mut self, seq: Seq, body: Bytes) {
        if self.bytes + body.len() > UNSENT_BYTES_MAX {
            *self = Unsent::default();
        }
        if self.bodies.is_empty() {
            self.first = seq;
        }
        self.bytes += body.len();
        self.bodies.push(body);
    }

    pub(super) fn take_run(&mut self, site: SiteId, signature: Signature) -> Option<Run> {
        let unsent = std::mem::take(self);
        (!unsent.bodies.is_empty()).then_some(Run {
            site,
            first: unsent.first,
            bodies: unsent.bodies,
            signature,
        })
    }
}

impl ModelStore {
    /// Verifies a run, appends at most `changes_max` of its changes but at least one changeset, and notes what they
    /// state.
    pub(super) fn take_run(
        &mut self,
        run: &Run,
        trust: &Authority,
        changes_max: usize,
    ) -> Result<Ingested, IngestError> {
        let verified = self.verify(run, trust);
        match &verified {
            Err(IngestError::Run(RunError::Duplicate)) => self.counters.duplicates += 1,
            Err(IngestError::Run(RunError::Gap { .. }) | IngestError::Predecessor) => self.counters.gaps += 1,
            Err(_) => self.counters.refused_runs += 1,
            Ok(()) => {}
        }
        verified?;
        Ok(self.apply(run, changes_max))
    }

    /// Verifies a run and sees to it that the shared log holds it.
    fn verify(&self, run: &Run, trust: &Authority) -> Result<(), IngestError> {
        let head = self.disk.borrow().journal_head(run.site);
        let mut log = self.log.borrow_mut();
        if !run.is_well_formed() {
            return Err(RunError::Malformed.into());
        }
        if run.first > head.seq.next() {
            let first = run.first;
            let head = head.seq;
            return Err(RunError::Gap { first, head }.into());
        }
        if run.last() <= head.seq {
            return Err(RunError::Duplicate.into());
        }
        if !log.holds(run, &head) {
            log.take(run, &head, trust)?;
        }
        if run.site == self.site {
            return Err(IngestError::OwnSite);
        }
        if head.seq == Seq::NONE && self.comes_too_soon(run, trust)? {
            return Err(IngestError::Predecessor);
        }
        Ok(())
    }

    fn comes_too_soon(&self, run: &Run, trust: &Authority) -> Result<bool, IngestError> {
        let open = run.opening(trust)?;
        let Some((previous, head)) = open.previous else {
            return Ok(false);
        };
        Ok(open.role == SiteRole::Settled && self.have.seq(previous) < head.seq)
    }

    fn apply(&mut self, run: &Run, changes_max: usize) -> Ingested {
        // The real store signs and files its own commits in the same transaction.
        if !self.disk.borrow().unfiled.is_empty() {
            let own = self.log.borrow_mut().ordinal_of(self.site);
            self.sign_head(own);
            let piece = self.pieces.entry(own).or_default();
            self.disk.borrow_mut().file(own, piece);
        }
        let mut log = self.log.borrow_mut();
        let mut disk = self.disk.borrow_mut();
        let ordinal = log.ordinal_of(run.site);
        let site = log.site(ordinal);
        let open = site.open.expect("BUG: a verified site was opened");
        let mut head = self.have.head(run.site);
        let mut ingested = Ingested {
            site: run.site,
            have: SiteHave {
                role: open.role,
                floor: self.have.get(run.site).map_or(Seq::NONE, |have| have.floor),
                head,
            },
            changesets: 0,
            changes: 0,
            quarantined: 0,
            unapplied: 0,
            complete: false,
        };
        let first = head.seq.next();
        let piece = self.pieces.entry(ordinal).or_default();
        let (mut fares, settles) = (false, open.role == SiteRole::Settled);
        while head.seq < run.last() {
            let seq = head.seq.next();
            let entry = site.entry(seq).expect("BUG: a verified run is in the log");
            let changes = u64::from(entry.changes);
            if ingested.changesets > 0 && ingested.changes + changes > changes_max as u64 {
                break;
            }
            ingested.changesets += 1;
            piece.push(entry.body.len());
            ingested.changes += changes;
            ingested.quarantined += u64::from(entry.quarantined);
            ingested.unapplied += u64::from(entry.unapplied);
            if entry.stirs {
                match open.role {
                    SiteRole::Gate(terminal) if terminal == self.gate.terminal => {
                        disk.uncovered.push(ordinal, &site.taps(seq));
                    }
                    SiteRole::Gate(_) | SiteRole::Settled => {}
                    SiteRole::Decisions => fares = true,
                }
            }
            head = Head {
                seq,
                chain: entry.chain,
            };
        }
        if head.seq == run.last() {
            disk.sign(ordinal, head.seq, piece);
        }
        let mut rows = site.rows.range(first..=head.seq).peekable();
        if rows.peek().is_some() {
            let changes = rows.flat_map(|(_, changes)| changes);
            disk.rows = Some(disk.rows().after((ordinal, first.0, head.seq.0), changes));
        }
        ingested.have.head = head;
        ingested.complete = head.seq >= run.last();
        self.have.advance(run.site, ingested.have);
        disk.have.advance(run.site, ingested.have);
        if fares {
            disk.fares = log.fare_book(&self.have);
        }
        if settles {
            let covered = |ordinal| log.covered_at(ordinal, &self.have);
            disk.uncovered.sweep(covered);
        }
        // A site of a start before this one may come back from those who got its end.
        if let Some((_, own)) = disk.own.iter_mut().find(|(site, _)| *site == run.site) {
            *own = head;
        }
        self.counters.ingested += ingested.changesets;
        self.counters.quarantined += ingested.quarantined;
        ingested
    }

    /// A range, or its first part: whole signed pieces up to `bytes_max` of bodies.
    pub(super) fn serve_run(&self, range: Range, bytes_max: usize) -> Option<Run> {
        let (log, disk) = (self.log.borrow(), self.disk.borrow());
        let ordinal = log.ordinal(range.site)?;
        let end = disk.journal_head(range.site).seq;
        if range.first <= self.floor_of(range.site) || range.first > end {
            return None;
        }
        let site = log.site(ordinal);
        let mut bodies: Vec<Bytes> = Vec::new();
        let mut bytes = 0;
        let mut signed: Option<(usize, Signature)> = None;
        let mut seq = range.first;
        while seq <= end {
            let entry = site.entry(seq)?;
            bytes += entry.body.len();
            let enough = bytes > bytes_max || seq > range.last;
            if (signed.is_some() && enough) || bodies.len() == BODIES_MAX {
                break;
            }
            bodies.push(entry.body.clone());
            if disk.has_signature(ordinal, range.site, seq)
                && let Some(signature) = entry.signature
            {
                signed = Some((bodies.len(), signature));
            }
            seq = seq.next();
        }
        let (length, signature) = signed?;
        bodies.truncate(length);
        Some(Run {
            site: range.site,
            first: range.first,
            bodies,
            signature,
        })
    }
}

impl SharedLog {
    /// Whether this very run was verified before, beyond a head.
    fn holds(&self, run: &Run, head: &Head) -> bool {
        let Some(site) = self.ordinal(run.site).map(|ordinal| self.site(ordinal)) else {
            return false;
        };
        let signed = site.entry(run.last()).and_then(|entry| entry.signature);
        if signed != Some(run.signature) || site.open.is_none() {
            return false;
        }
        let mut new = (run.first.0..)
            .zip(&run.bodies)
            .filter(|(seq, _)| *seq > head.seq.0);
        new.all(|(seq, body)| site.entry(Seq(seq)).is_some_and(|entry| entry.body == *body))
    }

    /// Verifies a run against a head, and appends what of it is new to everybody.
    fn take(&mut self, run: &Run, head: &Head, trust: &Authority) -> Result<(), IngestError> {
        let known = self.ordinal(run.site).and_then(|ordinal| self.site(ordinal).open);
        // For who holds nothing of the site, its first changeset has to open it.
        let key = known.filter(|_| head.seq > Seq::NONE).map(|open| open.key);
        let extension = run.extend(head, key.as_ref(), trust)?;
        let ordinal = self.ordinal_of(run.site);
        if head.seq == Seq::NONE {
            self.open(ordinal, &run.opening(trust)?);
        }
        let new = run.bodies.iter().skip(extension.skipped).zip(&extension.heads);
        for (body, head) in new {
            let held = self.site(ordinal).entry(head.seq).map(|entry| entry.chain);
            match held {
                Some(chain) if chain == head.chain => {}
                Some(_) => return Err(IngestError::Forked),
                None => self.append(ordinal, *head, body.clone()),
            }
        }
        if let Some(entry) = self.site_mut(ordinal).entry_mut(run.last()) {
            entry.signature = Some(run.signature);
        }
        Ok(())
    }
}
