//! Revocations: of keys that never linked, and with another last changeset.

use std::collections::BTreeMap;

use hub::ledger::postgres::{PostgresLedger, RevokeError, Revoked};
use sync_protocol::changeset::PublicKey;
use sync_protocol::id::{NodeId, Seq, SiteId};

use crate::database::Database;
use crate::network::*;

async fn revoke(
    ledger: &PostgresLedger,
    keys: &[PublicKey],
    named: &[(SiteId, u64)],
) -> Result<Revoked, RevokeError> {
    let named: BTreeMap<SiteId, Seq> = named.iter().map(|(site, seq)| (*site, Seq(*seq))).collect();
    ledger
        .revoke(NodeId(1), keys, &named, "", 1_760_000_000_000)
        .await
}

#[tokio::test]
async fn a_gate_that_never_linked_is_revoked_by_its_key() {
    let database = Database::new("revoke_key").await;
    let ledger = database.ledger().await;
    let mut site = Site::gate(1, "A");
    let key = site.open.public_key;
    assert!(matches!(
        revoke(&ledger, &[], &[]).await,
        Err(RevokeError::NoKey(_))
    ));
    let revoked = revoke(&ledger, &[key], &[]).await.unwrap();
    assert_eq!(
        (revoked.keys, revoked.sites, revoked.tokens),
        (vec![key], vec![], 0)
    );
    assert!(ledger.revoked_keys().await.unwrap().contains(&key));
    site.state(vec![(minutes(1), entry(card(1), "A", 1))]);
    ledger.ingest(&[site.log()], &Roster).await.unwrap();
    let evidence = ledger.evidence().await.unwrap();
    assert_eq!(evidence.quarantined, 2, "nothing it writes counts");
    ledger.pool().close().await;
    database.remove().await;
}

#[tokio::test]
async fn another_last_changeset_counts_as_long_as_nothing_changes_sides() {
    let database = Database::new("revoke_again").await;
    let ledger = database.ledger().await;
    let mut site = Site::gate(1, "A");
    let id = site.id();
    for minute in 1..3 {
        site.state(vec![(minutes(minute), entry(card(1), "A", 1))]);
    }
    ledger.ingest(&[site.log()], &Roster).await.unwrap();
    let last = async |named: u64| {
        revoke(&ledger, &[], &[(id, named)])
            .await
            .map(|revoked| revoked.sites[0].1.0)
    };
    assert_eq!(last(9).await.unwrap(), 9);
    assert_eq!(
        last(5).await.unwrap(),
        5,
        "less than before, and nothing of it was taken"
    );
    assert!(matches!(
        last(2).await,
        Err(RevokeError::Taken { held: Seq(3), .. })
    ));
    for minute in 3..8 {
        site.state(vec![(minutes(minute), entry(card(1), "A", 1))]);
    }
    ledger.ingest(&[site.log()], &Roster).await.unwrap();
    assert_eq!(ledger.evidence().await.unwrap().quarantined, 3);
    let beyond = last(7).await;
    assert!(
        matches!(
            beyond,
            Err(RevokeError::PutAside {
                accepted: Seq(5),
                held: Seq(8),
                ..
            })
        ),
        "{beyond:?}"
    );
    assert!(matches!(
        last(4).await,
        Err(RevokeError::Taken { held: Seq(5), .. })
    ));
    assert_eq!(last(5).await.unwrap(), 5);
    ledger.pool().close().await;
    database.remove().await;
}
