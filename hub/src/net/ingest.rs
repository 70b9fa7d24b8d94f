//! Runs on their way into the ledger: all that wait go into one transaction, and each is answered.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sync_protocol::changeset::{Run, RunError};
use sync_protocol::have::SiteHave;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::peer::{Input, Refusal};
use sync_shell::identity::CertificateTrust;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::Report;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::ingest::RefusedReason;
use crate::ledger::memory::Ingested;
use crate::ledger::postgres::{LedgerError, PostgresLedger};
use crate::metrics as names;

/// Most runs that wait.
pub const RUNS_WAITING_MAX: usize = 8_192;
/// Most runs in one transaction.
pub const BATCH_RUNS_MAX: usize = 512;
/// Most bytes of bodies in one transaction, unless a single run is larger.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// Transactions at the same time: one waits for the disk while the next is prepared.
pub const WRITERS: usize = 2;

/// A run and whom it came from.
type Offered = (NodeId, Run);

/// Where the engine leaves runs.
#[derive(Clone)]
pub struct IngestQueue {
    runs: mpsc::Sender<Offered>,
    waiting_bytes: Arc<AtomicUsize>,
    waiting_bytes_max: usize,
}

/// Where the writers find them.
#[derive(Clone)]
pub struct IngestSource {
    runs: Arc<Mutex<mpsc::Receiver<Offered>>>,
    waiting_bytes: Arc<AtomicUsize>,
}

/// A queue of at most so many bytes.
#[must_use]
pub fn queue(waiting_bytes_max: usize) -> (IngestQueue, IngestSource) {
    let (sender, receiver) = mpsc::channel(RUNS_WAITING_MAX);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let queue = IngestQueue {
        runs: sender,
        waiting_bytes: Arc::clone(&waiting_bytes),
        waiting_bytes_max,
    };
    let source = IngestSource {
        runs: Arc::new(Mutex::new(receiver)),
        waiting_bytes,
    };
    (queue, source)
}

impl IngestQueue {
    /// Leaves a run; `false` when too much waits.
    #[must_use]
    pub fn offer(&self, peer: NodeId, run: Run) -> bool {
        let bytes = run.wire_bytes();
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= self.waiting_bytes_max && self.runs.try_send((peer, run)).is_ok();
        if !fits {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            metrics::counter!(names::INGEST_PUT_OFF).increment(1);
        }
        fits
    }
}

impl IngestSource {
    /// Waits for a run and takes all that wait with it, up to the limits of a transaction. `None` at the end.
    async fn batch(&self) -> Option<Vec<Offered>> {
        let mut runs = self.runs.lock().await;
        let first = runs.recv().await?;
        let mut bytes = first.1.wire_bytes();
        let mut batch = vec![first];
        while bytes < BATCH_BYTES_MAX && batch.len() < BATCH_RUNS_MAX {
            let Ok(next) = runs.try_recv() else { break };
            bytes += next.1.wire_bytes();
            batch.push(next);
        }
        let left = self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed) - bytes;
        metrics::gauge!(names::INGEST_WAITING_BYTES).set(count(left));
        Some(batch)
    }
}

/// Stores runs.
#[derive(Clone)]
pub struct Writer {
    /// Where.
    pub ledger: PostgresLedger,
    /// Whom to believe.
    pub trust: CertificateTrust,
    /// Where to report.
    pub reports: mpsc::Sender<Report>,
    /// Told of every batch that stored something.
    pub arrived: Arc<Notify>,
    /// How long one transaction may take.
    pub patience: Duration,
    /// For the seconds it took.
    pub clock: Clock,
}

impl Writer {
    /// Stores what comes until nothing comes any more. Several share a source: the engine hands over one run of a
    /// site at a time, so they never wait for each other's sites.
    pub async fn run(self, source: IngestSource) {
        let mut backoff = Backoff::default();
        while let Some(batch) = source.batch().await {
            metrics::counter!(names::INGEST_RUNS).increment(batch.len() as u64);
            let reports = match self.store(&batch).await {
                Ok(reports) => {
                    if backoff.worked() {
                        info!("the ledger takes changesets again");
                    }
                    reports
                }
                Err(fault) => {
                    let _ = backoff.failed();
                    if backoff.is_first() {
                        warn!(%fault, "the ledger takes no changesets now; gates keep theirs and offer them again");
                    }
                    match fault.may_be_of_one_run() {
                        true => self.store_singly(batch).await,
                        false => batch.iter().map(put_off).collect(),
                    }
                }
            };
            for report in reports {
                if self.reports.send(report).await.is_err() {
                    return;
                }
            }
        }
    }

    /// One transaction for all.
    async fn store(&self, batch: &[Offered]) -> Result<Vec<Report>, Fault> {
        let runs: Vec<Run> = batch.iter().map(|(_, run)| run.clone()).collect();
        let started_ms = self.clock.monotonic_ms();
        let ingested = self.in_time(self.ledger.ingest(&runs, &self.trust)).await?;
        let taken_ms = self.clock.monotonic_ms() - started_ms;
        metrics::histogram!(names::INGEST_SECONDS).record(Duration::from_millis(taken_ms.unsigned_abs()));
        metrics::histogram!(names::INGEST_BATCH_RUNS).record(count(runs.len()));
        if !ingested.moved.is_empty() {
            self.arrived.notify_one();
        }
        let stored = ingested
            .moved
            .iter()
            .map(|(_, moved)| moved.to.seq.0 - moved.from.seq.0);
        metrics::counter!(names::INGEST_CHANGESETS).increment(stored.sum());
        // Should this fail, they are stored and not known how far: gates offer them again and nothing is new then.
        let held = self.in_time(self.held(&runs, &ingested)).await?;
        let answers = batch
            .iter()
            .map(|(peer, run)| answer(*peer, run, &ingested, &held));
        Ok(answers.collect())
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, LedgerError>>) -> Result<T, Fault> {
        let done = match timeout(self.patience, work).await {
            Ok(done) => done.map_err(Fault::Ledger),
            Err(_) => Err(Fault::Slow),
        };
        if done.is_err() {
            metrics::counter!(names::DATABASE_ERRORS, "tried" => "ingest").increment(1);
        }
        done
    }

    /// What is held of the runs' sites now.
    async fn held(
        &self,
        runs: &[Run],
        ingested: &Ingested,
    ) -> Result<BTreeMap<SiteId, SiteHave>, LedgerError> {
        let moved = ingested.moved.iter().map(|(role, moved)| {
            let have = SiteHave {
                role: *role,
                floor: Seq::NONE,
                head: moved.to,
            };
            (moved.site, have)
        });
        let mut held: BTreeMap<SiteId, SiteHave> = moved.collect();
        for run in runs {
            if let Entry::Vacant(unmoved) = held.entry(run.site)
                && let Some(have) = self.ledger.site_have(run.site).await?
            {
                unmoved.insert(have);
            }
        }
        Ok(held)
    }

    /// A run that cannot be stored for a reason of its own must not take others with it for ever.
    async fn store_singly(&self, batch: Vec<Offered>) -> Vec<Report> {
        let mut reports = Vec::with_capacity(batch.len());
        let mut goes_on = true;
        for offered in batch {
            let stored = match goes_on {
                true => self.store(std::slice::from_ref(&offered)).await,
                false => Err(Fault::Slow),
            };
            match stored {
                Ok(stored) => reports.extend(stored),
                Err(fault) => {
                    goes_on = goes_on && fault.may_be_of_one_run();
                    if goes_on {
                        warn!(%fault, peer = %offered.0, site = %offered.1.site, "a run cannot be stored");
                    }
                    reports.push(put_off(&offered));
                }
            }
        }
        reports
    }
}

/// Why a batch was not stored.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Ledger(LedgerError),
    #[error("PostgreSQL did not answer in time")]
    Slow,
}

impl Fault {
    /// Whether it may be the fault of one of the runs, and not of the moment.
    const fn may_be_of_one_run(&self) -> bool {
        matches!(self, Fault::Ledger(error) if !error.is_retryable())
    }
}

fn put_off((peer, run): &Offered) -> Report {
    metrics::counter!(names::INGEST_PUT_OFF).increment(1);
    Report::NotNow {
        peer: *peer,
        site: run.site,
    }
}

/// What to tell the engine of a run.
fn answer(peer: NodeId, run: &Run, ingested: &Ingested, held: &BTreeMap<SiteId, SiteHave>) -> Report {
    let site = run.site;
    let have = held.get(&site).copied();
    // A run in which nothing is new may yet be of another branch: then it is no duplicate.
    let refused = |(of, first, _): &&(SiteId, Seq, RefusedReason)| *of == site && *first == run.first;
    let refused = ingested
        .refused
        .iter()
        .find(refused)
        .map(|(_, _, reason)| *reason);
    if let Some(reason) = refused {
        metrics::counter!(names::INGEST_REFUSED).increment(1);
        let error = match reason {
            RefusedReason::Run(error) => error,
            RefusedReason::Fork => {
                error!(
                    %peer, %site, first = %run.first, last = %run.last(),
                    "FORK: a second branch of a log, signed by its writer; `hub forks` shows both and decides"
                );
                RunError::Fork
            }
        };
        return Report::Input(Input::IngestRefused {
            peer,
            site,
            reason: Refusal::Run(error),
            have,
        });
    }
    if let Some(have) = have
        && have.head.seq >= run.last()
    {
        let moved = ingested.moved.iter().any(|(_, moved)| moved.site == site);
        if !moved {
            metrics::counter!(names::INGEST_DUPLICATES).increment(1);
        }
        return Report::Input(Input::Ingested { site, have });
    }
    let gap = ingested.gaps.iter().find(|gap| gap.site == site);
    let error = match gap {
        Some(gap) => RunError::Gap {
            first: run.first,
            head: Seq(gap.first.0.saturating_sub(1)),
        },
        None => {
            metrics::counter!(names::INGEST_REFUSED).increment(1);
            RunError::Signature
        }
    };
    Report::Input(Input::IngestRefused {
        peer,
        site,
        reason: Refusal::Run(error),
        have,
    })
}

/// A count as the gauges take it.
#[expect(
    clippy::cast_precision_loss,
    reason = "gauges and histograms are floats; no money is among them"
)]
pub(crate) const fn count(number: usize) -> f64 {
    number as f64
}
