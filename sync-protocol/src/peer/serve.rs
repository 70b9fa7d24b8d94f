//! Answering Needs: anyone serves anyone's changesets, bounded per peer.

use super::limits::{RANGE_BYTES_MAX, RUN_OVERHEAD_BYTES, SERVE_DEADLINE_MS, SERVES_PER_PEER_MAX};
use super::{Output, Peer};
use crate::changeset::Run;
use crate::have::Range;
use crate::id::{NodeId, Seq, SiteId};
use crate::mutation::{Mutation, is};
use crate::wire::{FRAME_BYTES_MAX, Frame};

impl Peer {
    pub(super) fn on_need(&mut self, peer: NodeId, ranges: Vec<Range>, bytes_max: u32) {
        let Some(scope) = self.links.get(&peer).and_then(|link| link.scope) else {
            return;
        };
        let bytes_max =
            usize::try_from(bytes_max).map_or(RANGE_BYTES_MAX, |bytes| bytes.min(RANGE_BYTES_MAX));
        let mut corrections = Vec::new();
        for range in ranges {
            if range.first == Seq::NONE || range.first > range.last {
                self.stats.of(peer).bad_ranges += 1;
                continue;
            }
            let held = self.have.get(range.site).filter(|have| scope.covers(have.role));
            match held.copied() {
                Some(have) if have.floor < range.first && range.first <= have.head.seq => {
                    let last = range.last.min(have.head.seq);
                    self.serve(peer, Range { last, ..range }, bytes_max);
                }
                held => {
                    self.stats.of(peer).unservable_ranges += 1;
                    corrections.extend(held.map(|have| (range.site, have)));
                }
            }
        }
        self.send_correction(peer, corrections);
    }

    pub(super) fn serve(&mut self, peer: NodeId, range: Range, bytes_max: usize) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if link.serving.len() >= SERVES_PER_PEER_MAX || link.serving.contains_key(&range.site) {
            self.stats.of(peer).serves_dropped += 1;
            return;
        }
        link.serving.insert(range.site, self.now_ms);
        if is(Mutation::ServeOwnOnly) && !self.own.contains(&range.site) {
            return;
        }
        self.outputs.push_back(Output::Serve {
            peer,
            range,
            bytes_max,
        });
    }

    pub(super) fn on_served(&mut self, peer: NodeId, site: SiteId, run: Option<Run>) {
        let expected = self
            .links
            .get_mut(&peer)
            .and_then(|link| link.serving.remove(&site));
        if let (Some(_), Some(run)) = (expected, run) {
            self.send_run(vec![peer], run);
        }
    }

    /// Sends one run, if a frame holds it; a writer never makes one that does not fit.
    pub(super) fn send_run(&mut self, to: Vec<NodeId>, run: Run) {
        if run.wire_bytes() + RUN_OVERHEAD_BYTES <= FRAME_BYTES_MAX {
            self.send_all(to, Frame::Changesets(vec![run]));
        }
    }

    pub(super) fn expire_serves(&mut self) {
        let now_ms = self.now_ms;
        for link in self.links.values_mut() {
            link.serving
                .retain(|_, since_ms| now_ms - *since_ms < SERVE_DEADLINE_MS);
        }
    }
}
