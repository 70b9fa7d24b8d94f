//! What a run leaves to tell besides its checks: what went down with disks, in rupiah, and what had not arrived at
//! the end.

use sync_protocol::id::NodeId;

use super::chart::grouped;
use crate::check::level;
use crate::oracle::{Absence, DiskLoss, LostDisk};
use crate::world::World;

/// One line per lost disk: what only it held at that moment.
pub(super) fn lost(world: &World) -> Vec<String> {
    let disks = world.oracle.lost_disks.iter();
    disks.map(|disk| lost_in_words(world, disk)).collect()
}

fn lost_in_words(world: &World, disk: &LostDisk) -> String {
    let how = match disk.loss {
        DiskLoss::Wiped => "lost its disk",
        DiskLoss::Restored => "went back to an older copy of its disk",
        DiskLoss::Removed => "was removed with its disk",
    };
    let (gate, second) = (name(world, disk.gate), disk.at_ms / 1_000);
    if disk.taps() == 0 {
        return format!("{gate} {how} at second {second}: it held no tap that nobody else had");
    }
    let sum = |count: fn(&crate::oracle::LostTail) -> u64| disk.tails.iter().map(count).sum::<u64>();
    let rupiah = |amount: fn(&crate::oracle::LostTail) -> sync_protocol::money::Money| {
        let total: sync_protocol::money::Money = disk.tails.iter().map(amount).sum();
        grouped(total.as_hundredths() / 100)
    };
    format!(
        "{gate} {how} at second {second}: nobody else had {} entries (Rp {} held) and {} exits (Rp {} quoted)",
        sum(|tail| tail.entries),
        rupiah(|tail| tail.holds),
        sum(|tail| tail.exits),
        rupiah(|tail| tail.fares),
    )
}

/// What is not level, and which nodes do not run; empty when everybody is level.
///
/// # Errors
/// A store cannot be read.
pub(crate) fn pending(world: &World) -> anyhow::Result<Vec<String>> {
    let mut lines = level::find(world)?;
    if lines.is_empty() {
        return Ok(lines);
    }
    let ongoing = world.oracle.downtimes.iter();
    for downtime in ongoing.filter(|downtime| downtime.until_ms.is_none()) {
        let why = match downtime.absence {
            Absence::Down => "does not run",
            Absence::Paused => "stands still",
            Absence::NotYet => "is not there yet",
            Absence::Removed => "was removed",
        };
        let (node, second) = (name(world, downtime.node), downtime.from_ms / 1_000);
        lines.push(format!("because {node} {why} since second {second}"));
    }
    Ok(lines)
}

fn name(world: &World, node: NodeId) -> String {
    if node.is_hub() {
        return "the hub".to_owned();
    }
    let topology = world.scenario.topology();
    let found = topology.deciding_gates().find(|(gate, _)| gate.id.node() == node);
    found.map_or_else(|| node.to_string(), |(_, site)| format!("gate {}", site.code))
}
