//! Ingest: runs of any site, from anybody, in any order → a [`MergePlan`].
//!
//! A run is verified against the head of its site. What is verified is stored and moves the head, whatever it
//! says, so that no site ever stands still; what its writer had no right to say is quarantined and never folded.
//! What is not verified is refused, kept as evidence, and changes nothing (T-36).
//!
//! Invariant: planning the same runs again gives a plan that stores nothing (tests/replay.rs).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sync_protocol::changeset::{
    Body, BodyError, Change, Content, Extension, Head, PublicKey, Run, RunError, Signature, SiteOpen,
    SiteRole, Trust,
};
use sync_protocol::codec::CodecError;
use sync_protocol::digest::fact_hash;
use sync_protocol::fact::Fact;
use sync_protocol::fare::FareVersion;
use sync_protocol::have::Range;
use sync_protocol::id::{CardId, FactId, OrderKey, Seq, SiteId};
use sync_protocol::judge::{self, Writer, judge};
use sync_protocol::mutation::{Mutation, is};
use sync_protocol::rows::RowChange;

use crate::ledger::{FactRow, SiteRecord};

/// What ingest reads. A store that is not in memory can fetch it beforehand: of each run's site the record, and the
/// heads at `first - 1` and at `last`.
pub trait Logs {
    /// Why a read failed.
    type Error;
    /// What is known of a site.
    ///
    /// # Errors
    /// The store cannot be read.
    fn site(&self, site: SiteId) -> Result<Option<SiteRecord>, Self::Error>;
    /// The chain of a site at a stored changeset; `None` where it is not stored, or pruned.
    ///
    /// # Errors
    /// The store cannot be read.
    fn head_at(&self, site: SiteId, seq: Seq) -> Result<Option<Head>, Self::Error>;
    /// Whether a key is revoked: of a site that it opens now nothing counts.
    fn is_revoked(&self, _key: &PublicKey) -> bool {
        false
    }
}

/// What a call of ingest adds to the ledger, in order. Executed in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergePlan {
    /// Sites heard of for the first time.
    pub opened: Vec<SiteOpen>,
    /// Changesets to store.
    pub changesets: Vec<StoredChangeset>,
    /// Facts that are taken, in the order of their changesets.
    pub facts: Vec<TakenFact>,
    /// Row changes that are taken, with their place.
    pub rows: Vec<(FactId, RowChange)>,
    /// Fare versions among the facts.
    pub fares: Vec<FareVersion>,
    /// Cards whose settled states are published in changesets of the hub's own.
    pub published: BTreeSet<CardId>,
    /// Heads that move, by site: once executed, the acknowledgement. Executed only if they stand at `from`.
    pub moved: Vec<Moved>,
    /// Sites that a SiteClosed names, with their last changeset.
    pub closed: Vec<(SiteId, Seq)>,
    /// Closed sites that wrote on: the original of a cloned disk may still be running (CLONED_NODE).
    pub reopened: Vec<SiteId>,
    /// Changes of kinds this version does not know; stored, to be applied after the upgrade.
    pub opaque: Vec<FactId>,
    /// Changes whose writer had no right to them; stored, never folded.
    pub quarantined: Vec<Quarantined>,
    /// Runs that are not verified; kept as evidence, never stored or folded.
    pub refused: Vec<Refused>,
    /// What is missing before a run that came early, to be asked for.
    pub gaps: Vec<Range>,
    /// Runs in which nothing was new.
    pub duplicates: u64,
}

impl MergePlan {
    /// Which runs are refused: of which site, from where on, and why.
    #[must_use]
    pub fn refused_runs(&self) -> Vec<(SiteId, Seq, RefusedReason)> {
        let told = |refused: &Refused| (refused.run.site, refused.run.first, refused.reason);
        self.refused.iter().map(told).collect()
    }
}

/// A fact that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenFact {
    /// The fact.
    pub row: FactRow,
    /// Its content as it travelled: what its hash covers.
    pub content: Bytes,
}

/// A changeset as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChangeset {
    /// Its site.
    pub site: SiteId,
    /// Its number and the chain up to it.
    pub head: Head,
    /// Its encoded body.
    pub body: Bytes,
    /// The signature over the chain up to it, when a run ended here.
    pub signature: Option<Signature>,
    /// Whether it is to be settled: all are but the hub's own settled states.
    pub settles: bool,
}

/// A head that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The site.
    pub site: SiteId,
    /// What it is for.
    pub role: SiteRole,
    /// Where it stood when the plan was made.
    pub from: Head,
    /// Where it stands once the plan is executed.
    pub to: Head,
}

/// A run that is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: RefusedReason,
    /// The evidence.
    pub run: Run,
}

/// Why a run is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedReason {
    /// It does not verify.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It is signed by the site's key and differs from what the same site wrote before: equivocation is proven.
    #[error("a second branch of the site's log, signed by its own key")]
    Fork,
}

/// A change that is stored and never folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it stands; the first change for a body that cannot be read.
    pub id: FactId,
    /// Why.
    pub reason: QuarantineReason,
    /// Its bytes.
    pub content: Bytes,
}

/// Why a change is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuarantineReason {
    /// The signed body is not one.
    #[error("the body cannot be read: {0}")]
    Body(#[from] BodyError),
    /// The change's content is not one.
    #[error("the change cannot be read: {0}")]
    Content(#[from] CodecError),
    /// Its writer had no right to it.
    #[error(transparent)]
    Judged(#[from] judge::Refusal),
    /// The writer's key is revoked, and this is later than what the revocation names.
    #[error("the writer's key is revoked: held for review")]
    Revoked,
    /// A row change of a table or column that no database can have.
    #[error("a table or column name with a NUL character")]
    Name,
}

/// Plans what these runs add. Runs of one site that follow each other may come in one call, in order.
///
/// # Errors
/// The store cannot be read. Whatever the runs hold is never an error.
pub fn plan_merge<L: Logs>(logs: &L, runs: &[Run], trust: &impl Trust) -> Result<MergePlan, L::Error> {
    let mut draft = Draft {
        logs,
        trust,
        sites: BTreeMap::new(),
        heads: BTreeMap::new(),
        plan: MergePlan::default(),
    };
    for run in runs {
        draft.merge(run)?;
    }
    Ok(draft.finish())
}

struct DraftSite {
    record: SiteRecord,
    from: Head,
}

struct Draft<'a, L, T> {
    logs: &'a L,
    trust: &'a T,
    sites: BTreeMap<SiteId, DraftSite>,
    heads: BTreeMap<(SiteId, Seq), Head>,
    plan: MergePlan,
}

impl<L: Logs, T: Trust> Draft<'_, L, T> {
    fn merge(&mut self, run: &Run) -> Result<(), L::Error> {
        if !self.sites.contains_key(&run.site)
            && let Some(record) = self.logs.site(run.site)?
        {
            let from = record.head;
            self.sites.insert(run.site, DraftSite { record, from });
        }
        match self.sites.get(&run.site).map(|site| site.record) {
            Some(record) => self.extend(run, &record),
            None => {
                self.open(run);
                Ok(())
            }
        }
    }

    fn open(&mut self, run: &Run) {
        let empty = Head::empty(run.site);
        let opened = run
            .extend(&empty, None, self.trust)
            .and_then(|extension| Ok((extension, run.opening(self.trust)?)));
        match opened {
            Ok((extension, open)) => {
                let mut record = SiteRecord::opened(&open);
                record.accepted = self.logs.is_revoked(&open.public_key).then_some(Seq::NONE);
                self.sites.insert(run.site, DraftSite { record, from: empty });
                self.plan.opened.push(open);
                self.take(run, &record, &extension);
            }
            Err(RunError::Gap { first, head }) => self.gap(run.site, head, first),
            Err(reason) => self.refuse(reason.into(), run),
        }
    }

    fn extend(&mut self, run: &Run, record: &SiteRecord) -> Result<(), L::Error> {
        match run.extend(&record.head, Some(&record.public_key), self.trust) {
            Ok(extension) => self.take(run, record, &extension),
            Err(RunError::Gap { first, head }) => self.gap(run.site, head, first),
            Err(RunError::Duplicate) if is(Mutation::DropDedupe) => self.take_again(run, record)?,
            Err(RunError::Duplicate) => match self.branch(run, record)? {
                None => self.plan.duplicates += 1,
                Some(reason) => self.refuse(reason, run),
            },
            Err(RunError::Signature) => {
                let reason = self.branch(run, record)?;
                self.refuse(reason.unwrap_or(RunError::Signature.into()), run);
            }
            Err(reason) => self.refuse(reason.into(), run),
        }
        Ok(())
    }

    /// For [`Mutation::DropDedupe`]: takes a run that is held as if it were new.
    fn take_again(&mut self, run: &Run, record: &SiteRecord) -> Result<(), L::Error> {
        if let Some(start) = self.head_at(run.site, Seq(run.first.0.saturating_sub(1)))? {
            let mut last = start;
            let heads = run.bodies.iter().map(|body| {
                last = last.then(body);
                last
            });
            let heads = heads.collect();
            self.take(run, record, &Extension { skipped: 0, heads });
        }
        Ok(())
    }

    /// Whether a run differs from what is stored, and if so whether its writer signed it.
    fn branch(&self, run: &Run, record: &SiteRecord) -> Result<Option<RefusedReason>, L::Error> {
        if is(Mutation::MissBranches) {
            return Ok(None);
        }
        let before = Seq(run.first.0.saturating_sub(1));
        let Some(start) = self.head_at(run.site, before)? else {
            return Ok(None);
        };
        let end = run.bodies.iter().fold(start, |head, body| head.then(body));
        if self.head_at(run.site, end.seq)? == Some(end) {
            return Ok(None);
        }
        let message = end.signed_message(run.site);
        let signed = self.trust.verifies(&record.public_key, &message, &run.signature);
        Ok(Some(if signed {
            RefusedReason::Fork
        } else {
            RunError::Signature.into()
        }))
    }

    fn head_at(&self, site: SiteId, seq: Seq) -> Result<Option<Head>, L::Error> {
        match self.heads.get(&(site, seq)) {
            Some(head) => Ok(Some(*head)),
            None if seq == Seq::NONE => Ok(Some(Head::empty(site))),
            None => self.logs.head_at(site, seq),
        }
    }

    fn gap(&mut self, site: SiteId, head: Seq, first: Seq) {
        let last = Seq(first.0.saturating_sub(1));
        self.plan.gaps.push(Range {
            site,
            first: head.next(),
            last,
        });
    }

    fn refuse(&mut self, reason: RefusedReason, run: &Run) {
        self.plan.refused.push(Refused {
            reason,
            run: run.clone(),
        });
    }

    fn take(&mut self, run: &Run, record: &SiteRecord, extension: &Extension) {
        let new = run.bodies.iter().skip(extension.skipped).zip(&extension.heads);
        for (body, head) in new {
            self.heads.insert((run.site, head.seq), *head);
            self.plan.changesets.push(StoredChangeset {
                site: run.site,
                head: *head,
                body: body.clone(),
                signature: (head.seq == run.last()).then_some(run.signature),
                settles: record.role != SiteRole::Settled,
            });
            self.read_body(run.site, record, head.seq, body);
        }
        let Some(site) = self.sites.get_mut(&run.site) else {
            return;
        };
        if let Some(head) = extension.heads.last() {
            site.record.head = *head;
        }
        if site.record.closed.is_some_and(|last| last < site.record.head.seq) {
            site.record.closed = None;
            self.plan.reopened.push(run.site);
        }
    }

    fn read_body(&mut self, site: SiteId, record: &SiteRecord, seq: Seq, bytes: &Bytes) {
        if record.accepted.is_some_and(|last| seq > last) {
            let id = FactId { site, seq, index: 0 };
            return self.quarantine(id, QuarantineReason::Revoked, bytes);
        }
        let body = match Body::decode(bytes) {
            Ok(body) => body,
            Err(error) => {
                let id = FactId { site, seq, index: 0 };
                return self.quarantine(id, error.into(), bytes);
            }
        };
        for (index, change) in body.changes.iter().enumerate() {
            let key = body.order_key(site, seq, index);
            let judged = match change.read() {
                Ok(Some(content)) => self.read_content(record, key, change, content),
                Ok(None) if is(Mutation::LoseOpaque) => Ok(()),
                Ok(None) => {
                    self.plan.opaque.push(key.id);
                    Ok(())
                }
                Err(error) => Err(error.into()),
            };
            if let Err(reason) = judged {
                self.quarantine(key.id, reason, &change.content);
            }
        }
    }

    fn read_content(
        &mut self,
        record: &SiteRecord,
        key: OrderKey,
        change: &Change,
        content: Content,
    ) -> Result<(), QuarantineReason> {
        let writer = Writer {
            node: record.node,
            role: record.role,
        };
        judge(writer, key.id, &content)?;
        match content {
            Content::Row(row) if row.table.contains('\0') || row.column.contains('\0') => {
                return Err(QuarantineReason::Name);
            }
            Content::Row(row) => self.plan.rows.push((key.id, row)),
            Content::Fact(fact) if record.role != SiteRole::Settled => {
                match &fact {
                    Fact::FareVersion(fare) => self.plan.fares.push(fare.clone()),
                    Fact::SiteClosed { site, last } => self.plan.closed.push((*site, *last)),
                    _ => {}
                }
                let hash = fact_hash(&key, &change.content);
                self.plan.facts.push(TakenFact {
                    row: FactRow { key, fact, hash },
                    content: change.content.clone(),
                });
            }
            Content::Fact(Fact::CardSettled(settled)) => {
                self.plan.published.insert(settled.card);
            }
            Content::SiteOpen(_) | Content::Fact(_) => {}
        }
        Ok(())
    }

    fn quarantine(&mut self, id: FactId, reason: QuarantineReason, content: &Bytes) {
        self.plan.quarantined.push(Quarantined {
            id,
            reason,
            content: content.clone(),
        });
    }

    fn finish(mut self) -> MergePlan {
        self.plan.moved = self
            .sites
            .iter()
            .filter(|(_, draft)| draft.from != draft.record.head)
            .map(|(site, draft)| Moved {
                site: *site,
                role: draft.record.role,
                from: draft.from,
                to: draft.record.head,
            })
            .collect();
        self.plan
    }
}
