//! An exit is never denied (I7), whatever the gate knows, wherever the gate lets passengers out.

use sync_protocol::fact::{Direction, Reason};

use super::{Check, Violations};
use crate::world::World;

/// Looks through all answers.
#[must_use]
pub fn check(world: &World) -> Check {
    let mut violations = Violations::default();
    let mut exits = 0_u64;
    for answered in &world.oracle.answered {
        let tap = &answered.decision.tap;
        if tap.direction != Direction::Exit || tap.reason == Reason::WrongGate {
            continue;
        }
        exits += 1;
        if !tap.accepted {
            violations.note(format!(
                "{} was kept in at {} (second {})",
                tap.card,
                answered.gate,
                answered.at_ms / 1_000
            ));
        }
    }
    violations.into_check("exit never denied", format!("{exits} exits, all opened"))
}
