//! The model store against the real one: the same scenario and seed on both, equal traces (so every frame and every
//! tap), equal decisions, equal checks.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use simulator::check::{self, Check};
use simulator::oracle::Answered;
use simulator::scenario::{FaultKind, Scenario, StoreKind};
use simulator::swarm;
use simulator::world::World;

/// Seeds of the swarm that are looked at; some draw what the model has not and are passed over.
const SEEDS: std::ops::Range<u64> = 0..24;
/// Of those, at least so many are compared.
const COMPARED_MIN: usize = 8;

/// What came of a run.
struct Outcome {
    trace: String,
    answered: Vec<Answered>,
    checks: Vec<Check>,
    rested_after_ms: Option<i64>,
}

fn play(mut scenario: Scenario, seed: u64, store: StoreKind) -> Outcome {
    scenario.engine.store = store;
    let mut world = World::build(scenario, seed).unwrap();
    world.run(|_| {}).unwrap();
    let rested_after_ms = world.come_to_rest().unwrap();
    Outcome {
        checks: check::all(&mut world, rested_after_ms).unwrap(),
        trace: world.trace_hash(),
        answered: world.answered().to_vec(),
        rested_after_ms,
    }
}

fn compare(name: &str, scenario: &Scenario, seed: u64) {
    let real = play(scenario.clone(), seed, StoreKind::Sqlite);
    let model = play(scenario.clone(), seed, StoreKind::Model);
    let pairs = real.answered.iter().zip(&model.answered).enumerate();
    for (place, (real, model)) in pairs {
        assert_eq!(real, model, "{name}: tap {place}");
    }
    assert_eq!(real.answered.len(), model.answered.len(), "{name}");
    assert_eq!(real.rested_after_ms, model.rested_after_ms, "{name}");
    for (real, model) in real.checks.iter().zip(&model.checks) {
        assert_eq!(
            (real.name, real.passed),
            (model.name, model.passed),
            "{name}: {real:?} {model:?}"
        );
    }
    assert_eq!(real.trace, model.trace, "{name}: frames differ");
}

/// Disks of the model are never full or slow, and lose nothing with the power; and the model knows no snapshots, which a
/// gate that begins anew may need.
fn is_modelled(scenario: &Scenario) -> bool {
    scenario.faults.iter().all(|fault| {
        !matches!(
            fault.kind,
            FaultKind::DiskFull { .. }
                | FaultKind::SlowDisk { .. }
                | FaultKind::PowerLoss { .. }
                | FaultKind::WipedDisk { .. }
                | FaultKind::GateAdded { .. }
        )
    })
}

#[test]
fn a_terminal_that_was_cut_off_is_the_same_on_both_stores() {
    let scenario = Scenario::find("terminal-c-island").unwrap();
    compare("terminal-c-island", &scenario, 7);
}

#[test]
fn worlds_of_the_swarm_are_the_same_on_both_stores() {
    let mut compared = 0;
    for seed in SEEDS {
        let scenario = swarm::draw(seed).scenario().unwrap();
        if is_modelled(&scenario) {
            compare(&format!("seed {seed}"), &scenario, seed);
            compared += 1;
        }
    }
    assert!(compared >= COMPARED_MIN, "{compared}");
}
