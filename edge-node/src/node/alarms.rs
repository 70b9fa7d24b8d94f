//! What an operator must hear of without asking: said once when it begins, not each time it is looked at.

use crate::store::{BallastState, Counters, Disk, Store};

/// What was said last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarms {
    counters: Counters,
    disk: Option<Disk>,
    /// Sites of which a second branch was told.
    forks: usize,
    written_twice: bool,
}

impl Alarms {
    /// Says what happened since the last look.
    pub(super) fn look(&mut self, store: &Store) {
        let (before, now) = (self.counters, store.counters());
        self.counters = now;
        if now.replayed > before.replayed {
            tracing::info!(
                changesets = now.replayed - before.replayed,
                "taps that were durable but not filed when the gate ended are filed now"
            );
        }
        if now.unsigned > before.unsigned {
            tracing::error!(
                changesets = now.unsigned,
                "own changesets cannot be signed, as this node has another key now: they go to nobody; start once \
                 with the old key to bring them back"
            );
        }
        if now.divergences > before.divergences {
            tracing::error!(
                cards = now.divergences - before.divergences,
                compared = now.compared,
                "SEVERITY 1: the hub's settled states differ from this gate's own fold of the same facts; keep the \
                 database and report it"
            );
        }
        if now.quarantined > before.quarantined {
            tracing::warn!(
                changes = now.quarantined - before.quarantined,
                "verified changes cannot be applied and are set aside; `edge-node quarantine` says why"
            );
        }
        if now.taken_back > before.taken_back {
            tracing::warn!(
                changesets = now.taken_back - before.taken_back,
                "this gate's own changesets came back from others: its database was an older copy than they \
                 remember, or a copy of this gate runs"
            );
        }
        self.look_at_forks(store);
        self.look_at_disk(store.disk());
    }

    fn look_at_forks(&mut self, store: &Store) {
        let forks = store.forks();
        if forks.len() > self.forks {
            for (site, at) in forks {
                tracing::error!(
                    %site, from = %at,
                    "FORK: two branches of this log exist, both signed by its writer; `hub forks` shows them and \
                     decides; everything else goes on"
                );
            }
        }
        self.forks = forks.len();
        if store.is_written_twice() && !self.written_twice {
            tracing::error!(
                "CLONED_NODE: another process writes this gate's own log: a copy of this machine runs; stop one of \
                 the two, and start the other anew"
            );
        }
        self.written_twice = store.is_written_twice();
    }

    fn look_at_disk(&mut self, now: Disk) {
        let before = self.disk.replace(now);
        if now.full && before.is_none_or(|before| !before.full) {
            tracing::error!(
                "the disk is full, without the ballast too: exits open unrecorded, entries are denied; free some space"
            );
        }
        let was_present = before.is_none_or(|before| before.ballast == BallastState::Present);
        if now.ballast == BallastState::Freed && was_present {
            tracing::warn!(
                "the disk is nearly full: what was kept for taps is in use or has no room, and changesets of others \
                 are not taken; free some space"
            );
        }
        if now.ballast == BallastState::Present
            && before.is_some_and(|before| before.ballast == BallastState::Freed)
        {
            tracing::info!("the disk has room again, and space for taps is kept");
        }
    }
}
