//! CLONED_NODE: two processes with one node's key, seen by their heartbeats.
//!
//! Every start of a gate writes a site of its own and names it in its heartbeats. A restart names another one and never
//! the earlier one again. So an earlier site that is named again, later than before, is that of a process which did not
//! end: a disk or a machine was copied, and the copy and its original both run (T-35). It may be a heartbeat that was
//! relayed late; the second time it is not.
//!
//! The hub is left out: its sites change with the lease, from process to process.

use std::collections::BTreeMap;

use crate::changeset::PublicKey;
use crate::id::{NodeId, SiteId};
use crate::time::Stamp;
use crate::wire::Heartbeat;

/// Most nodes remembered.
const NODES_MAX: usize = 32_768;
/// Most sites remembered of one node.
const SITES_MAX: usize = 4;
/// An earlier site was named again so often: it is no late heartbeat.
const RETURNS_MIN: u32 = 2;
/// An alarm ends when nothing spoke for it this long, monotonic milliseconds; later it is told anew.
pub const EPISODE_MS: i64 = 10 * 60 * 1_000;

/// What was heard of one key.
#[derive(Clone, Debug, Default)]
struct Heard {
    /// Its sites, the one named last at the end.
    sites: Vec<(SiteId, Stamp)>,
    returns: u32,
    returned_ms: i64,
}

/// A node of which two processes were heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cloned {
    /// The node.
    pub node: NodeId,
    /// The sites that its two processes write.
    pub sites: [SiteId; 2],
    /// Whether this is news: told once in an episode.
    pub is_news: bool,
}

/// The live sites of all nodes that were heard.
#[derive(Clone, Debug, Default)]
pub struct LiveSites {
    nodes: BTreeMap<(NodeId, PublicKey), Heard>,
}

impl LiveSites {
    /// Notes a verified heartbeat. Says so when it shows that two processes of its node run.
    pub fn hear(&mut self, beat: &Heartbeat, now_ms: i64) -> Option<Cloned> {
        let [(site, _)] = beat.sites[..] else {
            return None;
        };
        let key = (beat.node, beat.key);
        if beat.node.is_hub() || (self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&key)) {
            return None;
        }
        let heard = self.nodes.entry(key).or_default();
        if heard.returns > 0 && now_ms - heard.returned_ms >= EPISODE_MS {
            heard.returns = 0;
        }
        let other = heard.sites.last().filter(|(last, _)| *last != site).copied();
        let known = heard.sites.iter().position(|(known, _)| *known == site);
        let before = known.map(|place| heard.sites.remove(place).1);
        if heard.sites.len() >= SITES_MAX {
            heard.sites.remove(0);
        }
        heard.sites.push((site, before.map_or(beat.t, |t| t.max(beat.t))));
        let (other, _) = other.filter(|_| before.is_some_and(|before| beat.t > before))?;
        heard.returns = heard.returns.saturating_add(1);
        heard.returned_ms = now_ms;
        (heard.returns >= RETURNS_MIN).then_some(Cloned {
            node: beat.node,
            sites: [other, site],
            is_news: heard.returns == RETURNS_MIN,
        })
    }

    /// The nodes of which two processes were heard lately.
    pub fn clones(&self, now_ms: i64) -> impl Iterator<Item = NodeId> {
        let lately =
            move |heard: &Heard| heard.returns >= RETURNS_MIN && now_ms - heard.returned_ms < EPISODE_MS;
        let clones = self.nodes.iter().filter(move |(_, heard)| lately(heard));
        clones.map(|((node, _), _)| *node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changeset::{Head, Signature};

    fn beat(site: u8, t_ms: i64) -> Heartbeat {
        let site = SiteId([site; 16]);
        Heartbeat {
            node: NodeId(7),
            key: PublicKey([7; 32]),
            sites: vec![(site, Head::empty(site))],
            t: Stamp::at_ms(t_ms),
            signature: Signature([0; 64]),
        }
    }

    fn news(live: &mut LiveSites, site: u8, t_ms: i64) -> Option<bool> {
        live.hear(&beat(site, t_ms), t_ms).map(|clone| clone.is_news)
    }

    #[test]
    fn restarts_are_no_clones_even_if_an_old_heartbeat_comes_late() {
        let mut live = LiveSites::default();
        for (site, t_ms) in [(1, 10), (1, 20), (2, 30), (2, 40), (1, 15), (1, 25), (3, 50)] {
            assert_eq!(news(&mut live, site, t_ms), None, "{site} at {t_ms}");
        }
        assert_eq!(live.clones(60).count(), 0);
    }

    #[test]
    fn two_processes_that_both_go_on_are_told_of_once_in_an_episode() {
        let mut live = LiveSites::default();
        assert_eq!(news(&mut live, 1, 10), None);
        assert_eq!(news(&mut live, 2, 20), None);
        assert_eq!(news(&mut live, 1, 30), None);
        assert_eq!(news(&mut live, 2, 40), Some(true));
        assert_eq!(news(&mut live, 1, 50), Some(false));
        assert_eq!(live.clones(60).collect::<Vec<_>>(), [NodeId(7)]);
        assert_eq!(live.clones(50 + EPISODE_MS).count(), 0);
        assert_eq!(news(&mut live, 1, 60 + EPISODE_MS), None);
        assert_eq!(news(&mut live, 2, 70 + EPISODE_MS), None);
        assert_eq!(news(&mut live, 1, 80 + EPISODE_MS), Some(true));
    }
}
