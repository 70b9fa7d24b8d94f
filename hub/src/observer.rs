//! Looks around every few seconds: what the ledger holds, who is connected, what waits.

use std::collections::BTreeMap;
use std::time::Duration;

use sync_protocol::id::NodeId;
use sync_shell::links::{LinkStats, Links};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::clock::Clock;
use crate::ledger::postgres::{LedgerError, PostgresLedger};
use crate::metrics as names;
use crate::net::Report;
use crate::net::beats::note_cloned;
use crate::net::ingest::count;
use crate::stop::Stop;

/// The looks are this far apart.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The observer of one process.
pub struct Observer {
    /// What is looked at.
    pub ledger: PostgresLedger,
    /// Who is connected.
    pub links: Links,
    /// Where to report what is held.
    pub reports: mpsc::Sender<Report>,
    /// The clocks.
    pub clock: Clock,
    /// How long the ledger may take.
    pub patience: Duration,
}

impl Observer {
    /// Looks around until told to stop.
    pub async fn run(self, mut stop: Stop) {
        loop {
            self.count_links();
            match timeout(self.patience, self.look()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%error, "the ledger cannot be looked at"),
                Err(_) => debug!("the ledger cannot be looked at in time"),
            }
            tokio::select! {
                biased;
                () = stop.told() => return,
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Another process, or a command, may have stored something; and so may this one, in a commit whose answer was
    /// lost with the connection.
    async fn look(&self) -> Result<(), LedgerError> {
        let held = self.ledger.have().await?;
        // The engine is gone when the process stops.
        let _ = self.reports.send(Report::Held(held)).await;
        let pending = self.ledger.is_pending().await?;
        metrics::gauge!(names::REQUESTS_PENDING).set(count(usize::from(pending)));
        let waiting = self.ledger.waiting().await?;
        metrics::gauge!(names::SETTLE_WAITING).set(count(usize::try_from(waiting).unwrap_or(0)));
        let evidence = self.ledger.evidence().await?;
        metrics::counter!(names::INGEST_QUARANTINED).absolute(evidence.quarantined);
        let recovery = self.ledger.recovery().await?;
        metrics::counter!(names::RECOVERED_CHANGESETS).absolute(recovery.changesets);
        let now_ms = self.clock.wall_ms();
        for (node, _) in self.links.twins() {
            note_cloned(&self.ledger, &self.clock, self.patience, node, "links", &[]).await;
        }
        let alarms = self.ledger.alarms(now_ms).await?;
        metrics::gauge!(names::FORKED_SITES).set(count(usize::try_from(alarms.forked_sites).unwrap_or(0)));
        metrics::gauge!(names::CLONED_NODES).set(count(usize::try_from(alarms.cloned_nodes).unwrap_or(0)));
        metrics::counter!(names::SITES_REOPENED).absolute(alarms.reopened);
        for (beat, heard_ms) in self.ledger.heartbeats().await? {
            if beat.node.is_hub() {
                continue;
            }
            let age_s = now_ms.saturating_sub(heard_ms).max(0) / 1_000;
            let gate = beat.node.0.to_string();
            metrics::gauge!(names::HEARTBEAT_AGE, "gate" => gate)
                .set(count(usize::try_from(age_s).unwrap_or(0)));
        }
        Ok(())
    }

    fn count_links(&self) {
        let stats: BTreeMap<NodeId, LinkStats> = self
            .links
            .stats()
            .into_iter()
            .map(|stats| (stats.peer.node, stats))
            .collect();
        metrics::gauge!(names::PEERS).set(count(stats.len()));
        for (node, stats) in stats {
            let gate = node.0.to_string();
            metrics::counter!(names::PEER_BYTES_IN, "gate" => gate.clone()).absolute(stats.bytes_in);
            metrics::counter!(names::PEER_BYTES_OUT, "gate" => gate.clone()).absolute(stats.bytes_out);
            metrics::counter!(names::PEER_DROPPED, "gate" => gate).absolute(stats.frames_dropped);
        }
    }
}
