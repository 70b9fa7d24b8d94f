//! What PostgreSQL cannot hold must not stop the hub.

use sync_protocol::changeset::{Change, Content, SiteRole};
use sync_protocol::fact::{Direction, Fact, Tap};
use sync_protocol::money::Money;
use sync_protocol::rows::{RowChange, SENTINEL, VERSION_MAX, Value, key};

use crate::database::{Database, count};
use crate::network::*;
use crate::pair::Pair;

fn row(table: &str, column: &str, value: Value) -> Change {
    let sentinel = column == SENTINEL;
    Change::new(&Content::Row(RowChange {
        table: table.to_owned(),
        key: key::pack(&[Value::Text("a\0b".into()), Value::Blob(vec![0, 1])]).unwrap(),
        column: column.to_owned(),
        value,
        col_version: if sentinel { 1 } else { VERSION_MAX },
        causal_length: 1,
        seq: 0,
    }))
}

#[tokio::test]
async fn texts_with_nul_are_kept_or_put_aside() {
    let database = Database::new("nul").await;
    let mut pair = Pair::new(database.ledger().await).await;
    let mut gate = Site::gate(1, "A");
    gate.write(
        0,
        vec![
            row("gates", "status", Value::Text("on\0line".into())),
            row("gates", "mode", Value::Real(f64::MIN_POSITIVE.to_bits())),
            row("gates", "address", Value::Text("π".into())),
            row("ga\0tes", "status", Value::Null),
            row("gates", "sta\0tus", Value::Null),
            row("empty", SENTINEL, Value::Null),
        ],
    );
    pair.ingest(&[gate.log()]).await;
    let mut hub = Site::new(0, SiteRole::Decisions);
    let nul = String::from("a\0b");
    let fact = |fact: Fact| (minutes(0), fact);
    let card = card(1);
    let amount = Money::rupiah(1);
    hub.state(vec![
        fact(Fact::TopUp {
            card,
            amount,
            reference: nul.clone(),
        }),
        fact(Fact::TopUp {
            card,
            amount,
            reference: nul.clone(),
        }),
        fact(Fact::TopUp {
            card,
            amount,
            reference: "a\u{FFFD}b".into(),
        }),
        fact(Fact::Adjust {
            card,
            amount,
            reason: nul.clone(),
        }),
        fact(Fact::Refund {
            card,
            amount,
            reason: nul,
        }),
    ]);
    pair.ingest(&[hub.log()]).await;
    pair.settle_all().await;
    pair.compare().await;
    assert_eq!(pair.postgres.evidence().await.unwrap().quarantined, 2);
    let balance = pair.postgres.view(card).await.unwrap().unwrap().balance;
    assert_eq!(balance, Money::rupiah(4), "a reference again counts once");
    pair.postgres.pool().close().await;
    database.remove().await;
}

#[tokio::test]
async fn the_largest_numbers_a_writer_may_state_are_booked() {
    let database = Database::new("large").await;
    let mut pair = Pair::new(database.ledger().await).await;
    let mut hub = Site::new(0, SiteRole::Decisions);
    let amount = Money::AMOUNT_MAX;
    for number in 0..40 {
        let card = card(1);
        let top_up = Fact::TopUp {
            card,
            amount,
            reference: number.to_string(),
        };
        let status = Fact::CardStatus {
            card,
            version: i64::MAX as u64,
            status: sync_protocol::fact::CardStatus::Blocked,
        };
        hub.state(vec![(minutes(number), top_up), (minutes(number), status)]);
    }
    let mut gate = Site::gate(1, "A");
    let largest = Tap {
        uncertainty_ms: u32::MAX,
        fare_version: u32::MAX,
        hold: amount,
        quoted: Some(amount),
        ..tap(card(1), Direction::Entry, "A", 1)
    };
    gate.state(vec![(sync_protocol::time::WALL_MS_MAX, Fact::Tap(largest))]);
    gate.state(vec![(-sync_protocol::time::WALL_MS_MAX, entry(card(2), "A", 1))]);
    pair.ingest(&[hub.log(), gate.log()]).await;
    pair.settle_all().await;
    pair.compare().await;
    pair.postgres.pool().close().await;
    database.remove().await;
}

#[tokio::test]
async fn evidence_is_bounded_and_counted() {
    let database = Database::new("evidence").await;
    let mut pair = Pair::new(database.ledger().await).await;
    let site = Site::gate(1, "A");
    let mut forged = site.log();
    forged.signature = sync_protocol::changeset::Signature([0; 64]);
    for _ in 0..3 {
        pair.ingest(&vec![forged.clone(); 500]).await;
    }
    pair.compare().await;
    let kept = count(pair.postgres.pool(), "SELECT count(*) FROM refused").await;
    assert_eq!(kept as usize, pair.memory.refused().len());
    assert_eq!(pair.postgres.evidence().await.unwrap().refused, 1_500);
    pair.postgres.pool().close().await;
    database.remove().await;
}
