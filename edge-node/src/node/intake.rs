//! Changesets of others into the database, ranges out of it, heartbeats judged.

use sync_protocol::changeset::{Run, Trust};
use sync_protocol::id::NodeId;
use sync_protocol::peer::{Input, Refusal};

use super::work::Task;
use super::{Effect, IDLE_MS, Node};
use crate::clock::Moment;
use crate::store::{IngestError, Retried, SLICE_CHANGES, StoreError, Verified};

/// Changes in one slice while no tap came for a while: larger commits, a backlog done sooner.
pub(super) const IDLE_SLICE_CHANGES: usize = 8 * SLICE_CHANGES;

impl<T: Trust> Node<T> {
    /// Does one task, or a slice of it.
    pub(super) fn perform(&mut self, now: Moment, task: Task, effects: &mut Vec<Effect>) {
        match task {
            Task::Ingest { peer, run } => match self.store.verify(&run, &self.trust) {
                Ok(verified) => self.apply(now, peer, Box::new(verified), effects),
                Err(error) => self.refuse(now, peer, &run, &error, effects),
            },
            Task::Apply { peer, verified } => self.apply(now, peer, verified, effects),
            Task::Serve {
                peer,
                range,
                bytes_max,
            } => {
                let run = match self.store.serve(range, bytes_max) {
                    Ok(runs) => runs.into_iter().next(),
                    Err(error) => {
                        self.store_failed(now, "reading a range for a peer", &error);
                        None
                    }
                };
                let site = range.site;
                self.feed(now, Input::Served { peer, site, run }, effects);
            }
            Task::Hear { peer, beat } => self.hear(now, peer, beat, effects),
            Task::BeginSnapshot { servers } => self.begin_snapshot(now, &servers, effects),
            Task::CheckPage { peer, page } => self.check_page(now, peer, *page, effects),
            Task::TakePage { work } => self.take_page(now, work, effects),
            Task::ServePage { peer, scope, need } => self.serve_page(now, peer, scope, &need, effects),
        }
    }

    /// Applies the next slice of a run.
    fn apply(&mut self, now: Moment, peer: NodeId, verified: Box<Verified>, effects: &mut Vec<Effect>) {
        let changes_max = if self.is_busy(now) {
            SLICE_CHANGES
        } else {
            IDLE_SLICE_CHANGES
        };
        match self.store.ingest_slice(&verified, changes_max) {
            Ok(ingested) => {
                let (site, have) = (ingested.site, ingested.have);
                self.recompute_policy();
                effects.push(Effect::Advanced {
                    site,
                    head: have.head,
                });
                self.feed(now, Input::Ingested { site, have }, effects);
                self.tell_reverted(now, effects);
                self.sealing.file_at_ms = Some(now.monotonic_ms() + IDLE_MS);
                if ingested.complete {
                    self.roster.rows_changed();
                } else {
                    self.work.put_back(Task::Apply { peer, verified });
                }
            }
            Err(error) => self.refuse(now, peer, verified.run(), &error, effects),
        }
    }

    /// Tells the engine which logs were dropped, because another branch of them counts.
    fn tell_reverted(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        for (site, have) in self.store.take_reverted() {
            tracing::warn!(%site, "dropped: by the hub's word another branch of this log counts; it is asked for");
            self.feed(now, Input::Reverted { site, have }, effects);
        }
    }

    /// Tries so many changes of the quarantine again.
    ///
    /// # Errors
    /// The database failed.
    pub fn retry_quarantine(&mut self, now: Moment, count_max: usize) -> Result<Retried, StoreError> {
        let retried = self.store.retry_quarantine(count_max)?;
        if retried.released > 0 {
            self.recompute_policy();
            self.roster.rows_changed();
            self.sealing.file_at_ms = Some(now.monotonic_ms() + IDLE_MS);
        }
        Ok(retried)
    }

    /// Counts what was not taken, tells the engine, and goes on.
    fn refuse(
        &mut self,
        now: Moment,
        peer: NodeId,
        run: &Run,
        error: &IngestError,
        effects: &mut Vec<Effect>,
    ) {
        self.mishaps.ingests_refused += 1;
        let reason = match error {
            IngestError::Run(error) => Refusal::Run(*error),
            IngestError::OwnSite => Refusal::Unwanted,
            IngestError::Predecessor | IngestError::Forked => Refusal::NotNow,
            IngestError::Store(_) => {
                self.mishaps.store_failures += 1;
                Refusal::NotNow
            }
        };
        let is_ordinary = matches!(
            error,
            IngestError::Predecessor
                | IngestError::Run(
                    sync_protocol::changeset::RunError::Duplicate
                        | sync_protocol::changeset::RunError::Gap { .. }
                )
        );
        if !is_ordinary && self.quiet.may_speak(now.monotonic_ms()) {
            tracing::warn!(%peer, site = %run.site, first = %run.first, %error, "changesets of a peer were not taken");
        }
        let have = self.store.have().get(run.site).copied();
        let site = run.site;
        self.feed(
            now,
            Input::IngestRefused {
                peer,
                site,
                reason,
                have,
            },
            effects,
        );
    }
}
