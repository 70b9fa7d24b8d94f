//! Everybody is level within the time the scenario states (I9): after every fault, with what had been committed when
//! it ended; and after the last tap, with everything. Time in which another fault lasts does not count.

use super::{Check, Violations};
use crate::world::World;

/// Compares the times it took with the time allowed.
#[must_use]
pub fn check(world: &World, rested_after_ms: Option<i64>) -> Check {
    let allowed_s = world.scenario.converge_within_s;
    let mut violations = Violations::default();
    for (number, touched) in (1..).zip(&world.touched) {
        if touched.level_after_ms.is_none() {
            violations.note(format!(
                "{allowed_s} s after fault {number} ended, somebody still lacked what was committed before"
            ));
        }
    }
    if rested_after_ms.is_none() {
        violations.note(format!("not level {allowed_s} s after the last tap and fault"));
    }
    if violations.count > 0 {
        world.pending().into_iter().for_each(|line| violations.note(line));
    }
    let took_ms = longest_ms(world, rested_after_ms);
    let took = took_ms.map_or("not in time".to_owned(), |took_ms| format!("{took_ms} ms"));
    let check = violations.into_check(
        "converges in time",
        format!("level within {took}; {allowed_s} s are allowed"),
    );
    check.measured(took, format!("at most {allowed_s} s"))
}

/// The longest it took to become level, after a fault or after the last tap; `None` when it never came to that.
#[must_use]
pub fn longest_ms(world: &World, rested_after_ms: Option<i64>) -> Option<i64> {
    let after_faults = world
        .touched
        .iter()
        .map(|touched| touched.level_after_ms.map(|_| touched.undisturbed_ms));
    after_faults
        .chain([rested_after_ms])
        .try_fold(0, |longest, took_ms| Some(longest.max(took_ms?)))
}
