//! Second branches of logs, and nodes of which two processes run: kept as evidence, shown, decided.
//!
//! What the hub holds of a log stays: what is settled stays settled. The other branch is kept as the run that proves it,
//! signed by the writer's own key, beside the changesets of the one that is held.

use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use sync_protocol::changeset::{Head, Run};
use sync_protocol::codec;
use sync_protocol::id::{NodeId, Seq, SiteId};

use super::columns::{self, corrupt, site_id, stored_count, stored_head, stored_seq, uuid};
use super::{LedgerError, PostgresLedger, sql};
use crate::ingest::{Refused, RefusedReason};

/// A branch of a log besides the one that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The log.
    pub site: SiteId,
    /// Who writes it.
    pub node: NodeId,
    /// The last changeset of the branch that is held, and up to where that is settled.
    pub held: Seq,
    /// See `held`.
    pub settled: Seq,
    /// The run that proves the other branch.
    pub run: Run,
    /// The first changeset that is in both branches and differs, and what is held there.
    pub parted: Head,
    /// How often it was shown.
    pub times: u64,
    /// When it was shown first and last, milliseconds since 1970.
    pub first_seen_ms: i64,
    /// See `first_seen_ms`.
    pub last_seen_ms: i64,
    /// When an operator said which branch counts, milliseconds since 1970.
    pub decided_ms: Option<i64>,
}

/// A node of which two processes were seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClonedNode {
    /// The node.
    pub node: NodeId,
    /// What showed it: `heartbeats` or `links`.
    pub shown_by: String,
    /// The sites that its processes write, as far as they are known.
    pub sites: Vec<SiteId>,
    /// How often it began.
    pub episodes: u64,
    /// When the last episode began, and when it was last seen; milliseconds since 1970.
    pub first_seen_ms: i64,
    /// See `first_seen_ms`.
    pub last_seen_ms: i64,
}

/// What an operator should look at, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    /// Logs with branches that nobody has decided.
    pub forked_sites: u64,
    /// Nodes of which two processes were seen in the last ten minutes.
    pub cloned_nodes: u64,
    /// How often closed sites wrote on.
    pub reopened: u64,
}

/// Keeps the runs that prove a second branch.
pub(super) async fn keep(connection: &mut PgConnection, refused: &[Refused]) -> Result<(), LedgerError> {
    let proofs = refused
        .iter()
        .filter(|refused| refused.reason == RefusedReason::Fork);
    for Refused { run, .. } in proofs {
        let before = Seq(run.first.0.saturating_sub(1));
        let start = head_at(connection, run.site, before).await?;
        let Some(start) = start else { continue };
        let end = run.bodies.iter().fold(start, |head, body| head.then(body));
        sqlx::query(sql::BRANCHES_INSERT)
            .bind(uuid(run.site))
            .bind(end.chain.0.as_slice())
            .bind(columns::seq(run.first))
            .bind(columns::seq(run.last()))
            .bind(codec::encode(run))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The head of a log at a stored changeset.
async fn head_at(connection: &mut PgConnection, site: SiteId, seq: Seq) -> Result<Option<Head>, LedgerError> {
    if seq == Seq::NONE {
        return Ok(Some(Head::empty(site)));
    }
    Ok(chains(connection, site, &[seq]).await?.pop())
}

async fn chains(connection: &mut PgConnection, site: SiteId, seqs: &[Seq]) -> Result<Vec<Head>, LedgerError> {
    let found: Vec<(Uuid, i64, Vec<u8>)> = sqlx::query_as(sql::CHAINS)
        .bind(vec![uuid(site); seqs.len()])
        .bind(seqs.iter().map(|seq| columns::seq(*seq)).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let mut heads: Vec<Head> = found
        .iter()
        .map(|(_, seq, chain)| stored_head(*seq, chain))
        .collect::<Result<_, _>>()?;
    heads.sort_unstable_by_key(|head| head.seq);
    Ok(heads)
}

impl PostgresLedger {
    /// The branches that are kept besides what is held, oldest first.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn branches(&self) -> Result<Vec<Branch>, LedgerError> {
        type Columns = (Uuid, i64, i64, Vec<u8>, i64, i64, i64, Option<i64>, i64);
        let mut connection = self.pool.acquire().await?;
        let found: Vec<Columns> = sqlx::query_as(sql::BRANCHES).fetch_all(&mut *connection).await?;
        let mut branches = Vec::with_capacity(found.len());
        for (site, node, held, run, times, first_seen_ms, last_seen_ms, decided_ms, settled) in found {
            let run: Run = codec::decode(&run).map_err(|error| corrupt("a run", error))?;
            let site = site_id(site);
            let parted = parted(&mut connection, &run).await?;
            branches.push(Branch {
                site,
                node: NodeId(u32::try_from(node).map_err(|_| corrupt("a node", node))?),
                held: stored_seq(held)?,
                settled: stored_seq(settled)?,
                parted: parted.ok_or_else(|| corrupt("a branch", site))?,
                run,
                times: stored_count(times, "a count")?,
                first_seen_ms,
                last_seen_ms,
                decided_ms,
            });
        }
        Ok(branches)
    }

    /// The bodies of a log that are held, from one changeset to another.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn bodies(
        &self,
        site: SiteId,
        first: Seq,
        last: Seq,
    ) -> Result<Vec<(Seq, Vec<u8>)>, LedgerError> {
        let found: Vec<(i64, Vec<u8>)> = sqlx::query_as(sql::BRANCH_HELD)
            .bind(uuid(site))
            .bind(columns::seq(first))
            .bind(columns::seq(last))
            .fetch_all(&self.pool)
            .await?;
        found
            .into_iter()
            .map(|(seq, body)| Ok((stored_seq(seq)?, body)))
            .collect()
    }

    /// Notes that an operator said which branch of a log counts.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn branches_decided(&self, site: SiteId) -> Result<(), LedgerError> {
        sqlx::query(sql::BRANCHES_DECIDE)
            .bind(uuid(site))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes that two processes of a node run. Returns whether that is news: told once in an episode.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn note_cloned(
        &self,
        node: NodeId,
        shown_by: &str,
        sites: &[SiteId],
        now_ms: i64,
    ) -> Result<bool, LedgerError> {
        let is_news: bool = sqlx::query_scalar(sql::CLONED_SAVE)
            .bind(i64::from(node.0))
            .bind(shown_by)
            .bind(sites.iter().copied().map(uuid).collect::<Vec<_>>())
            .bind(now_ms)
            .fetch_one(&self.pool)
            .await?;
        Ok(is_news)
    }

    /// Every node of which two processes were ever seen.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn cloned_nodes(&self) -> Result<Vec<ClonedNode>, LedgerError> {
        type Columns = (i64, String, Vec<Uuid>, i64, i64, i64);
        let found: Vec<Columns> = sqlx::query_as(sql::CLONED).fetch_all(&self.pool).await?;
        let cloned = |(node, shown_by, sites, episodes, first_seen_ms, last_seen_ms): Columns| {
            Ok(ClonedNode {
                node: NodeId(u32::try_from(node).map_err(|_| corrupt("a node", node))?),
                shown_by,
                sites: sites.into_iter().map(site_id).collect(),
                episodes: stored_count(episodes, "a count")?,
                first_seen_ms,
                last_seen_ms,
            })
        };
        found.into_iter().map(cloned).collect()
    }

    /// What an operator should look at. `now_ms` is the hub's clock.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub async fn alarms(&self, now_ms: i64) -> Result<Alarms, LedgerError> {
        let (forked, cloned, reopened): (i64, i64, i64) = sqlx::query_as(sql::ALARMS)
            .bind(now_ms)
            .fetch_one(&self.pool)
            .await?;
        Ok(Alarms {
            forked_sites: stored_count(forked, "a count")?,
            cloned_nodes: stored_count(cloned, "a count")?,
            reopened: stored_count(reopened, "a count")?,
        })
    }
}

/// Where a run parts from what is held: the first changeset that differs, as it is held.
async fn parted(connection: &mut PgConnection, run: &Run) -> Result<Option<Head>, LedgerError> {
    let before = Seq(run.first.0.saturating_sub(1));
    let Some(mut head) = head_at(connection, run.site, before).await? else {
        return Ok(None);
    };
    let seqs: Vec<Seq> = (run.first.0..=run.last().0).map(Seq).collect();
    let held = chains(connection, run.site, &seqs).await?;
    let mut held = held.into_iter();
    for body in &run.bodies {
        head = head.then(body);
        match held.next() {
            Some(held) if held == head => {}
            differs => return Ok(differs),
        }
    }
    Ok(None)
}
