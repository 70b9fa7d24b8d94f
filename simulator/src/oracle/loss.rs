//! What went down with a disk: changesets that no other node had a copy of (I6).
//!
//! A copy may still turn up: on a node that was down itself, or in a frame under way. Then it is lost no longer.

use std::collections::BTreeMap;

use sync_protocol::fact::{Direction, Fact, OrderedFact};
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::money::Money;

use super::Oracle;

/// How a disk was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskLoss {
    /// It was replaced by an empty one.
    Wiped,
    /// It was replaced by an older copy of itself.
    Restored,
    /// The gate was removed together with it.
    Removed,
}

/// The end of one site's log that nobody else had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostTail {
    /// The site.
    pub site: SiteId,
    /// The first changeset that is lost.
    pub first: Seq,
    /// The last one.
    pub last: Seq,
    /// Accepted entries in it.
    pub entries: u64,
    /// Their holds.
    pub holds: Money,
    /// Exits in it.
    pub exits: u64,
    /// What the gate quoted at them.
    pub fares: Money,
}

/// A disk that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostDisk {
    /// Whose.
    pub gate: NodeId,
    /// When, milliseconds after the start.
    pub at_ms: i64,
    /// How.
    pub loss: DiskLoss,
    /// What only it held.
    pub tails: Vec<LostTail>,
}

impl LostDisk {
    /// Taps that were on this disk only.
    #[must_use]
    pub fn taps(&self) -> u64 {
        self.tails.iter().map(|tail| tail.entries + tail.exits).sum()
    }
}

impl Oracle {
    /// Notes a lost disk: `held_elsewhere` says up to where other nodes, or what is left of the disk, hold each site.
    pub fn lose_disk(
        &mut self,
        gate: NodeId,
        at_ms: i64,
        loss: DiskLoss,
        held_elsewhere: &BTreeMap<SiteId, Seq>,
    ) {
        let held = |site: &SiteId| held_elsewhere.get(site).copied().unwrap_or_default();
        let ahead = self.heads.iter().filter(|(site, head)| held(site) < **head);
        let missing: Vec<(SiteId, Seq, Seq)> = ahead
            .map(|(site, head)| (*site, held(site).next(), *head))
            .collect();
        let tails = missing
            .into_iter()
            .map(|(site, first, last)| self.lose_tail(site, first, last))
            .collect();
        self.lost_disks.push(LostDisk {
            gate,
            at_ms,
            loss,
            tails,
        });
    }

    fn lose_tail(&mut self, site: SiteId, first: Seq, last: Seq) -> LostTail {
        let mut tail = LostTail {
            site,
            first,
            last,
            entries: 0,
            holds: Money::ZERO,
            exits: 0,
            fares: Money::ZERO,
        };
        for seq in first.0..=last.0 {
            self.lost.entry((site, Seq(seq))).or_default();
        }
        let is_lost = |fact: &OrderedFact| fact.key.id.site == site && fact.key.id.seq >= first;
        for facts in self.facts.values_mut() {
            for fact in facts.extract(is_lost) {
                tail.count(&fact.fact);
                self.lost.entry((site, fact.key.id.seq)).or_default().push(fact);
            }
        }
        self.facts.retain(|_, facts| !facts.is_empty());
        for fact in self.fare_versions.extract_if(.., |fact| is_lost(fact)) {
            self.lost.entry((site, fact.key.id.seq)).or_default().push(fact);
        }
        self.heads.insert(site, Seq(first.0 - 1));
        tail
    }

    /// Notes that some node durably holds a site up to `head`: what was taken for lost may have turned up.
    pub fn turned_up(&mut self, site: SiteId, head: Seq) {
        if self.lost.is_empty() {
            return;
        }
        let found: Vec<_> = self
            .lost
            .range((site, Seq::NONE)..=(site, head))
            .map(|(changeset, _)| *changeset)
            .collect();
        for changeset in found {
            let facts = self.lost.remove(&changeset).unwrap_or_default();
            self.heads.insert(site, changeset.1.max(self.head(site)));
            for fact in facts {
                self.note_fact(fact);
            }
        }
    }

    /// Whether a changeset went down with a disk and no copy turned up.
    #[must_use]
    pub fn is_lost(&self, site: SiteId, seq: Seq) -> bool {
        self.lost.contains_key(&(site, seq))
    }

    /// How many changesets went down with disks for good.
    #[must_use]
    pub fn lost_changesets(&self) -> usize {
        self.lost.len()
    }
}

impl LostTail {
    fn count(&mut self, fact: &Fact) {
        let Fact::Tap(tap) = fact else {
            return;
        };
        match tap.direction {
            _ if !tap.accepted => {}
            Direction::Entry => {
                self.entries += 1;
                self.holds += tap.hold;
            }
            Direction::Exit => {
                self.exits += 1;
                self.fares += tap.quoted.unwrap_or_default();
            }
        }
    }
}
