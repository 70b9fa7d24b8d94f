//! A frame on its way: encoded once for all who get it, decoded and hashed once however many do.

use std::cell::OnceCell;

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
