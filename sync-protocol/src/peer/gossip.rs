//! Anti-entropy: digests of Have, and the Haves themselves where digests differ.

use std::collections::BTreeMap;

use super::Peer;
use super::limits::{HAVE_SPACING_MS, HELLO_RETRY_MS};
use super::link::Link;
use crate::have::{SITES_MAX, Scope, SiteHave};
use crate::id::{NodeId, SiteId, TerminalCode};
use crate::wire::Frame;

impl Peer {
    /// A gate asks one peer at random whether they hold the same; the hub one gate of each terminal.
    pub(super) fn start_round(&mut self) {
        let mut groups: BTreeMap<Option<TerminalCode>, Vec<NodeId>> = BTreeMap::new();
        let silence_ms = self.config.limits.silence_ms();
        let live = |link: &Link| link.is_live(self.now_ms, silence_ms);
        for (peer, link) in self.links.iter().filter(|(_, link)| live(link)) {
            let group = self.config.terminal.or(link.terminal);
            groups.entry(group).or_default().push(*peer);
        }
        for peers in groups.into_values() {
            if let Some(peer) = self.random.pick(&peers) {
                self.send_digest(peer);
            }
        }
    }

    pub(super) fn send_digest(&mut self, peer: NodeId) {
        if let Some(scope) = self.links.get(&peer).and_then(|link| link.scope) {
            let digest = self.have.digest(scope);
            self.send(peer, Frame::HaveDigest(digest));
        }
    }

    pub(super) fn on_digest(&mut self, peer: NodeId, digest: [u8; 32]) {
        let now_ms = self.now_ms;
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let Some(scope) = link.scope else {
            return;
        };
        // The cheap question first: it also spares the digest to a peer that asks too often.
        if link
            .have_sent_ms
            .is_some_and(|sent_ms| now_ms - sent_ms < HAVE_SPACING_MS)
        {
            self.stats.of(peer).digests_ignored += 1;
            return;
        }
        if self.have.digest(scope) == digest {
            self.note_told(peer);
            return self.note_level(peer, scope);
        }
        link.have_sent_ms = Some(now_ms);
        let sites = self.have.wanted_by(scope);
        let sites = sites.map(|(site, have)| (site, *have)).collect();
        self.send_have(peer, true, sites);
    }

    /// Notes that a peer holds what this node has written, as far as both talk about it: their digests are equal.
    fn note_level(&mut self, peer: NodeId, scope: Scope) {
        let written: Vec<SiteId> = self.own.iter().copied().collect();
        for site in written {
            let have = self.have.get(site).copied();
            if let Some(have) = have.filter(|have| scope.covers(have.role)) {
                self.note_offer(peer, site, have.floor, have.head.seq);
            }
        }
    }

    /// Tells what is held. Only the last frame asks for the answer, which the whole is needed for.
    fn send_have(&mut self, peer: NodeId, reply: bool, mut sites: Vec<(SiteId, SiteHave)>) {
        loop {
            let rest = sites.split_off(sites.len().min(SITES_MAX));
            let last = rest.is_empty();
            let reply = reply && last;
            self.send(peer, Frame::Have { reply, sites });
            if last {
                return;
            }
            sites = rest;
        }
    }

    /// Corrects what a peer believes of a few sites.
    pub(super) fn send_correction(&mut self, peer: NodeId, sites: Vec<(SiteId, SiteHave)>) {
        if !sites.is_empty() {
            self.send_have(peer, false, sites);
        }
    }

    pub(super) fn on_have(&mut self, peer: NodeId, reply: bool, sites: Vec<(SiteId, SiteHave)>) {
        self.note_told(peer);
        for (site, theirs) in sites {
            self.on_told(peer, site, &theirs);
        }
        if reply {
            let lacking = self.lacking_of(peer);
            self.send_correction(peer, lacking);
        }
        self.ask(peer);
    }

    fn on_told(&mut self, peer: NodeId, site: SiteId, theirs: &SiteHave) {
        if theirs.floor > theirs.head.seq {
            self.stats.of(peer).bad_offers += 1;
            return;
        }
        let own = self.have.get(site);
        // A site that is held has the role its SiteOpen states, whatever the peer says.
        let wanted = own.unwrap_or(theirs).wanted_by(self.config.terminal);
        if !wanted {
            self.stats.of(peer).bad_offers += 1;
            return;
        }
        let other_chain =
            own.is_some_and(|own| own.head.seq == theirs.head.seq && own.head.chain != theirs.head.chain);
        let own_is_shorter =
            self.own.contains(&site) && own.is_some_and(|own| own.head.seq < theirs.head.seq);
        self.note_offer(peer, site, theirs.floor, theirs.head.seq);
        if other_chain || own_is_shorter {
            self.stats.of(peer).forks_told += 1;
            self.look_for_branch(peer, site);
        }
        self.note_told_role(site, theirs);
    }

    /// What is held here that a peer is not known to hold.
    fn lacking_of(&self, peer: NodeId) -> Vec<(SiteId, SiteHave)> {
        let Some(scope) = self.links.get(&peer).and_then(|link| link.scope) else {
            return Vec::new();
        };
        let ahead = |site: &SiteId, have: &SiteHave| {
            let offer = self.sites.get(site).and_then(|sync| sync.offers.get(&peer));
            offer.is_none_or(|offer| offer.head < have.head.seq)
        };
        let held = self.have.wanted_by(scope);
        let lacking = held.filter(|(site, have)| ahead(site, have));
        lacking.map(|(site, have)| (site, *have)).collect()
    }

    /// Repeats Hellos that were not answered, and shows peers that this node is there.
    pub(super) fn keep_links_alive(&mut self) {
        let now_ms = self.now_ms;
        let keep_alive_ms = self.config.limits.keep_alive_ms();
        let mut unheard = Vec::new();
        let mut quiet = Vec::new();
        for (peer, link) in &mut self.links {
            link.beats = 0;
            if !link.is_open() && now_ms - link.hello_sent_ms >= HELLO_RETRY_MS {
                unheard.push(*peer);
            } else if link.is_open() && now_ms - link.sent_ms >= keep_alive_ms {
                quiet.push(*peer);
            }
        }
        for peer in unheard {
            self.send_hello(peer);
        }
        self.send_all(quiet, Frame::Heartbeats(Vec::new()));
    }
}
