//! Which links count: at most one per peer.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sync_protocol::id::NodeId;
use tokio::sync::watch;

use super::limits::{LINKS_MAX, TURN_MIN};
use super::link::{Link, NewLink, Queues};
use super::stats::Counters;
use super::twins::Twins;

/// The links that count.
pub(super) struct Registry {
    peers: RwLock<Peers>,
    /// Changes whenever a link is over.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Peers {
    links: BTreeMap<NodeId, Arc<Link>>,
    /// Of all peers that were linked since the start: no more than were admitted.
    counters: BTreeMap<NodeId, Arc<Counters>>,
    /// Connections chosen by this node.
    choices: u64,
    twins: Twins,
}

/// A link that was entered.
pub(super) struct Entered {
    pub(super) link: Arc<Link>,
    pub(super) queues: Queues,
    /// The one it replaces.
    pub(super) replaced: Option<Arc<Link>>,
}

/// Why a connection does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotEntered {
    /// Another one does.
    Duplicate,
    /// There are [`LINKS_MAX`].
    Full,
}

impl Default for Registry {
    fn default() -> Registry {
        Registry {
            peers: RwLock::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Registry {
    /// At the deciding end: lets a connection count, unless the link that stands should stay.
    pub(super) fn decide(&self, new: NewLink) -> Result<Entered, NotEntered> {
        let mut peers = self.write();
        if peers.must_wait(&new) {
            return Err(NotEntered::Duplicate);
        }
        if let Some(old) = peers.links.get(&new.peer.node) {
            let has_lost_old = old.start != new.start || old.dialled == new.dialled;
            if old.is_up() && !has_lost_old {
                return Err(NotEntered::Duplicate);
            }
        }
        peers.choices += 1;
        let choice = peers.choices;
        peers.enter(new, choice)
    }

    /// At the other end: follows the choice of the deciding one, unless it has made a later one.
    pub(super) fn follow(&self, new: NewLink, choice: u64) -> Result<Entered, NotEntered> {
        let mut peers = self.write();
        if peers.must_wait(&new) {
            return Err(NotEntered::Duplicate);
        }
        if let Some(old) = peers.links.get(&new.peer.node)
            && old.start == new.start
            && old.choice > choice
        {
            return Err(NotEntered::Duplicate);
        }
        peers.enter(new, choice)
    }

    /// Takes out a link whose last event was told.
    pub(super) fn remove(&self, link: &Arc<Link>) {
        let mut peers = self.write();
        let node = link.peer.node;
        if peers
            .links
            .get(&node)
            .is_some_and(|entered| Arc::ptr_eq(entered, link))
        {
            peers.links.remove(&node);
        }
        drop(peers);
        link.set_over();
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// The links to these peers.
    pub(super) fn find(&self, to: &[NodeId]) -> Vec<Arc<Link>> {
        let peers = self.read();
        to.iter()
            .filter_map(|node| peers.links.get(node))
            .cloned()
            .collect()
    }

    /// All links, in order of their peers.
    pub(super) fn all(&self) -> Vec<Arc<Link>> {
        self.read().links.values().cloned().collect()
    }

    /// Nodes of which two processes link in turn, and how often they did.
    pub(super) fn twins(&self) -> Vec<(NodeId, u64)> {
        self.read().twins.all().collect()
    }

    /// Whether a link to this peer stands.
    pub(super) fn is_linked(&self, node: NodeId) -> bool {
        self.read().links.get(&node).is_some_and(|link| link.is_up())
    }

    /// Returns once this peer has no link.
    pub(super) async fn wait_unlinked(&self, node: NodeId) {
        self.wait_for(|peers| !peers.links.contains_key(&node)).await;
    }

    /// Returns once there is no link.
    pub(super) async fn wait_empty(&self) {
        self.wait_for(|peers| peers.links.is_empty()).await;
    }

    async fn wait_for(&self, condition: impl Fn(&Peers) -> bool) {
        // It cannot be dropped before: whoever waits holds it.
        let _ = self
            .changes
            .subscribe()
            .wait_for(|_| condition(&self.read()))
            .await;
    }

    fn read(&self) -> RwLockReadGuard<'_, Peers> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Peers> {
        self.peers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peers {
    /// Whether another process with the same key has its turn.
    fn must_wait(&mut self, new: &NewLink) -> bool {
        let node = new.peer.node;
        self.twins.note(node, new.start);
        let has_turn = |old: &Arc<Link>| old.start != new.start && old.is_up() && old.age() < TURN_MIN;
        let waits = self.twins.has(node) && self.links.get(&node).is_some_and(has_turn);
        if waits {
            self.twins.waits(node);
        }
        waits
    }

    fn enter(&mut self, new: NewLink, choice: u64) -> Result<Entered, NotEntered> {
        let node = new.peer.node;
        if self.links.len() >= LINKS_MAX && !self.links.contains_key(&node) {
            return Err(NotEntered::Full);
        }
        let counters = Arc::clone(self.counters.entry(node).or_default());
        let (link, queues) = Link::new(new, choice, counters);
        let link = Arc::new(link);
        let replaced = self.links.insert(node, Arc::clone(&link));
        Ok(Entered {
            link,
            queues,
            replaced,
        })
    }
}
