//! How a node stands, for those who ask: read from memory, so that no tap waits for the answer.

use sync_protocol::changeset::Trust;
use sync_protocol::decide::Gate;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::peer::PeerStats;

use super::{Mishaps, Node};
use crate::clock::{ClockState, Moment};
use crate::store::{Counters, Disk, Forks, Kept};

/// How a node stands.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The gate, in its present mode and with its present uncertainty.
    pub gate: Gate,
    /// What the clock is worth.
    pub clock: ClockState,
    /// The time of day, milliseconds since 1970.
    pub wall_ms: i64,
    /// How long the node has been running, milliseconds.
    pub uptime_ms: i64,
    /// The log that this start of the node writes.
    pub site: SiteId,
    /// Its last changeset; 0 before the first.
    pub head: Seq,
    /// Own changesets that the hub is not known to hold.
    pub backlog: u64,
    /// Own changesets that no settled state covers.
    pub uncovered: u64,
    /// Of the log that this start writes, changesets that no other node is known to hold; `None` before the first.
    pub single_copy: Option<u64>,
    /// Age of the gate's knowledge, milliseconds.
    pub age_ms: i64,
    /// The hub's own time in its newest heartbeat, milliseconds since 1970.
    pub hub_ms: Option<i64>,
    /// How long ago the hub itself was heard, milliseconds.
    pub hub_heard_ms: Option<i64>,
    /// Peers that introduced themselves and were heard lately.
    pub live: Vec<NodeId>,
    /// What was refused, dropped or given up, per peer.
    pub peers: Vec<(NodeId, PeerStats)>,
    /// Logs held.
    pub sites: usize,
    /// The fare version in force; `None` when there is none.
    pub fare_version: Option<u32>,
    /// The newest fare version known; 0 when there is none.
    pub fare_newest: u32,
    /// What is kept of logs.
    pub kept: Kept,
    /// What the disk has for taps.
    pub disk: Disk,
    /// Sites with a second branch, and the first changeset that exists twice.
    pub forks: Forks,
    /// Nodes of which two processes are heard.
    pub cloned: std::collections::BTreeSet<NodeId>,
    /// What happened in the database since the start.
    pub counters: Counters,
    /// Things that went wrong and did no harm.
    pub mishaps: Mishaps,
    /// Work that waits: fresh pieces, and pieces of a backlog.
    pub work: (usize, usize),
}

impl<T: Trust> Node<T> {
    /// How the node stands.
    #[must_use]
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        let now_ms = now.monotonic_ms();
        let gate = self.store.gate();
        let site = self.store.site();
        let head = self.store.have().head(site).seq;
        let in_force = self.store.fares().effective_at(now.wall_ms);
        Snapshot {
            gate,
            clock: self.clock,
            wall_ms: now.wall_ms,
            uptime_ms: now_ms - self.started_ms,
            site,
            head,
            backlog: self.own_beyond(|site| {
                self.peer
                    .known_of(NodeId::HUB, site)
                    .max(self.store.covered(site))
            }),
            uncovered: self.own_beyond(|site| self.store.covered(site)),
            single_copy: (head > Seq::NONE).then(|| head.0 - self.copied(site).min(head).0),
            age_ms: self.knowledge.age_ms(now_ms),
            hub_ms: self.knowledge.hub_ms(),
            hub_heard_ms: self.hub.heard_at_ms.map(|heard_at_ms| now_ms - heard_at_ms),
            live: self.peer.live_peers().collect(),
            peers: self.peer.stats().map(|(node, stats)| (node, *stats)).collect(),
            sites: self.store.have().wanted_by(Some(gate.terminal)).count(),
            fare_version: in_force.map(|table| table.fact().version),
            fare_newest: self.store.fares().newest(),
            kept: self.store.kept(),
            disk: self.store.disk(),
            forks: self.store.forks().clone(),
            cloned: self.live.clones(now_ms).collect(),
            counters: self.store.counters(),
            mishaps: self.mishaps,
            work: self.work.waiting(),
        }
    }

    /// Changesets of this gate's own logs beyond a position in each.
    fn own_beyond(&self, position: impl Fn(SiteId) -> Seq) -> u64 {
        let own = self.store.own_sites();
        own.map(|(site, head)| head.0.saturating_sub(position(site).0))
            .sum()
    }

    /// Up to where any other node is known to hold a log.
    fn copied(&self, site: SiteId) -> Seq {
        let known = self.keys.keys().map(|peer| self.peer.known_of(*peer, site));
        known.max().unwrap_or_default().max(self.store.covered(site))
    }
}
