//! `balance_holds`.

use hub::decisions::Decision;
use sync_protocol::fare::{FareVersion, OrphanPolicy};
use sync_protocol::money::Money;

use crate::network::{Site, card, entry, exit, minutes, terminal};
use crate::world::{World, fare_version, texts};

#[tokio::test]
async fn a_hold_is_held_then_charged() {
    let mut world = World::new("hold", OrphanPolicy::Release).await;
    let (mut at_a, mut at_b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    let taps = world
        .tap(&mut at_a, vec![(minutes(0), entry(card(1), "A", 1))])
        .await;
    world.services.follow().await;
    assert_eq!(world.services.holds().await, ["CARD0001 A 1 held 12000.00 - 0"]);
    let row = "SELECT concat_ws(' ', transaction_reference, hold_reason, expires_at - created_at, \
               coalesce(released_at::text, '-'), user_id = 1) FROM balance_holds";
    let reference = hub::reference::of(taps[0]);
    assert_eq!(
        texts(&world.services.terminals, row).await,
        [format!("{reference} Trip fare hold 00:30:00 - t")],
        "no destination is named (D-23), and nothing ends it but the ledger (D-24)"
    );

    world
        .tap(&mut at_b, vec![(minutes(95), exit(card(1), "B", 2))])
        .await;
    world.services.follow().await;
    assert_eq!(
        world.services.holds().await,
        ["CARD0001 A 1 charged 12000.00 5100.00 0"]
    );
    let released =
        "SELECT ((extract(epoch FROM released_at) - 1700000000)::bigint / 60)::text FROM balance_holds";
    assert_eq!(
        texts(&world.services.terminals, released).await,
        ["95"],
        "long after it expired"
    );
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_journey_without_an_exit_is_released_or_charged_as_the_fares_say() {
    for (policy, expected) in [
        (OrphanPolicy::Release, "CARD0001 A 1 released 12000.00 - 0"),
        (OrphanPolicy::ChargeMax, "CARD0001 A 1 charged 12000.00 6100.00 0"),
    ] {
        let mut world = World::new("orphan", policy).await;
        let mut at_a = Site::gate(1, "A");
        world
            .tap(&mut at_a, vec![(minutes(0), entry(card(1), "A", 1))])
            .await;
        world.services.follow().await;
        world
            .tap(&mut at_a, vec![(minutes(30), entry(card(1), "A", 1))])
            .await;
        world.services.follow().await;
        let holds = world.services.holds().await;
        assert_eq!(holds, [expected, "CARD0001 A 1 held 12000.00 - 30"], "{policy:?}");
        world.end(Vec::new()).await;
    }
}

#[tokio::test]
async fn an_exit_after_the_close_charges_a_released_hold() {
    let mut world = World::new("close", OrphanPolicy::Release).await;
    let (mut at_a, mut at_b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    let taps = world
        .tap(&mut at_a, vec![(minutes(0), entry(card(1), "A", 1))])
        .await;
    let (card, tap) = (card(1), taps[0]);
    world.decide(vec![Decision::Close { card, tap }]).await;
    world.services.follow().await;
    assert_eq!(
        world.services.holds().await,
        ["CARD0001 A 1 released 12000.00 - 0"]
    );
    assert_eq!(
        world.services.users().await[0],
        "CARD0001 - 50000.00 active - - - 3"
    );

    world
        .tap(&mut at_b, vec![(minutes(60), exit(card, "B", 2))])
        .await;
    world.services.follow().await;
    assert_eq!(
        world.services.holds().await,
        ["CARD0001 A 1 charged 12000.00 5100.00 0"],
        "T-18"
    );
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_free_journey_is_charged_nothing() {
    let mut world = World::new("free", OrphanPolicy::Release).await;
    let mut at_a = Site::gate(1, "A");
    let taps = vec![
        (minutes(0), entry(card(1), "A", 1)),
        (minutes(2), exit(card(1), "A", 1)),
    ];
    world.tap(&mut at_a, taps).await;
    world.services.follow().await;
    assert_eq!(
        world.services.holds().await,
        ["CARD0001 A 1 charged 12000.00 0.00 0"],
        "T-12"
    );
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_late_fact_takes_a_journey_apart_and_the_hold_follows() {
    let mut world = World::new("apart", OrphanPolicy::Release).await;
    let (mut at_a, mut at_b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    // In at minute 3. Later it turns out that the same passenger went in there at minute 0: the tap at minute 3 was a
    // pass-back and makes no journey. Nothing tells that but the settled state.
    let mut early = Site::gate(3, "A");
    world
        .tap(&mut at_a, vec![(minutes(3), entry(card(1), "A", 1))])
        .await;
    world.services.follow().await;
    world
        .tap(&mut early, vec![(minutes(0), entry(card(1), "A", 3))])
        .await;
    world.services.follow().await;
    let holds = [
        "CARD0001 A 1 held 12000.00 - 0",
        "CARD0001 A 1 released 12000.00 - 3",
    ];
    assert_eq!(
        world.services.holds().await,
        holds,
        "at most one open hold per card (I3)"
    );

    world
        .tap(&mut at_b, vec![(minutes(50), exit(card(1), "B", 2))])
        .await;
    world.services.follow().await;
    let holds = [
        "CARD0001 A 1 charged 12000.00 5100.00 0",
        "CARD0001 A 1 released 12000.00 - 3",
    ];
    assert_eq!(world.services.holds().await, holds);
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_correction_of_the_fare_reaches_the_hold() {
    let mut world = World::new("correct", OrphanPolicy::Release).await;
    let (mut at_a, mut at_b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    world
        .tap(&mut at_a, vec![(minutes(0), entry(card(1), "A", 1))])
        .await;
    world
        .tap(&mut at_b, vec![(minutes(30), exit(card(1), "B", 2))])
        .await;
    world.services.follow().await;
    // A version that holds from before the entry on, published late: prices change by what is booked.
    let fares = fare_version(2, minutes(-10), OrphanPolicy::Release);
    world.decide(vec![Decision::Fares(fares)]).await;
    world.services.follow().await;
    assert_eq!(
        world.services.holds().await,
        ["CARD0001 A 1 charged 12000.00 5200.00 0"]
    );
    assert_eq!(
        world.services.users().await[0],
        "CARD0001 - 44800.00 active - - - 4"
    );
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_fare_above_the_hold_is_charged_in_full() {
    let mut world = World::new("over", OrphanPolicy::Release).await;
    let (mut at_a, mut at_b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    let dear = [(terminal("A"), terminal("B"), Money::rupiah(20_000))];
    let fares = FareVersion::new(2, minutes(-5), OrphanPolicy::Release, dear).unwrap();
    world.decide(vec![Decision::Fares(fares)]).await;
    world
        .tap(&mut at_a, vec![(minutes(0), entry(card(1), "A", 1))])
        .await;
    world
        .tap(&mut at_b, vec![(minutes(30), exit(card(1), "B", 2))])
        .await;
    world.services.follow().await;
    let holds = ["CARD0001 A 1 charged 12000.00 20000.00 0"];
    assert_eq!(world.services.holds().await, holds, "T-03, D-28");
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn a_large_history_is_applied_in_batches_and_in_order() {
    let mut world = World::new("large", OrphanPolicy::Release).await;
    let (mut at_a, mut at_b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    // About three events a journey: more than two batches.
    for block in 0..8_i64 {
        let starts = (0..200).map(|number| block * 5_000 + number * 20);
        let taps: Vec<_> = starts
            .clone()
            .map(|at| (minutes(at), entry(card(1), "A", 1)))
            .collect();
        let facts = taps.chunks(60).map(<[_]>::to_vec).collect::<Vec<_>>();
        for some in facts {
            at_a.state(some);
        }
        let exits: Vec<_> = starts
            .map(|at| (minutes(at + 10), exit(card(1), "B", 2)))
            .collect();
        for some in exits.chunks(60) {
            at_b.state(some.to_vec());
        }
    }
    world
        .ledger
        .ingest(&[at_a.log(), at_b.log()], &crate::network::Roster)
        .await
        .unwrap();
    world.settle().await;
    world.services.follow().await;
    let charged =
        "SELECT concat_ws(' ', status, count(*), sum(final_amount)) FROM balance_holds GROUP BY status";
    assert_eq!(
        texts(&world.services.terminals, charged).await,
        ["charged 1600 8160000.00"]
    );
    assert_eq!(
        world.services.users().await[0].split(' ').nth(2),
        Some("-8110000.00")
    );
    world.end(Vec::new()).await;
}
