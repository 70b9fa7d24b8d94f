//! Cutting logs in idle moments: a slice at a time, after everything else that waits.

use sync_protocol::changeset::Trust;
use sync_protocol::peer::Input;

use super::{Effect, IDLE_MS, Node};
use crate::clock::Moment;
use crate::store::Retention;

/// While nothing is to be cut, logs are looked at this often, milliseconds.
const LOOK_MS: i64 = 10_000;

/// How long logs are kept, and when they are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pruning {
    retention: Retention,
    /// Monotonic milliseconds.
    due_at_ms: i64,
}

impl Pruning {
    pub(super) const fn starting(retention: Retention, now_ms: i64) -> Pruning {
        Pruning {
            retention,
            due_at_ms: now_ms + LOOK_MS,
        }
    }
}

impl<T: Trust> Node<T> {
    /// When the next slice may be cut: not within an idle moment's length after a tap. Monotonic milliseconds.
    pub(super) const fn pruning_at_ms(&self) -> i64 {
        let idle_at_ms = self.tapped_ms + IDLE_MS;
        if idle_at_ms > self.pruning.due_at_ms {
            idle_at_ms
        } else {
            self.pruning.due_at_ms
        }
    }

    /// Cuts a slice off some log that is kept long enough, and tells the engine.
    pub(super) fn prune(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.pruning.due_at_ms = now.monotonic_ms() + LOOK_MS;
        // Before the hub was ever heard, nothing is known to be old.
        let Some(hub_ms) = self.knowledge.hub_ms() else {
            return;
        };
        match self.store.prune(hub_ms, &self.pruning.retention) {
            Ok(pruned) => {
                let Some((site, have)) = pruned.cut else {
                    return;
                };
                // There may be more; whatever else waits comes first.
                self.pruning.due_at_ms = now.monotonic_ms();
                self.feed(now, Input::Ingested { site, have }, effects);
            }
            Err(error) => self.store_failed(now, "cutting old logs", &error),
        }
    }
}
