//! One small scenario per fault: the sample network for five minutes, and what the fault has to show.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod clocks;
mod disks;
mod forged;
mod links;
mod processes;

use simulator::check::{self, Check};
use simulator::oracle::{Downtime, Outcome};
use simulator::scenario::Scenario;
use simulator::world::World;
use sync_protocol::id::{GateCode, NodeId, SiteId};

/// A run that has come to its end.
struct Played {
    world: World,
    checks: Vec<Check>,
    rested_after_ms: Option<i64>,
}

/// Five minutes of the sample network with the given faults, and as long as its last passengers travel.
fn played(seed: u64, faults: &[&str]) -> Played {
    let mut text = FIVE_MINUTES.to_owned();
    for fault in faults {
        text.push_str(&format!("[[fault]]\n{}\n", fault.replace("; ", "\n")));
    }
    played_text(seed, &text)
}

const FIVE_MINUTES: &str = r#"title = "five minutes"
network = "sample"
starts_at = "07:00"
duration_s = 300
converge_within_s = 60
[traffic]
cards = 60
trips_per_hour_at_peak = 900
missing_exit_per_mille = 50
repeated_tap_per_mille = 100
poor_card_per_mille = 100
top_ups_per_hour = 240
blocks_per_hour = 60
orphan_policy = "charge_max"
"#;

fn played_text(seed: u64, text: &str) -> Played {
    let scenario = Scenario::parse("test", "test.toml", text).unwrap();
    let mut world = World::build(scenario, seed).unwrap();
    world.run(|_| {}).unwrap();
    let rested_after_ms = world.come_to_rest().unwrap();
    let checks = check::all(&mut world, rested_after_ms).unwrap();
    Played {
        world,
        checks,
        rested_after_ms,
    }
}

impl Played {
    /// Every check holds, everybody is level in the end, and every fault met something.
    fn holds(&self) {
        let failed = self.checks.iter().filter(|check| !check.passed);
        let failed: Vec<String> = failed
            .map(|check| format!("{}: {}", check.name, check.detail))
            .collect();
        assert_eq!(failed, Vec::<String>::new());
        assert!(self.rested_after_ms.is_some());
        for index in 0..self.world.touched().len() {
            assert!(
                !self.world.met_nothing(index),
                "{:?}",
                self.world.touched()[index]
            );
        }
    }

    /// Whether everybody held what had been committed, once a fault was over.
    fn recovered(&self) -> bool {
        let touched = self.world.touched().iter();
        self.rested_after_ms.is_some()
            && touched
                .into_iter()
                .all(|touched| touched.level_after_ms.is_some())
    }

    fn sites_of(&self, gate: u32) -> Vec<SiteId> {
        self.world.oracle().sites_of(NodeId(gate)).collect()
    }

    fn downtime(&self, node: NodeId) -> Vec<Downtime> {
        let downtimes = self.world.oracle().downtimes.iter();
        downtimes
            .filter(|downtime| downtime.node == node)
            .copied()
            .collect()
    }

    fn outcomes(&self, gate: u32, matches: impl Fn(&Outcome) -> bool) -> usize {
        let presented = self.world.oracle().presented.iter();
        let there = presented.filter(|presented| presented.gate == NodeId(gate));
        there.filter(|presented| matches(&presented.outcome)).count()
    }

    fn answered(&self, gate: u32) -> usize {
        self.outcomes(gate, |outcome| matches!(outcome, Outcome::Answered { .. }))
    }

    fn is_up(&self, code: &str) -> bool {
        self.world.gate(code.parse::<GateCode>().unwrap()).is_some()
    }
}

/// The start of the traffic: the network warms up before.
const WARM_UP_MS: i64 = simulator::world::WARM_UP_MS;
/// The gates of the sample network by their places.
const A_ENTRY: u32 = 1;
const B_ENTRY: u32 = 4;
const C_EXIT: u32 = 7;
const D_BOTH: u32 = 8;
