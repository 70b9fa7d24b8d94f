//! Fares searched in whole lists.

use std::collections::BTreeMap;

use sync_protocol::fact::{Fact, OrderedFact};
use sync_protocol::fare::{FareVersion, OrphanPolicy};
use sync_protocol::id::TerminalCode;
use sync_protocol::money::Money;

use super::in_order;

/// The fare versions as plain lists, one per version number.
#[derive(Clone, Debug)]
pub struct Fares {
    versions: BTreeMap<u32, FareVersion>,
}

impl Fares {
    /// Of two facts with one version number the first in order counts.
    #[must_use]
    pub fn new(facts: &[OrderedFact]) -> Fares {
        let mut versions = BTreeMap::new();
        for fact in in_order(facts.iter()) {
            if let Fact::FareVersion(version) = &fact.fact {
                versions.entry(version.version).or_insert_with(|| version.clone());
            }
        }
        Fares { versions }
    }

    /// The highest fare of a version from a terminal.
    pub(in crate::check) fn highest_from(version: &FareVersion, from: TerminalCode) -> Option<Money> {
        fares_from(version, from).into_iter().max()
    }

    /// The highest version number among those with effective_from <= the time.
    pub(super) fn effective_at(&self, ms: i64) -> Option<&FareVersion> {
        let in_force = self
            .versions
            .values()
            .filter(|version| version.effective_from_ms <= ms);
        in_force.max_by_key(|version| version.version)
    }
}

pub(super) fn fare_of(version: &FareVersion, from: TerminalCode, to: TerminalCode) -> Option<Money> {
    let mut routes = version.fares();
    routes
        .find(|(origin, destination, _)| (*origin, *destination) == (from, to))
        .map(|(_, _, price)| price)
}

pub(super) fn fares_from(version: &FareVersion, terminal: TerminalCode) -> Vec<Money> {
    let routes = version.fares().filter(|(origin, _, _)| *origin == terminal);
    routes.map(|(_, _, price)| price).collect()
}

pub(super) fn fares_into(version: &FareVersion, terminal: TerminalCode) -> Vec<Money> {
    let routes = version
        .fares()
        .filter(|(_, destination, _)| *destination == terminal);
    routes.map(|(_, _, price)| price).collect()
}

pub(super) fn orphan_charge(policy: OrphanPolicy, fares: Vec<Money>) -> Money {
    let charge = match policy {
        OrphanPolicy::Release => None,
        OrphanPolicy::ChargeMax => fares.into_iter().max(),
        OrphanPolicy::ChargeMin => fares.into_iter().min(),
    };
    charge.unwrap_or(Money::ZERO)
}
