//! Two branches of one site: finding where they part, so that the store can judge both.
//!
//! What a peer tells of its heads proves nothing. So where it tells or shows another chain than the one held, the
//! engine asks it for the piece around the place where the logs part, and hands that to the shell as an
//! [`Output::Ingest`] although nothing in it is new: the store compares it with what it holds and answers
//! [`RunError::Fork`] when the writer's own key signed both. A piece that starts beyond that place verifies with
//! neither chain, so the search goes back, four times as far at each turn; a piece that is alike sends it forward.
//!
//! Bounded: [`PROBES_MAX`] sites at a time, [`PROBE_TURNS_MAX`] pieces each, a site again after [`PROBE_AGAIN_MS`].
//! Of what comes again from a peer one run in [`SPOT_CHECK_MS`] is compared, too: a log that was cut and went on
//! otherwise shows by its numbers only.

use super::limits::{
    PROBE_AGAIN_MS, PROBE_DEADLINE_MS, PROBE_STEP, PROBE_TURNS_MAX, PROBES_MAX, RANGE_BYTES_MAX,
    RUN_OVERHEAD_BYTES, SPOT_CHECK_MS,
};
use super::request::Ingesting;
use super::{Output, Peer};
use crate::changeset::{Run, RunError};
use crate::have::Range;
use crate::id::{NodeId, Seq, SiteId};
use crate::wire::Frame;

/// What is known of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A piece was asked for.
    Asked,
    /// The store has a piece, up to here.
    Examining(Seq),
    /// It is over, with or without a result.
    Over,
}

/// The search for the place where two branches of a site part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    peer: NodeId,
    /// Where the piece starts.
    first: Seq,
    /// How far the next turn goes back.
    step: u64,
    turns: u32,
    phase: Phase,
    /// When the phase is given up, or the search may be made again.
    until_ms: i64,
}

impl Peer {
    /// Looks for the place where a peer's log of a site parts from the one held.
    pub(super) fn look_for_branch(&mut self, peer: NodeId, site: SiteId) {
        let head = self.have.seq(site);
        let is_new = !self.probes.contains_key(&site) && self.probes.len() < PROBES_MAX;
        if !is_new || head == Seq::NONE {
            return;
        }
        let probe = Probe {
            peer,
            first: self.back_from(site, head.next(), PROBE_STEP),
            step: PROBE_STEP,
            turns: 0,
            phase: Phase::Asked,
            until_ms: 0,
        };
        self.probes.insert(site, probe);
        self.ask_for_piece(site);
    }

    /// Compares a run in which nothing seems new with what is held, now and then.
    pub(super) fn spot_check(&mut self, peer: NodeId, run: Run) {
        let now_ms = self.now_ms;
        let is_free = self.is_free(run.site) && !self.probes.contains_key(&run.site);
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let is_due = link
            .spot_checked_ms
            .is_none_or(|checked_ms| now_ms - checked_ms >= SPOT_CHECK_MS);
        if !is_due || !is_free || self.probes.len() >= PROBES_MAX {
            return;
        }
        link.spot_checked_ms = Some(now_ms);
        let probe = Probe {
            peer,
            first: run.first,
            step: PROBE_STEP,
            turns: 0,
            phase: Phase::Asked,
            until_ms: now_ms,
        };
        self.probes.insert(run.site, probe);
        self.examine(peer, run);
    }

    /// Whether a run is the piece that was asked for.
    pub(super) fn answers_probe(&self, peer: NodeId, run: &Run) -> bool {
        self.probes.get(&run.site).is_some_and(|probe| {
            probe.phase == Phase::Asked && probe.peer == peer && probe.first == run.first
        })
    }

    /// Hands a piece to the store.
    pub(super) fn examine(&mut self, peer: NodeId, run: Run) {
        let site = run.site;
        if !self.is_free(site) {
            // Another run of it is with the store: this one is asked for again.
            return self.end_probe(site, self.now_ms);
        }
        let Some(probe) = self.probes.get_mut(&site) else {
            return;
        };
        probe.phase = Phase::Examining(run.last());
        probe.until_ms = i64::MAX;
        let ingesting = Ingesting {
            peer,
            last: run.last(),
            bytes: run.body_bytes() + RUN_OVERHEAD_BYTES,
            deadline_ms: i64::MAX,
            forward: None,
            acknowledge: false,
        };
        self.begin_ingest(site, ingesting);
        self.outputs.push_back(Output::Ingest { peer, run });
    }

    /// Takes what the store made of a piece; returns whether it was one.
    pub(super) fn examined(&mut self, site: SiteId, error: Option<RunError>) -> bool {
        let Some(probe) = self.probes.get_mut(&site) else {
            return false;
        };
        let Phase::Examining(last) = probe.phase else {
            return false;
        };
        let (peer, first) = (probe.peer, probe.first);
        match error {
            Some(RunError::Fork) => {
                self.stats.of(peer).forks_proven += 1;
                self.end_probe(site, self.now_ms.saturating_add(PROBE_AGAIN_MS));
                self.show_branch(peer, site, first);
            }
            Some(RunError::Signature) => self.search_back(site),
            // Both logs are alike up to here. A single look ends with that.
            None | Some(RunError::Duplicate) if probe.turns > 0 && last < self.have.seq(site) => {
                probe.first = last.next();
                self.ask_for_piece(site);
            }
            _ => self.end_probe(site, self.now_ms),
        }
        true
    }

    fn search_back(&mut self, site: SiteId) {
        let floor = self.have.get(site).map_or(Seq::NONE, |have| have.floor);
        let Some(probe) = self.probes.get(&site).copied() else {
            return;
        };
        if probe.first <= floor.next() {
            return self.end_probe(site, self.now_ms.saturating_add(PROBE_AGAIN_MS));
        }
        let step = probe.step.saturating_mul(4);
        let first = self.back_from(site, probe.first, step);
        if let Some(probe) = self.probes.get_mut(&site) {
            (probe.first, probe.step) = (first, step);
        }
        self.ask_for_piece(site);
    }

    /// So many changesets before one, as far as what is held goes back.
    fn back_from(&self, site: SiteId, seq: Seq, step: u64) -> Seq {
        let floor = self.have.get(site).map_or(Seq::NONE, |have| have.floor);
        Seq(seq.0.saturating_sub(step)).max(floor.next())
    }

    fn ask_for_piece(&mut self, site: SiteId) {
        let head = self.have.seq(site);
        let Some(probe) = self.probes.get_mut(&site) else {
            return;
        };
        if probe.turns >= PROBE_TURNS_MAX {
            return self.end_probe(site, self.now_ms.saturating_add(PROBE_AGAIN_MS));
        }
        probe.turns += 1;
        probe.phase = Phase::Asked;
        probe.until_ms = self.now_ms.saturating_add(PROBE_DEADLINE_MS);
        let (peer, first) = (probe.peer, probe.first);
        let ranges = vec![Range {
            site,
            first,
            last: head.max(first),
        }];
        let bytes_max = u32::try_from(RANGE_BYTES_MAX).unwrap_or(u32::MAX);
        self.send(peer, Frame::Need { ranges, bytes_max });
    }

    /// Shows what is held, from where the branches may part on, to who has the other branch, and to the hub.
    fn show_branch(&mut self, peer: NodeId, site: SiteId, first: Seq) {
        let last = self.have.seq(site);
        if first > last {
            return;
        }
        let hub = (self.config.terminal.is_some() && !peer.is_hub()).then_some(NodeId::HUB);
        for to in [Some(peer), hub].into_iter().flatten() {
            if self.links.get(&to).is_some_and(super::link::Link::is_open) {
                self.serve(to, Range { site, first, last }, RANGE_BYTES_MAX);
            }
        }
    }

    fn is_free(&self, site: SiteId) -> bool {
        self.sites.get(&site).is_none_or(|sync| sync.ingesting.is_none())
    }

    fn end_probe(&mut self, site: SiteId, again_ms: i64) {
        if again_ms <= self.now_ms {
            self.probes.remove(&site);
        } else if let Some(probe) = self.probes.get_mut(&site) {
            (probe.phase, probe.until_ms) = (Phase::Over, again_ms);
        }
    }

    /// Gives up on pieces that do not come, and lets sites be searched again.
    pub(super) fn expire_probes(&mut self) {
        let now_ms = self.now_ms;
        let is_busy = |site: &SiteId| self.sites.get(site).is_some_and(|sync| sync.ingesting.is_some());
        self.probes.retain(|site, probe| match probe.phase {
            Phase::Examining(_) => is_busy(site),
            Phase::Asked | Phase::Over => now_ms < probe.until_ms,
        });
    }
}
