//! What an operator must hear of without asking: said once when it begins, not each time it is looked at.

use crate::store::{BallastState, Counters, Disk, Store};

/// What was said last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarms {
    counters: Counters,
    disk: Option<Disk>,
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
        self.look_at_disk(store.disk());
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
