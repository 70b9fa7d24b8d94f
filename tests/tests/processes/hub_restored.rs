//! The hub's database is restored from a backup: what it had decided, settled and acknowledged since comes back from the
//! gates, nothing is booked twice, and the gates show what the hub has settled.

use std::path::PathBuf;

use anyhow::Context as _;
use tests::harness::gate::{A_ENTRY, B_EXIT};
use tests::harness::hub::top_up;
use tests::harness::network::{Databases, HUB, Network, SOON, case};
use tests::harness::wait::wait_for;

const EARLY: &str = "TESTCARD0071";
const LATE: &str = "TESTCARD0072";

/// A journey of [`EARLY`] is begun, a backup is taken, and then much happens that is not in it.
fn outlive_a_backup(network: &mut Network) -> anyhow::Result<PathBuf> {
    network.issue(EARLY, "50000.00")?;
    network.pass(A_ENTRY, EARLY)?;
    network.wait_for_trip(B_EXIT, EARLY, true)?;
    network.level()?;
    let backup = network.folder().join("backup");
    network.database.back_up(&backup)?;

    network.pass(B_EXIT, EARLY)?;
    network.issue(LATE, "20000.00")?;
    top_up(
        &mut network.hub.client()?,
        EARLY,
        "7000.00",
        "paid-after-the-backup",
    )?;
    network.pass(A_ENTRY, LATE)?;
    network.wait_for_trip(B_EXIT, LATE, true)?;
    network.wait_for_balance(A_ENTRY, EARLY, "52000.00")?;
    network.level()?;
    Ok(backup)
}

fn recovered_changesets(network: &Network) -> anyhow::Result<u64> {
    let text = network.hub.client()?.get("/metrics")?.body;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("hub_recovered_changesets_total "));
    Ok(line.context("the metric is missing")?.trim().parse()?)
}

/// Whoever pays again because he never heard of the first time pays once; and everybody travels on.
fn go_on(network: &mut Network) -> anyhow::Result<()> {
    top_up(
        &mut network.hub.client()?,
        EARLY,
        "7000.00",
        "paid-after-the-backup",
    )?;
    for gate in [A_ENTRY, B_EXIT] {
        network.wait_for_balance(gate, EARLY, "52000.00")?;
        network.wait_for_balance(gate, LATE, "15000.00")?;
    }
    network.pass_somebody()?;
    network.level().map(drop)
}

#[test]
fn a_hub_restored_from_a_backup_takes_back_what_the_gates_hold() {
    case("hub-restored", Databases::Shared, |network| {
        let backup = outlive_a_backup(network)?;
        network.hub.kill()?;
        let unheard = network.pass(B_EXIT, LATE)?;
        let before = network.taps_at_hub()?;
        network.database.restore(&backup)?;
        anyhow::ensure!(
            network.taps_at_hub()?.len() < before.len(),
            "the backup is as new"
        );
        network.hub.start()?;
        network.wait_for_fact(unheard.fact()?, SOON)?;
        wait_for("the lost taps at the hub", SOON, || {
            Ok(network.taps_at_hub()?.is_superset(&before).then_some(()))
        })?;
        for said in ["an older one", "has taken back what gates hold"] {
            wait_for(&format!("the hub to say: {said}"), SOON, || {
                Ok(network.hub.log_end().contains(said).then_some(()))
            })?;
        }
        wait_for("the metric", SOON, || {
            Ok((recovered_changesets(network)? > 0).then_some(()))
        })?;
        go_on(network)
    });
}

#[test]
fn a_restored_hub_that_no_gate_reaches_goes_on_and_takes_back_later() {
    case("hub-restored-alone", Databases::Shared, |network| {
        let backup = outlive_a_backup(network)?;
        network.hub.kill()?;
        network.pass(B_EXIT, LATE)?;
        for gate in network.gates.keys() {
            network.cut(*gate, HUB);
        }
        network.database.restore(&backup)?;
        network.hub.start()?;
        // It knows nothing of the lost time, and settles the card under a number that the gates have already.
        top_up(&mut network.hub.client()?, EARLY, "1000.00", "paid-alone")?;
        network.heal();
        wait_for("what the hub lost to come back", SOON, || {
            Ok((recovered_changesets(network)? > 0).then_some(()))
        })?;
        for gate in [A_ENTRY, B_EXIT] {
            network.wait_for_balance(gate, EARLY, "53000.00")?;
        }
        network.level().map(drop)
    });
}
