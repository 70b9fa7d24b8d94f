//! One process settles at a time.

use hub::ledger::postgres::{Lease, LedgerError, PostgresLedger};
use sqlx::Connection;
use sync_protocol::changeset::SiteRole;

use crate::database::Database;
use crate::network::*;
use crate::pair::NOW_MS;

async fn acquire(ledger: &PostgresLedger, holder: &str, random: u8) -> Option<Lease> {
    let random = [[random; 16], [100 + random; 16]];
    ledger
        .acquire_lease(holder, HUB_KEY.0, &HUB_KEY.0.0, random)
        .await
        .unwrap()
}

fn is_lost<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> bool {
    matches!(result, Err(LedgerError::LeaseLost(_)))
}

async fn expire(ledger: &PostgresLedger) {
    sqlx::raw_sql("UPDATE settler_lease SET until = clock_timestamp() - interval '1 ms'")
        .execute(ledger.pool())
        .await
        .unwrap();
}

async fn with_something_to_settle(ledger: &PostgresLedger) {
    let mut site = Site::gate(1, "A");
    site.state(vec![(minutes(0), entry(card(1), "A", 1))]);
    ledger.ingest(&[site.log()], &Roster).await.unwrap();
}

#[tokio::test]
async fn only_the_newest_term_settles() {
    let database = Database::new("terms").await;
    let (one, other) = (database.ledger().await, database.ledger().await);
    with_something_to_settle(&one).await;
    let first = acquire(&one, "one", 1).await.unwrap();
    assert!(acquire(&other, "other", 2).await.is_none(), "it is held");
    assert!(one.lease_holder().await.unwrap().is_alive);
    expire(&one).await;
    assert!(!one.lease_holder().await.unwrap().is_alive);
    one.renew(&first).await.unwrap();
    assert!(acquire(&other, "other", 2).await.is_none(), "a sign of life");
    expire(&one).await;
    let second = acquire(&other, "other", 2).await.unwrap();
    assert!(second.term() > first.term());
    assert_ne!(second.settled_site(), first.settled_site());
    assert!(is_lost(one.renew(&first).await));
    assert!(is_lost(one.settle(&first, 10, NOW_MS, &HUB_KEY).await));
    let request = hub::ledger::postgres::Request {
        idempotency_key: None,
        decisions: vec![hub::decisions::Decision::Issue { card: card(2) }],
        override_lead_time: false,
        requested_by: "the test".into(),
    };
    one.submit(&request).await.unwrap();
    let taken = one.take_requests(&first, 10, NOW_MS, &HUB_KEY, &Roster).await;
    assert!(is_lost(taken));
    let taken = other.take_requests(&second, 10, NOW_MS, &HUB_KEY, &Roster).await;
    assert_eq!(taken.unwrap().have.unwrap().0, second.decisions_site());
    let settled = other.settle(&second, 10, NOW_MS, &HUB_KEY).await.unwrap();
    assert_eq!(settled.runs[0].site, second.settled_site());
    // Giving back what is lost takes nothing from anybody.
    one.give_back(&first).await.unwrap();
    assert!(other.lease_holder().await.unwrap().is_alive);
    other.give_back(&second).await.unwrap();
    assert!(acquire(&one, "one", 3).await.is_some(), "no need to wait");
    for ledger in [one, other] {
        ledger.pool().close().await;
    }
    database.remove().await;
}

#[tokio::test]
async fn a_settler_at_work_is_not_replaced_however_long_it_takes() {
    let database = Database::new("at_work").await;
    let (one, other) = (database.ledger().await, database.ledger().await);
    with_something_to_settle(&one).await;
    let lease = acquire(&one, "one", 1).await.unwrap();
    expire(&one).await;
    // Somebody holds what the settler needs, so it stays in its transaction.
    let mut holder = database.pool("holder").await.acquire().await.unwrap().detach();
    let mut hold = holder.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE outbox IN EXCLUSIVE MODE")
        .execute(&mut *hold)
        .await
        .unwrap();
    let settler = one.clone();
    let its = lease.clone();
    let settling = tokio::spawn(async move { settler.settle(&its, 10, NOW_MS, &HUB_KEY).await });
    let mut waits = 0_i64;
    for _ in 0..100_000 {
        waits = sqlx::query_scalar("SELECT count(*) FROM pg_locks WHERE NOT granted")
            .fetch_one(other.pool())
            .await
            .unwrap();
        if waits > 0 {
            break;
        }
    }
    assert!(waits > 0, "the settler never came to the outbox");
    assert!(acquire(&other, "other", 2).await.is_none());
    hold.rollback().await.unwrap();
    assert_eq!(settling.await.unwrap().unwrap().facts, 1);
    assert!(
        acquire(&other, "other", 2).await.is_none(),
        "settling prolongs the lease"
    );
    for ledger in [one, other] {
        ledger.pool().close().await;
    }
    database.remove().await;
}

#[tokio::test]
async fn a_new_term_s_sites_name_those_before_them() {
    let database = Database::new("previous").await;
    let ledger = database.ledger().await;
    with_something_to_settle(&ledger).await;
    let first = acquire(&ledger, "one", 1).await.unwrap();
    let settled = ledger.settle(&first, 10, NOW_MS, &HUB_KEY).await.unwrap();
    let (site, have) = settled.have.unwrap();
    assert_eq!((site, have.role), (first.settled_site(), SiteRole::Settled));
    let second = acquire(&ledger, "one", 2).await.unwrap();
    let mut gate = Site::gate(2, "B");
    gate.state(vec![(minutes(9), exit(card(1), "B", 2))]);
    ledger.ingest(&[gate.log()], &Roster).await.unwrap();
    let settled = ledger.settle(&second, 10, NOW_MS, &HUB_KEY).await.unwrap();
    let open = sync_protocol::changeset::site_open(&settled.runs[0].bodies[0]).unwrap();
    assert_eq!(open.previous, Some((site, have.head)));
    assert!(ledger.knows_key(open.node, &HUB_KEY.0).await.unwrap());
    assert!(
        !ledger
            .knows_key(sync_protocol::id::NodeId(9), &HUB_KEY.0)
            .await
            .unwrap()
    );
    ledger.pool().close().await;
    database.remove().await;
}
