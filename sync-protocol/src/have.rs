//! Have: what a node holds, as a version vector.
//!
//! Every journal is appended strictly in order, so per site one (floor, head, chain) says what a node has, what it
//! can serve, what it needs and what it may prune. A [`Scope`] says which sites two nodes talk about: a gate wants
//! the sites of its terminal and the hub's, the hub wants all.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::changeset::{Head, SiteRole};
use crate::id::{Seq, SiteId, TerminalCode};

/// Most sites in one Have frame.
pub const SITES_MAX: usize = 8_192;

/// Which sites a conversation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every site: what the hub wants.
    All,
    /// The gates of one terminal and the hub: what a gate wants.
    Terminal(TerminalCode),
    /// The hub's sites only: what gates of two terminals both want.
    Hub,
}

impl From<Option<TerminalCode>> for Scope {
    fn from(terminal: Option<TerminalCode>) -> Scope {
        terminal.map_or(Scope::All, Scope::Terminal)
    }
}

impl Scope {
    /// What both sides want.
    #[must_use]
    pub fn and(self, other: Scope) -> Scope {
        match (self, other) {
            (Scope::All, scope) | (scope, Scope::All) => scope,
            (own, other) if own == other => own,
            _ => Scope::Hub,
        }
    }

    /// Whether sites of this role belong to it.
    #[must_use]
    pub fn covers(self, role: SiteRole) -> bool {
        match (self, role) {
            (Scope::Terminal(terminal), SiteRole::Gate(own)) => own == terminal,
            (Scope::Hub, SiteRole::Gate(_)) => false,
            _ => true,
        }
    }
}

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
        Scope::from(terminal).covers(self.role)
    }
}

/// What a node holds.
///
/// Invariant: `roles` names exactly the sites of `sites`, each under its role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    sites: BTreeMap<SiteId, SiteHave>,
    roles: BTreeMap<SiteRole, BTreeSet<SiteId>>,
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

    /// Number of the last changeset held of a site; unlike [`Have::head`] it costs no hash for one not held.
    #[must_use]
    pub fn seq(&self, site: SiteId) -> Seq {
        self.sites.get(&site).map_or(Seq::NONE, |have| have.head.seq)
    }

    /// One site's part.
    #[must_use]
    pub fn get(&self, site: SiteId) -> Option<&SiteHave> {
        self.sites.get(&site)
    }

    /// Notes what is held of a site. Heads and floors never move back, and a site keeps its role.
    pub fn advance(&mut self, site: SiteId, have: SiteHave) {
        match self.sites.entry(site) {
            Entry::Vacant(place) => {
                place.insert(have);
                self.roles.entry(have.role).or_default().insert(site);
            }
            Entry::Occupied(place) => {
                let known = place.into_mut();
                if have.head.seq > known.head.seq {
                    known.head = have.head;
                }
                known.floor = known.floor.max(have.floor);
            }
        }
    }

    /// States what is held of a site, whatever was believed before.
    pub fn set(&mut self, site: SiteId, have: SiteHave) {
        self.remove(site);
        self.advance(site, have);
    }

    /// Forgets a site (closed and covered).
    pub fn remove(&mut self, site: SiteId) {
        let Some(have) = self.sites.remove(&site) else {
            return;
        };
        if let Some(sites) = self.roles.get_mut(&have.role) {
            sites.remove(&site);
            if sites.is_empty() {
                self.roles.remove(&have.role);
            }
        }
    }

    /// All sites of a scope, in order of (role, id). Costs only the sites it yields.
    pub fn wanted_by(&self, scope: impl Into<Scope>) -> impl Iterator<Item = (SiteId, &SiteHave)> {
        let scope = scope.into();
        let hub_roles = SiteRole::Decisions..=SiteRole::Settled;
        let (gates, hub) = match scope {
            Scope::All => (None, self.roles.range(..)),
            Scope::Terminal(terminal) => (
                self.roles.get(&SiteRole::Gate(terminal)),
                self.roles.range(hub_roles),
            ),
            Scope::Hub => (None, self.roles.range(hub_roles)),
        };
        gates
            .into_iter()
            .chain(hub.map(|(_, sites)| sites))
            .flatten()
            .filter_map(|site| self.sites.get(site).map(|have| (*site, have)))
    }

    /// What is missing here of one site, as told by another node.
    #[must_use]
    pub fn missing(&self, site: SiteId, theirs: &SiteHave) -> Option<Range> {
        let own = self.seq(site);
        (theirs.head.seq > own).then(|| Range {
            site,
            first: own.next(),
            last: theirs.head.seq,
        })
    }

    /// A digest of the heads in a scope: equal digests mean equal heads. Floors do not count.
    #[must_use]
    pub fn digest(&self, scope: impl Into<Scope>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 have");
        for (site, have) in self.wanted_by(scope) {
            hasher
                .update(&site.0)
                .update(&have.head.seq.0.to_le_bytes())
                .update(&have.head.chain.0);
        }
        *hasher.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> TerminalCode {
        text.parse().unwrap()
    }

    fn have_of(role: SiteRole, site: SiteId, seq: u64) -> SiteHave {
        let mut head = Head::empty(site);
        head.seq = Seq(seq);
        SiteHave {
            role,
            floor: Seq(0),
            head,
        }
    }

    fn sample() -> Have {
        let mut have = Have::default();
        for (number, role) in [
            (9, SiteRole::Gate(code("A"))),
            (8, SiteRole::Gate(code("B"))),
            (1, SiteRole::Settled),
            (2, SiteRole::Decisions),
        ] {
            let site = SiteId([number; 16]);
            have.advance(site, have_of(role, site, 3));
        }
        have
    }

    #[test]
    fn a_scope_yields_exactly_the_sites_it_covers() {
        let have = sample();
        let numbers =
            |scope: Scope| -> Vec<u8> { have.wanted_by(scope).map(|(site, _)| site.0[0]).collect() };
        assert_eq!(numbers(Scope::All), [9, 8, 2, 1]);
        assert_eq!(numbers(Scope::Terminal(code("A"))), [9, 2, 1]);
        assert_eq!(numbers(Scope::Terminal(code("C"))), [2, 1]);
        assert_eq!(numbers(Scope::Hub), [2, 1]);
        assert_eq!(
            Scope::from(Some(code("A"))).and(Scope::All),
            Scope::Terminal(code("A"))
        );
        assert_eq!(
            Scope::from(Some(code("A"))).and(Some(code("B")).into()),
            Scope::Hub
        );
    }

    #[test]
    fn two_nodes_agree_on_the_digest_of_what_both_want() {
        let hub = sample();
        let mut gate = sample();
        gate.remove(SiteId([8; 16]));
        assert_eq!(hub.digest(Some(code("A"))), gate.digest(Scope::All));
        assert_ne!(hub.digest(Scope::All), gate.digest(Scope::All));
    }

    #[test]
    fn heads_move_back_only_when_the_store_says_so() {
        let mut have = sample();
        let site = SiteId([9; 16]);
        let role = SiteRole::Gate(code("A"));
        have.advance(site, have_of(role, site, 2));
        assert_eq!((have.head(site).seq, have.seq(site)), (Seq(3), Seq(3)));
        have.set(site, have_of(role, site, 2));
        assert_eq!(have.head(site).seq, Seq(2));
        have.remove(site);
        assert_eq!((have.head(site), have.seq(site)), (Head::empty(site), Seq::NONE));
        assert_eq!(have.wanted_by(Scope::All).count(), 3);
    }
}
