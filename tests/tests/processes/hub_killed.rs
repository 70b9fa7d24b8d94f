//! `kill -9` of the hub and of PostgreSQL while taps come in: nothing lost, nothing twice.

use tests::harness::gate::A_ENTRY;
use tests::harness::network::{Databases, case};

use crate::load::{self, Load};

#[test]
fn the_hub_killed_in_the_rush_loses_nothing_and_books_nothing_twice() {
    case("hub-killed", Databases::Shared, |network| {
        let load = Load::start(network, 120)?;
        for round in 1..=3 {
            load.wait_for(round * 80)?;
            network.hub.kill()?;
            load.wait_for(round * 80 + 30)?;
            network.hub.start()?;
        }
        let answers = load.finish()?;
        assert_eq!(answers.unanswered, 0, "no gate waits for the hub");
        load::check(network, &answers).map(drop)
    });
}

#[test]
fn postgresql_killed_in_the_rush_loses_nothing_and_books_nothing_twice() {
    case("postgres-killed", Databases::Own, |network| {
        let load = Load::start(network, 120)?;
        for round in 1..=3 {
            load.wait_for(round * 80)?;
            let postgres = network.postgres.as_mut().expect("a server of this test's own");
            postgres.kill()?;
            load.wait_for(round * 80 + 30)?;
            postgres.start()?;
        }
        let answers = load.finish()?;
        assert_eq!(answers.unanswered, 0, "no gate waits for the hub's database");
        load::check(network, &answers)?;
        assert!(
            network.hub.process()?.is_running(),
            "the hub outlives its database"
        );
        Ok(())
    });
}

#[test]
fn a_postgresql_that_hangs_stops_no_gate() {
    case("postgres-frozen", Databases::Own, |network| {
        let load = Load::start(network, 60)?;
        load.wait_for(40)?;
        let postgres = network.postgres.as_ref().expect("a server of this test's own");
        postgres.freeze()?;
        let answers = load.finish()?;
        assert_eq!(answers.unanswered, 0, "no gate waits for the hub's database");
        network.gate(A_ENTRY).status()?;
        postgres.go_on()?;
        load::check(network, &answers).map(drop)
    });
}
