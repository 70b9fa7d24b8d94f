//! What has not come to rest, and why: which node lacks which part of which log, who has it, whether they hear each
//! other, what their engines gave up, and what was put aside.

use std::fmt::Write as _;

use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::peer::{Peer, PeerStats};

use super::World;
use crate::network::Link;

/// Most peers that are named with one gap.
const PEERS_NAMED_MAX: usize = 4;

impl World {
    /// What is pending, one line each, in words; empty when nothing is. A store that cannot be read says nothing.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        let nodes: Vec<NodeId> = self.presences.keys().copied().collect();
        let mut lines = Vec::new();
        let ended = self.ended_logs();
        for node in nodes {
            if !self.runs(node) {
                lines.push(format!("{} does not run", self.name(node)));
                continue;
            }
            for (site, head) in self
                .oracle
                .heads()
                .into_iter()
                .filter(|(site, _)| !ended.contains(site))
            {
                if let Some(line) = self.gap(node, site, head) {
                    lines.push(line);
                }
            }
            lines.extend(self.put_aside(node));
        }
        if self.hub.has_unsettled() {
            lines.push("the hub has facts that it has not settled".to_owned());
        }
        lines
    }

    /// What a node lacks of a log that it wants, and why it does not get it.
    fn gap(&self, node: NodeId, site: SiteId, head: Seq) -> Option<String> {
        let wanted = match self.gates.get(&node) {
            Some(gate) => self
                .hub
                .held()
                .get(site)
                .is_none_or(|have| have.wanted_by(Some(gate.terminal()))),
            None => node.is_hub(),
        };
        let held = self.held_to(node, site);
        if !wanted || held >= head {
            return None;
        }
        let writer = self
            .oracle
            .writer(site)
            .map_or_else(|| "nobody".to_owned(), |writer| self.name(writer));
        let mut line = format!(
            "{} lacks changesets {} to {head} of site {site}, which {writer} writes",
            self.name(node),
            held.next(),
        );
        let holders = self
            .presences
            .keys()
            .filter(|peer| **peer != node && self.held_to(**peer, site) > held);
        let holders: Vec<NodeId> = holders.copied().collect();
        if holders.is_empty() {
            line.push_str("; nobody who runs has them");
        }
        for holder in holders.iter().take(PEERS_NAMED_MAX) {
            let link = Link::between(node, *holder);
            let standing = match (self.network.connection(link).is_some(), self.network.is_up(link)) {
                (true, true) => "is connected",
                (true, false) => "is cut off and has not noticed",
                (false, true) => "is not connected",
                (false, false) => "is cut off",
            };
            let known = self
                .engine(node)
                .map_or(Seq::NONE, |engine| engine.known_of(*holder, site));
            let _ = write!(
                line,
                "; {} has them, {standing}, and said so up to {known}",
                self.name(*holder)
            );
        }
        if let Some(engine) = self.engine(node) {
            line.push_str(&given_up(engine));
        }
        Some(line)
    }

    /// What a gate's store has put aside.
    fn put_aside(&self, node: NodeId) -> Option<String> {
        let (quarantined, kept) = self.gates.get(&node)?.set_aside().ok()?;
        let first = quarantined.first()?;
        Some(format!(
            "{} put {} changes into the quarantine and keeps {kept} for a later version; the first: {} of {}: {}",
            self.name(node),
            quarantined.len(),
            first.seq,
            first.site,
            first.reason
        ))
    }

    fn held_to(&self, node: NodeId, site: SiteId) -> Seq {
        match self.gates.get(&node) {
            Some(gate) => gate.head(site).seq,
            None if node.is_hub() => self.hub.held().head(site).seq,
            None => Seq::NONE,
        }
    }

    fn engine(&self, node: NodeId) -> Option<&Peer> {
        if node.is_hub() {
            return Some(self.hub.engine());
        }
        self.gates.get(&node).map(crate::node::gate::GateNode::engine)
    }

    fn name(&self, node: NodeId) -> String {
        match self.machines.get(&node) {
            Some(machine) => format!("gate {}", machine.code),
            None => "the hub".to_owned(),
        }
    }
}

/// What an engine refused, dropped or waited for in vain, over all its peers.
fn given_up(engine: &Peer) -> String {
    let sum = |count: fn(&PeerStats) -> u64| engine.stats().map(|(_, stats)| count(stats)).sum::<u64>();
    let counts = [
        ("requests expired", sum(|stats| stats.requests_expired)),
        (
            "runs with a wrong signature",
            sum(|stats| stats.refused_signature),
        ),
        (
            "runs of nodes not admitted",
            sum(|stats| stats.refused_not_admitted),
        ),
        ("runs refused otherwise", sum(|stats| stats.refused_other)),
        ("malformed runs", sum(|stats| stats.malformed_runs)),
        ("runs too many at a time", sum(|stats| stats.overruns)),
        ("early runs dropped", sum(|stats| stats.early_dropped)),
        ("forks told", sum(|stats| stats.forks_told)),
    ];
    let said = counts.iter().filter(|(_, count)| *count > 0);
    let said: Vec<String> = said.map(|(what, count)| format!("{count} {what}")).collect();
    if said.is_empty() {
        String::new()
    } else {
        format!("; its engine counts {}", said.join(", "))
    }
}
