//! Money is conserved (I2, I8): after every step of the hub its journal sums to 0, and what it booked for a card is
//! the balance that the fold shows.

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
    /// Looks at the hub's books after it settled.
    pub fn after_settle(&mut self, hub: &mut HubNode) {
        self.settles += 1;
        if let Err(imbalance) = hub.check_books() {
            self.violations
                .note(format!("after settling step {}: {imbalance}", self.settles));
        }
    }
}

/// The check at the end of a run.
#[must_use]
pub fn check(world: &World) -> Check {
    let settles = world.steps.books.settles;
    let detail = format!("the books balanced after each of {settles} settling steps");
    world
        .steps
        .books
        .violations
        .clone()
        .into_check("money conserved at every step", detail)
}
