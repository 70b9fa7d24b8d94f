//! What of a gate's store outlives its process. A copy is a backup.

use std::collections::BTreeMap;
use std::rc::Rc;

use edge_node::store::{Marks, PIECE_BYTES, Piece};
use sync_protocol::changeset::Head;
use sync_protocol::fare::FareBook;
use sync_protocol::have::Have;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::wire::Heartbeat;

use super::rows::RowVersion;
use super::signed::Signed;
use super::uncovered::Uncovered;

/// A gate's disk.
#[derive(Clone, Debug, Default)]
pub struct ModelDisk {
    /// Signed heads.
    pub(super) have: Have,
    /// Sites that were opened here and where their journals end, signed or not; oldest first.
    pub(super) own: Vec<(SiteId, Head)>,
    pub(super) signed: BTreeMap<u32, Signed>,
    /// Commits of the newest own site that are in the journal only.
    pub(super) unfiled: Vec<Unfiled>,
    pub(super) uncovered: Uncovered,
    /// `None` on a disk that no process has opened yet.
    pub(super) rows: Option<Rc<RowVersion>>,
    pub(super) fares: Rc<FareBook>,
    /// When which part of each log was held.
    pub(super) marks: BTreeMap<SiteId, Marks>,
    heartbeats: BTreeMap<NodeId, Heartbeat>,
}

/// A commit that is not filed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfiled {
    pub(super) seq: Seq,
    pub(super) bytes: usize,
    pub(super) taps: usize,
    pub(super) signed: bool,
}

impl ModelDisk {
    /// Where the journal of a site ends, signed or not.
    pub(super) fn journal_head(&self, site: SiteId) -> Head {
        let own = self.own.iter().rev().find(|(own, _)| *own == site);
        own.map_or_else(|| self.have.head(site), |(_, head)| *head)
    }

    /// Files what waits: of its signatures only some are kept. `piece` is the end of the log before it.
    pub(super) fn file(&mut self, ordinal: u32, piece: &mut Piece) {
        let mut bytes = 0;
        let last = self.unfiled.last().map(|commit| commit.seq);
        for commit in std::mem::take(&mut self.unfiled) {
            bytes += commit.bytes;
            piece.push(commit.bytes);
            if bytes >= PIECE_BYTES || Some(commit.seq) == last {
                self.sign(ordinal, commit.seq, piece);
                bytes = 0;
            }
        }
    }

    /// Keeps a signature, in place of one that it makes needless.
    pub(super) fn sign(&mut self, ordinal: u32, seq: Seq, piece: &mut Piece) {
        let signed = self.signed.entry(ordinal).or_default();
        if let Some(replaced) = piece.sign(seq) {
            signed.forget_last(replaced.0);
        }
        signed.note(seq.0);
    }

    /// Whether a signature over this position can be served.
    pub(super) fn has_signature(&self, ordinal: u32, site: SiteId, seq: Seq) -> bool {
        let stored = self
            .signed
            .get(&ordinal)
            .is_some_and(|signed| signed.holds(seq.0));
        let newest = self.own.last().is_some_and(|(own, _)| *own == site);
        stored
            || (newest
                && self
                    .unfiled
                    .iter()
                    .any(|commit| commit.seq == seq && commit.signed))
    }

    /// The replicated tables.
    pub(super) fn rows(&self) -> &Rc<RowVersion> {
        self.rows
            .as_ref()
            .expect("BUG: a store begins with the tables of an empty log")
    }

    /// Keeps a heartbeat, unless a later one of the node is kept.
    pub(super) fn keep_heartbeat(&mut self, heartbeat: &Heartbeat) {
        let known = self.heartbeats.get(&heartbeat.node);
        if known.is_none_or(|known| known.t < heartbeat.t) {
            self.heartbeats.insert(heartbeat.node, heartbeat.clone());
        }
    }

    pub(super) fn heartbeats(&self) -> Vec<Heartbeat> {
        self.heartbeats.values().cloned().collect()
    }

    /// Up to where the disk holds each site.
    pub fn held(&self) -> impl Iterator<Item = (SiteId, Seq)> + '_ {
        let others = self
            .have
            .wanted_by(None)
            .map(|(site, have)| (site, have.head.seq));
        let own = self.own.iter().map(|(site, head)| (*site, head.seq));
        others.chain(own)
    }
}
