//! How far behind its peers this node is: what a hub asks before it publishes, because its database may be an older
//! one than the gates know.

use std::collections::BTreeSet;

use super::Peer;
use super::limits::ROUND_MS;
use crate::changeset::SiteRole;
use crate::have::SiteHave;
use crate::id::{NodeId, SiteId};

/// A peer that has told nothing for this many rounds has nothing more to tell: only what is missing is answered.
const ROUNDS_TO_TELL: i64 = 2;

/// What live peers told that they hold and this node does not. Nothing of it is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Peers that introduced themselves and were heard lately.
    pub linked: usize,
    /// Those of them that told what they hold, or had the time to.
    pub heard: usize,
    /// Sites of which one of them can serve more.
    pub sites: usize,
    /// Those of them that the hub wrote.
    pub hub_sites: usize,
    /// Sites of which they hold more and none can serve what comes next: they have pruned it.
    pub out_of_reach: usize,
    /// Those of them that the hub wrote.
    pub hub_sites_out_of_reach: usize,
}

impl Peer {
    /// What live peers hold that this node does not.
    #[must_use]
    pub fn ahead(&self) -> Ahead {
        let limits = self.config.limits;
        let silence_ms = limits.silence_ms();
        let to_tell_ms = ROUNDS_TO_TELL * ROUND_MS.max(limits.round_ms);
        let mut ahead = Ahead::default();
        let (mut within, mut beyond) = (BTreeSet::new(), BTreeSet::new());
        for (peer, link) in &self.links {
            if !link.is_live(self.now_ms, silence_ms) {
                continue;
            }
            ahead.linked += 1;
            ahead.heard += usize::from(link.told || self.now_ms - link.since_ms >= to_tell_ms);
            for site in &link.lacking {
                let reach = if self.serves_next(*peer, *site) {
                    &mut within
                } else {
                    &mut beyond
                };
                reach.insert(*site);
            }
        }
        beyond.retain(|site| !within.contains(site));
        let of_hub = |site: &&SiteId| self.is_of_hub(**site);
        ahead.sites = within.len();
        ahead.hub_sites = within.iter().filter(of_hub).count();
        ahead.out_of_reach = beyond.len();
        ahead.hub_sites_out_of_reach = beyond.iter().filter(of_hub).count();
        ahead
    }

    /// Whether a peer can serve the changeset of a site that this node needs next.
    fn serves_next(&self, peer: NodeId, site: SiteId) -> bool {
        let head = self.have.seq(site);
        let offer = self.sites.get(&site).and_then(|sync| sync.offers.get(&peer));
        offer.is_some_and(|offer| offer.floor <= head)
    }

    /// Whether the hub writes a site, as its opening says, or as a peer told of one that is not held.
    fn is_of_hub(&self, site: SiteId) -> bool {
        let held = self.have.get(site).map(|have| have.role);
        let told = || self.sites.get(&site).and_then(|sync| sync.told_role);
        let role = held.or_else(told);
        matches!(role, Some(SiteRole::Decisions | SiteRole::Settled))
    }

    /// Notes that a peer told what it holds.
    pub(super) fn note_told(&mut self, peer: NodeId) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.told = true;
        }
    }

    /// Remembers what a site is for that a peer told of, while it is asked for.
    pub(super) fn note_told_role(&mut self, site: SiteId, theirs: &SiteHave) {
        if let Some(sync) = self.sites.get_mut(&site) {
            sync.told_role = Some(theirs.role);
        }
    }
}
