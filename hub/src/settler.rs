//! The settler: one process at a time, by a lease in PostgreSQL, numbers decisions and settles what came in.
//!
//! It settles at once what arrives after a quiet time, and then not more often than every [`Settler::spacing`]; what
//! comes in between settles together. Decisions are taken as soon as PostgreSQL tells of them. Runs are reported to
//! the engine in the order of their commits, and only after them.
//!
//! Invariant: nothing of it is only in memory. A process that dies at any moment leaves a ledger from which the next
//! holder of the lease goes on; what was committed and not pushed reaches the gates by their digests.

mod hearing;
mod stand_in;

use std::sync::Arc;
use std::time::Duration;

pub use stand_in::StandIn;
use sync_protocol::changeset::{PublicKey, Run, Signer as _};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::have::SiteHave;
use sync_protocol::id::SiteId;
use sync_protocol::peer::Input;
use sync_shell::identity::{CertificateTrust, Identity, NodeKeys};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::ledger::postgres::{Lease, LedgerError, PostgresLedger};
use crate::metrics as names;
use crate::net::{Report, SharedStanding};
use crate::stop::Stop;

/// Decision requests taken in one transaction.
pub const REQUESTS_MAX: usize = 256;
/// The ledger is looked at this often even when nothing is heard: another process may have stored something.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The lease is renewed this often, several times before it runs out.
const RENEW_EVERY: Duration = Duration::from_millis(1_500);
/// How long a single changeset may take to settle, when more at once took too long.
const ALONE_MAX: Duration = Duration::from_secs(600);
/// A lease that another process holds is asked for again this often.
const LEASE_EVERY: Duration = Duration::from_millis(500);

/// What the settler needs to sign and to believe itself.
pub struct Authority {
    /// The hub's key.
    pub signer: Ed25519Signer,
    /// The hub's certificate.
    pub certificate: Vec<u8>,
    /// Whom to believe.
    pub trust: CertificateTrust,
}

/// The keys are a gate's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys are those of {0}, not of the hub: issue the hub's with `hub ca issue --hub`")]
pub struct NotTheHub(pub Identity);

impl Authority {
    /// What the hub's own keys give.
    ///
    /// # Errors
    /// They are a gate's.
    pub fn new(keys: &NodeKeys) -> Result<Authority, NotTheHub> {
        let identity = *keys.identity();
        if !identity.node.is_hub() {
            return Err(NotTheHub(identity));
        }
        Ok(Authority {
            signer: keys.signer(),
            certificate: keys.certificate().to_vec(),
            trust: keys.trust(),
        })
    }

    /// The hub's public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }
}

/// Why the settler does not settle.
#[derive(Debug, thiserror::Error)]
enum Lost {
    /// Told to stop.
    #[error("told to stop")]
    Stopped,
    /// The ledger failed, or another process holds the lease now.
    #[error(transparent)]
    Failed(LedgerError),
    /// The ledger did not answer in time.
    #[error("PostgreSQL did not answer in time")]
    Slow,
}

impl From<LedgerError> for Lost {
    fn from(error: LedgerError) -> Lost {
        Lost::Failed(error)
    }
}

/// What there may be to do.
struct Due {
    requests: bool,
    arrivals: bool,
}

/// How fast it goes, as experience taught.
struct Pace {
    /// Failures in a row.
    backoff: Backoff,
    /// Most changesets of the next transaction.
    changesets_max: usize,
    /// Whether something was settled in this term.
    settled: bool,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            backoff: Backoff::default(),
            changesets_max: usize::MAX,
            settled: false,
        }
    }
}

/// The settler of one process.
pub struct Settler {
    /// What it settles.
    pub ledger: PostgresLedger,
    /// As whom.
    pub authority: Authority,
    /// Where to report.
    pub reports: mpsc::Sender<Report>,
    /// Told by this process's ingest.
    pub arrived: Arc<Notify>,
    /// Told of new decision requests.
    pub requested: Arc<Notify>,
    /// Where it is told that the hub recovers.
    pub standing: SharedStanding,
    /// The hub's open sites while the lease is held here.
    pub sites: watch::Sender<Option<[SiteId; 2]>>,
    /// Names this process in the lease.
    pub holder: String,
    /// Draws random bytes: a half for each of a term's two sites.
    pub random: fn() -> [u8; 32],
    /// For stamps.
    pub clock: Clock,
    /// Least time from one settling transaction to the next.
    pub spacing: Duration,
    /// Most changesets in one.
    pub changesets_max: usize,
    /// How long one transaction may take.
    pub patience: Duration,
}

impl Settler {
    /// Holds the lease whenever it can, until told to stop; then gives it back.
    pub async fn run(self, mut stop: Stop) {
        // A command that found no hub would publish in its place, before the gates were heard.
        let mut announced = self.in_time(self.ledger.announce()).await.ok();
        self.hear_out(&mut stop).await;
        let mut backoff = Backoff::default();
        let mut pace = Pace::default();
        while !stop.is_told() {
            match self.acquire().await {
                Ok(Some(lease)) => {
                    drop(announced.take());
                    info!("this process settles");
                    self.sites
                        .send_replace(Some([lease.decisions_site(), lease.settled_site()]));
                    metrics::gauge!(names::LEASE_HELD).set(1.0);
                    let lost = self.hold(&lease, &mut pace, &mut stop).await;
                    // Each term opens sites of its own: what fails for ever must not open ten a second.
                    if std::mem::take(&mut pace.settled) {
                        backoff.worked();
                    }
                    metrics::gauge!(names::LEASE_HELD).set(0.0);
                    self.sites.send_replace(None);
                    match lost {
                        Lost::Stopped => {
                            let _ = timeout(self.patience, self.ledger.give_back(&lease)).await;
                            return;
                        }
                        Lost::Failed(error) => warn!(%error, "settling stops; it is tried again"),
                        Lost::Slow => {
                            warn!("PostgreSQL did not answer the settler in time; it is tried again")
                        }
                    }
                    wait(backoff.failed(), &mut stop).await;
                }
                Ok(None) => {
                    drop(announced.take());
                    backoff.worked();
                    wait(LEASE_EVERY, &mut stop).await;
                }
                Err(lost) => {
                    let pause = backoff.failed();
                    if backoff.is_first() {
                        warn!(%lost, "cannot ask for the settler's lease; it is tried again");
                    }
                    wait(pause, &mut stop).await;
                }
            }
        }
    }

    async fn acquire(&self) -> Result<Option<Lease>, Lost> {
        let acquired = self.ledger.acquire_lease(
            &self.holder,
            self.authority.public_key(),
            &self.authority.certificate,
            halves(&(self.random)()),
        );
        self.in_time(acquired).await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, LedgerError>>) -> Result<T, Lost> {
        self.within(self.patience, work).await
    }

    async fn within<T>(
        &self,
        patience: Duration,
        work: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, Lost> {
        match timeout(patience, work).await {
            Ok(done) => Ok(done?),
            Err(_) => {
                metrics::counter!(names::DATABASE_ERRORS, "tried" => "settle").increment(1);
                Err(Lost::Slow)
            }
        }
    }

    /// Settles until told to stop or until another process has the lease. What fails otherwise is tried again under
    /// the same lease: nobody else can have settled in between.
    async fn hold(&self, lease: &Lease, pace: &mut Pace, stop: &mut Stop) -> Lost {
        loop {
            let lost = match self.hold_while_it_works(lease, stop, pace).await {
                Ok(()) => return Lost::Stopped,
                Err(Lost::Failed(error)) if !error.is_retryable() => return Lost::Failed(error),
                Err(Lost::Stopped) => return Lost::Stopped,
                Err(lost) => lost,
            };
            let pause = pace.backoff.failed();
            if pace.backoff.is_first() {
                warn!(%lost, "settling pauses; it is tried again");
            }
            wait(pause, stop).await;
        }
    }

    async fn hold_while_it_works(&self, lease: &Lease, stop: &mut Stop, pace: &mut Pace) -> Result<(), Lost> {
        self.in_time(self.ledger.renew(lease)).await?;
        if pace.backoff.is_failing() {
            self.catch_up().await?;
        }
        let mut renewed = self.clock.instant();
        let mut next_settle = renewed;
        // What was left by whoever held the lease before.
        let mut due = Due {
            requests: true,
            arrivals: true,
        };
        while !stop.is_told() {
            if renewed.elapsed() >= RENEW_EVERY {
                self.in_time(self.ledger.renew(lease)).await?;
                renewed = self.clock.instant();
            }
            if due.requests {
                due.requests = self.take_requests(lease).await?;
                due.arrivals = true;
            }
            if due.arrivals && self.clock.instant() >= next_settle {
                next_settle = self.clock.instant() + self.spacing;
                due.arrivals = self.settle(lease, pace).await?;
                // Only now has all of it worked: what fails for ever must not be tried ten times a second.
                if pace.backoff.worked() {
                    info!("settling goes on");
                }
            }
            if !due.requests {
                self.wait_for_work(&mut due, next_settle, stop).await;
            }
        }
        Ok(())
    }

    /// A commit whose answer was lost with the connection was not told to the engine.
    async fn catch_up(&self) -> Result<(), Lost> {
        let held = self.in_time(self.ledger.have()).await?;
        self.reports
            .send(Report::Held(held))
            .await
            .map_err(|_| Lost::Stopped)
    }

    async fn wait_for_work(&self, due: &mut Due, next_settle: Instant, stop: &mut Stop) {
        let look_at = match due.arrivals {
            true => next_settle,
            false => self.clock.instant() + LOOK_EVERY,
        };
        tokio::select! {
            biased;
            () = stop.told() => {}
            () = self.requested.notified() => due.requests = true,
            () = self.arrived.notified(), if !due.arrivals => due.arrivals = true,
            () = sleep_until(look_at) => {
                due.requests = due.requests || !due.arrivals;
                due.arrivals = true;
            }
        }
    }

    /// Takes what is requested; whether there may be more.
    async fn take_requests(&self, lease: &Lease) -> Result<bool, Lost> {
        let authority = &self.authority;
        let now_ms = self.clock.wall_ms();
        let taken =
            self.ledger
                .take_requests(lease, REQUESTS_MAX, now_ms, &authority.signer, &authority.trust);
        let taken = self.in_time(taken).await?;
        self.report(taken.runs, taken.have).await?;
        Ok(taken.outcomes.len() >= REQUESTS_MAX)
    }

    /// Settles what waits; whether there may be more. What does not fit its time is tried in smaller parts, and a
    /// single changeset, such as a fare version that prices every card again, may take as long as it needs.
    async fn settle(&self, lease: &Lease, pace: &mut Pace) -> Result<bool, Lost> {
        let started = self.clock.instant();
        let now_ms = self.clock.wall_ms();
        let changesets_max = self.changesets_max.min(pace.changesets_max).max(1);
        let patience = if changesets_max == 1 {
            ALONE_MAX
        } else {
            self.patience
        };
        let settled = self
            .ledger
            .settle(lease, changesets_max, now_ms, &self.authority.signer);
        let settled = match self.within(patience, settled).await {
            Err(Lost::Slow) => {
                pace.changesets_max = changesets_max / 2;
                warn!(
                    changesets_max,
                    "settling takes too long; it is tried in smaller parts"
                );
                return Err(Lost::Slow);
            }
            settled => settled?,
        };
        pace.changesets_max = changesets_max.saturating_mul(2);
        if settled.changesets == 0 {
            return Ok(false);
        }
        metrics::histogram!(names::SETTLE_SECONDS).record(started.elapsed());
        metrics::counter!(names::SETTLE_CHANGESETS).increment(settled.changesets as u64);
        metrics::counter!(names::SETTLE_FACTS).increment(settled.facts as u64);
        metrics::counter!(names::SETTLE_REFOLDS).increment(settled.refolds);
        pace.settled = true;
        self.report(settled.runs, settled.have).await?;
        Ok(settled.changesets >= changesets_max)
    }

    /// Tells the engine what was committed. All runs are of one site, of which `held` says what is now held.
    async fn report(&self, runs: Vec<Run>, held: Option<(SiteId, SiteHave)>) -> Result<(), Lost> {
        let Some((_, have)) = held else {
            return Ok(());
        };
        for run in runs {
            let committed = Report::Input(Input::Committed { run, have });
            if self.reports.send(committed).await.is_err() {
                return Err(Lost::Stopped);
            }
        }
        Ok(())
    }
}

/// Random bytes for the two sites of a term.
#[must_use]
pub fn halves(random: &[u8; 32]) -> [[u8; 16]; 2] {
    let mut halves = [[0; 16]; 2];
    halves[0].copy_from_slice(&random[..16]);
    halves[1].copy_from_slice(&random[16..]);
    halves
}

async fn wait(duration: Duration, stop: &mut Stop) {
    tokio::select! {
        () = sleep(duration) => {}
        () = stop.told() => {}
    }
}
