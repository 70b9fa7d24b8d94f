//! `user_service_db`.

use hub::decisions::Decision;
use hub::project::ProjectError;
use sync_protocol::fact::CardStatus;
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::money::Money;
use sync_protocol::rows::Value;

use crate::network::{Site, card, entry, exit, minutes};
use crate::world::{World, execute, row, texts};

#[tokio::test]
async fn a_card_is_shown_as_it_is_settled() {
    let mut world = World::new("users", OrphanPolicy::Release).await;
    let (mut at_a, mut at_b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    world.services.follow().await;
    assert_eq!(
        world.services.users().await,
        [
            "CARD0001 - 50000.00 active - - - 1",
            "CARD0002 - 50000.00 active - - - 1",
            "CARD0003 - 50000.00 active - - - 1",
        ]
    );

    world
        .tap(&mut at_a, vec![(minutes(0), entry(card(1), "A", 1))])
        .await;
    let blocked = Decision::Status {
        card: card(2),
        status: CardStatus::Blocked,
    };
    world.decide(vec![blocked]).await;
    world.services.follow().await;
    let users = world.services.users().await;
    assert_eq!(
        users[0], "CARD0001 - 50000.00 active A 1 12000.00 2",
        "the hold moves no balance"
    );
    assert_eq!(users[1], "CARD0002 - 50000.00 blocked - - - 2");

    world
        .tap(&mut at_b, vec![(minutes(40), exit(card(1), "B", 2))])
        .await;
    let closed = Decision::Status {
        card: card(3),
        status: CardStatus::Closed,
    };
    let spent = Decision::Adjust {
        card: card(3),
        amount: Money::rupiah(-60_000),
        reason: "bank took it back".to_owned(),
    };
    world.decide(vec![closed, spent]).await;
    world.services.follow().await;
    let users = world.services.users().await;
    assert_eq!(users[0], "CARD0001 - 44900.00 active - - - 3");
    assert_eq!(
        users[2], "CARD0003 - -10000.00 closed - - - 2",
        "a debt is shown, in all four states (D-07)"
    );
    let times = texts(
        &world.services.users,
        "SELECT to_char(registered_at AT TIME ZONE 'UTC', 'HH24:MI:SS') || ' ' || \
         to_char(updated_at AT TIME ZONE 'UTC', 'HH24:MI:SS') FROM users WHERE card_id = 'CARD0001'",
    );
    let times = times.await;
    assert!(
        times[0].ends_with(" 22:53:20"),
        "the last fact, minute 40: {times:?}"
    );
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn replays_and_rebuilds_change_nothing_and_persons_stay() {
    let mut world = World::new("rebuild", OrphanPolicy::ChargeMin).await;
    let (mut at_a, mut at_b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    let other = world.other_services().await;
    let person = hub::people::Person {
        full_name: "Sri Wahyuni".to_owned(),
        email: None,
        phone: None,
        demographics: hub::people::Demographics::default(),
    };
    world
        .people()
        .register(card(9), &person, minutes(0))
        .await
        .unwrap();
    world
        .people()
        .register(card(1), &person, minutes(0))
        .await
        .unwrap();

    // One set of services follows step by step, the other one comes late and does it at once.
    for minute in [0, 50, 100] {
        world
            .tap(&mut at_a, vec![(minutes(minute), entry(card(1), "A", 1))])
            .await;
        world.services.follow().await;
        let exits = vec![
            (minutes(minute + 20), exit(card(1), "B", 2)),
            (minutes(minute), exit(card(2), "B", 2)),
        ];
        world.tap(&mut at_b, exits).await;
        world.services.follow().await;
    }
    world
        .tap(
            &mut at_a,
            vec![
                (minutes(200), entry(card(1), "A", 1)),
                (minutes(260), entry(card(1), "A", 1)),
            ],
        )
        .await;
    world.services.follow().await;
    other.follow().await;
    let (users, holds) = (world.services.users().await, world.services.holds().await);
    assert_eq!(holds, other.holds().await);
    assert_eq!(holds.len(), 5);
    let known: Vec<String> = users
        .iter()
        .filter(|user| !user.starts_with("CARD0009"))
        .cloned()
        .collect();
    let anonymous: Vec<String> = known
        .iter()
        .map(|user| user.replace("Sri Wahyuni", "-"))
        .collect();
    assert_eq!(anonymous, other.users().await);

    let ids = "SELECT concat_ws(' ', id, user_id, transaction_reference, captured, position) FROM balance_holds ORDER BY id";
    let before = texts(&world.services.terminals, ids).await;
    for name in [
        "UPDATE projection_checkpoint SET position = 0",
        "UPDATE projection_checkpoint SET position = 7",
    ] {
        execute(&world.services.users, name).await;
        execute(&world.services.terminals, name).await;
        world.services.follow().await;
        assert_eq!(world.services.users().await, users, "a replay");
        assert_eq!(world.services.holds().await, holds, "a replay");
    }
    execute(
        &world.services.users,
        "UPDATE users SET balance = 7, status = 'blocked', revision = 999 WHERE card_id = 'CARD0001'",
    )
    .await;
    execute(&world.services.terminals, "UPDATE balance_holds SET captured = 1").await;
    execute(&world.services.terminals, "DELETE FROM fares").await;
    world.services.user_projector.rebuild().await.unwrap();
    world.services.terminal_projector.rebuild().await.unwrap();
    assert_eq!(
        world.services.users().await,
        users,
        "a rebuild repairs what was damaged"
    );
    assert_eq!(world.services.holds().await, holds);
    assert_eq!(
        texts(&world.services.terminals, ids).await,
        before,
        "and keeps the ids"
    );
    assert_eq!(
        texts(&world.services.terminals, "SELECT count(*)::text FROM fares").await,
        ["6"]
    );
    assert!(
        users[3].starts_with("CARD0009 Sri Wahyuni 0.00"),
        "registered before its first fact: {users:?}"
    );
    world.end(vec![other]).await;
}

#[tokio::test]
async fn a_terminal_that_is_entered_late_gets_its_id_everywhere() {
    let mut world = World::empty("late").await;
    world.issue(1, 50_000).await;
    let mut at_a = Site::gate(1, "A");
    world
        .tap(&mut at_a, vec![(minutes(0), entry(card(1), "A", 1))])
        .await;
    world.services.follow().await;
    assert_eq!(
        world.services.users().await,
        ["CARD0001 - 50000.00 active A - 12000.00 2"]
    );
    assert_eq!(world.services.holds().await, ["CARD0001 A - held 12000.00 - 0"]);

    world
        .decide(row("terminals", 7, 1, &[("code", Value::Text("A".to_owned()))]))
        .await;
    world.services.follow().await;
    assert_eq!(
        world.services.users().await,
        ["CARD0001 - 50000.00 active A 7 12000.00 2"]
    );
    assert_eq!(world.services.holds().await, ["CARD0001 A 7 held 12000.00 - 0"]);
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn what_stands_in_the_way_is_said() {
    let world = World::new("errors", OrphanPolicy::Release).await;
    execute(
        &world.services.users,
        "UPDATE projection_checkpoint SET position = 1000",
    )
    .await;
    let error = world.services.user_projector.run_once().await.unwrap_err();
    assert!(
        matches!(error, ProjectError::Ahead { position: 1_000, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("rebuild"), "{error}");

    execute(
        &world.services.users,
        "ALTER TABLE projection_checkpoint RENAME TO gone",
    )
    .await;
    let error = world.services.user_projector.run_once().await.unwrap_err();
    assert!(error.to_string().contains("hub migrate"), "{error}");
    execute(
        &world.services.users,
        "ALTER TABLE gone RENAME TO projection_checkpoint",
    )
    .await;

    execute(world.ledger.pool(), "DELETE FROM outbox WHERE position < 3").await;
    let error = world.services.terminal_projector.rebuild().await.unwrap_err();
    assert!(matches!(error, ProjectError::Pruned { first: 3, .. }), "{error}");
    world.end(Vec::new()).await;
}

#[tokio::test]
async fn one_process_works_and_the_others_look_on() {
    let world = World::new("busy", OrphanPolicy::Release).await;
    let mut working = world.services.users.begin().await.unwrap();
    sqlx::query("SELECT position FROM projection_checkpoint FOR UPDATE")
        .fetch_one(&mut *working)
        .await
        .unwrap();
    let progress = world.services.user_projector.run_once().await.unwrap();
    assert!(progress.busy && progress.lag() > 0 && !progress.has_more());
    working.rollback().await.unwrap();
    assert!(!world.services.user_projector.run_once().await.unwrap().busy);
    world.end(Vec::new()).await;
}
