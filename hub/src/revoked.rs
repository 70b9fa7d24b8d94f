//! Revoked keys at a running hub: whoever revokes writes to the database, and every hub process follows.

use std::time::Duration;

use sync_shell::links::Links;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::ledger::postgres::PostgresLedger;
use crate::stop::Stop;

/// The database is asked this often: a gate that is revoked is cut off this much later.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Keeps the links free of revoked keys as long as the hub runs.
pub async fn keep(ledger: PostgresLedger, links: Links, patience: Duration, mut stop: Stop) {
    let mut failing = false;
    loop {
        match timeout(patience, ledger.revoked_keys()).await {
            Ok(Ok(keys)) => {
                failing = false;
                links.set_revoked(keys);
            }
            Ok(Err(_)) | Err(_) => {
                if !failing {
                    warn!("the revoked keys cannot be read now: those known before stay refused");
                }
                failing = true;
            }
        }
        tokio::select! {
            biased;
            _ = stop.told() => return,
            () = sleep(LOOK_EVERY) => {}
        }
    }
}
