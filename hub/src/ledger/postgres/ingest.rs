//! Ingest: runs → one transaction. The moved head is the acknowledgement.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnection;
use sync_protocol::changeset::{Head, Run, Trust};
use sync_protocol::id::{Seq, SiteId};

use super::columns::{self, SiteColumns, site_id, stored_head, uuid};
use super::snapshot::SiteLogs;
use super::{LedgerError, PostgresLedger, execute, recovery, revocation, sql};
use crate::ingest::{MergePlan, Moved, plan_merge};
use crate::ledger::memory::Ingested;
use crate::recovery::TakenBack;

/// How often a batch is planned anew because another process opened one of its sites meanwhile.
const RACES_MAX: usize = 4;

impl PostgresLedger {
    /// Takes runs from anybody, of any sites, in any order; those of one site that follow each other may come in one
    /// call. All in one transaction: the larger the batch, the cheaper each run.
    ///
    /// # Errors
    /// See [`LedgerError`]. Whatever the runs hold is never an error.
    pub async fn ingest(&self, runs: &[Run], trust: &(impl Trust + Sync)) -> Result<Ingested, LedgerError> {
        for _ in 0..RACES_MAX {
            match self.try_ingest(runs, trust).await {
                Err(LedgerError::Raced) => {}
                done => return done,
            }
        }
        Err(LedgerError::Raced)
    }

    async fn try_ingest(&self, runs: &[Run], trust: &(impl Trust + Sync)) -> Result<Ingested, LedgerError> {
        let mut transaction = self.pool.begin().await?;
        let logs = read_logs(&mut transaction, runs).await?;
        let Ok(plan) = plan_merge(&logs, runs, trust);
        let ingested = ingested(&logs, &plan);
        if writes_nothing(&plan) {
            transaction.rollback().await?;
            return Ok(ingested);
        }
        let back = TakenBack::of(&plan);
        execute::merge(&mut transaction, plan).await?;
        recovery::note(&mut transaction, &back).await?;
        transaction.commit().await?;
        Ok(ingested)
    }
}

fn writes_nothing(plan: &MergePlan) -> bool {
    plan.changesets.is_empty() && plan.refused.is_empty()
}

fn ingested(logs: &SiteLogs, plan: &MergePlan) -> Ingested {
    let role_of = |moved: &Moved| {
        let opened = plan.opened.iter().find(|open| open.site() == moved.site);
        let known = logs.records.get(&moved.site).map(|record| record.role);
        Some((known.or(opened.map(|open| open.role))?, *moved))
    };
    Ingested {
        moved: plan.moved.iter().filter_map(role_of).collect(),
        gaps: plan.gaps.clone(),
        rejected: plan.refused.len() + plan.quarantined.len(),
        refused: plan.refused_runs(),
    }
}

/// Reads and locks the sites of runs.
pub(super) async fn read_logs(connection: &mut PgConnection, runs: &[Run]) -> Result<SiteLogs, LedgerError> {
    let sites: BTreeSet<SiteId> = runs.iter().map(|run| run.site).collect();
    let sites: Vec<_> = sites.into_iter().map(uuid).collect();
    let found: Vec<SiteColumns> = sqlx::query_as(sql::SITES_LOCK)
        .bind(&sites)
        .fetch_all(&mut *connection)
        .await?;
    let mut logs = SiteLogs::default();
    for columns in found {
        let (site, record) = columns::site_record(columns)?;
        logs.records.insert(site, record);
    }
    // After the lock on the table: a revocation that was made before it is seen.
    if logs.records.len() < sites.len() {
        logs.revoked = revocation::revoked_keys(connection).await?;
    }
    let wanted = wanted_heads(&logs, runs);
    if wanted.is_empty() {
        return Ok(logs);
    }
    let (sites, seqs): (Vec<_>, Vec<_>) = wanted
        .iter()
        .map(|(site, seq)| (uuid(*site), columns::seq(*seq)))
        .unzip();
    let chains: Vec<(sqlx::types::Uuid, i64, Vec<u8>)> = sqlx::query_as(sql::CHAINS)
        .bind(&sites)
        .bind(&seqs)
        .fetch_all(connection)
        .await?;
    for (site, seq, chain) in chains {
        let head: Head = stored_head(seq, &chain)?;
        logs.heads.insert((site_id(site), head.seq), head);
    }
    Ok(logs)
}

/// The heads below the site's own that a run which overlaps what is stored is compared with.
fn wanted_heads(logs: &SiteLogs, runs: &[Run]) -> BTreeSet<(SiteId, Seq)> {
    let mut wanted = BTreeSet::new();
    for run in runs {
        let Some(record) = logs.records.get(&run.site) else {
            continue;
        };
        let before = Seq(run.first.0.saturating_sub(1));
        let is_below = |seq: &Seq| *seq != Seq::NONE && *seq < record.head.seq;
        let both = [before, run.last()].into_iter().filter(is_below);
        wanted.extend(both.map(|seq| (run.site, seq)));
    }
    wanted
}
