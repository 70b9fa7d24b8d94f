//! Waiting until what was decided is settled, so that who decided it sees it in the next answer.

use std::collections::BTreeMap;
use std::time::Duration;

use sync_protocol::id::{FactId, Seq, SiteId};
use tokio::time::sleep;
use uuid::Uuid;

use crate::clock::Clock;
use crate::ledger::postgres::{LedgerError, PostgresLedger};

/// Settling follows within milliseconds. Under a backlog it does not, and a decision is none the worse for it.
const WAIT_MAX_MS: i64 = 1_000;
/// It is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(5);

const COVERAGE_OF: &str = include_str!("../../sql/transaction_service_db/queries/coverage_of.sql");

/// Waits until all of these facts are settled, a second at most. Returns whether they are.
///
/// # Errors
/// The ledger cannot be read.
pub async fn wait(ledger: &PostgresLedger, facts: &[FactId], clock: &Clock) -> Result<bool, LedgerError> {
    let deadline_ms = clock.monotonic_ms() + WAIT_MAX_MS;
    let mut wanted: BTreeMap<SiteId, Seq> = BTreeMap::new();
    for fact in facts {
        let last = wanted.entry(fact.site).or_default();
        *last = fact.seq.max(*last);
    }
    loop {
        if are_covered(ledger, &wanted).await? {
            return Ok(true);
        }
        if clock.monotonic_ms() >= deadline_ms {
            return Ok(false);
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn are_covered(ledger: &PostgresLedger, wanted: &BTreeMap<SiteId, Seq>) -> Result<bool, LedgerError> {
    let sites: Vec<Uuid> = wanted.keys().map(|site| Uuid::from_bytes(site.0)).collect();
    let covered: Vec<(Uuid, i64)> = sqlx::query_as(COVERAGE_OF)
        .bind(sites)
        .fetch_all(ledger.pool())
        .await?;
    let covered: BTreeMap<SiteId, i64> = covered
        .into_iter()
        .map(|(site, seq)| (SiteId(site.into_bytes()), seq))
        .collect();
    Ok(wanted.iter().all(|(site, last)| {
        let covered = covered.get(site).copied().unwrap_or(0);
        u64::try_from(covered).is_ok_and(|covered| covered >= last.0)
    }))
}
