//! Changes of unknown kinds are kept and relayed: what a newer version wrote is in the journal of the hub and of every
//! gate that wants its site, byte for byte, and listed there for the day when this version is replaced (design 3).
//!
//! Would fail if a node dropped, rewrote or choked on a change that it does not understand, or forgot that it has to
//! come back to it. Excused, and counted: what went down with a disk before anybody had a copy.

use sync_protocol::changeset::{Body, Run};
use sync_protocol::have::{Have, Range};
use sync_protocol::id::{Seq, SiteId};

use super::{Check, Violations, second};
use crate::oracle::{Opaque, Oracle};
use crate::world::World;

/// Bytes of bodies asked for when one changeset is wanted: the smallest piece.
const PIECE_BYTES: usize = 1;

/// A node that has to keep the changes.
struct Keeper<'a> {
    name: String,
    have: &'a Have,
    read: &'a dyn Fn(Range) -> Option<Run>,
    /// Changes kept for a later version, as it says.
    listed: u64,
}

/// Looks at every node's copy of every such change.
///
/// # Errors
/// A store cannot be read.
pub fn check(world: &World) -> anyhow::Result<Check> {
    let mut kept = Kept::new(&world.oracle);
    let read = |range| world.hub.read(range, PIECE_BYTES);
    kept.at(&Keeper {
        name: "the hub".to_owned(),
        have: world.hub.held(),
        read: &read,
        listed: world.hub.opaque(),
    });
    for gate in world.gates.values() {
        let read = |range| gate.read(range, PIECE_BYTES);
        kept.at(&Keeper {
            name: format!("gate {}", gate.code()),
            have: gate.have(),
            read: &read,
            listed: gate.set_aside()?.1,
        });
    }
    Ok(kept.into_check())
}

/// What was found.
struct Kept<'a> {
    changes: Vec<&'a Opaque>,
    lost: usize,
    copies: u64,
    violations: Violations,
}

impl<'a> Kept<'a> {
    fn new(oracle: &'a Oracle) -> Kept<'a> {
        let changes = oracle.opaque.iter();
        let changes: Vec<_> = changes
            .filter(|change| !oracle.is_lost(change.id.site, change.id.seq))
            .collect();
        Kept {
            lost: oracle.opaque.len() - changes.len(),
            changes,
            copies: 0,
            violations: Violations::default(),
        }
    }

    /// Looks at one node. It wants the sites that it holds anything of; whether it lacks one is a matter of heads.
    fn at(&mut self, keeper: &Keeper<'_>) {
        let mut wanted = 0;
        for change in &self.changes {
            let id = change.id;
            if keeper.have.head(id.site).seq < id.seq {
                continue;
            }
            wanted += 1;
            // Cut off since: its body is kept aside, and it stays on the list.
            let floor = keeper.have.get(id.site).map_or(Seq::NONE, |have| have.floor);
            if id.seq <= floor {
                continue;
            }
            let (first, last) = (id.seq, id.seq);
            let run = (keeper.read)(Range {
                site: id.site,
                first,
                last,
            });
            let found = run.and_then(|run| content_of(&run, id.site, usize::from(id.index)));
            if found.as_ref() == Some(&change.content) {
                self.copies += 1;
            } else {
                self.violations.note(format!(
                    "{} does not keep what {} wrote at {} as it was written",
                    keeper.name,
                    change.node,
                    second(change.at_ms)
                ));
            }
        }
        if keeper.listed < wanted {
            self.violations.note(format!(
                "{} has {wanted} changes of unknown kinds and lists {} for a later version",
                keeper.name, keeper.listed
            ));
        }
    }

    fn into_check(self) -> Check {
        let lost = match self.lost {
            0 => String::new(),
            lost => format!("; {lost} went down with a disk"),
        };
        let detail = format!(
            "{} changes of unknown kinds in {} copies, byte for byte{lost}",
            self.changes.len(),
            self.copies
        );
        self.violations
            .into_check("unknown changes kept and relayed", detail)
    }
}

/// The content of a change in the first changeset of a run.
fn content_of(run: &Run, site: SiteId, index: usize) -> Option<Vec<u8>> {
    let body = run.bodies.first().filter(|_| run.site == site)?;
    let body = Body::decode(body).ok()?;
    body.changes.get(index).map(|change| change.content.to_vec())
}

#[cfg(test)]
mod tests {
    use sync_protocol::changeset::{Change, Head, Signature, SiteRole};
    use sync_protocol::have::SiteHave;
    use sync_protocol::id::{FactId, NodeId};
    use sync_protocol::time::Stamp;

    use super::super::sample::{GATES, terminal};
    use super::*;

    fn oracle() -> Oracle {
        let (site, seq, index) = (GATES[0], Seq(2), 0);
        let mut oracle = Oracle::default();
        oracle.opaque.push(Opaque {
            id: FactId { site, seq, index },
            node: NodeId(1),
            content: vec![200, 1, 2],
            at_ms: 3_000,
        });
        oracle
    }

    fn at(content: &'static [u8], listed: u64) -> Check {
        let mut have = Have::default();
        let (role, floor) = (SiteRole::Gate(terminal("A")), Seq::NONE);
        let mut head = Head::empty(GATES[0]);
        head.seq = Seq(2);
        have.advance(GATES[0], SiteHave { role, floor, head });
        let change = Change {
            at: None,
            content: content.into(),
        };
        let (at, changes) = (Stamp::at_ms(1), vec![change]);
        let body = Body { at, changes }.encode().unwrap();
        let read = |range: Range| {
            Some(Run {
                site: range.site,
                first: range.first,
                bodies: vec![body.clone()],
                signature: Signature([0; 64]),
            })
        };
        let oracle = oracle();
        let mut kept = Kept::new(&oracle);
        let (name, have, read) = ("gate A-1".to_owned(), &have, &read);
        kept.at(&Keeper {
            name,
            have,
            read,
            listed,
        });
        kept.into_check()
    }

    #[test]
    fn a_copy_byte_for_byte_passes() {
        let check = at(&[200, 1, 2], 1);
        assert!(
            check.passed && check.detail.contains("in 1 copies"),
            "{}",
            check.detail
        );
    }

    #[test]
    fn a_changed_copy_and_a_forgotten_list_are_noticed() {
        let changed = at(&[200, 1, 3], 1);
        assert!(
            !changed.passed && changed.detail.contains("gate 1 wrote at second 3"),
            "{}",
            changed.detail
        );
        let forgotten = at(&[200, 1, 2], 0);
        assert!(forgotten.detail.contains("lists 0"), "{}", forgotten.detail);
    }
}
