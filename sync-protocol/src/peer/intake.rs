//! Runs that arrive, and what the store made of them.

use super::limits::{FAILED_PAUSE_MS, INGEST_DEADLINE_MS, REFUSED_AVOID_MS, RUN_OVERHEAD_BYTES};
use super::request::Ingesting;
use super::{Output, Peer, Refusal};
use crate::changeset::{Run, RunError};
use crate::have::SiteHave;
use crate::id::{NodeId, SiteId};
use crate::mutation::{Mutation, is};

/// A run and how it came.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) peer: NodeId,
    pub(super) run: Run,
    /// Whether nobody asked for it: its writer pushed it, or the hub.
    pub(super) pushed: bool,
}

impl Peer {
    pub(super) fn on_runs(&mut self, peer: NodeId, runs: Vec<Run>) {
        for run in runs {
            self.on_run(peer, run);
        }
        self.ask(peer);
    }

    fn on_run(&mut self, peer: NodeId, run: Run) {
        if !run.is_well_formed() {
            self.stats.of(peer).malformed_runs += 1;
            return;
        }
        let terminal = self.config.terminal;
        let known = self.have.get(run.site);
        if known.is_some_and(|have| !have.wanted_by(terminal)) {
            self.stats.of(peer).unwanted_runs += 1;
            return;
        }
        if self.answers_probe(peer, &run) {
            return self.examine(peer, run);
        }
        if self.own.contains(&run.site) {
            self.stats.of(peer).unwanted_runs += 1;
            return self.spot_check(peer, run);
        }
        let requested = self.answers_request(peer, &run);
        self.note_shown(peer, run.site, run.last());
        let pushed = !requested;
        self.place(Arrival { peer, run, pushed });
    }

    /// Hands a run over, keeps it for later, or drops it.
    fn place(&mut self, arrival: Arrival) {
        let Arrival { peer, run, .. } = &arrival;
        let peer = *peer;
        let head = self.have.seq(run.site);
        let sync = self.sites.get(&run.site);
        let ingesting = sync.and_then(|sync| sync.ingesting.as_ref());
        let reached = ingesting.map_or(head, |ingesting| ingesting.last.max(head));
        if run.last() <= reached && !is(Mutation::DropDedupe) {
            self.stats.of(peer).duplicate_runs += 1;
            self.spot_check(peer, arrival.run);
        } else if ingesting.is_none() && (run.first <= head.next() || is(Mutation::IgnoreGap)) {
            self.hand_over(arrival);
        } else if !self.early.keep(self.now_ms, arrival) {
            self.stats.of(peer).early_dropped += 1;
        }
    }

    fn hand_over(&mut self, arrival: Arrival) {
        let Arrival { peer, run, pushed } = arrival;
        // Only what the hub pushed: it chose this gate to tell the others. An answer to a Need is nobody else's.
        let forward = pushed && peer.is_hub();
        let bytes = run.body_bytes() + RUN_OVERHEAD_BYTES;
        let limits = self.config.limits;
        let of_peer = self.links.get(&peer).map_or(0, |link| link.ingesting_bytes);
        if of_peer + bytes > limits.in_flight_bytes_per_peer {
            self.stats.of(peer).overruns += 1;
            return;
        }
        let ingesting = Ingesting {
            peer,
            last: run.last(),
            bytes,
            deadline_ms: i64::MAX,
            forward: forward.then(|| run.clone()),
            acknowledge: pushed && self.acknowledges(peer),
        };
        self.begin_ingest(run.site, ingesting);
        self.outputs.push_back(Output::Ingest { peer, run });
    }

    pub(super) fn on_ingested(&mut self, site: SiteId, have: SiteHave) {
        self.have.advance(site, have);
        self.settle_lacking(site);
        let reached = self.have.seq(site);
        let deadline_ms = self.now_ms.saturating_add(INGEST_DEADLINE_MS);
        let ingesting = self.sites.get_mut(&site).and_then(|sync| sync.ingesting.as_mut());
        match ingesting {
            // A part of it; the rest is still with the store.
            Some(ingesting) if ingesting.last > reached => ingesting.deadline_ms = deadline_ms,
            _ => {
                let ended = self.end_ingest(site);
                if let Some(run) = ended.as_ref().and_then(|ingesting| ingesting.forward.as_ref()) {
                    self.forward(run);
                }
                if let Some(ingesting) = ended.filter(|ingesting| ingesting.acknowledge) {
                    self.acknowledge(ingesting.peer, site);
                }
                self.examined(site, None);
                self.resume(site);
            }
        }
    }

    pub(super) fn on_ingest_refused(
        &mut self,
        peer: NodeId,
        site: SiteId,
        reason: Refusal,
        have: Option<SiteHave>,
    ) {
        let before = self.have.head(site);
        match have {
            Some(have) => self.have.set(site, have),
            None => self.have.remove(site),
        }
        self.settle_lacking(site);
        let moved = self.have.head(site) != before;
        self.end_ingest(site);
        let was_examined = match reason {
            Refusal::Run(error) => self.examined(site, Some(error)),
            Refusal::Unwanted | Refusal::NotNow => false,
        };
        if was_examined {
            return self.resume(site);
        }
        self.count_refusal(peer, reason);
        if matches!(reason, Refusal::Run(RunError::Signature | RunError::Fork)) {
            self.look_for_branch(peer, site);
        }
        match reason {
            Refusal::Run(RunError::Gap { .. } | RunError::Duplicate) if moved => {}
            Refusal::Run(RunError::Gap { .. } | RunError::Duplicate) | Refusal::NotNow => {
                let until_ms = self.now_ms.saturating_add(FAILED_PAUSE_MS);
                self.sites.entry(site).or_default().pause_until_ms = until_ms;
            }
            Refusal::Run(_) | Refusal::Unwanted => self.avoid(peer, site, REFUSED_AVOID_MS),
        }
        self.resume(site);
    }

    fn count_refusal(&mut self, peer: NodeId, reason: Refusal) {
        let stats = self.stats.of(peer);
        let counter = match reason {
            Refusal::Run(RunError::Gap { .. }) => &mut stats.refused_gap,
            Refusal::Run(RunError::Signature) => &mut stats.refused_signature,
            Refusal::Run(RunError::Fork) => &mut stats.forks_proven,
            Refusal::Run(RunError::SiteOpen | RunError::NotAdmitted) => &mut stats.refused_not_admitted,
            Refusal::Run(RunError::Duplicate) => &mut stats.duplicate_runs,
            Refusal::Run(RunError::Malformed) => &mut stats.malformed_runs,
            Refusal::Unwanted => &mut stats.unwanted_runs,
            Refusal::NotNow => &mut stats.refused_other,
        };
        *counter += 1;
    }

    /// Goes on with a site after its ingest ended: with what came early, else by asking.
    fn resume(&mut self, site: SiteId) {
        let head = self.have.seq(site);
        let is_free = self.sites.get(&site).is_none_or(|sync| sync.ingesting.is_none());
        if is_free && let Some(arrival) = self.early.take_next(site, head) {
            self.hand_over(arrival);
        }
        self.ask_holders_of(&[site]);
        self.drop_if_idle(site);
    }

    pub(super) fn on_reverted(&mut self, site: SiteId, have: Option<SiteHave>) {
        match have {
            Some(have) => self.have.set(site, have),
            None => self.have.remove(site),
        }
        self.probes.remove(&site);
        self.end_ingest(site);
        self.settle_lacking(site);
        self.resume(site);
    }

    pub(super) fn on_retired(&mut self, site: SiteId) {
        self.have.remove(site);
        self.own.remove(&site);
        self.settle_lacking(site);
    }
}
