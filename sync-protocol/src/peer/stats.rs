//! What was refused, dropped or given up, counted per peer.

use std::collections::BTreeMap;

use super::limits::STATS_NODES_MAX;
use crate::id::NodeId;

/// Counters of one peer since this node started. All of them stay at 0 between healthy nodes on a good network,
/// except `duplicate_runs`, `stale_beats` and `beats_relayed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerStats {
    /// Frames of a kind this version does not know; ignored.
    pub unknown_frames: u64,
    /// Frames that could not be decoded.
    pub malformed_frames: u64,
    /// Frames before the Hello; ignored.
    pub frames_before_hello: u64,
    /// Have entries with impossible numbers, or above the limit of remembered ones.
    pub bad_offers: u64,
    /// Have entries with this node's number but another chain: one of the two logs is forked.
    pub forks_told: u64,
    /// Runs that prove that a site has two branches, both signed.
    pub forks_proven: u64,
    /// Runs without bodies or with impossible numbers.
    pub malformed_runs: u64,
    /// Runs of sites that this node does not want, or writes itself.
    pub unwanted_runs: u64,
    /// Runs with nothing beyond the durable head or the ingest under way.
    pub duplicate_runs: u64,
    /// Runs that came early and did not fit, or waited in vain.
    pub early_dropped: u64,
    /// Runs dropped because too much of this peer's was not durable yet.
    pub overruns: u64,
    /// Runs the store found not to fit the log.
    pub refused_gap: u64,
    /// Runs the store refused: wrong signature or chain.
    pub refused_signature: u64,
    /// Runs the store refused: their site was not opened properly, or its node is not admitted.
    pub refused_not_admitted: u64,
    /// Runs the store refused for another reason.
    pub refused_other: u64,
    /// Ingests that the shell never reported.
    pub lost_ingests: u64,
    /// Requests that were not answered in time.
    pub requests_expired: u64,
    /// Ranges asked of this node with impossible numbers.
    pub bad_ranges: u64,
    /// Ranges asked of this node that it does not hold, no longer holds, or that do not concern the asker.
    pub unservable_ranges: u64,
    /// Ranges asked of this node beyond what it reads for one peer at a time.
    pub serves_dropped: u64,
    /// Pages of snapshots that nobody asked for.
    pub unwanted_pages: u64,
    /// Snapshots that were false.
    pub refused_snapshots: u64,
    /// Digests that came too soon after the last answer.
    pub digests_ignored: u64,
    /// Heartbeats no newer than known.
    pub stale_beats: u64,
    /// Heartbeats beyond what is verified for one peer at a time.
    pub beats_dropped: u64,
    /// Heartbeats whose signature or key was refused.
    pub refused_beats: u64,
    /// Heartbeats passed on for others.
    pub beats_relayed: u64,
}

/// The counters of all peers ever met, bounded.
#[derive(Clone, Debug, Default)]
pub(super) struct StatsTable {
    nodes: BTreeMap<NodeId, PeerStats>,
    /// Of nodes beyond [`STATS_NODES_MAX`].
    others: PeerStats,
}

impl StatsTable {
    pub(super) fn of(&mut self, peer: NodeId) -> &mut PeerStats {
        if self.nodes.len() >= STATS_NODES_MAX && !self.nodes.contains_key(&peer) {
            return &mut self.others;
        }
        self.nodes.entry(peer).or_default()
    }

    pub(super) fn get(&self, peer: NodeId) -> Option<&PeerStats> {
        self.nodes.get(&peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &PeerStats)> {
        self.nodes.iter().map(|(node, stats)| (*node, stats))
    }
}
