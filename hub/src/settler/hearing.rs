//! Hearing the gates out before the lease is asked for: the shell around [`Hearing`].

use std::time::Duration;

use sync_protocol::peer::Ahead;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{Settler, wait};
use crate::metrics as names;
use crate::net::Report;
use crate::recovery::{Heard, Hearing, Recovery};
use crate::stop::Stop;

/// The gates' word is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Settler {
    /// Waits until no gate that is linked holds more of the hub's own sites than its database does, or for as long as
    /// [`Hearing`] allows. Tells of it in the log and by a gauge.
    pub(super) async fn hear_out(&self, stop: &mut Stop) {
        let mut hearing = Hearing::new(self.clock.monotonic_ms());
        let taken_before = self.recovery().await.changesets;
        let mut is_told = false;
        while !stop.is_told() {
            let Some(ahead) = self.ahead().await else { return };
            let recovery = self.recovery().await;
            let took = recovery.changesets.saturating_sub(taken_before);
            let now_ms = self.clock.monotonic_ms();
            // What a process before this one took back and did not settle counts, too.
            match hearing.look(now_ms, &ahead, took > 0 || recovery.is_due) {
                Heard::Wait => {}
                Heard::Level => return,
                heard => return self.recovered(&hearing, heard, took, &ahead).await,
            }
            if hearing.behind_since_ms().is_some() {
                if !std::mem::replace(&mut is_told, true) {
                    metrics::gauge!(names::RECOVERING).set(1.0);
                    self.standing.set_recovering(true);
                    warn!(
                        gates = ahead.linked,
                        logs = ahead.hub_sites,
                        "gates hold changesets of this hub that its database does not: it is an older one (a backup, or \
                         a copy that lagged). They are taken back; nothing is decided or settled until then"
                    );
                }
                metrics::gauge!(names::RECOVERY_LACKING).set(crate::net::ingest::count(ahead.sites));
            }
            wait(LOOK_EVERY, stop).await;
        }
    }

    async fn recovered(&self, hearing: &Hearing, heard: Heard, took: u64, ahead: &Ahead) {
        if ahead.hub_sites_out_of_reach > 0
            && let Err(error) = self.ledger.suspect_step_back().await
        {
            warn!(%error, "the step back could not be noted; gates may show cards as they were until these are used");
        }
        let since_ms = hearing.behind_since_ms().unwrap_or_default();
        let seconds = (self.clock.monotonic_ms() - since_ms) / 1_000;
        metrics::gauge!(names::RECOVERING).set(0.0);
        self.standing.set_recovering(false);
        metrics::gauge!(names::RECOVERY_LACKING).set(crate::net::ingest::count(ahead.sites));
        metrics::gauge!(names::RECOVERY_UNREACHABLE).set(crate::net::ingest::count(hearing.out_of_reach()));
        if heard == Heard::Recovered {
            info!(
                changesets = took,
                seconds, "the hub has taken back what gates hold of its own, and goes on"
            );
        } else {
            warn!(
                changesets = took,
                seconds,
                lacking_logs = ahead.sites,
                pruned_logs = hearing.out_of_reach(),
                "the hub goes on without all that gates told of: lacking logs come when their gates hand them over; of \
                 pruned ones the gates keep only what is newer than what this database lacks, so the part between is \
                 lost unless a newer backup has it"
            );
        }
    }

    /// What the engine says of the gates; `None` when it has ended.
    async fn ahead(&self) -> Option<Ahead> {
        let (answer, answered) = oneshot::channel();
        self.reports.send(Report::Ahead(answer)).await.ok()?;
        answered.await.ok()
    }

    /// What the ledger remembers of steps back, as far as it answers.
    async fn recovery(&self) -> Recovery {
        self.in_time(self.ledger.recovery()).await.unwrap_or_default()
    }
}
