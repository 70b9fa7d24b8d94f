//! What the shell tells the engine, and what the engine asks of the shell.

use super::{Limits, PageTaken};
use crate::changeset::{Run, RunError};
use crate::have::{Range, Scope, SiteHave};
use crate::id::{NodeId, SiteId, TerminalCode};
use crate::snapshot::{Need, Page};
use crate::wire::{Frame, Heartbeat, WireError};

/// Who this node is.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub node: NodeId,
    /// The terminal it stands in; `None` for the hub.
    pub terminal: Option<TerminalCode>,
    /// Version of the replicated tables' schema, told in Hello.
    pub schema_version: u32,
    /// Hash of that schema.
    pub schema_hash: [u8; 32],
    /// Spreads timers and choices; nodes should differ in it.
    pub seed: u64,
    /// How much may be under way.
    pub limits: Limits,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A connection to an authenticated peer stands. A second one replaces the first.
    Connected {
        /// The node its certificate names.
        peer: NodeId,
    },
    /// A connection is gone.
    Disconnected {
        /// Which.
        peer: NodeId,
    },
    /// A frame came.
    Frame {
        /// From.
        peer: NodeId,
        /// Decoded.
        frame: Frame,
    },
    /// A frame came that [`Frame::decode`] refused.
    FrameRefused {
        /// From.
        peer: NodeId,
        /// Why.
        error: WireError,
    },
    /// This node's own writer committed; the commit is durable.
    Committed {
        /// The new changesets, signed.
        run: Run,
        /// What is now held of the site.
        have: SiteHave,
    },
    /// What is durably held of a site changed: an [`Output::Ingest`] succeeded, or the shell pruned the site or
    /// loaded a snapshot.
    Ingested {
        /// The site.
        site: SiteId,
        /// What is now held.
        have: SiteHave,
    },
    /// An [`Output::Ingest`] failed.
    IngestRefused {
        /// Whom the run came from.
        peer: NodeId,
        /// The site.
        site: SiteId,
        /// Why.
        reason: Refusal,
        /// What is durably held of the site; `None` when nothing.
        have: Option<SiteHave>,
    },
    /// An [`Output::Serve`] is done.
    Served {
        /// For whom.
        peer: NodeId,
        /// The site.
        site: SiteId,
        /// What was read; `None` when it cannot be served after all.
        run: Option<Run>,
    },
    /// This node's own heartbeat, signed.
    Beat(Heartbeat),
    /// An [`Output::Heard`] is genuine.
    BeatVerified {
        /// Who sent it.
        peer: NodeId,
        /// The heartbeat.
        beat: Heartbeat,
    },
    /// An [`Output::Heard`] is not genuine, or its node is not admitted.
    BeatRefused {
        /// Who sent it.
        peer: NodeId,
    },
    /// The site is closed and covered: it leaves Have.
    Retired {
        /// The site.
        site: SiteId,
    },
    /// By an operator's decision another branch of the site counts than the one that was held: what is held now, which
    /// is less than before; `None` when nothing.
    Reverted {
        /// The site.
        site: SiteId,
        /// What is durably held of it.
        have: Option<SiteHave>,
    },
    /// An [`Output::SnapshotBegin`] is answered.
    SnapshotBegun {
        /// Whom to ask, and for what: the one of whom something is gathered already when it can serve. `None`: nobody.
        chosen: Option<(NodeId, Need)>,
    },
    /// An [`Output::SnapshotTake`] is done.
    PageTaken {
        /// Whom it came from.
        peer: NodeId,
        /// What became of it.
        taken: PageTaken,
    },
    /// An [`Output::SnapshotServe`] is done.
    PageServed {
        /// For whom.
        peer: NodeId,
        /// The page; `None` when there is none to be had here.
        page: Option<Box<Page>>,
    },
    /// Time went by: [`Peer::poll_timeout`](super::Peer::poll_timeout) was reached.
    Tick,
}

/// Why the shell did not take a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not fit the log as a log.
    Run(RunError),
    /// The site is for other nodes.
    Unwanted,
    /// It is valid and may succeed later: the shell's queue is full, the disk failed.
    NotNow,
}

/// What the shell shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a frame, encoded once, to each of these.
    Send {
        /// Whom to.
        to: Vec<NodeId>,
        /// What.
        frame: Frame,
    },
    /// Verify a run against the durable head, append it, and report.
    Ingest {
        /// Whom it came from.
        peer: NodeId,
        /// The run.
        run: Run,
    },
    /// Read one contiguous run from the journal, from `range.first` up to a stored signature, and report. At most
    /// `bytes_max` of bodies, but at least up to the first stored signature, and never beyond `range.last` unless
    /// only then a signature is stored.
    Serve {
        /// For whom.
        peer: NodeId,
        /// Which part; it lay between floor and head when this was put out.
        range: Range,
        /// Most bytes of bodies.
        bytes_max: usize,
    },
    /// Verify a heartbeat, and report.
    Heard {
        /// Who sent it.
        peer: NodeId,
        /// The heartbeat: newer than the last verified one of its node, or that one from its author itself.
        beat: Heartbeat,
    },
    /// Say of whom to gather a snapshot, and where to go on: of these, the best first.
    SnapshotBegin {
        /// They have cut off what this node lacks.
        servers: Vec<NodeId>,
    },
    /// Check a page, add it to what is gathered, durably, and report.
    SnapshotTake {
        /// Whom it came from.
        peer: NodeId,
        /// The page.
        page: Box<Page>,
    },
    /// Read a page of a snapshot, and report.
    SnapshotServe {
        /// For whom.
        peer: NodeId,
        /// Which sites it wants.
        scope: Scope,
        /// Which page.
        need: Need,
    },
    /// Close the connection. The engine has forgotten it already.
    Close {
        /// Which.
        peer: NodeId,
        /// Why, for the log.
        reason: CloseReason,
    },
}

/// Why a connection is closed by this node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The Hello names another node than the certificate.
    #[error("the peer says it is {said}, its certificate says {authenticated}: check its configuration")]
    WrongNode {
        /// What Hello says.
        said: NodeId,
        /// What the connection says.
        authenticated: NodeId,
    },
    /// The peer has this node's number.
    #[error("the peer has this node's own number: two nodes are configured alike")]
    OwnNumber,
    /// A gate without terminal, or a hub with one.
    #[error("a gate must name its terminal and the hub must not")]
    Terminal,
    /// Its frames cannot be read.
    #[error("{0}")]
    Wire(WireError),
}
