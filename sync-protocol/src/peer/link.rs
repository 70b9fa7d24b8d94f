//! One connection: who is at the other end, when it was last heard, and what is under way on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::changeset::SiteRole;
use crate::have::Scope;
use crate::id::{SiteId, TerminalCode};

/// The state of one connection. Dropped with it: nothing here outlives a disconnect.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// What both ends want, once the other end's Hello has come.
    pub(super) scope: Option<Scope>,
    /// The other end's terminal, once its Hello has come; `None` for the hub.
    pub(super) terminal: Option<TerminalCode>,
    /// Since when it stands.
    pub(super) since_ms: i64,
    /// Whether the other end told what it holds: by its Have, or by a digest equal to this node's.
    pub(super) told: bool,
    /// When this node last said Hello.
    pub(super) hello_sent_ms: i64,
    /// When anything was last heard.
    pub(super) heard_ms: i64,
    /// When anything was last sent.
    pub(super) sent_ms: i64,
    /// When a whole Have was last sent.
    pub(super) have_sent_ms: Option<i64>,
    /// Sites of which the other end told of more than is durable here.
    pub(super) lacking: BTreeSet<SiteId>,
    /// The site last asked for: the next one's turn comes first.
    pub(super) cursor: SiteId,
    /// How many of its sites are remembered.
    pub(super) offers: usize,
    /// Requests it has not answered.
    pub(super) requests: usize,
    /// Bytes asked of it.
    pub(super) requested_bytes: usize,
    /// Bytes it sent that are not durable yet.
    pub(super) ingesting_bytes: usize,
    /// Ranges being read for it, and since when.
    pub(super) serving: BTreeMap<SiteId, i64>,
    /// Since when a page of a snapshot is being read for it, if one is.
    pub(super) serving_page_ms: Option<i64>,
    /// It is not asked for a snapshot before.
    pub(super) snapshot_after_ms: i64,
    /// Heartbeats handed to the shell since the last look at the clock.
    pub(super) beats: u32,
    /// Undecodable frames.
    pub(super) malformed_frames: u32,
    /// When something it sent again was last compared with what is held.
    pub(super) spot_checked_ms: Option<i64>,
}

impl Link {
    pub(super) fn new(now_ms: i64) -> Link {
        Link {
            scope: None,
            terminal: None,
            since_ms: now_ms,
            told: false,
            hello_sent_ms: now_ms,
            heard_ms: now_ms,
            sent_ms: now_ms,
            have_sent_ms: None,
            lacking: BTreeSet::new(),
            cursor: SiteId::default(),
            offers: 0,
            requests: 0,
            requested_bytes: 0,
            ingesting_bytes: 0,
            serving: BTreeMap::new(),
            serving_page_ms: None,
            snapshot_after_ms: i64::MIN,
            beats: 0,
            malformed_frames: 0,
            spot_checked_ms: None,
        }
    }

    /// Whether the other end has introduced itself.
    pub(super) fn is_open(&self) -> bool {
        self.scope.is_some()
    }

    /// Whether it may be asked: introduced, and heard within `silence_ms`.
    pub(super) fn is_live(&self, now_ms: i64, silence_ms: i64) -> bool {
        self.is_open() && now_ms - self.heard_ms <= silence_ms
    }

    /// Whether the other end wants sites of this role.
    pub(super) fn wants(&self, role: SiteRole) -> bool {
        self.scope.is_some_and(|scope| scope.covers(role))
    }
}
