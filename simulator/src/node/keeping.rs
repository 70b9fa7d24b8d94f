//! A gate's store, in the gate's hands or lent to a thread that appends what others wrote.
//!
//! Where a scenario lets gates take a while to ingest (`ingest_ms`), the runs of many gates wait at the same virtual time,
//! and threads of the process work them off. What a store is asked in between is answered after everything that was given to
//! it before, whoever does that work: so the number of threads changes no result and no trace.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use edge_node::store::{IngestError, Ingested, Retention, Store, StoreError};
use sync_protocol::changeset::Run;
use sync_protocol::have::SiteHave;
use sync_protocol::id::SiteId;

use super::model::ModelStore;
use super::store::GateStore;
use crate::trust::Authority;

/// Most stores that wait for a thread; beyond it their gates do the work when they need them.
const WAITING_MAX: usize = 8_192;
/// Stores that wait before a thread that sleeps is woken: the world does the work of the first itself.
const WORTH_WAKING: usize = 2;
/// How often a thread looks for more work before it sleeps, about 100 microseconds in all: to wake one takes as long as the
/// work of a store.
const LOOKS_MAX: u32 = 2_000;
/// Most threads that help.
const THREADS_MAX: usize = 3;

/// What a store is given to do.
pub(super) enum Job {
    /// Append and apply a run.
    Ingest(Run),
    /// Cut the logs that are kept long enough at this time of the hub.
    Prune(i64, Retention),
}

/// What became of a job.
pub(super) enum Done {
    /// The run, and what was made of it.
    Ingested(Run, Result<Ingested, IngestError>),
    /// What was cut.
    Pruned(Result<Cut, StoreError>),
}

/// What is held of each log that was cut.
pub(crate) type Cut = BTreeMap<SiteId, SiteHave>;

/// Cuts logs until none is kept longer than it must be, or the disk is full.
pub(super) fn prune(
    store: &mut dyn GateStore,
    hub_ms: i64,
    retention: &Retention,
) -> Result<Cut, StoreError> {
    let mut cut = Cut::new();
    loop {
        match store.prune(hub_ms, retention) {
            Ok(pruned) => match pruned.cut {
                Some((site, have)) => cut.insert(site, have),
                None => return Ok(cut),
            },
            Err(error) if error.is_disk_full() => return Ok(cut),
            Err(error) => return Err(error),
        };
    }
}

fn carry_out(store: &mut dyn GateStore, job: Job, authority: &Authority) -> Done {
    match job {
        Job::Ingest(run) => {
            let result = store.ingest(&run, authority);
            Done::Ingested(run, result)
        }
        Job::Prune(hub_ms, retention) => Done::Pruned(prune(store, hub_ms, &retention)),
    }
}

/// A gate's store.
pub(crate) enum Keeping {
    /// The production store.
    Sqlite(Box<Store>),
    /// The model of it.
    Model(Box<ModelStore>),
    /// The production store, lent.
    Lent(Arc<Lent>),
    /// Nothing: between two of the others.
    Nothing,
}

/// A store with work to do.
pub(crate) struct Lent(Mutex<Work>);

struct Work {
    /// Gone when the gate has taken it back.
    store: Option<Box<Store>>,
    jobs: VecDeque<Job>,
    done: VecDeque<Done>,
    authority: Arc<Authority>,
}

impl Work {
    fn go_on(&mut self) {
        let Some(store) = &mut self.store else { return };
        while let Some(job) = self.jobs.pop_front() {
            let done = carry_out(store.as_mut(), job, self.authority.as_ref());
            self.done.push_back(done);
        }
    }
}

impl Lent {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeping {
    /// The store.
    ///
    /// # Panics
    /// It is lent.
    pub(super) fn store(&self) -> &dyn GateStore {
        match self {
            Keeping::Sqlite(store) => store.as_ref(),
            Keeping::Model(store) => store.as_ref(),
            Keeping::Lent(_) | Keeping::Nothing => panic!("BUG: a store is looked at while it is lent"),
        }
    }

    /// The store, which has been taken back before.
    ///
    /// # Panics
    /// It is lent.
    pub(super) fn store_mut(&mut self) -> &mut dyn GateStore {
        match self {
            Keeping::Sqlite(store) => store.as_mut(),
            Keeping::Model(store) => store.as_mut(),
            Keeping::Lent(_) | Keeping::Nothing => panic!("BUG: a store is used while it is lent"),
        }
    }

    /// Gives the store a job. Returns at once; a thread, or whoever takes the store back, does the work.
    pub(super) fn begin(
        &mut self,
        job: Job,
        authority: &Arc<Authority>,
        done: &mut VecDeque<Done>,
        threads: &Threads,
    ) {
        match std::mem::replace(self, Keeping::Nothing) {
            Keeping::Sqlite(store) => {
                let work = Work {
                    store: Some(store),
                    jobs: VecDeque::from([job]),
                    done: VecDeque::new(),
                    authority: Arc::clone(authority),
                };
                *self = Keeping::Lent(Arc::new(Lent(Mutex::new(work))));
            }
            Keeping::Model(mut store) => {
                done.push_back(carry_out(store.as_mut(), job, authority.as_ref()));
                *self = Keeping::Model(store);
            }
            Keeping::Lent(lent) => {
                lent.lock().jobs.push_back(job);
                *self = Keeping::Lent(lent);
            }
            Keeping::Nothing => panic!("BUG: a gate without a store"),
        }
        if let Keeping::Lent(lent) = self {
            threads.help(lent);
        }
    }

    /// Takes the store back, with everything done that was given to it.
    pub(super) fn take_back(&mut self, done: &mut VecDeque<Done>) {
        let Keeping::Lent(lent) = self else { return };
        let store = {
            let mut work = lent.lock();
            work.go_on();
            done.append(&mut work.done);
            work.store.take()
        };
        *self = Keeping::Sqlite(store.expect("BUG: only its gate takes a store back"));
    }
}

/// Threads that work lent stores off. Dropping them waits for what they are at.
#[derive(Default)]
pub(crate) struct Threads {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// A hint for threads that look before they sleep; what counts is said under the lock.
    has_some: AtomicBool,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    stores: Vec<Arc<Lent>>,
    is_over: bool,
}

impl Threads {
    /// As many as the machine has cores besides the one that plays the world; none where deliberate bugs are built in,
    /// which concern one thread.
    pub(crate) fn start() -> Threads {
        if cfg!(feature = "mutations") {
            return Threads::default();
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let queue = Arc::new(Queue::default());
        let thread = |_| {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || queue.work_off())
        };
        let threads = (1..cores.min(THREADS_MAX + 1)).map(thread).collect();
        Threads { queue, threads }
    }

    /// A full queue leaves the work to the gate.
    fn help(&self, lent: &Arc<Lent>) {
        if self.threads.is_empty() {
            return;
        }
        let mut waiting = self.queue.lock();
        if waiting.stores.len() < WAITING_MAX {
            waiting.stores.push(Arc::clone(lent));
            self.queue.has_some.store(true, Ordering::Relaxed);
            if waiting.stores.len() >= WORTH_WAKING {
                self.queue.changed.notify_one();
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest first: the world comes back for the oldest.
    fn work_off(&self) {
        let mut waiting = self.lock();
        let mut looks = 0;
        loop {
            if let Some(lent) = waiting.stores.pop() {
                drop(waiting);
                lent.lock().go_on();
                looks = 0;
                waiting = self.lock();
            } else if waiting.is_over {
                return;
            } else if looks < LOOKS_MAX {
                drop(waiting);
                while looks < LOOKS_MAX && !self.has_some.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                    looks += 1;
                }
                waiting = self.lock();
                self.has_some.store(false, Ordering::Relaxed);
                looks += 1;
            } else {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                looks = 0;
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.queue.lock().is_over = true;
        self.queue.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked left its store to the gate, which has panicked over it.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::world::World;

    const SCENARIO: &str = r#"
        title = "Databases that take their time, and crashes meanwhile"
        network = "sample"
        starts_at = "07:00"
        duration_s = 600
        converge_within_s = 60
        [traffic]
        cards = 40
        trips_per_hour_at_peak = 400
        [engine]
        ingest_ms = 400
        stocked = true
        [[fault]]
        at_s = 200
        for_s = 30
        kind = "power_loss"
        gate = "A-ENTRY-01"
        [[fault]]
        at_s = 300
        for_s = 60
        kind = "slow_disk"
        gate = "B-EXIT-01"
        sync_ms = 20
    "#;

    fn trace(threads: Threads) -> String {
        let scenario = Scenario::parse("slow", "slow", SCENARIO).unwrap();
        let mut world = World::build_helped(scenario, 5, threads).unwrap();
        world.run(|_| {}).unwrap();
        assert!(world.come_to_rest().unwrap().is_some(), "not level");
        assert!(world.answered().len() > 50);
        world.trace_hash()
    }

    #[test]
    fn no_number_of_threads_changes_a_trace() {
        let alone = trace(Threads::default());
        for _ in 0..3 {
            assert_eq!(trace(Threads::start()), alone);
        }
    }
}
