//! Frames: what two nodes say to each other. The exact bytes are in `WIRE.md`.

use serde::{Deserialize, Serialize};

use crate::changeset::{Head, PublicKey, Run, Signature};
use crate::codec::{self, CodecError};
use crate::have::{Range, SiteHave};
use crate::id::{NodeId, SiteId, TerminalCode};
use crate::snapshot;
use crate::time::Stamp;

/// Version of the envelope. A node that reads another one closes the connection with a clear reason.
pub const WIRE_VERSION: u8 = 1;
/// Most bytes of one frame, envelope included.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Most sites named in one heartbeat: a node has one open site, the hub two; the rest is room for failover.
pub const HEARTBEAT_SITES_MAX: usize = 16;
/// Most heartbeats in one frame.
pub const HEARTBEATS_MAX: usize = 256;
/// Most ranges in one Need.
pub const RANGES_MAX: usize = 1_024;
/// Most runs in one Changesets frame.
pub const RUNS_MAX: usize = 1_024;

/// First frame of every connection, both ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Who speaks.
    pub node: NodeId,
    /// The terminal it stands in; `None` for the hub.
    pub terminal: Option<TerminalCode>,
    /// Version of the replicated tables' schema.
    pub schema_version: u32,
    /// Hash of that schema.
    pub schema_hash: [u8; 32],
}

/// A node's sign of life (design section 3): signed, relayable, not journaled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who.
    pub node: NodeId,
    /// Its key.
    pub key: PublicKey,
    /// Its open sites and their heads.
    pub sites: Vec<(SiteId, Head)>,
    /// min(now, time of the oldest undecided tap): it has stated everything up to here. Rises strictly.
    pub t: Stamp,
    /// Covers [`Heartbeat::signed_message`].
    pub signature: Signature,
}

impl Heartbeat {
    /// What the signature signs.
    #[must_use]
    pub fn signed_message(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 heartbeat");
        hasher.update(&codec::encode(&(self.node, self.key, &self.sites, self.t)));
        *hasher.finalize().as_bytes()
    }
}

/// What nodes send. New kinds go at the end; a kind that is not known is counted and ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// Introduces the speaker.
    Hello(Hello),
    /// Digest of the speaker's Have, as the listener would want it.
    HaveDigest([u8; 32]),
    /// What the speaker holds that the listener would want. `reply` asks for the listener's own in return.
    Have {
        /// Answer with your Have if you hold something I do not.
        reply: bool,
        /// Per site.
        sites: Vec<(SiteId, SiteHave)>,
    },
    /// Asks for ranges. The answer is one Changesets frame per range: a run from its first changeset on, as long as
    /// the byte budget allows, but at least up to the first signature held.
    Need {
        /// Which.
        ranges: Vec<Range>,
        /// Most bytes of bodies wanted now, per range.
        bytes_max: u32,
    },
    /// Pieces of logs, pushed or asked for.
    Changesets(Vec<Run>),
    /// Signs of life, own or relayed. None at all: "I am here", when there was nothing else to say for a while.
    Heartbeats(Vec<Heartbeat>),
    /// Asks for a page of a snapshot. The answer is a [`Frame::SnapshotPage`], or nothing.
    SnapshotNeed(snapshot::Need),
    /// A page of a snapshot.
    SnapshotPage(Box<snapshot::Page>),
}

/// Number of frame kinds this version knows.
const FRAME_KINDS: u8 = 8;

/// Why a frame is refused. Counted per peer; never a panic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No bytes at all.
    #[error("an empty frame")]
    Empty,
    /// Over [`FRAME_BYTES_MAX`].
    #[error("a frame of {0} bytes: at most {FRAME_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// Another envelope.
    #[error("wire version {0}: this node speaks version {WIRE_VERSION}; upgrade the older of the two")]
    Version(u8),
    /// A frame kind from a later version. To be ignored.
    #[error("frame kind {0} is not known to this version")]
    UnknownKind(u8),
    /// More entries than a frame may hold.
    #[error("{what}: {count} in one frame, at most {max} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// Not a frame.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Frame {
    /// Encodes a frame: version, then content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![WIRE_VERSION];
        bytes.extend(codec::encode(self));
        bytes
    }

    /// Decodes a frame and checks every limit.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn decode(bytes: &[u8]) -> Result<Frame, WireError> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(WireError::TooLarge(bytes.len()));
        }
        let content = match bytes {
            [] => return Err(WireError::Empty),
            [WIRE_VERSION, content @ ..] => content,
            [version, ..] => return Err(WireError::Version(*version)),
        };
        match content.first() {
            Some(kind) if *kind >= FRAME_KINDS => return Err(WireError::UnknownKind(*kind)),
            _ => {}
        }
        let frame: Frame = codec::decode(content)?;
        frame.check()?;
        Ok(frame)
    }

    fn check(&self) -> Result<(), WireError> {
        let limit = |what, count, max| {
            if count > max {
                Err(WireError::TooMany { what, count, max })
            } else {
                Ok(())
            }
        };
        match self {
            Frame::Hello(_) | Frame::HaveDigest(_) | Frame::SnapshotNeed(_) => Ok(()),
            Frame::SnapshotPage(page) => limit("entries", page.entries(), snapshot::ENTRIES_MAX),
            Frame::Have { sites, .. } => limit("sites", sites.len(), crate::have::SITES_MAX),
            Frame::Need { ranges, .. } => limit("ranges", ranges.len(), RANGES_MAX),
            Frame::Changesets(runs) => limit("runs", runs.len(), RUNS_MAX),
            Frame::Heartbeats(beats) => {
                limit("heartbeats", beats.len(), HEARTBEATS_MAX)?;
                beats
                    .iter()
                    .try_for_each(|beat| limit("sites in a heartbeat", beat.sites.len(), HEARTBEAT_SITES_MAX))
            }
        }
    }
}
