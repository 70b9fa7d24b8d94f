//! Cutting logs at the front: a floor that rises. The shared log keeps everything for the others.

use std::collections::BTreeMap;

use edge_node::store::{Limits, Pruned, Retention};
use sync_protocol::changeset::{Head, SiteRole};
use sync_protocol::have::SiteHave;
use sync_protocol::id::{Seq, SiteId};

use super::ModelStore;

impl ModelStore {
    /// Cuts some log that is held longer than it must be.
    pub(super) fn cut_next(&mut self, hub_ms: i64, retention: &Retention) -> Pruned {
        let sites = self.sites_held();
        for (site, (role, head)) in &sites {
            let mut disk = self.disk.borrow_mut();
            let marks = disk.marks.entry(*site).or_default();
            marks.note(*head, hub_ms, retention.kept_ms(*role));
        }
        let found = sites.iter().find_map(|(site, (role, head))| {
            let limits = Limits {
                role: *role,
                head: *head,
                covered: self.log.borrow().covered(*site, &self.have),
                bytes: 0,
            };
            let to = retention.cut(&limits, self.disk.borrow().marks.get(site)?, hub_ms);
            (to > self.floor_of(*site)).then_some((*site, to))
        });
        let Some((site, to)) = found else {
            return Pruned::default();
        };
        if site == self.site && !self.disk.borrow().unfiled.is_empty() {
            let ordinal = self.log.borrow_mut().ordinal_of(site);
            self.sign_head(ordinal);
            let piece = self.pieces.entry(ordinal).or_default();
            self.disk.borrow_mut().file(ordinal, piece);
        }
        let have = SiteHave {
            role: sites[&site].0,
            floor: to,
            head: self.have.head(site),
        };
        let changesets = to.0 - self.floor_of(site).0;
        self.advance(site, have);
        if let Some(marks) = self.disk.borrow_mut().marks.get_mut(&site) {
            marks.forget(to);
        }
        self.counters.pruned += changesets;
        Pruned {
            cut: Some((site, have)),
            changesets,
        }
    }

    /// Every log with its role and where its journal ends, signed or not.
    fn sites_held(&self) -> BTreeMap<SiteId, (SiteRole, Seq)> {
        let held = self.have.wanted_by(None);
        let mut sites: BTreeMap<_, _> = held
            .map(|(site, have)| (site, (have.role, have.head.seq)))
            .collect();
        for (site, head) in &self.disk.borrow().own {
            sites.insert(*site, (self.open.role, head.seq));
        }
        sites
    }

    pub(super) fn floor_of(&self, site: SiteId) -> Seq {
        self.have.get(site).map_or(Seq::NONE, |have| have.floor)
    }

    /// Where a log is cut, with the chain there.
    pub(super) fn floor_head(&self, site: SiteId) -> Head {
        let (log, seq) = (self.log.borrow(), self.floor_of(site));
        let entry = log.ordinal(site).and_then(|ordinal| log.site(ordinal).entry(seq));
        entry.map_or_else(
            || Head::empty(site),
            |entry| Head {
                seq,
                chain: entry.chain,
            },
        )
    }
}
