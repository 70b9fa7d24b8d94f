//! Second branches are proven: who signs one log in two ways is found out, and the hub has both as evidence.
//!
//! Would fail if a second branch were taken for a duplicate, or for a damaged run. A branch that nobody took is excused:
//! there was nothing to find. That everybody holds the branch that counts in the end is what the check of level says.

use super::{Check, Violations};
use crate::world::World;

/// Looks at the hub's evidence.
#[must_use]
pub fn check(world: &World) -> Check {
    let proven: Vec<_> = world.hub.forks().collect();
    let mut violations = Violations::default();
    let met = world
        .two_branches
        .iter()
        .filter(|branches| branches.other_is_taken);
    for branches in met.clone() {
        let site = branches.run.site;
        if !proven.contains(&site) {
            violations.note(format!(
                "two branches of site {site} were about, and the hub has no proof"
            ));
        }
    }
    let detail = match met.count() {
        0 => "no log had two branches in this run".to_owned(),
        met => format!("{met} logs had two branches, and the hub has the proof of each"),
    };
    violations.into_check("second branches are proven", detail)
}
