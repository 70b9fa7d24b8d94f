//! Redis holds only what can be rebuilt.

use tests::harness::database::USERS;
use tests::harness::network::{Databases, SOON, case};
use tests::harness::wait::wait_for;
use tests::harness::{hub, network::Network};

use crate::load::{self, Load};

const CARD: &str = "TESTCARD0001";

#[test]
fn redis_stopped_and_flushed_in_the_rush_comes_right_again() {
    case("redis-lost", Databases::Shared, |network| {
        network.issue(CARD, "50000.00")?;
        wait_for_cached(network, "50000.00")?;
        let load = Load::start(network)?;
        load.more(100)?;
        network.redis.kill()?;
        load.more(100)?;
        // Money goes on without it.
        hub::top_up(
            &mut network.hub.client()?,
            CARD,
            "1000.00",
            "while-redis-was-gone",
        )?;
        network.redis.start()?;
        load.more(100)?;
        network.ask_redis(&["flushall"])?;
        load.more(100)?;
        let answers = load.finish()?;
        load::check(network, &answers)?;

        hub::top_up(
            &mut network.hub.client()?,
            CARD,
            "500.00",
            "after-redis-came-back",
        )?;
        wait_for_cached(network, "51500.00")
    });
}

#[test]
fn a_redis_that_hangs_stops_nothing() {
    case("redis-frozen", Databases::Shared, |network| {
        network.issue(CARD, "50000.00")?;
        network.redis.freeze()?;
        let load = Load::start(network)?;
        load.more(300)?;
        let answers = load.finish()?;
        load::check(network, &answers)?;
        network.redis.go_on()?;
        hub::top_up(&mut network.hub.client()?, CARD, "500.00", "after-redis-went-on")?;
        wait_for_cached(network, "50500.00")
    });
}

fn wait_for_cached(network: &Network, balance: &str) -> anyhow::Result<()> {
    let id = format!("SELECT id::text FROM users WHERE card_id = '{CARD}'");
    let user = wait_for("the card in user_service_db", SOON, || {
        network.database.value(USERS, &id)
    })?;
    wait_for(&format!("{balance} in Redis"), SOON, || {
        let cached = network.ask_redis(&["hget", &network.redis_key(&format!("user:{user}")), "balance"])?;
        anyhow::ensure!(cached == balance, "it says {cached:?}");
        Ok(Some(()))
    })
}
