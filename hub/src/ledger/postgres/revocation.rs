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
    /// Enrolment tokens of it that nobody had used, and nobody can any more.
    pub tokens: u64,
}

/// Why a node is not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The hub has never heard of a key of it.
    #[error(
        "the hub knows no key of {0}, and no token for it is out: if it has one by `hub ca issue`, name the key that this \
         printed with --key"
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
    /// More was named than a revocation before let in, and what is between was put aside since.
    #[error(
        "log {site} counts up to {accepted} since it was revoked, and what came after that up to {held} is in the table \
         quarantine: it does not count by naming more; book what is right with `hub card adjust`"
    )]
    PutAside {
        /// The site.
        site: SiteId,
        /// What counts.
        accepted: Seq,
        /// What came since.
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
    /// Revokes every key of a node: those that the hub knows, and those named, which may never have linked. Its tokens
    /// that nobody has used end. Of its sites what is held counts, and what `named` says beyond it. Again: the same,
    /// with keys and sites that came since; a site's last changeset may be named anew, as long as nothing that was
    /// taken or put aside changes sides.
    ///
    /// # Errors
    /// See [`RevokeError`]; nothing happened then.
    pub async fn revoke(
        &self,
        node: NodeId,
        named_keys: &[PublicKey],
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
            .bind(named_keys.iter().map(|key| key.0.as_slice()).collect::<Vec<_>>())
            .fetch_all(&mut *transaction)
            .await?;
        let tokens = sqlx::query(sql::ENROL_TOKENS_END)
            .bind(i64::from(node.0))
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if keys.is_empty() && tokens == 0 {
            return Err(RevokeError::NoKey(node));
        }
        let before = read_sites(&mut transaction, node).await?;
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
            check_named(node, *site, *last, &before, &revoked)?;
        }
        let sites = revoked.iter().map(|(site, (last, _))| (*site, *last)).collect();
        transaction.commit().await?;
        Ok(Revoked {
            tokens,
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

/// Whether this changeset of a site may be the last that counts.
fn check_named(
    node: NodeId,
    site: SiteId,
    last: Seq,
    before: &Sites,
    revoked: &Sites,
) -> Result<(), RevokeError> {
    let Some((_, held)) = revoked.get(&site).copied() else {
        return Err(RevokeError::OtherSite { site, node });
    };
    let accepted = before.get(&site).map_or(held, |(accepted, _)| *accepted);
    let taken = accepted.min(held);
    if last < taken {
        return Err(RevokeError::Taken { site, held: taken });
    }
    if last > accepted && held > accepted {
        return Err(RevokeError::PutAside { site, accepted, held });
    }
    Ok(())
}

/// Of each revoked site the last changeset that counts, and the last that is held.
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
