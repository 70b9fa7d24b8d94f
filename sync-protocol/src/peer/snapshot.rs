//! Snapshots: when to ask for one, whom, and page by page ([`crate::snapshot`]).
//!
//! One page is under way at a time, so its bytes are bounded by a frame. What is gathered so far is with the shell,
//! durable: it says where to go on, of whom, after a lost page, a lost link or a restart.

use super::limits::{
    HOUSEKEEPING_MS, REQUEST_DEADLINE_MS, SERVE_DEADLINE_MS, SNAPSHOT_AVOID_MS, SNAPSHOT_PATIENCE_MS,
    SNAPSHOT_SPACING_MS, SNAPSHOT_TAKE_DEADLINE_MS,
};
use super::{Output, Peer};
use crate::id::{NodeId, SiteId};
use crate::snapshot::{Need, Page, Place};
use crate::wire::Frame;

/// What the shell made of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageTaken {
    /// It is durable; this comes next.
    More(Need),
    /// There is nothing behind it yet: the hub has stated nothing to hold it against. To be asked again.
    Wait(Need),
    /// The snapshot is complete and proven. What it brings is reported site by site, as after an ingest.
    Complete,
    /// It is false, or not what was asked for. What was gathered is thrown away.
    Refused,
    /// It does not fit what was gathered, through nobody's fault, or could not be stored.
    NotNow,
}

/// The snapshot under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshotting {
    under_way: Option<UnderWay>,
    /// None is begun before.
    not_before_ms: i64,
    /// Since when nobody serves what is missing.
    starving_since_ms: Option<i64>,
}

#[derive(Clone, Debug)]
struct UnderWay {
    /// Nobody yet: the shell is asked where to go on.
    peer: Option<NodeId>,
    /// The question put to it; none while the shell is busy with its answer.
    asked: Option<Place>,
    /// When to ask again after an answer that led no further.
    ask_at_ms: Option<(i64, Need)>,
    deadline_ms: i64,
}

impl Peer {
    /// Whether a snapshot is under way.
    #[must_use]
    pub fn is_gathering(&self) -> bool {
        self.snapshot.under_way.is_some()
    }

    /// Begins a snapshot when some site that this node wants is cut off by all who offer it; gives up one that nobody
    /// answers.
    pub(super) fn look_for_snapshot(&mut self) {
        let now_ms = self.now_ms;
        if let Some(under_way) = &mut self.snapshot.under_way {
            let due = under_way.ask_at_ms.take_if(|(at_ms, _)| now_ms >= *at_ms);
            if let (Some((_, need)), Some(peer)) = (due, under_way.peer) {
                return self.ask_page(peer, need);
            }
            if now_ms < under_way.deadline_ms {
                return;
            }
            if let Some(peer) = under_way.peer {
                self.stats.of(peer).requests_expired += 1;
                self.avoid_snapshots(peer, REQUEST_DEADLINE_MS);
            }
            self.snapshot.under_way = None;
        }
        // The hub has nobody to ask.
        if self.config.terminal.is_none() || now_ms < self.snapshot.not_before_ms {
            return;
        }
        let servers = self.snapshot_servers();
        if servers.is_empty() {
            self.snapshot.starving_since_ms = None;
            return;
        }
        let since_ms = *self.snapshot.starving_since_ms.get_or_insert(now_ms);
        if now_ms - since_ms < SNAPSHOT_PATIENCE_MS.max(self.config.limits.round_ms) {
            return;
        }
        self.snapshot.under_way = Some(UnderWay {
            peer: None,
            asked: None,
            ask_at_ms: None,
            deadline_ms: now_ms.saturating_add(SNAPSHOT_TAKE_DEADLINE_MS),
        });
        self.outputs.push_back(Output::SnapshotBegin { servers });
    }

    /// Peers that cut off a site which this node lacks and nobody else serves; neighbours first.
    fn snapshot_servers(&self) -> Vec<NodeId> {
        let silence_ms = self.config.limits.silence_ms();
        let is_live = |peer: &NodeId| {
            let link = self.links.get(peer);
            link.is_some_and(|link| link.is_live(self.now_ms, silence_ms))
        };
        let starves_by = |peer: &NodeId, site: &SiteId| {
            let own = self.have.seq(*site);
            let offers = self.sites.get(site).map(|sync| &sync.offers);
            offers.is_some_and(|offers| {
                let cut = offers.get(peer).is_some_and(|offer| offer.floor > own);
                let served = |(peer, offer): (&NodeId, &super::request::Offer)| {
                    offer.floor <= own && offer.head > own && is_live(peer)
                };
                cut && !offers.iter().any(served)
            })
        };
        let mut servers: Vec<NodeId> = self
            .links
            .iter()
            .filter(|(peer, link)| {
                link.snapshot_after_ms <= self.now_ms
                    && is_live(peer)
                    && link.lacking.iter().any(|site| starves_by(peer, site))
            })
            .map(|(peer, _)| *peer)
            .collect();
        // Whoever was wrong before comes last.
        let refused = |peer: &NodeId| self.stats.get(*peer).map_or(0, |stats| stats.refused_snapshots);
        servers.sort_by_key(|peer| (refused(peer), peer.is_hub(), *peer));
        servers
    }

    pub(super) fn on_snapshot_begun(&mut self, chosen: Option<(NodeId, Need)>) {
        match chosen {
            Some((peer, need)) if self.links.contains_key(&peer) => self.ask_page(peer, need),
            _ => self.end_snapshot(HOUSEKEEPING_MS),
        }
    }

    fn ask_page(&mut self, peer: NodeId, need: Need) {
        let Some(under_way) = &mut self.snapshot.under_way else {
            return;
        };
        under_way.peer = Some(peer);
        under_way.asked = Some(need.place.clone());
        under_way.deadline_ms = self.now_ms.saturating_add(REQUEST_DEADLINE_MS);
        self.send(peer, Frame::SnapshotNeed(need));
    }

    pub(super) fn on_snapshot_page(&mut self, peer: NodeId, page: Page) {
        let deadline_ms = self.now_ms.saturating_add(SNAPSHOT_TAKE_DEADLINE_MS);
        let expected = self.snapshot.under_way.as_mut().filter(|under_way| {
            under_way.peer == Some(peer) && under_way.asked.as_ref() == Some(&page.asked)
        });
        let Some(under_way) = expected else {
            self.stats.of(peer).unwanted_pages += 1;
            return;
        };
        under_way.asked = None;
        under_way.deadline_ms = deadline_ms;
        let page = Box::new(page);
        self.outputs.push_back(Output::SnapshotTake { peer, page });
    }

    pub(super) fn on_page_taken(&mut self, peer: NodeId, taken: PageTaken) {
        let is_expected = |under_way: &UnderWay| under_way.peer == Some(peer) && under_way.asked.is_none();
        if !self.snapshot.under_way.as_ref().is_some_and(is_expected) {
            return;
        }
        match taken {
            PageTaken::More(need) => self.ask_page(peer, need),
            PageTaken::Wait(need) => {
                let at_ms = self.now_ms.saturating_add(self.config.limits.round_ms);
                if let Some(under_way) = &mut self.snapshot.under_way {
                    under_way.ask_at_ms = Some((at_ms, need));
                    under_way.deadline_ms = at_ms.saturating_add(REQUEST_DEADLINE_MS);
                }
            }
            PageTaken::Complete => self.end_snapshot(SNAPSHOT_SPACING_MS),
            PageTaken::Refused => {
                self.stats.of(peer).refused_snapshots += 1;
                self.avoid_snapshots(peer, SNAPSHOT_AVOID_MS);
                self.end_snapshot(0);
            }
            PageTaken::NotNow => self.end_snapshot(REQUEST_DEADLINE_MS),
        }
    }

    fn avoid_snapshots(&mut self, peer: NodeId, duration_ms: i64) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.snapshot_after_ms = self.now_ms.saturating_add(duration_ms);
        }
    }

    fn end_snapshot(&mut self, pause_ms: i64) {
        self.snapshot.under_way = None;
        self.snapshot.not_before_ms = self.now_ms.saturating_add(pause_ms);
    }

    /// A link is gone: whoever served over it may be asked again by another one.
    pub(super) fn forget_snapshot(&mut self, peer: NodeId) {
        let of_peer = |under_way: &mut UnderWay| under_way.peer == Some(peer);
        if self.snapshot.under_way.take_if(of_peer).is_some() {
            self.snapshot.not_before_ms = self.now_ms.saturating_add(REQUEST_DEADLINE_MS);
        }
    }

    pub(super) fn on_snapshot_need(&mut self, peer: NodeId, need: Need) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let Some(scope) = link.scope else {
            return;
        };
        let expired = |since_ms: i64| self.now_ms - since_ms >= SERVE_DEADLINE_MS;
        if !link.serving_page_ms.is_none_or(expired) {
            self.stats.of(peer).serves_dropped += 1;
            return;
        }
        link.serving_page_ms = Some(self.now_ms);
        self.outputs
            .push_back(Output::SnapshotServe { peer, scope, need });
    }

    pub(super) fn on_snapshot_served(&mut self, peer: NodeId, page: Option<Box<Page>>) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        if link.serving_page_ms.take().is_some()
            && let Some(page) = page
        {
            self.send(peer, Frame::SnapshotPage(page));
        }
    }
}
