//! Second branches of logs and nodes that run twice: kept, told once, decided.

use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::time::MINUTE_MS;

use crate::database::{Database, count};
use crate::network::*;
use crate::pair::Pair;

fn taken(site: &mut Site, number: u32) {
    site.state(vec![(minutes(i64::from(number)), entry(card(number), "A", 1))]);
}

#[tokio::test]
async fn both_branches_are_kept_and_bounded_until_somebody_decides() {
    let database = Database::new("forks").await;
    let mut pair = Pair::new(database.ledger().await).await;
    let mut one = Site::gate(1, "A");
    taken(&mut one, 1);
    let mut other = one.clone();
    taken(&mut one, 2);
    taken(&mut one, 3);
    taken(&mut other, 9);
    pair.ingest(&[one.log()]).await;
    pair.ingest(&[other.log()]).await;
    pair.ingest(&[other.log()]).await;
    let branches = pair.postgres.branches().await.unwrap();
    let [branch] = &branches[..] else {
        panic!("{branches:?}")
    };
    assert_eq!((branch.site, branch.node, branch.times), (one.id(), NodeId(1), 2));
    assert_eq!((branch.parted.seq, branch.held), (Seq(3), Seq(4)));
    assert_eq!(branch.run, other.log());
    let held = pair.postgres.bodies(one.id(), Seq(3), Seq(3)).await.unwrap();
    assert_eq!(held[0].1, one.bodies[2]);
    let now_ms = 1_760_000_000_000;
    assert_eq!(pair.postgres.alarms(now_ms).await.unwrap().forked_sites, 1);
    // Everybody else is taken, and this log goes on where it is held.
    let mut neighbour = Site::gate(2, "A");
    taken(&mut neighbour, 4);
    taken(&mut one, 5);
    pair.ingest(&[neighbour.log(), one.log()]).await;
    pair.settle_all().await;
    pair.compare().await;

    pair.postgres.branches_decided(one.id()).await.unwrap();
    assert_eq!(pair.postgres.alarms(now_ms).await.unwrap().forked_sites, 0);
    // What comes of a site that is decided is decided; and no site fills the table.
    for number in 10..30 {
        taken(&mut other, number);
        pair.ingest(&[other.log()]).await;
    }
    assert_eq!(pair.postgres.alarms(now_ms).await.unwrap().forked_sites, 0);
    let kept = count(pair.postgres.pool(), "SELECT count(*) FROM site_branches").await;
    assert_eq!(kept, 8);
    pair.postgres.pool().close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_node_that_runs_twice_is_news_once_in_an_episode() {
    let database = Database::new("cloned").await;
    let ledger = database.ledger().await;
    let sites = [SiteId([1; 16]), SiteId([2; 16])];
    let start_ms = 1_760_000_000_000;
    let note = async |minute: i64| {
        let now_ms = start_ms + minute * MINUTE_MS;
        ledger
            .note_cloned(NodeId(3), "heartbeats", &sites, now_ms)
            .await
            .unwrap()
    };
    assert!(note(0).await);
    for minute in 1..20 {
        assert!(!note(minute).await, "{minute}");
    }
    assert!(note(40).await);
    let cloned = ledger.cloned_nodes().await.unwrap();
    assert_eq!(
        (cloned[0].node, cloned[0].episodes, &cloned[0].sites[..]),
        (NodeId(3), 2, &sites[..])
    );
    let now = |minute: i64| start_ms + minute * MINUTE_MS;
    assert_eq!(ledger.alarms(now(45)).await.unwrap().cloned_nodes, 1);
    assert_eq!(ledger.alarms(now(51)).await.unwrap().cloned_nodes, 0);
    ledger.pool().close().await;
    database.remove().await;
}
