//! Everybody is level: heads, journals' chains, settled cards, fares and shared tables are the same wherever they
//! ought to be the same, and the hub has settled everything.

use std::borrow::Cow;
use std::collections::BTreeSet;

use edge_node::store::StoreDigest;
use sync_protocol::have::Have;
use sync_protocol::id::SiteId;

use super::{Check, Violations};
use crate::node::gate::GateNode;
use crate::world::World;

/// Whether everything is level. Asks what is cheap to know first.
///
/// # Errors
/// A store cannot be read.
pub fn is_reached(world: &World) -> anyhow::Result<bool> {
    let hub = world.hub.have();
    let ended = world.ended_logs();
    let holds_all = |gate: &GateNode| {
        let terminal = Some(gate.terminal());
        less(gate.have(), &ended).digest(terminal) == less(hub, &ended).digest(terminal)
            && gate.uncovered() == 0
    };
    Ok(!world.hub.has_unsettled() && world.gates.values().all(holds_all) && find(world)?.is_empty())
}

/// What is held, less some sites.
fn less<'a>(have: &'a Have, sites: &BTreeSet<SiteId>) -> Cow<'a, Have> {
    if sites.is_empty() {
        return Cow::Borrowed(have);
    }
    let mut rest = Have::default();
    for (site, held) in have.wanted_by(None).filter(|(site, _)| !sites.contains(site)) {
        rest.advance(site, *held);
    }
    Cow::Owned(rest)
}

/// What is not level, in words; empty when everything is.
///
/// # Errors
/// A store cannot be read.
pub fn find(world: &World) -> anyhow::Result<Vec<String>> {
    let mut uneven = Vec::new();
    if world.hub.has_unsettled() {
        uneven.push("the hub has facts that it has not settled".to_owned());
    }
    let ended = world.ended_logs();
    let hub_have = less(world.hub.have(), &ended);
    let mut tables: Vec<(StoreDigest, Vec<String>)> = Vec::new();
    for gate in world.gates.values() {
        let terminal = Some(gate.terminal());
        let (theirs, ours) = (less(gate.have(), &ended), &hub_have);
        if theirs.digest(terminal) != ours.digest(terminal) {
            for (site, have) in ours.wanted_by(terminal) {
                let head = theirs.head(site);
                if head != have.head {
                    let (held, hub) = (head.seq, have.head.seq);
                    uneven.push(format!(
                        "gate {} holds site {site} up to {held}, the hub up to {hub}",
                        gate.code()
                    ));
                }
            }
            uneven.push(format!(
                "gate {} and the hub differ in what they hold",
                gate.code()
            ));
        }
        if gate.settled_digest()? != world.hub.settled_digest() {
            uneven.push(format!(
                "gate {} shows other card states than the hub settled",
                gate.code()
            ));
        }
        if gate.uncovered() > 0 {
            uneven.push(format!(
                "gate {} has taps that no settled state covers",
                gate.code()
            ));
        }
        let digest = gate.digest()?;
        // The extension merged one, the hub's own merge the other.
        if digest.rows != world.hub.rows_digest() {
            uneven.push(format!(
                "gate {} and the hub differ in the shared tables",
                gate.code()
            ));
        }
        match tables.iter_mut().find(|(known, _)| *known == digest) {
            Some((_, gates)) => gates.push(gate.code().to_string()),
            None => tables.push((digest, vec![gate.code().to_string()])),
        }
    }
    if tables.len() > 1 {
        let groups: Vec<String> = tables.iter().map(|(_, gates)| gates.join(", ")).collect();
        uneven.push(format!("the gates' tables differ: {}", groups.join(" / ")));
    }
    Ok(uneven)
}

/// The check at the end of a run.
///
/// # Errors
/// A store cannot be read.
pub fn check(world: &World) -> anyhow::Result<Check> {
    let mut violations = Violations::default();
    find(world)?
        .into_iter()
        .for_each(|uneven| violations.note(uneven));
    let sites = world.hub.have().wanted_by(None).count();
    let detail = format!(
        "{} gates and the hub agree on {sites} sites, all cards and the shared tables",
        world.gates.len()
    );
    Ok(violations.into_check("heads and digests equal everywhere", detail))
}
