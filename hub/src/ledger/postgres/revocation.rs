//! Revoked keys, and the last changeset that counts of each site of theirs.
//!
//! Exact against ingest: see `revoke_lock.sql`. What was taken before the revocation stays: money that should not have
//! been booked is corrected by a decision, never undone.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;
use sync_protocol::changeset::PublicKey;
use sync_protocol::id::{NodeId, Seq, SiteId};

use super::columns::{self, bytes, site_id, stored_seq, uuid};
use super::{LedgerError, PostgresLedger, sql};

/// What a revocation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The node's keys.
    pub keys: Vec<PublicKey>,
    /// Of each of its sites the last changeset that counts.
    pub sites: Vec<(SiteId, Seq)>,
}

/// Why a node is not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The hub has never heard of a key of it.
    #[error(
        "the hub knows no key of {0}: it never enrolled here and never linked, so there is nothing to revoke; make no \
         token for it"
    )]
    NoKey(NodeId),
    /// A site named by the operator is none of the node's.
    #[error("{site} is no log of {node}: see `sites` in transaction_service_db")]
    OtherSite {
        /// The site.
        site: SiteId,
        /// The node.
        node: NodeId,
    },
    /// Less was named than is taken already.
    #[error(
        "log {site} is taken up to {held} already, and what was taken is not undone: name {held} or more, and correct \
         money with `hub card adjust`"
    )]
    Taken {
        /// The site.
        site: SiteId,
        /// Up to here.
        held: Seq,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<sqlx::Error> for RevokeError {
    fn from(error: sqlx::Error) -> RevokeError {
        RevokeError::Ledger(error.into())
    }
}

impl PostgresLedger {
    /// Revokes every key of a node. Of its sites what is held counts, and what `named` says beyond it. Again: the same,
    /// with keys and sites that came since.
    ///
    /// # Errors
    /// See [`RevokeError`]; nothing happened then.
    pub async fn revoke(
        &self,
        node: NodeId,
        named: &BTreeMap<SiteId, Seq>,
        reason: &str,
        now_ms: i64,
    ) -> Result<Revoked, RevokeError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(sql::REVOKE_LOCK).execute(&mut *transaction).await?;
        let keys: Vec<Vec<u8>> = sqlx::query_scalar(sql::REVOKE_KEYS)
            .bind(i64::from(node.0))
            .bind(now_ms)
            .bind(reason)
            .fetch_all(&mut *transaction)
            .await?;
        if keys.is_empty() {
            return Err(RevokeError::NoKey(node));
        }
        let (sites, seqs): (Vec<_>, Vec<_>) = named
            .iter()
            .map(|(site, last)| (uuid(*site), columns::seq(*last)))
            .unzip();
        sqlx::query(sql::REVOKE_SITES)
            .bind(i64::from(node.0))
            .bind(sites)
            .bind(seqs)
            .execute(&mut *transaction)
            .await?;
        let revoked = read_sites(&mut transaction, node).await?;
        for (site, last) in named {
            match revoked.get(site) {
                None => return Err(RevokeError::OtherSite { site: *site, node }),
                Some((_, held)) if last < held => {
                    return Err(RevokeError::Taken {
                        site: *site,
                        held: *held,
                    });
                }
                Some(_) => {}
            }
        }
        let sites = revoked.iter().map(|(site, (last, _))| (*site, *last)).collect();
        transaction.commit().await?;
        Ok(Revoked {
            keys: keys
                .iter()
                .map(|key| Ok(PublicKey(bytes("a public key", key)?)))
                .collect::<Result<_, LedgerError>>()?,
            sites,
        })
    }

    /// Every revoked key.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn revoked_keys(&self) -> Result<BTreeSet<PublicKey>, LedgerError> {
        let mut connection = self.pool.acquire().await?;
        revoked_keys(&mut connection).await
    }
}

/// Every revoked key.
pub(super) async fn revoked_keys(connection: &mut PgConnection) -> Result<BTreeSet<PublicKey>, LedgerError> {
    let keys: Vec<Vec<u8>> = sqlx::query_scalar(sql::REVOKED_KEYS)
        .fetch_all(connection)
        .await?;
    keys.iter()
        .map(|key| Ok(PublicKey(bytes("a public key", key)?)))
        .collect()
}

type Sites = BTreeMap<SiteId, (Seq, Seq)>;

async fn read_sites(connection: &mut PgConnection, node: NodeId) -> Result<Sites, LedgerError> {
    let found: Vec<(sqlx::types::Uuid, i64, i64)> = sqlx::query_as(sql::REVOKED_SITES)
        .bind(i64::from(node.0))
        .fetch_all(connection)
        .await?;
    found
        .into_iter()
        .map(|(site, last, held)| Ok((site_id(site), (stored_seq(last)?, stored_seq(held)?))))
        .collect()
}
