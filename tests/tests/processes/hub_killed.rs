//! `kill -9` of the hub and of PostgreSQL while taps come in: nothing lost, nothing twice.

use tests::harness::gate::A_ENTRY;
use tests::harness::network::{Databases, LEVEL_LIMIT, Network, case};
use tests::harness::wait::wait_until;

use crate::load::{self, Load};
use crate::payments::Payments;

#[test]
fn the_hub_killed_in_the_rush_loses_nothing_and_books_nothing_twice() {
    case("hub-killed", Databases::Shared, |network| {
        let payments = Payments::start(network)?;
        let load = Load::start(network)?;
        for _ in 0..3 {
            load.more(100)?;
            network.hub.kill()?;
            load.more(100)?;
            network.hub.start()?;
            takes_more(network)?;
        }
        let answers = load.finish()?;
        payments.finish(network)?;
        assert_eq!(answers.unanswered, 0, "no gate waits for the hub");
        load::check(network, &answers).map(drop)
    });
}

#[test]
fn postgresql_killed_in_the_rush_loses_nothing_and_books_nothing_twice() {
    case("postgres-killed", Databases::Own, |network| {
        let payments = Payments::start(network)?;
        let load = Load::start(network)?;
        for _ in 0..3 {
            load.more(100)?;
            let postgres = network.postgres.as_mut().expect("a server of this test's own");
            postgres.kill()?;
            load.more(100)?;
            postgres.start()?;
            takes_more(network)?;
        }
        let answers = load.finish()?;
        payments.finish(network)?;
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
        let load = Load::start(network)?;
        load.more(100)?;
        let postgres = network.postgres.as_ref().expect("a server of this test's own");
        postgres.freeze()?;
        load.more(300)?;
        let answers = load.finish()?;
        assert_eq!(answers.unanswered, 0, "no gate waits for the hub's database");
        network.gate(A_ENTRY).status()?;
        postgres.go_on()?;
        load::check(network, &answers).map(drop)
    });
}

/// The hub takes what gates kept for it, before the next blow: otherwise several would be one for it.
fn takes_more(network: &Network) -> anyhow::Result<()> {
    let before = network.taps_at_hub()?.len();
    wait_until("the hub to take taps again", LEVEL_LIMIT, || {
        network.taps_at_hub().is_ok_and(|taps| taps.len() > before)
    })
}
