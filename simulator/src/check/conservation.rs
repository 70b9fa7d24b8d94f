//! Money is conserved (I2, I8): after every step of the hub its journal sums to 0, and what it booked for a card is
//! the balance that the fold shows; for the cards of that step, and for all cards at the end.
//!
//! Would fail if an entry had one side only, or if bookings and fold went apart. Nothing is excused.

use sync_protocol::id::CardId;

use super::{Check, Violations};
use crate::node::hub::HubNode;
use crate::world::World;

/// What was looked at after every step.
#[derive(Debug, Default)]
pub struct Books {
    settles: u64,
    violations: Violations,
}

impl Books {
    /// Looks at the hub's books after it settled. Returns the cards that something happened to.
    pub fn after_settle(&mut self, hub: &mut HubNode) -> Vec<CardId> {
        self.settles += 1;
        let touched = hub.touched_cards();
        if let Err(imbalance) = hub.check_books(&touched) {
            self.violations
                .note(format!("after settling step {}: {imbalance}", self.settles));
        }
        touched
    }
}

/// The check at the end of a run.
#[must_use]
pub fn check(world: &World) -> Check {
    let settles = world.steps.books.settles;
    let mut violations = world.steps.books.violations.clone();
    if let Err(imbalance) = world.hub.check_all_books() {
        violations.note(format!("at the end: {imbalance}"));
    }
    let detail = format!("the books balanced after each of {settles} settling steps, and at the end");
    violations.into_check("money conserved at every step", detail)
}
