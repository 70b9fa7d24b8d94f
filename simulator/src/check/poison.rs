//! One poisoned node never harms another (I11): what a hostile gate signs, and bad reference data that the hub
//! itself publishes, leaves every other node as it would be.
//!
//! For every such changeset: a run that does not fit its log is in nobody's journal; one that does is taken, put
//! aside and passed by, so that its site goes on; and no fare version in it is in force anywhere: every node prices by
//! exactly the versions that were honestly published. A run that reached nobody is excused. That heads, tables and money are equal besides is what the
//! checks of level and of money say. The gate that sends it is excused from all this, its own neighbours are not.

use std::collections::BTreeSet;

use sync_protocol::fact::Fact;
use sync_protocol::id::{NodeId, Seq, SiteId};

use super::{Check, Violations, second};
use crate::oracle::{Forged, Oracle};
use crate::world::World;

/// A node that must not be harmed.
pub struct Bystander<'a> {
    /// Which.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Up to where it holds a site.
    pub holds: &'a dyn Fn(SiteId) -> Seq,
    /// Whether it wants a site of this node.
    pub wants: &'a dyn Fn(SiteId) -> bool,
    /// The fare versions that it prices by.
    pub fares: BTreeSet<u32>,
}

/// Looks at the hub and every gate.
#[must_use]
pub fn check(world: &World) -> Check {
    let fares = world.oracle.fare_versions().iter();
    let fares = fares.filter_map(|fact| match &fact.fact {
        Fact::FareVersion(version) => Some(version.version),
        _ => None,
    });
    let is_forged = |version: &u32| {
        let mut forged = world.oracle.forged.iter();
        forged.any(|forged| forged.fare_versions.contains(version))
    };
    let honest = fares.filter(|version| !is_forged(version)).collect();
    let mut poisons = Poisons::new(&world.oracle, honest);
    poisons.at(&Bystander {
        node: NodeId::HUB,
        name: "the hub".to_owned(),
        holds: &|site| world.hub.held().seq(site),
        wants: &|_| true,
        fares: world.hub.fare_versions(),
    });
    for (node, gate) in world.gates.iter() {
        let wants = |site| {
            let have = world.hub.held().get(site);
            have.is_some_and(|have| have.wanted_by(Some(gate.terminal())))
        };
        poisons.at(&Bystander {
            node: *node,
            name: format!("gate {}", gate.code()),
            holds: &|site| gate.have().seq(site),
            wants: &wants,
            fares: gate.fare_versions(),
        });
    }
    poisons.into_check()
}

/// Looks at what everybody made of what was forged.
#[derive(Debug)]
pub struct Poisons<'a> {
    oracle: &'a Oracle,
    /// Versions that were honestly published.
    fares: BTreeSet<u32>,
    nodes: u64,
    violations: Violations,
}

impl<'a> Poisons<'a> {
    /// Knows what was forged and which fare versions are honest.
    #[must_use]
    pub fn new(oracle: &'a Oracle, fares: BTreeSet<u32>) -> Poisons<'a> {
        Poisons {
            oracle,
            fares,
            nodes: 0,
            violations: Violations::default(),
        }
    }

    /// Looks at one node.
    pub fn at(&mut self, bystander: &Bystander<'_>) {
        self.nodes += 1;
        let others = self
            .oracle
            .forged
            .iter()
            .filter(|forged| forged.node != bystander.node);
        let harms: Vec<String> = others
            .filter_map(|forged| Some(format!("{}: {}", told(forged), self.harm(forged, bystander)?)))
            .collect();
        harms.into_iter().for_each(|harm| self.violations.note(harm));
        if !self.oracle.forged.is_empty() && bystander.fares != self.fares {
            self.violations.note(format!(
                "{} prices by fare versions {:?}, {:?} were published",
                bystander.name, bystander.fares, self.fares
            ));
        }
    }

    fn harm(&self, forged: &Forged, bystander: &Bystander<'_>) -> Option<String> {
        let (first, last) = forged.seqs;
        let held = (bystander.holds)(forged.site);
        let honest = self.oracle.head(forged.site);
        let name = &bystander.name;
        if !forged.fits_log && held >= first && honest < first {
            return Some(format!("{name} took it into its journal"));
        }
        let wanted = forged.fits_log && (bystander.wants)(forged.site);
        // What reached nobody, because its sender was cut off all the time, cannot be asked of anybody.
        if wanted && held < last.min(honest) {
            return Some(format!("{name} got stuck at changeset {held} of {last}"));
        }
        if wanted && forged.refused_by.contains(&bystander.node) {
            return Some(format!("{name} refused what fits its log"));
        }
        let mut applied = forged.fare_versions.iter();
        let applied = applied.find(|version| bystander.fares.contains(version));
        applied.map(|version| format!("{name} applied fare version {version}"))
    }

    /// The check.
    #[must_use]
    pub fn into_check(self) -> Check {
        let detail = match self.oracle.forged.len() {
            0 => "nobody was poisoned in this run".to_owned(),
            forged => format!(
                "{forged} hostile or damaged changesets harmed none of {} nodes; fare versions {:?} in force",
                self.nodes, self.fares
            ),
        };
        self.violations
            .into_check("one poisoned node harms no other", detail)
    }
}

fn told(forged: &Forged) -> String {
    format!("{} from {} ({})", forged.what, forged.node, second(forged.at_ms))
}

#[cfg(test)]
mod tests {
    use super::super::sample::GATES;
    use super::*;

    fn at(fits_log: bool, held: u64, fares: &[u32]) -> Check {
        let mut oracle = Oracle::default();
        oracle.forged.push(Forged {
            node: NodeId(1),
            what: "a forged fare version".to_owned(),
            site: GATES[0],
            seqs: (Seq(4), Seq(5)),
            fits_log,
            fare_versions: vec![2],
            at_ms: 7_000,
            refused_by: BTreeSet::new(),
        });
        if fits_log {
            oracle.note_head(NodeId(1), GATES[0], Seq(5));
        }
        let mut poisons = Poisons::new(&oracle, BTreeSet::from([1]));
        let (node, name) = (NodeId(2), "gate A-EXIT-01".to_owned());
        let (holds, wants) = (|_| Seq(held), |_| true);
        let fares = fares.iter().copied().collect();
        poisons.at(&Bystander {
            node,
            name,
            holds: &holds,
            wants: &wants,
            fares,
        });
        poisons.into_check()
    }

    #[test]
    fn a_run_that_was_refused_and_one_that_was_put_aside_pass() {
        assert!(at(false, 3, &[1]).passed);
        let aside = at(true, 5, &[1]);
        assert!(
            aside.passed && aside.detail.contains("harmed none of 1 nodes"),
            "{}",
            aside.detail
        );
    }

    #[test]
    fn taking_it_getting_stuck_and_applying_it_are_noticed() {
        let taken = at(false, 5, &[1]);
        assert!(
            taken.detail.contains("took it into its journal"),
            "{}",
            taken.detail
        );
        let stuck = at(true, 3, &[1]);
        assert!(
            stuck.detail.contains("got stuck at changeset 3 of 5"),
            "{}",
            stuck.detail
        );
        let applied = at(true, 5, &[1, 2]);
        assert!(
            applied.detail.contains("applied fare version 2"),
            "{}",
            applied.detail
        );
        let lacking = at(true, 5, &[]);
        assert!(
            lacking.detail.contains("prices by fare versions {}"),
            "{}",
            lacking.detail
        );
    }
}
