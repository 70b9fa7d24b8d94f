//! Writes what ingest planned: arrays in, a handful of statements.

mod facts;

use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use sync_protocol::changeset::SiteOpen;
use sync_protocol::codec;
use sync_protocol::id::{FactId, Seq, SiteId};

use super::columns::{self, readable, role_columns, uuid};
use super::{LedgerError, forks, outbox, rows, sql};
use crate::ingest::{MergePlan, Moved, Quarantined, Refused, StoredChangeset};
use crate::ledger::memory::EVIDENCE_MAX;

/// Executes a plan that was made on the sites this transaction has locked.
///
/// Locks are taken in one order by everybody: sites, rows, counts of evidence, the outbox.
pub(super) async fn merge(connection: &mut PgConnection, plan: MergePlan) -> Result<(), LedgerError> {
    advance(connection, &plan.opened, &plan.moved).await?;
    store_changesets(connection, &plan.changesets).await?;
    facts::store(connection, &plan.facts).await?;
    close_sites(connection, &plan.closed, &plan.reopened).await?;
    let events = rows::merge(connection, plan.rows).await?;
    quarantine(connection, &plan.quarantined).await?;
    refuse(connection, &plan.refused).await?;
    forks::keep(connection, &plan.refused).await?;
    outbox::append(connection, &events, 0).await
}

/// Opens sites and moves heads.
pub(super) async fn advance(
    connection: &mut PgConnection,
    opened: &[SiteOpen],
    moved: &[Moved],
) -> Result<(), LedgerError> {
    open_sites(connection, opened, moved).await?;
    move_heads(connection, opened, moved).await
}

async fn open_sites(
    connection: &mut PgConnection,
    opened: &[SiteOpen],
    moved: &[Moved],
) -> Result<(), LedgerError> {
    if opened.is_empty() {
        return Ok(());
    }
    let mut opened: Vec<(SiteId, &SiteOpen)> = opened.iter().map(|open| (open.site(), open)).collect();
    opened.sort_unstable_by_key(|(site, _)| *site);
    let (mut sites, mut nodes, mut roles, mut terminals, mut keys) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut seqs, mut chains) = (vec![], vec![]);
    for (site, open) in &opened {
        let Some(moved) = moved.iter().find(|moved| moved.site == *site) else {
            continue;
        };
        let (role, terminal) = role_columns(open.role);
        sites.push(uuid(*site));
        nodes.push(i64::from(open.node.0));
        roles.push(role);
        terminals.push(terminal);
        keys.push(open.public_key.0.as_slice());
        seqs.push(columns::seq(moved.to.seq));
        chains.push(moved.to.chain.0.as_slice());
    }
    let inserted = sqlx::query(sql::SITES_INSERT)
        .bind(&sites)
        .bind(nodes)
        .bind(roles)
        .bind(terminals)
        .bind(keys)
        .bind(seqs)
        .bind(chains)
        .execute(connection)
        .await?;
    all_written(inserted.rows_affected(), sites.len())
}

async fn move_heads(
    connection: &mut PgConnection,
    opened: &[SiteOpen],
    moved: &[Moved],
) -> Result<(), LedgerError> {
    let is_new = |site: SiteId| opened.iter().any(|open| open.site() == site);
    let moved: Vec<&Moved> = moved.iter().filter(|moved| !is_new(moved.site)).collect();
    if moved.is_empty() {
        return Ok(());
    }
    let sites: Vec<Uuid> = moved.iter().map(|moved| uuid(moved.site)).collect();
    let from: Vec<i64> = moved.iter().map(|moved| columns::seq(moved.from.seq)).collect();
    let to: Vec<i64> = moved.iter().map(|moved| columns::seq(moved.to.seq)).collect();
    let chains: Vec<&[u8]> = moved.iter().map(|moved| moved.to.chain.0.as_slice()).collect();
    let updated = sqlx::query(sql::SITES_MOVE)
        .bind(sites)
        .bind(from)
        .bind(to)
        .bind(chains)
        .execute(connection)
        .await?;
    all_written(updated.rows_affected(), moved.len())
}

/// Another process took one of the sites: the plan is stale.
fn all_written(written: u64, planned: usize) -> Result<(), LedgerError> {
    if written == planned as u64 {
        Ok(())
    } else {
        Err(LedgerError::Raced)
    }
}

/// Stores changesets of sites that this transaction has locked or opened.
pub(super) async fn store_changesets(
    connection: &mut PgConnection,
    stored: &[StoredChangeset],
) -> Result<(), LedgerError> {
    if stored.is_empty() {
        return Ok(());
    }
    let sites: Vec<Uuid> = stored.iter().map(|one| uuid(one.site)).collect();
    let seqs: Vec<i64> = stored.iter().map(|one| columns::seq(one.head.seq)).collect();
    let bodies: Vec<&[u8]> = stored.iter().map(|one| one.body.as_ref()).collect();
    let chains: Vec<&[u8]> = stored.iter().map(|one| one.head.chain.0.as_slice()).collect();
    let signatures = stored.iter().map(|one| one.signature.as_ref());
    let signatures: Vec<Option<&[u8]>> = signatures
        .map(|signature| signature.map(|signature| signature.0.as_slice()))
        .collect();
    let settles: Vec<bool> = stored.iter().map(|one| one.settles).collect();
    sqlx::query(sql::CHANGESETS_INSERT)
        .bind(sites)
        .bind(seqs)
        .bind(bodies)
        .bind(chains)
        .bind(signatures)
        .bind(settles)
        .execute(connection)
        .await?;
    Ok(())
}

async fn close_sites(
    connection: &mut PgConnection,
    closed: &[(SiteId, Seq)],
    reopened: &[SiteId],
) -> Result<(), LedgerError> {
    // One by one: of two statements about a site in one batch the later counts, and there are hardly ever two.
    for (site, last) in closed {
        sqlx::query(sql::SITES_CLOSE)
            .bind(vec![uuid(*site)])
            .bind(vec![columns::seq(*last)])
            .execute(&mut *connection)
            .await?;
    }
    if !reopened.is_empty() {
        let sites: Vec<Uuid> = reopened.iter().copied().map(uuid).collect();
        sqlx::query(sql::SITES_REOPEN)
            .bind(sites)
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn quarantine(connection: &mut PgConnection, kept: &[Quarantined]) -> Result<(), LedgerError> {
    if kept.is_empty() {
        return Ok(());
    }
    let ids = FactIds::new(kept.iter().map(|kept| kept.id));
    let reasons: Vec<String> = kept
        .iter()
        .map(|kept| readable(kept.reason.to_string()))
        .collect();
    let contents: Vec<&[u8]> = kept.iter().map(|kept| kept.content.as_ref()).collect();
    sqlx::query(sql::QUARANTINE_INSERT)
        .bind(ids.sites)
        .bind(ids.seqs)
        .bind(ids.indexes)
        .bind(reasons)
        .bind(contents)
        .execute(connection)
        .await?;
    Ok(())
}

/// Counts what was refused, and keeps the first [`EVIDENCE_MAX`].
async fn refuse(connection: &mut PgConnection, refused: &[Refused]) -> Result<(), LedgerError> {
    if refused.is_empty() {
        return Ok(());
    }
    let before: i64 = sqlx::query_scalar(sql::REFUSED_COUNT)
        .bind(refused.len() as i64)
        .fetch_one(&mut *connection)
        .await?;
    let room = EVIDENCE_MAX.saturating_sub(usize::try_from(before).unwrap_or(usize::MAX));
    let kept = &refused[..room.min(refused.len())];
    if kept.is_empty() {
        return Ok(());
    }
    let sites: Vec<Uuid> = kept.iter().map(|kept| uuid(kept.run.site)).collect();
    let firsts: Vec<i64> = kept.iter().map(|kept| columns::seq(kept.run.first)).collect();
    let lasts: Vec<i64> = kept.iter().map(|kept| columns::seq(kept.run.last())).collect();
    let reasons: Vec<String> = kept
        .iter()
        .map(|kept| readable(kept.reason.to_string()))
        .collect();
    let runs: Vec<Vec<u8>> = kept.iter().map(|kept| codec::encode(&kept.run)).collect();
    sqlx::query(sql::REFUSED_INSERT)
        .bind(sites)
        .bind(firsts)
        .bind(lasts)
        .bind(reasons)
        .bind(runs)
        .execute(connection)
        .await?;
    Ok(())
}

/// Ids of facts as three columns.
#[derive(Default)]
pub(super) struct FactIds {
    pub(super) sites: Vec<Uuid>,
    pub(super) seqs: Vec<i64>,
    pub(super) indexes: Vec<i32>,
}

impl FactIds {
    pub(super) fn new(ids: impl Iterator<Item = FactId>) -> FactIds {
        let mut columns = FactIds::default();
        ids.for_each(|id| columns.push(id));
        columns
    }

    pub(super) fn push(&mut self, id: FactId) {
        self.sites.push(uuid(id.site));
        self.seqs.push(columns::seq(id.seq));
        self.indexes.push(i32::from(id.index));
    }
}
