//! Eager pushes: own commits at once, and the hub's commits passed on within a terminal.

use std::collections::BTreeMap;

use super::Peer;
use crate::changeset::{Run, SiteRole};
use crate::have::SiteHave;
use crate::id::{NodeId, SiteId, TerminalCode};

impl Peer {
    pub(super) fn on_committed(&mut self, run: Run, have: SiteHave) {
        self.own.insert(run.site);
        self.have.advance(run.site, have);
        self.settle_lacking(run.site);
        let to = if self.config.terminal.is_none() {
            self.designated_gates()
        } else {
            self.peers_that_want(have.role)
        };
        self.send_run(to, run);
    }

    fn peers_that_want(&self, role: SiteRole) -> Vec<NodeId> {
        let wanting = self.links.iter().filter(|(_, link)| link.wants(role));
        wanting.map(|(peer, _)| *peer).collect()
    }

    /// One gate per terminal: the lowest that is alive, else the lowest.
    fn designated_gates(&self) -> Vec<NodeId> {
        let silence_ms = self.config.limits.silence_ms();
        let mut designated: BTreeMap<TerminalCode, (bool, NodeId)> = BTreeMap::new();
        for (peer, link) in self.links.iter().filter(|(_, link)| link.is_open()) {
            let Some(terminal) = link.terminal else {
                continue;
            };
            let candidate = (!link.is_live(self.now_ms, silence_ms), *peer);
            let best = designated.entry(terminal).or_insert(candidate);
            *best = candidate.min(*best);
        }
        designated.into_values().map(|(_, peer)| peer).collect()
    }

    /// Whether this node tells a gate when what it pushed is durable here: so it learns at once that a second node has
    /// it. One answer is enough: the lowest live gate of the terminal gives it, or the hub to a gate without one.
    pub(super) fn acknowledges(&self, author: NodeId) -> bool {
        let Some(link) = self.links.get(&author).filter(|_| !author.is_hub()) else {
            return false;
        };
        let silence_ms = self.config.limits.silence_ms();
        let live = self.links.iter().filter(|(peer, of_peer)| {
            **peer != author && of_peer.terminal == link.terminal && of_peer.is_live(self.now_ms, silence_ms)
        });
        let lowest = live.map(|(peer, _)| *peer).min();
        if self.config.terminal.is_none() {
            lowest.is_none()
        } else {
            link.terminal == self.config.terminal && lowest.is_none_or(|peer| peer > self.config.node)
        }
    }

    /// Tells a gate up to where its log is durable here.
    pub(super) fn acknowledge(&mut self, author: NodeId, site: SiteId) {
        if let Some(have) = self.have.get(site).copied() {
            self.send_correction(author, vec![(site, have)]);
        }
    }

    /// Passes a run of the hub on to the gates of the terminal that are not known to have it.
    pub(super) fn forward(&mut self, run: &Run) {
        let offers = self.sites.get(&run.site).map(|sync| &sync.offers);
        let has = |peer: &NodeId| {
            let offer = offers.and_then(|offers| offers.get(peer));
            offer.is_some_and(|offer| offer.head >= run.last())
        };
        let neighbours = self
            .links
            .iter()
            .filter(|(peer, link)| link.terminal == self.config.terminal && link.is_open() && !has(peer));
        let to = neighbours.map(|(peer, _)| *peer).collect();
        self.send_run(to, run.clone());
    }
}
