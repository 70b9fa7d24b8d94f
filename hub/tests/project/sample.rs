//! The sample network, and the source design's own queries over it.

use hub::decisions::Decision;
use hub::sample::{self, SampleError};
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::rows::Value;

use crate::cache::Keys;
use crate::network::{Site, card, entry, minutes};
use crate::world::{World, fare_version, row, texts};

/// The sample's fares hold from the beginning of 2024 on.
const IN_2024_MS: i64 = 1_704_100_000_000;

async fn load(world: &mut World) -> sample::Loaded {
    let loaded = sample::load(&world.ledger, &world.people(), minutes(0))
        .await
        .unwrap();
    world.settle().await;
    world.services.follow().await;
    loaded
}

#[tokio::test]
async fn the_sample_is_loaded_once_and_answers_the_sources_queries() {
    let mut world = World::empty("sample").await;
    let loaded = load(&mut world).await;
    assert_eq!(
        loaded.to_string(),
        "5 terminals, 10 gates, 20 fares, 5 cards with their holders"
    );
    for request in &loaded.requests {
        let outcome = world.ledger.outcome(*request).await.unwrap().unwrap();
        assert!(
            matches!(outcome, hub::ledger::postgres::RequestOutcome::Taken(_)),
            "{outcome:?}"
        );
    }
    let users = world.services.users().await;
    assert_eq!(users[0], "CARD0001 Joko Santoso 150000.00 active - - - 1");
    assert_eq!(users.len(), 5);
    let ids = "SELECT string_agg(id::text, ' ' ORDER BY card_id) FROM users";
    assert_eq!(
        texts(&world.services.users, ids).await,
        ["1 2 3 4 5"],
        "the ids the source's sample uses"
    );
    let ages = "SELECT demographics ->> 'age_group' FROM users WHERE demographics @> '{\"membership\": \"premium\"}'";
    assert_eq!(texts(&world.services.users, ages).await, ["45-54"]);

    let terminals = &world.services.terminals;
    let place = "SELECT concat_ws(' ', id, name, location, latitude, longitude, is_active) FROM terminals WHERE code = 'E'";
    assert_eq!(
        texts(terminals, place).await,
        ["5 Terminal Pusat Jl. Raya Pusat No.5 -7.25744500 112.76884500 t"]
    );
    let gates = "SELECT concat_ws(' ', id, gate_code, gate_type, stated_status) FROM gates WHERE terminal_id = 1 ORDER BY id";
    assert_eq!(
        texts(terminals, gates).await,
        [
            "1 A-ENTRY-01 entry online",
            "2 A-EXIT-01 exit online",
            "3 A-BI-01 bidirectional maintenance"
        ]
    );
    let fares = "SELECT string_agg(price::text, ' ' ORDER BY destination_terminal_id) FROM fares \
                 WHERE origin_terminal_id = 1 AND is_active";
    assert_eq!(
        texts(terminals, fares).await,
        ["5000.00 7000.00 9000.00 12000.00"]
    );
    let highest = "SELECT string_agg(highest::text, ' ' ORDER BY origin_terminal_id) FROM \
                   (SELECT origin_terminal_id, max(price) AS highest FROM fares GROUP BY 1) AS f";
    assert_eq!(
        texts(terminals, highest).await,
        ["12000.00 11000.00 10000.00 9000.00 12000.00"],
        "R-19"
    );
    let rejected = "SELECT reason FROM rejected_rows";
    assert_eq!(texts(terminals, rejected).await, Vec::<String>::new());

    let head = "SELECT max(position)::text FROM outbox";
    let before = texts(world.ledger.pool(), head).await;
    let again = load(&mut world).await;
    assert_eq!(again.requests, loaded.requests);
    assert!(
        again.to_string().starts_with("the sample was loaded before"),
        "{again}"
    );
    assert_eq!(texts(world.ledger.pool(), head).await, before, "nothing changed");
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn the_sources_redis_examples_run_on_loaded_data() {
    let mut world = World::empty("examples").await;
    load(&mut world).await;
    let mut at_a = Site::gate(1, "A");
    world
        .tap(&mut at_a, vec![(minutes(0), entry(card(1), "A", 1))])
        .await;
    world.services.follow().await;
    let cache = world.cache();
    while cache.run_once(IN_2024_MS).await.unwrap().has_more() {}
    let mut keys = Keys::new(world.prefix()).await;
    // HGET user:1 balance; HGET fare:A:B price; EXISTS active_trip:1; HGETALL active_trip:1.
    assert_eq!(
        keys.field("user:1", "balance").await.as_deref(),
        Some("150000.00")
    );
    assert_eq!(
        keys.field("user:1", "full_name").await.as_deref(),
        Some("Joko Santoso")
    );
    assert_eq!(keys.field("fare:A:B", "price").await.as_deref(), Some("5000.00"));
    assert!(keys.exists("active_trip:1").await);
    assert!(!keys.exists("active_trip:2").await);
    let trip = keys.hash("active_trip:1").await;
    assert_eq!(
        (trip["checkin_terminal"].as_str(), trip["expected_fare"].as_str()),
        ("A", "12000.00")
    );
    keys.flush().await;
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_network_that_says_otherwise_is_left_alone() {
    let mut world = World::empty("other").await;
    world
        .decide(row(
            "terminals",
            1,
            1,
            &[("name", Value::Text("Stasiun Gubeng".to_owned()))],
        ))
        .await;
    let error = sample::load(&world.ledger, &world.people(), minutes(0))
        .await
        .unwrap_err();
    assert!(matches!(error, SampleError::OtherRow { .. }), "{error}");
    assert!(error.to_string().contains("Stasiun Gubeng"), "{error}");
    assert_eq!(
        world.services.users().await,
        Vec::<String>::new(),
        "nothing was written"
    );
    world.end(Vec::new()).await;

    let mut world = World::empty("fared").await;
    world
        .decide(vec![Decision::Fares(fare_version(1, 0, OrphanPolicy::Release))])
        .await;
    let error = sample::load(&world.ledger, &world.people(), minutes(0))
        .await
        .unwrap_err();
    assert!(matches!(error, SampleError::OtherFares), "{error}");
    world.end(Vec::new()).await;
}
