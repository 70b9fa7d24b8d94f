//! No acknowledged tap is lost (I6): every tap that a gate answered is in the hub's ledger, and in the journal of the
//! gate that answered it.

use super::{Check, Violations};
use crate::world::World;

/// Compares the taps answered with the hub and the gates.
#[must_use]
pub fn check(world: &World) -> Check {
    let mut missing = Violations::default();
    for answered in &world.oracle.answered {
        let (site, seq) = answered.changeset;
        let tap = &answered.decision.tap;
        if world.oracle.is_lost(site, seq) {
            continue;
        }
        // A gate that does not run any more cannot be asked.
        let own = world
            .gates
            .get(&answered.gate)
            .is_none_or(|gate| gate.head(site).seq >= seq);
        for (place, held) in [
            ("the hub", world.hub.head(site).seq >= seq),
            ("its own gate", own),
        ] {
            if !held {
                missing.note(format!(
                    "the tap of {} at {} (second {}) is not at {place}",
                    tap.card,
                    answered.gate,
                    answered.at_ms / 1_000
                ));
            }
        }
    }
    let count = world.oracle.answered.len();
    missing.into_check(
        "no acknowledged tap lost",
        format!("all {count} taps are at the hub"),
    )
}
