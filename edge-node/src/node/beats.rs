//! Heartbeats: this node's own, and what those of others are worth.

use sync_protocol::changeset::{Signature, Trust};
use sync_protocol::id::{NodeId, Seq};
use sync_protocol::peer::Input;
use sync_protocol::time::Stamp;
use sync_protocol::wire::Heartbeat;

use super::{Effect, Node};
use crate::clock::Moment;

/// A gate's heart beats this often (design section 3), milliseconds.
pub const BEAT_MS: i64 = 5_000;
/// The hub's heartbeat is written to disk at most this often, milliseconds.
pub const HEARTBEAT_SAVE_MS: i64 = 5_000;

/// This node's own heartbeats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    due_at_ms: i64,
    stated: Stamp,
}

impl Own {
    pub(super) const fn starting(now_ms: i64) -> Own {
        Own {
            due_at_ms: now_ms,
            stated: Stamp {
                ms: i64::MIN,
                counter: 0,
            },
        }
    }

    pub(super) const fn due_at_ms(&self) -> i64 {
        self.due_at_ms
    }

    pub(super) const fn stated(&self) -> Stamp {
        self.stated
    }
}

/// The newest heartbeat of the hub.
#[derive(Clone, Debug, Default)]
pub(super) struct Hub {
    newest: Option<Heartbeat>,
    /// Whether the newest one is on disk.
    saved: bool,
    saved_at_ms: i64,
    /// When the hub itself was last heard, monotonic milliseconds.
    pub(super) heard_at_ms: Option<i64>,
}

impl<T: Trust> Node<T> {
    /// Whether it is time for a heartbeat.
    #[must_use]
    pub const fn is_beat_due(&self, now: Moment) -> bool {
        now.monotonic_ms() >= self.beat.due_at_ms
    }

    /// Sends the heartbeat if it is time. `oldest_ms` is the time of day of the oldest tap that waits undecided.
    pub fn beat(&mut self, now: Moment, oldest_ms: Option<i64>, effects: &mut Vec<Effect>) -> bool {
        if !self.is_beat_due(now) {
            return false;
        }
        self.beat.due_at_ms = now.monotonic_ms() + BEAT_MS;
        // A heartbeat must not promise more than its heads show.
        self.seal(now, effects);
        if !self.store.is_sealed() {
            return true;
        }
        // Just before now, or before the tap that waits: a fact may yet be stamped with that very millisecond.
        let stated_ms = oldest_ms.unwrap_or(now.wall_ms).min(now.wall_ms) - 1;
        self.beat.stated = self.beat.stated.next(stated_ms);
        let beat = self.signed_beat();
        self.feed(now, Input::Beat(beat), effects);
        true
    }

    fn signed_beat(&self) -> Heartbeat {
        let site = self.store.site();
        let head = self.store.have().head(site);
        let mut beat = Heartbeat {
            node: self.store.gate().id.node(),
            key: self.signer.public_key(),
            sites: if head.seq == Seq::NONE {
                Vec::new()
            } else {
                vec![(site, head)]
            },
            t: self.beat.stated,
            signature: Signature([0; 64]),
        };
        beat.signature = self.signer.sign(&beat.signed_message());
        beat
    }

    /// Judges a heartbeat: a key that is the node's, and its signature.
    pub(super) fn hear(&mut self, now: Moment, peer: NodeId, beat: Heartbeat, effects: &mut Vec<Effect>) {
        let known =
            self.keys.get(&beat.node) == Some(&beat.key) || self.store.knows_key(beat.node, &beat.key);
        let genuine = known
            && self
                .trust
                .verifies(&beat.key, &beat.signed_message(), &beat.signature);
        if !genuine {
            self.mishaps.beats_refused += 1;
            if self.quiet.may_speak(now.monotonic_ms()) {
                tracing::warn!(%peer, node = %beat.node, known, "a heartbeat was not believed");
            }
            return self.feed(now, Input::BeatRefused { peer }, effects);
        }
        if beat.node.is_hub() {
            self.hear_hub(now, peer, &beat);
        }
        if let Some(clone) = self
            .live
            .hear(&beat, now.monotonic_ms())
            .filter(|clone| clone.is_news)
        {
            let [one, other] = clone.sites;
            tracing::error!(
                node = %clone.node, %one, %other,
                "CLONED_NODE: two processes run with the key of one node; stop the one that was copied, and give it a \
                 key of its own"
            );
        }
        self.feed(now, Input::BeatVerified { peer, beat }, effects);
    }

    fn hear_hub(&mut self, now: Moment, peer: NodeId, beat: &Heartbeat) {
        if peer.is_hub() {
            self.hub.heard_at_ms = Some(now.monotonic_ms());
        }
        let news = self.knowledge.hear(beat.t.ms, peer.is_hub(), now.monotonic_ms());
        if news {
            self.hub.newest = Some(beat.clone());
            self.hub.saved = false;
        }
    }

    /// Writes the hub's newest heartbeat to disk now and then, so that an old one makes nobody fresh after a start.
    pub(super) fn save_hub_beat(&mut self, now: Moment) {
        let now_ms = now.monotonic_ms();
        let due = !self.hub.saved && now_ms - self.hub.saved_at_ms >= HEARTBEAT_SAVE_MS;
        let Some(beat) = self.hub.newest.as_ref().filter(|_| due) else {
            return;
        };
        (self.hub.saved, self.hub.saved_at_ms) = (true, now_ms);
        if let Err(error) = self.store.save_heartbeat(beat) {
            self.store_failed(now, "keeping the hub's heartbeat", &error);
        }
    }
}
