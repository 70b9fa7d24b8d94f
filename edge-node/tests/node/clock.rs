//! A clock that was never set closes no gate.

use edge_node::clock::{Clock, ClockState, Moment};
use edge_node::run::{Gate, Surroundings, system_clock};
use edge_node::store::Inspection;
use sync_protocol::fact::Direction;

use crate::support::{Town, card};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_with_a_clock_of_1970_takes_taps_and_says_how_uncertain_they_are() {
    let mut town = Town::new();
    let config = town.config(1, &[]);
    town.stock(&config);
    let database = config.database();
    let system = system_clock();
    let clock = Clock::new(move || Moment {
        wall_ms: 5_000,
        ..system.now()
    });
    let gate = Gate::start_in(config, Surroundings::system().with_clock(clock))
        .await
        .unwrap();
    assert!(gate.tap(card(1), Some(Direction::Exit)).await.unwrap().opens);
    let snapshot = gate.snapshot().await.unwrap();
    assert_eq!(snapshot.clock, ClockState::Unset);
    assert_eq!(snapshot.gate.uncertainty_ms, 120_000);
    gate.stop().await.unwrap();
    let taps = Inspection::open(database).unwrap().recent_taps(1).unwrap();
    assert_eq!(taps[0].tap.uncertainty_ms, 120_000);
}
