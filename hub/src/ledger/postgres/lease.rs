//! Who settles: a lease with a term, timed by the database's clock, and the two sites of the term.

use std::fmt;

use sqlx::postgres::PgConnection;
use sync_protocol::changeset::{Head, PublicKey, SiteOpen, SiteRole};
use sync_protocol::codec;
use sync_protocol::id::SiteId;
use sync_protocol::time::Stamp;

use super::columns::{self, corrupt, role_columns, stored_head};
use super::{LedgerError, PostgresLedger, recovery, sql};
use crate::own_site::Writer;

/// How long a lease holds without a sign of life, seconds. Each call of a settler is one.
pub const LEASE_S: f64 = 5.0;

/// Names the lock in PostgreSQL that says that a hub is about to ask for the lease.
const ANNOUNCED_LOCK: i64 = 0x6c65_6173_655f_6875;

/// Says that this process will ask for the lease, until it is dropped: whoever else could take it for a moment had
/// better wait.
#[derive(Debug)]
pub struct Announced {
    /// The lock is the connection's.
    _connection: PgConnection,
}

/// Counts the leases taken, from 1. The highest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub i64);

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The right to settle, until another process takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    term: Term,
    decisions: SiteId,
    settled: SiteId,
}

impl Lease {
    /// Its term.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The site of the term's decisions. It is opened with its first commit.
    #[must_use]
    pub const fn decisions_site(&self) -> SiteId {
        self.decisions
    }

    /// The site of the term's settled states. It is opened with its first commit.
    #[must_use]
    pub const fn settled_site(&self) -> SiteId {
        self.settled
    }
}

/// Who holds the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What it called itself.
    pub name: String,
    /// Its term.
    pub term: Term,
    /// Whether it gave a sign of life within [`LEASE_S`].
    pub is_alive: bool,
}

/// `hub_sites` as read: role, open, head_seq, head_chain, last_ms, last_counter.
type WriterColumns = (String, Vec<u8>, i64, Vec<u8>, i64, i64);

/// The two sites the hub writes in a term.
#[derive(Debug)]
pub(super) struct Writers {
    pub(super) decisions: Writer,
    pub(super) settled: Writer,
}

impl PostgresLedger {
    /// Takes the lease if nobody holds it, or its holder gave no sign of life within [`LEASE_S`], or is `holder` (a
    /// name no other process has). A new term begins with two new sites; the random bytes are drawn by the caller,
    /// anew for every call: first for the decisions, then for the settled states.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn acquire_lease(
        &self,
        holder: &str,
        public_key: PublicKey,
        certificate: &[u8],
        random: [[u8; 16]; 2],
    ) -> Result<Option<Lease>, LedgerError> {
        let mut transaction = self.pool.begin().await?;
        let found: Option<(String, i64, bool)> = sqlx::query_as(sql::LEASE_TAKE)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some((name, term, is_held)) = found.filter(|(name, _, held)| !held || name == holder) else {
            return Ok(None);
        };
        drop((name, is_held));
        let term = Term(term + 1);
        sqlx::query(sql::LEASE_SET)
            .bind(columns::readable(holder))
            .bind(term.0)
            .bind(LEASE_S)
            .execute(&mut *transaction)
            .await?;
        let rows: Vec<WriterColumns> = sqlx::query_as(sql::HUB_SITES)
            .fetch_all(&mut *transaction)
            .await?;
        let mut before = writers(rows)?;
        if let Some(Writers { decisions, settled }) = &mut before {
            recovery::catch_up(&mut transaction, decisions).await?;
            recovery::catch_up(&mut transaction, settled).await?;
        }
        let [decisions, settled] = random;
        let writer = |role, random, previous: Option<&Writer>| {
            Writer::new(role, public_key, random, certificate.to_vec(), previous)
        };
        let decisions = writer(
            SiteRole::Decisions,
            decisions,
            before.as_ref().map(|before| &before.decisions),
        );
        let settled = writer(
            SiteRole::Settled,
            settled,
            before.as_ref().map(|before| &before.settled),
        );
        save_writer(&mut transaction, term, &decisions).await?;
        save_writer(&mut transaction, term, &settled).await?;
        transaction.commit().await?;
        Ok(Some(Lease {
            term,
            decisions: decisions.site(),
            settled: settled.site(),
        }))
    }

    /// Gives a sign of life. Not needed while settling: that is one.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when another process has the lease by now. See [`LedgerError`] for the rest.
    pub async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        let renewed = sqlx::query(sql::LEASE_RENEW)
            .bind(lease.term.0)
            .bind(LEASE_S)
            .execute(&self.pool)
            .await?;
        match renewed.rows_affected() {
            0 => Err(LedgerError::LeaseLost(lease.term)),
            _ => Ok(()),
        }
    }

    /// Gives the lease back, so that the next process need not wait. A lease that is lost already is no error.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn give_back(&self, lease: &Lease) -> Result<(), LedgerError> {
        sqlx::query(sql::LEASE_GIVE_BACK)
            .bind(lease.term.0)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Says that this process is about to ask for the lease.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn announce(&self) -> Result<Announced, LedgerError> {
        let mut connection = self.pool.acquire().await?.detach();
        let lock = sqlx::query(sql::LEASE_ANNOUNCE).bind(ANNOUNCED_LOCK);
        lock.execute(&mut connection).await?;
        Ok(Announced {
            _connection: connection,
        })
    }

    /// Whether a hub is about to ask for the lease.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn is_announced(&self) -> Result<bool, LedgerError> {
        let asked = sqlx::query_scalar(sql::LEASE_IS_ANNOUNCED).bind(ANNOUNCED_LOCK);
        Ok(asked.fetch_one(&self.pool).await?)
    }

    /// Who settles.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn lease_holder(&self) -> Result<Holder, LedgerError> {
        let (name, term, is_alive): (String, i64, bool) =
            sqlx::query_as(sql::LEASE_READ).fetch_one(&self.pool).await?;
        let term = Term(term);
        Ok(Holder { name, term, is_alive })
    }
}

/// Locks the lease until the end of the transaction, prolongs it, and reads where the term's sites stand.
pub(super) async fn fence(connection: &mut PgConnection, lease: &Lease) -> Result<Writers, LedgerError> {
    let rows: Vec<WriterColumns> = sqlx::query_as(sql::HUB_SITES_FENCED)
        .bind(lease.term.0)
        .bind(LEASE_S)
        .fetch_all(connection)
        .await?;
    writers(rows)?.ok_or(LedgerError::LeaseLost(lease.term))
}

fn writers(rows: Vec<WriterColumns>) -> Result<Option<Writers>, LedgerError> {
    let (mut decisions, mut settled) = (None, None);
    for row in rows {
        let writer = writer(row)?;
        match writer.open().role {
            SiteRole::Decisions => decisions = Some(writer),
            SiteRole::Settled => settled = Some(writer),
            SiteRole::Gate(_) => return Err(corrupt("a gate's site as the hub's own:", writer.site())),
        }
    }
    Ok(decisions
        .zip(settled)
        .map(|(decisions, settled)| Writers { decisions, settled }))
}

fn writer(
    (role, open, head_seq, head_chain, last_ms, last_counter): WriterColumns,
) -> Result<Writer, LedgerError> {
    let open: SiteOpen = codec::decode(&open).map_err(|_| corrupt("an unreadable opening of", role))?;
    let head: Head = stored_head(head_seq, &head_chain)?;
    let counter = u32::try_from(last_counter).map_err(|_| corrupt("a stamp's counter", last_counter))?;
    let last = Stamp { ms: last_ms, counter };
    Ok(Writer::restored(open, head, last))
}

pub(super) async fn save_writer(
    connection: &mut PgConnection,
    term: Term,
    writer: &Writer,
) -> Result<(), LedgerError> {
    let head = writer.head();
    let (role, _) = role_columns(writer.open().role);
    sqlx::query(sql::HUB_SITE_SAVE)
        .bind(role)
        .bind(term.0)
        .bind(codec::encode(writer.open()))
        .bind(columns::seq(head.seq))
        .bind(head.chain.0.as_slice())
        .bind(writer.last().ms)
        .bind(i64::from(writer.last().counter))
        .execute(connection)
        .await?;
    Ok(())
}
