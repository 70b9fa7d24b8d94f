//! Runs that arrived before what precedes them: kept for a while, so that a push that overtakes another one needs
//! no second journey. Bounded; what does not fit is dropped and asked for again.

use std::collections::BTreeMap;

use super::limits::{EARLY_KEEP_MS, Limits, RUN_OVERHEAD_BYTES};
use super::{Peer, intake::Arrival};
use crate::id::{NodeId, Seq, SiteId};

/// The early runs of all sites, by site and first changeset.
#[derive(Clone, Debug)]
pub(super) struct EarlyRuns {
    runs: BTreeMap<(SiteId, Seq), (i64, Arrival)>,
    changesets: usize,
    bytes: usize,
    changesets_max: usize,
    bytes_max: usize,
}

impl EarlyRuns {
    pub(super) fn new(limits: Limits) -> EarlyRuns {
        EarlyRuns {
            runs: BTreeMap::new(),
            changesets: 0,
            bytes: 0,
            changesets_max: limits.early_changesets,
            bytes_max: limits.early_bytes,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Keeps an arrival, or says that it does not fit. Of two that start alike the longer is kept.
    pub(super) fn keep(&mut self, now_ms: i64, arrival: Arrival) -> bool {
        let key = (arrival.run.site, arrival.run.first);
        if let Some((_, kept)) = self.runs.get(&key) {
            if kept.run.bodies.len() >= arrival.run.bodies.len() {
                return true;
            }
            self.remove(key);
        }
        let (changesets, bytes) = size(&arrival);
        if self.changesets + changesets > self.changesets_max || self.bytes + bytes > self.bytes_max {
            return false;
        }
        self.changesets += changesets;
        self.bytes += bytes;
        self.runs.insert(key, (now_ms, arrival));
        true
    }

    /// The first changeset of a site that is kept beyond `head`: nothing from there on need be asked for now.
    pub(super) fn first_beyond(&self, site: SiteId, head: Seq) -> Option<Seq> {
        let kept = self.runs.range((site, head.next())..=(site, Seq(u64::MAX)));
        kept.map(|((_, first), _)| *first).next()
    }

    /// Takes the run that extends `head` furthest, and forgets those that no longer add anything.
    pub(super) fn take_next(&mut self, site: SiteId, head: Seq) -> Option<Arrival> {
        let reached: Vec<_> = self
            .runs
            .range((site, Seq::NONE)..=(site, head.next()))
            .map(|(key, _)| *key)
            .collect();
        let candidates = reached.into_iter().filter_map(|key| self.remove(key));
        candidates
            .filter(|arrival| arrival.run.last() > head)
            .max_by_key(|arrival| arrival.run.last())
    }

    fn take_expired(&mut self, now_ms: i64) -> Vec<NodeId> {
        let expired: Vec<_> = self
            .runs
            .iter()
            .filter(|(_, (since_ms, _))| now_ms - since_ms > EARLY_KEEP_MS)
            .map(|(key, _)| *key)
            .collect();
        let arrivals = expired.into_iter().filter_map(|key| self.remove(key));
        arrivals.map(|arrival| arrival.peer).collect()
    }

    fn remove(&mut self, key: (SiteId, Seq)) -> Option<Arrival> {
        let (_, arrival) = self.runs.remove(&key)?;
        let (changesets, bytes) = size(&arrival);
        self.changesets -= changesets;
        self.bytes -= bytes;
        Some(arrival)
    }
}

fn size(arrival: &Arrival) -> (usize, usize) {
    (
        arrival.run.bodies.len(),
        arrival.run.body_bytes() + RUN_OVERHEAD_BYTES,
    )
}

impl Peer {
    pub(super) fn expire_early(&mut self) {
        for peer in self.early.take_expired(self.now_ms) {
            self.stats.of(peer).early_dropped += 1;
        }
    }
}
