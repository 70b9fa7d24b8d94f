//! The facts of a card that a node has at a moment, and the orders in which they may have come to it.

use std::collections::BTreeMap;

use sync_protocol::fact::{Fact, OrderedFact};
use sync_protocol::id::SiteId;

use crate::check::reference;
use crate::node::gate::GateNode;

/// Orders of arrival that are tried at most.
pub(super) const ORDERS_MAX: usize = 64;

/// The facts of one card that one node has.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Prefix<'a> {
    /// Covered by settled states, in the order of the fold.
    pub(in crate::check) covered: Vec<&'a OrderedFact>,
    /// Covered by none: per site, in the order of the site.
    pub(in crate::check) uncovered: BTreeMap<SiteId, Vec<&'a OrderedFact>>,
}

/// What a gate has of a card's facts: everything that its settled states cover, its terminal's taps that they do not, and
/// the hub's changes of the card's status.
pub(super) fn gate_prefix<'a>(gate: &GateNode, facts: &'a [OrderedFact]) -> Prefix<'a> {
    let is_covered = |fact: &OrderedFact| fact.key.id.seq <= gate.covered(fact.key.id.site);
    let mut prefix = Prefix::default();
    let mut covered: Vec<&OrderedFact> = facts.iter().filter(|fact| is_covered(fact)).collect();
    for fact in facts.iter().filter(|fact| !is_covered(fact)) {
        let site = fact.key.id.site;
        // Its own taps are known before they are signed.
        if site != gate.site() && fact.key.id.seq > gate.have().seq(site) {
            continue;
        }
        match &fact.fact {
            Fact::Tap(tap) if tap.terminal == gate.terminal() => {
                prefix.uncovered.entry(site).or_default().push(fact);
            }
            Fact::CardStatus { .. } => covered.push(fact),
            _ => {}
        }
    }
    for facts in prefix.uncovered.values_mut() {
        facts.sort_by_key(|fact| (fact.key.id.seq, fact.key.id.index));
    }
    prefix.covered = reference::in_order(covered.into_iter());
    prefix
}

/// The orders in which the uncovered taps may have come, by stamps first: each site's own order is known.
pub(super) fn orders<'a>(prefix: &Prefix<'a>) -> Vec<Vec<&'a OrderedFact>> {
    let sites: Vec<&Vec<&OrderedFact>> = prefix.uncovered.values().collect();
    let mut by_stamp: Vec<&OrderedFact> = sites.iter().flat_map(|facts| facts.iter().copied()).collect();
    by_stamp.sort_by_key(|fact| fact.key);
    let mut orders = vec![by_stamp];
    if sites.len() > 1 {
        interleave(&sites, &mut vec![0; sites.len()], &mut Vec::new(), &mut orders);
    }
    orders
}

fn interleave<'a>(
    sites: &[&Vec<&'a OrderedFact>],
    taken: &mut [usize],
    order: &mut Vec<&'a OrderedFact>,
    orders: &mut Vec<Vec<&'a OrderedFact>>,
) {
    if orders.len() >= ORDERS_MAX {
        return;
    }
    let mut is_whole = true;
    for (place, facts) in sites.iter().enumerate() {
        let Some(fact) = facts.get(taken[place]) else {
            continue;
        };
        is_whole = false;
        taken[place] += 1;
        order.push(fact);
        interleave(sites, taken, order, orders);
        order.pop();
        taken[place] -= 1;
    }
    if is_whole {
        orders.push(order.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::sample;

    #[test]
    fn every_order_that_keeps_each_sites_own_is_tried() {
        let facts = [
            sample::facts_of(sample::card(1), 1),
            sample::facts_of(sample::card(1), 2),
        ]
        .concat();
        let of = |site| {
            facts
                .iter()
                .filter(|fact| fact.key.id.site == site)
                .collect::<Vec<_>>()
        };
        let uncovered = BTreeMap::from(sample::GATES.map(|site| (site, of(site))));
        let (a, b) = (of(sample::GATES[0]).len(), of(sample::GATES[1]).len());
        assert_eq!((a, b), (4, 2));
        // 6 over 2, and the one by stamps.
        let covered = Vec::new();
        assert_eq!(orders(&Prefix { covered, uncovered }).len(), 15 + 1);
    }
}
