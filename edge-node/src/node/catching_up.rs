//! Snapshots: pages asked for and written in slices, one that is proven taken over, pages read for others.

use sync_protocol::changeset::Trust;
use sync_protocol::have::Scope;
use sync_protocol::id::NodeId;
use sync_protocol::peer::{Input, PageTaken};
use sync_protocol::snapshot::{Need, Page};

use super::intake::IDLE_SLICE_CHANGES;
use super::work::Task;
use super::{Effect, HOUSEKEEPING_MS, IDLE_MS, Node};
use crate::clock::Moment;
use crate::store::{PageWork, SLICE_CHANGES, StoreError};

impl<T: Trust> Node<T> {
    /// Rows in one transaction: few while somebody may tap.
    const fn slice_rows(&self, now: Moment) -> usize {
        if self.is_busy(now) {
            SLICE_CHANGES
        } else {
            IDLE_SLICE_CHANGES
        }
    }

    pub(super) fn begin_snapshot(&mut self, now: Moment, servers: &[NodeId], effects: &mut Vec<Effect>) {
        let chosen = match self.store.begin_snapshot(servers) {
            Ok(chosen) => chosen,
            Err(error) => {
                self.store_failed(now, "beginning a snapshot", &error);
                None
            }
        };
        if let Some((peer, need)) = &chosen {
            tracing::info!(%peer, place = ?need.place, "what is missing here is cut off everywhere: gathering a snapshot");
        }
        self.feed(now, Input::SnapshotBegun { chosen }, effects);
    }

    pub(super) fn check_page(&mut self, now: Moment, peer: NodeId, page: Page, effects: &mut Vec<Effect>) {
        match self.store.check_page(peer, page, &self.trust) {
            Ok(Ok(work)) => self.take_page(now, Box::new(work), effects),
            Ok(Err(taken)) => self.tell_taken(now, peer, taken, effects),
            Err(error) => self.page_failed(now, peer, &error, effects),
        }
    }

    /// Tells the engine what became of a page.
    fn tell_taken(&mut self, now: Moment, peer: NodeId, taken: PageTaken, effects: &mut Vec<Effect>) {
        if taken == PageTaken::Refused && self.quiet.may_speak(now.monotonic_ms()) {
            tracing::error!(
                %peer,
                "a snapshot of this peer is false, or the hub states nothing to hold it against: nothing of it was taken, \
                 and it is asked of another; look into that gate"
            );
        }
        self.feed(now, Input::PageTaken { peer, taken }, effects);
    }

    /// Writes the next slice of a page.
    pub(super) fn take_page(&mut self, now: Moment, mut work: Box<PageWork>, effects: &mut Vec<Effect>) {
        let peer = work.peer();
        match self.store.take_page(&mut work, self.slice_rows(now)) {
            Ok(None) => self.work.put_back(Task::TakePage { work }),
            Ok(Some(taken)) => {
                self.installing_at_ms = now.monotonic_ms();
                self.tell_taken(now, peer, taken, effects);
            }
            Err(error) => self.page_failed(now, peer, &error, effects),
        }
    }

    fn page_failed(&mut self, now: Moment, peer: NodeId, error: &StoreError, effects: &mut Vec<Effect>) {
        self.store_failed(now, "writing a page of a snapshot", error);
        let taken = PageTaken::NotNow;
        self.feed(now, Input::PageTaken { peer, taken }, effects);
    }

    pub(super) fn serve_page(
        &mut self,
        now: Moment,
        peer: NodeId,
        scope: Scope,
        need: &Need,
        effects: &mut Vec<Effect>,
    ) {
        let page = match self.store.serve_page(scope, need) {
            Ok(page) => page.map(Box::new),
            Err(error) => {
                self.store_failed(now, "reading a page of a snapshot for a peer", &error);
                None
            }
        };
        self.feed(now, Input::PageServed { peer, page }, effects);
    }

    /// Takes over the next part of a proven snapshot. Returns whether there was one.
    pub(super) fn install(&mut self, now: Moment, effects: &mut Vec<Effect>) -> bool {
        if !self.store.is_installing() || now.monotonic_ms() < self.installing_at_ms {
            return false;
        }
        match self.store.install_snapshot(self.slice_rows(now)) {
            Ok(installed) => {
                for (site, have) in installed.sites {
                    let head = have.head;
                    effects.push(Effect::Advanced { site, head });
                    self.feed(now, Input::Ingested { site, have }, effects);
                    self.recompute_policy();
                    self.roster.rows_changed();
                }
                if installed.complete {
                    tracing::info!("a snapshot is taken over");
                    self.sealing.file_at_ms = Some(now.monotonic_ms() + IDLE_MS);
                }
            }
            Err(error) => {
                self.installing_at_ms = now.monotonic_ms() + HOUSEKEEPING_MS;
                self.store_failed(now, "taking over a snapshot", &error);
            }
        }
        true
    }

    /// When the next part may be taken over. Monotonic milliseconds.
    pub(super) const fn installing_at_ms(&self) -> Option<i64> {
        if self.store.is_installing() {
            Some(self.installing_at_ms)
        } else {
            None
        }
    }
}
