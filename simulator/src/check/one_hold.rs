//! At most one hold and one charge (I3): no card has two open journeys, and no tap is charged twice.

use std::collections::BTreeSet;

use sync_protocol::journey::JourneyStatus;

use super::{Check, Violations};
use crate::world::World;

/// Looks through the hub's projections.
#[must_use]
pub fn check(world: &World) -> Check {
    let mut violations = Violations::default();
    let mut journeys = 0;
    for (card, _) in world.oracle.cards() {
        let Some(projection) = world.hub.projection(card) else {
            continue;
        };
        journeys += projection.journeys.len();
        if projection.count(JourneyStatus::Active) > 1 {
            violations.note(format!("{card} has two journeys under way"));
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
        "one hold and one charge per journey",
        format!("{journeys} journeys, each tap in one of them"),
    )
}
