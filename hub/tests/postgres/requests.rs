//! Decisions asked for by many, numbered by one.

use hub::decisions::{Decision, Refusal};
use hub::ledger::postgres::{Request, RequestOutcome, SubmitError};
use sync_protocol::fact::CardStatus;
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::money::Money;

use crate::database::{Database, count};
use crate::network::*;
use crate::pair::{NOW_MS, Pair};

fn issue(number: u32) -> Decision {
    Decision::Issue { card: card(number) }
}

fn top_up(number: u32, rupiah: i64, reference: &str) -> Decision {
    Decision::TopUp {
        card: card(number),
        amount: Money::rupiah(rupiah),
        reference: reference.into(),
    }
}

fn request(key: Option<&str>, decisions: Vec<Decision>) -> Request {
    Request {
        idempotency_key: key.map(str::to_owned),
        decisions,
        override_lead_time: false,
        requested_by: "the test".into(),
    }
}

#[tokio::test]
async fn requests_see_what_those_before_them_decided() {
    let database = Database::new("in_order").await;
    let mut pair = Pair::new(database.ledger().await).await;
    pair.decide(vec![
        vec![top_up(1, 5_000, "too early")],
        vec![issue(1), top_up(1, 5_000, "one")],
        vec![top_up(1, 5_000, "one")],
        vec![top_up(1, 6_000, "one")],
        vec![issue(1), issue(2), issue(2)],
        vec![
            Decision::Status {
                card: card(2),
                status: CardStatus::Blocked,
            },
            Decision::Status {
                card: card(2),
                status: CardStatus::Active,
            },
        ],
        vec![Decision::Status {
            card: card(2),
            status: CardStatus::Closed,
        }],
        vec![Decision::Fares(fares(1, minutes(9_000), OrphanPolicy::Release))],
        vec![Decision::Fares(fares(2, minutes(0), OrphanPolicy::Release))],
        vec![Decision::Fares(fares(2, minutes(9_000), OrphanPolicy::Release))],
    ])
    .await;
    pair.settle_all().await;
    pair.compare().await;
    let balance = pair.postgres.view(card(1)).await.unwrap().unwrap().balance;
    assert_eq!(balance, Money::rupiah(5_000));
    let names: Vec<String> = pair
        .postgres
        .outbox(0, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.name)
        .collect();
    for (name, times) in [
        ("user.card.issued", 2),
        ("user.status.changed", 1),
        ("user.balance.updated", 1),
        ("fare.version.published", 2),
    ] {
        assert_eq!(
            names.iter().filter(|found| *found == name).count(),
            times,
            "{name}"
        );
    }
    pair.postgres.pool().close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let database = Database::new("keys").await;
    let pair = Pair::new(database.ledger().await).await;
    let ledger = &pair.postgres;
    let decisions = vec![issue(1), top_up(1, 5_000, "one")];
    let first = ledger
        .submit(&request(Some("key"), decisions.clone()))
        .await
        .unwrap();
    assert!(!first.is_repeated);
    let again = ledger
        .submit(&request(Some("key"), decisions.clone()))
        .await
        .unwrap();
    assert!(again.is_repeated);
    assert_eq!((again.id, again.outcome), (first.id, RequestOutcome::Pending));
    let taken = ledger
        .take_requests(&pair.lease, 10, NOW_MS, &HUB_KEY, &Roster)
        .await
        .unwrap();
    assert_eq!(taken.outcomes.len(), 1);
    let again = ledger
        .submit(&request(Some("key"), decisions.clone()))
        .await
        .unwrap();
    assert_eq!(again.outcome, taken.outcomes[0].1);
    assert!(matches!(again.outcome, RequestOutcome::Taken(facts) if facts.len() == 2));
    let other = ledger.submit(&request(Some("key"), vec![issue(1)])).await;
    assert!(matches!(other, Err(SubmitError::KeyTaken(id)) if id == first.id));
    // Without a key each request is its own; the reference still counts once (T-30).
    ledger.submit(&request(None, decisions.clone())).await.unwrap();
    ledger.submit(&request(None, decisions)).await.unwrap();
    ledger
        .take_requests(&pair.lease, 10, NOW_MS, &HUB_KEY, &Roster)
        .await
        .unwrap();
    assert_eq!(count(ledger.pool(), "SELECT count(*) FROM top_ups").await, 1);
    let refused = ledger
        .submit(&request(Some("bad"), vec![top_up(9, 1, "x")]))
        .await
        .unwrap();
    ledger
        .take_requests(&pair.lease, 10, NOW_MS, &HUB_KEY, &Roster)
        .await
        .unwrap();
    let outcome = ledger.outcome(refused.id).await.unwrap().unwrap();
    assert!(matches!(outcome, RequestOutcome::Refused { index: 0, .. }));
    ledger.pool().close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_hundred_submissions_of_one_key_at_once_are_one() {
    let database = Database::new("at_once").await;
    let ledger = database.ledger().await;
    let mut tasks = Vec::new();
    for _ in 0..100 {
        let ledger = ledger.clone();
        let request = request(Some("key"), vec![issue(1)]);
        tasks.push(tokio::spawn(
            async move { ledger.submit(&request).await.unwrap() },
        ));
    }
    let mut new = 0;
    for task in tasks {
        new += usize::from(!task.await.unwrap().is_repeated);
    }
    assert_eq!(new, 1);
    ledger.pool().close().await;
    database.remove().await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_at_once_or_when_taken() {
    let database = Database::new("texts").await;
    let pair = Pair::new(database.ledger().await).await;
    let ledger = &pair.postgres;
    let nul = ledger
        .submit(&request(None, vec![issue(1), top_up(1, 1, "a\0b")]))
        .await;
    let Err(SubmitError::Refused { index, refusal }) = nul else {
        panic!("{nul:?}");
    };
    assert_eq!((index, refusal), (1, Refusal::Control { what: "reference" }));
    sqlx::raw_sql(
        "INSERT INTO decision_requests (request_hash, decisions, override_lead_time, requested_by)
         VALUES ('', '[{\"fly\": 1}]', false, 'a later hub')",
    )
    .execute(ledger.pool())
    .await
    .unwrap();
    ledger.submit(&request(None, vec![issue(1)])).await.unwrap();
    let taken = ledger
        .take_requests(&pair.lease, 10, NOW_MS, &HUB_KEY, &Roster)
        .await
        .unwrap();
    assert!(matches!(taken.outcomes[0].1, RequestOutcome::Refused { .. }));
    assert!(matches!(taken.outcomes[1].1, RequestOutcome::Taken(_)));
    let again = ledger
        .take_requests(&pair.lease, 10, NOW_MS, &HUB_KEY, &Roster)
        .await;
    assert_eq!(again.unwrap(), hub::ledger::postgres::Taken::default());
    ledger.pool().close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_person_may_override_the_lead_time() {
    let database = Database::new("lead").await;
    let pair = Pair::new(database.ledger().await).await;
    let ledger = &pair.postgres;
    let mut soon = request(
        None,
        vec![Decision::Fares(fares(1, minutes(0), OrphanPolicy::Release))],
    );
    let refused = ledger.submit(&soon).await.unwrap().id;
    soon.override_lead_time = true;
    let taken = ledger.submit(&soon).await.unwrap().id;
    ledger
        .take_requests(&pair.lease, 10, NOW_MS, &HUB_KEY, &Roster)
        .await
        .unwrap();
    let outcome = |id| async move { ledger.outcome(id).await.unwrap().unwrap() };
    assert!(matches!(outcome(refused).await, RequestOutcome::Refused { .. }));
    assert!(matches!(outcome(taken).await, RequestOutcome::Taken(_)));
    let unhurried = ledger.clone().with_lead_time_ms(0);
    let later = vec![Decision::Fares(fares(2, NOW_MS, OrphanPolicy::Release))];
    let id = unhurried.submit(&request(None, later)).await.unwrap().id;
    unhurried
        .take_requests(&pair.lease, 10, NOW_MS, &HUB_KEY, &Roster)
        .await
        .unwrap();
    assert!(matches!(outcome(id).await, RequestOutcome::Taken(_)));
    ledger.pool().close().await;
    database.remove().await;
}
