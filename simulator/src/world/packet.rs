//! A frame on its way: encoded once for all who get it, decoded and hashed once however many do.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use sync_protocol::id::{Seq, SiteId};
use sync_protocol::wire::{Frame, WireError};

/// The bytes of a frame, and what was worked out of them.
#[derive(Debug)]
pub(crate) struct Packet {
    bytes: Vec<u8>,
    hash: OnceCell<[u8; 32]>,
    decoded: OnceCell<Result<Frame, WireError>>,
}

impl Packet {
    /// Encodes a frame.
    pub(crate) fn new(frame: &Frame) -> Packet {
        Packet {
            bytes: frame.encode(),
            hash: OnceCell::new(),
            decoded: OnceCell::new(),
        }
    }

    /// Bytes on the wire.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Hash of the bytes.
    pub(crate) fn hash(&self) -> &[u8; 32] {
        self.hash.get_or_init(|| *blake3::hash(&self.bytes).as_bytes())
    }

    /// What the receiver makes of the bytes.
    pub(crate) fn decode(&self) -> Result<Frame, WireError> {
        self.decoded.get_or_init(|| Frame::decode(&self.bytes)).clone()
    }
}

/// Most runs that are looked for among what is on its way.
const RUNS_MAX: usize = 4_096;

/// Pieces of logs on their way, so that what many ask for at once is held once.
#[derive(Debug, Default)]
pub(crate) struct Packets(BTreeMap<Piece, Weak<Packet>>);

/// Names a run: where it stands, and the hash of its signature and bodies.
type Piece = (SiteId, Seq, [u8; 32]);

impl Packets {
    /// A frame ready to be sent.
    pub(crate) fn packet(&mut self, frame: &Frame) -> Rc<Packet> {
        let Frame::Changesets(runs) = frame else {
            return Rc::new(Packet::new(frame));
        };
        let [run] = runs.as_slice() else {
            return Rc::new(Packet::new(frame));
        };
        let mut content = blake3::Hasher::new();
        content.update(&run.signature.0);
        for body in &run.bodies {
            content.update(&(body.len() as u64).to_le_bytes()).update(body);
        }
        let piece = (run.site, run.first, *content.finalize().as_bytes());
        if let Some(packet) = self.0.get(&piece).and_then(Weak::upgrade) {
            return packet;
        }
        if self.0.len() >= RUNS_MAX {
            self.0.retain(|_, packet| packet.strong_count() > 0);
        }
        let packet = Rc::new(Packet::new(frame));
        if self.0.len() < RUNS_MAX {
            self.0.insert(piece, Rc::downgrade(&packet));
        }
        packet
    }
}
