//! At most one hold per card (I3): no card has two open journeys at the hub, what is held is the hold of the one
//! under way, and no tap belongs to two journeys.
//!
//! Would fail if the fold opened a journey over another, or released a hold by anything but an exit, a next entry or
//! a Close. Nothing is excused.

use std::collections::BTreeSet;

use sync_protocol::journey::JourneyStatus;
use sync_protocol::money::Money;

use super::{Check, Violations};
use crate::world::World;

/// Looks through the hub's projections.
#[must_use]
pub fn check(world: &World) -> Check {
    let mut violations = Violations::default();
    let mut journeys = 0;
    for card in world.oracle.cards() {
        let Some(projection) = world.hub.projection(card) else {
            continue;
        };
        journeys += projection.journeys.len();
        if projection.count(JourneyStatus::Active) > 1 {
            violations.note(format!("{card} has two journeys under way"));
        }
        let active = projection.journeys.iter();
        let active = active.filter(|journey| journey.status == JourneyStatus::Active);
        let held: Money = active.map(|journey| journey.hold).sum();
        if projection.held != held {
            violations.note(format!(
                "{card} has {} held, its journeys {held}",
                projection.held
            ));
        }
        let mut charged = BTreeSet::new();
        for journey in &projection.journeys {
            for tap in [journey.entry, journey.exit].into_iter().flatten() {
                if !charged.insert(tap.tap) {
                    violations.note(format!("{card}: one tap belongs to two journeys"));
                }
            }
        }
    }
    violations.into_check(
        "one hold per card",
        format!("{journeys} journeys, each tap in one of them"),
    )
}
