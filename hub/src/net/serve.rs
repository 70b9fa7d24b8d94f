//! Reading runs from the ledger for gates that lack them.

use std::sync::Arc;
use std::time::Duration;

use sync_protocol::have::Range;
use sync_protocol::id::NodeId;
use sync_protocol::peer::Input;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;
use tracing::debug;

use super::Report;
use crate::ledger::postgres::PostgresLedger;

/// Most ranges that wait to be read.
pub const SERVES_MAX: usize = 1_024;
/// Ranges read at the same time.
pub const READERS: usize = 3;

/// One that wants a range: who, which, and how many bytes of it.
pub type Wanted = (NodeId, Range, usize);

/// Reads what is wanted until nobody wants anything any more. Several share the queue.
pub async fn read_ranges(
    ledger: PostgresLedger,
    wanted: Arc<Mutex<mpsc::Receiver<Wanted>>>,
    reports: mpsc::Sender<Report>,
    patience: Duration,
) {
    loop {
        let next = wanted.lock().await.recv().await;
        let Some((peer, range, bytes_max)) = next else {
            return;
        };
        let site = range.site;
        // What cannot be read now is not served: the gate asks again, or asks somebody else.
        let run = match timeout(patience, ledger.serve(range, bytes_max)).await {
            Ok(Ok(run)) => run,
            Ok(Err(error)) => {
                metrics::counter!(crate::metrics::DATABASE_ERRORS, "tried" => "serve").increment(1);
                debug!(%peer, %site, %error, "cannot serve");
                None
            }
            Err(_) => {
                metrics::counter!(crate::metrics::DATABASE_ERRORS, "tried" => "serve").increment(1);
                None
            }
        };
        let served = Report::Input(Input::Served { peer, site, run });
        if reports.send(served).await.is_err() {
            return;
        }
    }
}
