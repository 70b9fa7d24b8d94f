//! Who has what this node lacks, and asking for it: one range per site at a time, of one peer, with a deadline.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Peer;
use super::limits::{
    INGEST_DEADLINE_MS, OFFERS_PER_PEER_MAX, RANGE_BYTES_MAX, RANGE_BYTES_MIN, REQUEST_DEADLINE_MS,
    REQUESTS_PER_PEER_MAX,
};
use super::link::Link;
use crate::changeset::{Run, SiteRole};
use crate::have::Range;
use crate::id::{NodeId, Seq, SiteId};
use crate::mutation::{Mutation, is};
use crate::wire::Frame;

/// What one peer told or showed of one site.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// It serves what is above.
    pub(super) floor: Seq,
    /// It has up to here.
    pub(super) head: Seq,
    /// Not to be asked before.
    pub(super) avoid_until_ms: i64,
}

/// A range asked for and not answered.
#[derive(Clone, Copy, Debug)]
struct Request {
    peer: NodeId,
    first: Seq,
    bytes: usize,
    deadline_ms: i64,
}

/// A run handed to the shell and not reported.
#[derive(Clone, Debug)]
pub(super) struct Ingesting {
    pub(super) peer: NodeId,
    pub(super) last: Seq,
    pub(super) bytes: usize,
    pub(super) deadline_ms: i64,
    /// To be passed on once durable.
    pub(super) forward: Option<Run>,
    /// Its writer pushed it, and is to be told once it is durable.
    pub(super) acknowledge: bool,
}

/// What goes on with one site.
#[derive(Clone, Debug)]
pub(super) struct SiteSync {
    pub(super) offers: BTreeMap<NodeId, Offer>,
    /// What it is for, as a peer told: unproven.
    pub(super) told_role: Option<SiteRole>,
    request: Option<Request>,
    pub(super) ingesting: Option<Ingesting>,
    /// Not to be asked for before.
    pub(super) pause_until_ms: i64,
}

impl Default for SiteSync {
    fn default() -> SiteSync {
        SiteSync {
            offers: BTreeMap::new(),
            told_role: None,
            request: None,
            ingesting: None,
            pause_until_ms: i64::MIN,
        }
    }
}

impl SiteSync {
    fn is_busy(&self) -> bool {
        self.request.is_some() || self.ingesting.is_some()
    }

    fn is_idle(&self, now_ms: i64) -> bool {
        !self.is_busy() && self.offers.is_empty() && self.pause_until_ms <= now_ms
    }
}

impl Peer {
    /// Notes what a peer tells of a site; it is the peer's newest word.
    pub(super) fn note_offer(&mut self, peer: NodeId, site: SiteId, floor: Seq, head: Seq) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let own = self.have.seq(site);
        let sync = self.sites.entry(site).or_default();
        let avoid_until_ms = match sync.offers.get(&peer) {
            Some(offer) => offer.avoid_until_ms,
            None if link.offers >= OFFERS_PER_PEER_MAX => {
                self.stats.of(peer).bad_offers += 1;
                return self.drop_if_idle(site);
            }
            None => {
                link.offers += 1;
                i64::MIN
            }
        };
        let offer = Offer {
            floor,
            head,
            avoid_until_ms,
        };
        sync.offers.insert(peer, offer);
        if head > own && !self.own.contains(&site) {
            link.lacking.insert(site);
        } else {
            link.lacking.remove(&site);
        }
        let given_up = sync
            .request
            .is_some_and(|request| request.peer == peer && (head < request.first || floor >= request.first));
        if given_up {
            self.release_request(site);
        }
    }

    /// Notes that a peer has a site up to `last`, because it sent it.
    pub(super) fn note_shown(&mut self, peer: NodeId, site: SiteId, last: Seq) {
        let known = self.sites.get(&site).and_then(|sync| sync.offers.get(&peer));
        let (floor, head) = known.map_or((Seq::NONE, Seq::NONE), |offer| (offer.floor, offer.head));
        self.note_offer(peer, site, floor, head.max(last));
    }

    /// Does not ask this peer for the site before a while has passed.
    pub(super) fn avoid(&mut self, peer: NodeId, site: SiteId, duration_ms: i64) {
        let until_ms = self.now_ms.saturating_add(duration_ms);
        let offer = self
            .sites
            .get_mut(&site)
            .and_then(|sync| sync.offers.get_mut(&peer));
        if let Some(offer) = offer {
            offer.avoid_until_ms = until_ms;
        }
    }

    /// Brings the peers' lists of what they have and we lack in line with a changed durable head.
    pub(super) fn settle_lacking(&mut self, site: SiteId) {
        let own = self.have.seq(site);
        let Some(sync) = self.sites.get(&site) else {
            return;
        };
        for (peer, offer) in &sync.offers {
            let Some(link) = self.links.get_mut(peer) else {
                continue;
            };
            if offer.head > own && !self.own.contains(&site) {
                link.lacking.insert(site);
            } else {
                link.lacking.remove(&site);
            }
        }
    }

    /// Forgets what a peer told, and what was asked of it.
    pub(super) fn forget_offers(&mut self, peer: NodeId) {
        let asked: Vec<SiteId> = self.requests_to(|request| request.peer == peer);
        for site in &asked {
            self.release_request(*site);
        }
        let now_ms = self.now_ms;
        self.sites.retain(|_, sync| {
            sync.offers.remove(&peer);
            !sync.is_idle(now_ms)
        });
        if let Some(link) = self.links.get_mut(&peer) {
            link.lacking.clear();
            link.offers = 0;
        }
        self.ask_holders_of(&asked);
    }

    /// Takes a run as the answer to what was asked, if it is; returns whether.
    pub(super) fn answers_request(&mut self, peer: NodeId, run: &Run) -> bool {
        let request = self.sites.get(&run.site).and_then(|sync| sync.request);
        let answers = request.is_some_and(|request| {
            request.peer == peer && run.first <= request.first && request.first <= run.last()
        });
        if answers {
            self.release_request(run.site);
        }
        answers
    }

    fn release_request(&mut self, site: SiteId) {
        let Some(sync) = self.sites.get_mut(&site) else {
            return;
        };
        let Some(request) = sync.request.take() else {
            return;
        };
        if !sync.is_busy() {
            self.busy.remove(&site);
        }
        self.in_flight_bytes -= request.bytes;
        if let Some(link) = self.links.get_mut(&request.peer) {
            link.requests -= 1;
            link.requested_bytes -= request.bytes;
        }
    }

    fn requests_to(&self, select: impl Fn(&Request) -> bool) -> Vec<SiteId> {
        let selected = |site: &&SiteId| {
            let request = self.sites.get(site).and_then(|sync| sync.request.as_ref());
            request.is_some_and(&select)
        };
        self.busy.iter().filter(selected).copied().collect()
    }

    /// Gives up on requests past their deadline or put to a peer gone silent, and on lost ingests.
    pub(super) fn expire_requests(&mut self) {
        let now_ms = self.now_ms;
        let silence_ms = self.config.limits.silence_ms();
        let links = &self.links;
        let cut = |peer: &NodeId| {
            !links
                .get(peer)
                .is_some_and(|link| link.is_live(now_ms, silence_ms))
        };
        let expired = self.requests_to(|request| now_ms >= request.deadline_ms || cut(&request.peer));
        for site in &expired {
            if let Some(request) = self.sites.get(site).and_then(|sync| sync.request) {
                self.stats.of(request.peer).requests_expired += 1;
                self.avoid(request.peer, *site, REQUEST_DEADLINE_MS);
            }
            self.release_request(*site);
        }
        let ingest = |site: &SiteId| self.sites.get(site).and_then(|sync| sync.ingesting.as_ref());
        let lost: Vec<SiteId> = self.busy.iter().copied().collect();
        let lost: Vec<SiteId> = lost
            .into_iter()
            .filter(|site| ingest(site).is_some_and(|ingesting| now_ms >= ingesting.deadline_ms))
            .collect();
        for site in lost {
            if let Some(ingesting) = self.end_ingest(site) {
                self.stats.of(ingesting.peer).lost_ingests += 1;
            }
        }
    }

    /// Notes that a run is with the shell.
    pub(super) fn begin_ingest(&mut self, site: SiteId, mut ingesting: Ingesting) {
        ingesting.deadline_ms = self.now_ms.saturating_add(INGEST_DEADLINE_MS);
        self.in_flight_bytes += ingesting.bytes;
        if let Some(link) = self.links.get_mut(&ingesting.peer) {
            link.ingesting_bytes += ingesting.bytes;
        }
        self.busy.insert(site);
        self.sites.entry(site).or_default().ingesting = Some(ingesting);
    }

    /// Notes that the run of a site that was with the shell no longer is.
    pub(super) fn end_ingest(&mut self, site: SiteId) -> Option<Ingesting> {
        let sync = self.sites.get_mut(&site)?;
        let ingesting = sync.ingesting.take()?;
        if !sync.is_busy() {
            self.busy.remove(&site);
        }
        self.in_flight_bytes -= ingesting.bytes;
        if let Some(link) = self.links.get_mut(&ingesting.peer) {
            // The connection may be a newer one than the run came by.
            link.ingesting_bytes = link.ingesting_bytes.saturating_sub(ingesting.bytes);
        }
        Some(ingesting)
    }

    pub(super) fn drop_if_idle(&mut self, site: SiteId) {
        if self
            .sites
            .get(&site)
            .is_some_and(|sync| sync.is_idle(self.now_ms))
        {
            self.sites.remove(&site);
        }
    }

    /// Asks whoever has something of these sites, the least burdened first.
    pub(super) fn ask_holders_of(&mut self, sites: &[SiteId]) {
        for site in sites {
            let Some(sync) = self.sites.get(site) else {
                continue;
            };
            let burden = |peer: &NodeId| self.links.get(peer).map_or(0, |link| link.requested_bytes);
            let lacks = |peer: &&NodeId| self.links.get(peer).is_some_and(|link| !link.lacking.is_empty());
            let mut holders: Vec<NodeId> = sync.offers.keys().filter(lacks).copied().collect();
            // Neighbours before the hub when all else is equal: its line serves everyone.
            holders.sort_by_key(|peer| (burden(peer), peer.is_hub(), *peer));
            for peer in holders {
                self.ask(peer);
            }
        }
    }

    pub(super) fn ask_everyone(&mut self) {
        let lacking = self.links.iter().filter(|(_, link)| !link.lacking.is_empty());
        let mut peers: Vec<(usize, NodeId)> = lacking
            .map(|(peer, link)| (link.requested_bytes, *peer))
            .collect();
        peers.sort_unstable();
        for (_, peer) in peers {
            self.ask(peer);
        }
    }

    /// Asks a peer for as much of what it has and we lack as may be under way.
    pub(super) fn ask(&mut self, peer: NodeId) {
        let limits = self.config.limits;
        let silence_ms = limits.silence_ms();
        let live = |link: &&Link| link.is_live(self.now_ms, silence_ms);
        let Some(link) = self.links.get(&peer).filter(live) else {
            return;
        };
        let of_peer = link.requested_bytes + link.ingesting_bytes;
        let bytes_free = (limits.in_flight_bytes_per_peer.saturating_sub(of_peer))
            .min(limits.in_flight_bytes.saturating_sub(self.in_flight_bytes));
        let count_max = (bytes_free / RANGE_BYTES_MIN).min(REQUESTS_PER_PEER_MAX - link.requests);
        let ranges = self.askable(peer, count_max);
        if ranges.is_empty() || is(Mutation::NeverAsk) {
            return;
        }
        let bytes = (bytes_free / ranges.len()).clamp(RANGE_BYTES_MIN, RANGE_BYTES_MAX);
        for range in &ranges {
            self.begin_request(peer, range, bytes);
        }
        let bytes_max = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.send(peer, Frame::Need { ranges, bytes_max });
    }

    fn begin_request(&mut self, peer: NodeId, range: &Range, bytes: usize) {
        let request = Request {
            peer,
            first: range.first,
            bytes,
            deadline_ms: self.now_ms.saturating_add(REQUEST_DEADLINE_MS),
        };
        self.sites.entry(range.site).or_default().request = Some(request);
        self.busy.insert(range.site);
        self.in_flight_bytes += bytes;
        if let Some(link) = self.links.get_mut(&peer) {
            link.requests += 1;
            link.requested_bytes += bytes;
            link.cursor = range.site;
        }
    }

    /// Up to `count_max` ranges to ask of a peer, the sites taking turns.
    fn askable(&self, peer: NodeId, count_max: usize) -> Vec<Range> {
        let Some(link) = self.links.get(&peer) else {
            return Vec::new();
        };
        let after = link
            .lacking
            .range((Bound::Excluded(link.cursor), Bound::Unbounded));
        let before = link.lacking.range(..=link.cursor);
        let ranges = after
            .chain(before)
            .filter_map(|site| self.range_to_ask(peer, *site));
        ranges.take(count_max).collect()
    }

    fn range_to_ask(&self, peer: NodeId, site: SiteId) -> Option<Range> {
        let sync = self.sites.get(&site)?;
        let offer = sync.offers.get(&peer)?;
        let head = self.have.seq(site);
        let wait = sync.is_busy() || sync.pause_until_ms.max(offer.avoid_until_ms) > self.now_ms;
        if wait || offer.floor > head || offer.head <= head {
            return None;
        }
        let early = self.early.first_beyond(site, head);
        let last = early.map_or(offer.head, |first| offer.head.min(Seq(first.0 - 1)));
        (last > head).then_some(Range {
            site,
            first: head.next(),
            last,
        })
    }
}
