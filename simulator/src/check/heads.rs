//! Heads never go back: what a node durably holds of a site only grows, over crashes, power losses and restarts.
//!
//! Would fail if a commit were acknowledged before it was durable, if a restart lost verified changesets, or if a
//! node went over to another branch of a log. A disk that was lost, or replaced by an older copy of itself, starts
//! over: that is excused, and counted. So is a node that dropped a branch which by the hub's word does not count. Looked at when faults begin and end, at every start, and now and then in
//! between.

use std::collections::BTreeMap;

use sync_protocol::changeset::Head;
use sync_protocol::have::Have;
use sync_protocol::id::{NodeId, Seq, SiteId};

use super::{Check, Violations, second};

/// The heads that were seen last.
#[derive(Debug, Default)]
pub struct Heads {
    seen: BTreeMap<NodeId, BTreeMap<SiteId, Head>>,
    looks: u64,
    heads: u64,
    disks: u64,
    violations: Violations,
}

impl Heads {
    /// Looks at what a node durably holds.
    pub fn look(&mut self, node: NodeId, have: &Have, now_ms: i64) {
        self.looks += 1;
        let seen = self.seen.entry(node).or_default();
        for (site, before) in seen.iter() {
            let now = have.head(*site);
            let branched = now.seq == before.seq && now.chain != before.chain;
            if now.seq < before.seq || branched {
                let word = if branched { " on another branch" } else { "" };
                self.violations.note(format!(
                    "{node} held site {site} up to {}, at {} up to {}{word}",
                    before.seq,
                    second(now_ms),
                    now.seq
                ));
            }
        }
        *seen = have
            .wanted_by(None)
            .filter(|(_, have)| have.head.seq > Seq::NONE)
            .map(|(site, have)| (site, have.head))
            .collect();
        self.heads += seen.len() as u64;
    }

    /// By the hub's word another branch of a site counts than the node held.
    pub fn reverted(&mut self, node: NodeId, site: SiteId) {
        if let Some(seen) = self.seen.get_mut(&node) {
            seen.remove(&site);
        }
    }

    /// A node's disk was lost or replaced: what it held before does not bind it.
    pub fn disk_replaced(&mut self, node: NodeId) {
        self.disks += 1;
        self.seen.remove(&node);
    }
}

/// The check at the end of a run.
#[must_use]
pub fn check(heads: &Heads) -> Check {
    let disks = match heads.disks {
        0 => String::new(),
        disks => format!("; {disks} disks were replaced and started over"),
    };
    let detail = format!("{} heads in {} looks at nodes{disks}", heads.heads, heads.looks);
    heads.violations.clone().into_check("heads never go back", detail)
}

#[cfg(test)]
mod tests {
    use sync_protocol::changeset::SiteRole;
    use sync_protocol::have::SiteHave;

    use super::super::sample::{self, GATES};
    use super::*;

    fn held(seq: u64, chain: u8) -> Have {
        let mut head = Head::empty(GATES[0]);
        (head.seq, head.chain.0) = (Seq(seq), [chain; 32]);
        let role = SiteRole::Gate(sample::terminal("A"));
        let floor = Seq::NONE;
        let mut have = Have::default();
        have.advance(GATES[0], SiteHave { role, floor, head });
        have
    }

    fn after(looks: &[(u64, u8)]) -> Check {
        let mut heads = Heads::default();
        for ((seq, chain), at_ms) in looks.iter().zip((0..).step_by(1_000)) {
            heads.look(NodeId(4), &held(*seq, *chain), at_ms);
        }
        check(&heads)
    }

    #[test]
    fn heads_that_grow_pass() {
        let check = after(&[(1, 1), (1, 1), (7, 2)]);
        assert!(
            check.passed && check.detail.starts_with("3 heads in 3 looks"),
            "{}",
            check.detail
        );
    }

    #[test]
    fn a_head_that_goes_back_is_noticed() {
        let check = after(&[(5, 1), (4, 1)]);
        let told = format!("gate 4 held site {} up to 5, at second 1 up to 4", GATES[0]);
        assert!(!check.passed && check.detail == told, "{}", check.detail);
    }

    #[test]
    fn another_branch_is_noticed() {
        let check = after(&[(5, 1), (5, 2)]);
        assert!(check.detail.contains("on another branch"), "{}", check.detail);
    }

    #[test]
    fn a_replaced_disk_is_excused_and_counted() {
        let mut heads = Heads::default();
        heads.look(NodeId(4), &held(5, 1), 0);
        heads.disk_replaced(NodeId(4));
        heads.look(NodeId(4), &held(2, 3), 1_000);
        let check = check(&heads);
        assert!(
            check.passed && check.detail.contains("1 disks"),
            "{}",
            check.detail
        );
    }
}
