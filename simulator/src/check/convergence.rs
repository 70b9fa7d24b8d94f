//! After the last fault and the last tap everybody is level within the time the scenario states (I9).

use super::Check;
use crate::world::World;

/// Compares the time it took with the time allowed.
#[must_use]
pub fn check(world: &World, converged_after_ms: Option<i64>) -> Check {
    let allowed_s = world.scenario.converge_within_s;
    let detail = match converged_after_ms {
        Some(took_ms) => format!(
            "level {} ms after the last tap and fault; {allowed_s} s are allowed",
            took_ms
        ),
        None => format!("not level {allowed_s} s after the last tap and fault"),
    };
    Check {
        name: "converges in time",
        passed: converged_after_ms.is_some(),
        detail,
    }
}
