//! Have: what a node holds, as a version vector.
//!
//! Every journal is appended strictly in order, so per site one (floor, head, chain) says what a node has, what it
//! can serve, what it needs and what it may prune.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::changeset::{Head, SiteRole};
use crate::id::{Seq, SiteId, TerminalCode};

/// Most sites in one Have frame.
pub const SITES_MAX: usize = 8_192;

/// One site's part of a Have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteHave {
    /// What the site is for: says who wants it.
    pub role: SiteRole,
    /// The lowest changeset that can still be served, minus one: 0 while nothing is pruned.
    pub floor: Seq,
    /// The last changeset held, and the chain there.
    pub head: Head,
}

impl SiteHave {
    /// Whether nodes of this terminal want the site; the hub (`None`) wants every site.
    #[must_use]
    pub fn wanted_by(&self, terminal: Option<TerminalCode>) -> bool {
        match (self.role, terminal) {
            (SiteRole::Gate(own), Some(terminal)) => own == terminal,
            _ => true,
        }
    }
}

/// What a node holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    sites: BTreeMap<SiteId, SiteHave>,
}

/// A range of one site's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The site.
    pub site: SiteId,
    /// First changeset wanted.
    pub first: Seq,
    /// Last changeset wanted.
    pub last: Seq,
}

impl Have {
    /// The head of a site; the empty head for one not held.
    #[must_use]
    pub fn head(&self, site: SiteId) -> Head {
        self.sites
            .get(&site)
            .map_or_else(|| Head::empty(site), |have| have.head)
    }

    /// One site's part.
    #[must_use]
    pub fn get(&self, site: SiteId) -> Option<&SiteHave> {
        self.sites.get(&site)
    }

    /// Notes what is held of a site. Heads and floors never move back.
    pub fn advance(&mut self, site: SiteId, have: SiteHave) {
        let known = self.sites.entry(site).or_insert(have);
        if have.head.seq > known.head.seq {
            known.head = have.head;
        }
        known.floor = known.floor.max(have.floor);
    }

    /// Forgets a site (closed and covered).
    pub fn remove(&mut self, site: SiteId) {
        self.sites.remove(&site);
    }

    /// All sites that nodes of `terminal` want, in order of their ids.
    pub fn wanted_by(&self, terminal: Option<TerminalCode>) -> impl Iterator<Item = (SiteId, &SiteHave)> {
        self.sites
            .iter()
            .map(|(site, have)| (*site, have))
            .filter(move |(_, have)| have.wanted_by(terminal))
    }

    /// What is missing here of one site, as told by another node.
    #[must_use]
    pub fn missing(&self, site: SiteId, theirs: &SiteHave) -> Option<Range> {
        let own = self.head(site).seq;
        (theirs.head.seq > own).then(|| Range {
            site,
            first: own.next(),
            last: theirs.head.seq,
        })
    }

    /// A digest of what nodes of `terminal` want: equal digests mean equal heads.
    #[must_use]
    pub fn digest(&self, terminal: Option<TerminalCode>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 have");
        for (site, have) in self.wanted_by(terminal) {
            hasher
                .update(&site.0)
                .update(&have.head.seq.0.to_le_bytes())
                .update(&have.head.chain.0);
        }
        *hasher.finalize().as_bytes()
    }
}
