//! A gate whose disk is full lets people out, tells them that nothing was recorded, and comes back by itself.

use std::time::Duration;

use tests::harness::gate::{A_ENTRY, A_EXIT, GateName};
use tests::harness::network::{Databases, Network, SOON, case};
use tests::harness::small_disk::SmallDisk;
use tests::harness::wait::wait_for;

const CARD: &str = "TESTCARD0001";
/// The gate's database and its ballast take a part of it.
const DISK_MB: u32 = 16;
/// So many taps fit into no ballast of a megabyte.
const TAPS_MAX: usize = 50_000;
const FULL_LIMIT: Duration = Duration::from_secs(120);

#[test]
fn an_entry_gate_on_a_full_disk_denies_and_comes_back() {
    full_disk("full-disk-entry", A_ENTRY, false);
}

#[test]
fn an_exit_gate_on_a_full_disk_opens_and_comes_back() {
    full_disk("full-disk-exit", A_EXIT, true);
}

fn full_disk(name: &str, gate: GateName, opens: bool) {
    case(name, Databases::Shared, |network| {
        network.issue(CARD, "500000.00")?;
        if !put_on_small_disk(network, gate)? {
            return Ok(());
        }
        network.disks[0].fill()?;
        // The ballast is for taps: the first ones are recorded all the same.
        network.gate(gate).tap(CARD)?.fact()?;
        let mut taps = 0;
        let unrecorded = wait_for("the ballast to be used up", FULL_LIMIT, || {
            taps += 1;
            anyhow::ensure!(taps <= TAPS_MAX, "{taps} taps fitted onto a full disk");
            let tapped = network.gate(gate).tap(CARD)?;
            Ok(tapped.fact.is_none().then_some(tapped))
        })?;
        assert_eq!(unrecorded.opened, opens, "{}", unrecorded.whole);
        let status = network.gate(gate).status()?;
        assert!(
            status.to_string().contains("disk"),
            "the status says nothing of the disk: {status}"
        );

        network.disks[0].empty()?;
        let recorded = wait_for("a tap to be recorded again", SOON, || {
            Ok(network.gate(gate).tap(CARD)?.fact)
        })?;
        network.wait_for_fact(&recorded, SOON)
    });
}

/// Whether it could be done here.
fn put_on_small_disk(network: &mut Network, gate: GateName) -> anyhow::Result<bool> {
    assert!(network.gate_mut(gate).process()?.terminate()?.success());
    let disk = SmallDisk::mount(&network.gate(gate).folder().join("data"), DISK_MB)?;
    network.gate_mut(gate).start()?;
    let mounted = disk.is_some();
    network.disks.extend(disk);
    Ok(mounted)
}
