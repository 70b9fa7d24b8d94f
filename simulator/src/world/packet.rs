//! A frame on its way: encoded once for all who get it, decoded and hashed once however many do.

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

use bytes::Bytes;
use sync_protocol::changeset::Run;
use sync_protocol::id::{Seq, SiteId};
use sync_protocol::wire::{Frame, WireError};

/// The bytes of a frame, and what was worked out of them.
#[derive(Debug)]
pub(crate) struct Packet {
    bytes: Vec<u8>,
    sent: Frame,
    hash: OnceCell<[u8; 32]>,
    decoded: OnceCell<Result<Frame, WireError>>,
}

impl Packet {
    /// Encodes a frame.
    pub(crate) fn new(frame: Frame) -> Packet {
        Packet {
            bytes: frame.encode(),
            sent: frame,
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
        self.decoded().clone()
    }

    fn decoded(&self) -> &Result<Frame, WireError> {
        self.decoded.get_or_init(|| {
            let decoded = Frame::decode(&self.bytes);
            // The same in the sender's own memory: then whoever compares bodies later need not read them.
            if decoded.as_ref() == Ok(&self.sent) {
                Ok(self.sent.clone())
            } else {
                decoded
            }
        })
    }

    /// Whether this is the frame that holds just this run.
    fn holds(&self, run: &Run) -> bool {
        let held = self.decoded().as_ref().ok().and_then(sole_run);
        held.is_some_and(|held| {
            (held.site, held.first, held.signature) == (run.site, run.first, run.signature)
                && held.bodies.len() == run.bodies.len()
                && held.bodies.iter().zip(&run.bodies).all(|(a, b)| is_same(a, b))
        })
    }
}

/// Most runs that are looked for among what is on its way.
const RUNS_MAX: usize = 4_096;

/// Bytes of packets that are kept although they have arrived: others ask for the same a little later.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Pieces of logs on their way, so that what many ask for at once is held once.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    on_their_way: BTreeMap<(SiteId, Seq), Vec<Weak<Packet>>>,
    /// The newest ones.
    kept: VecDeque<Rc<Packet>>,
    kept_bytes: usize,
}

impl Packets {
    /// A frame ready to be sent.
    pub(crate) fn packet(&mut self, frame: Frame) -> Rc<Packet> {
        let Some(run) = sole_run(&frame) else {
            return Rc::new(Packet::new(frame));
        };
        let place = (run.site, run.first);
        let known = self.on_their_way.get(&place).into_iter().flatten();
        if let Some(packet) = known.filter_map(Weak::upgrade).find(|packet| packet.holds(run)) {
            return packet;
        }
        if self.on_their_way.len() >= RUNS_MAX {
            self.on_their_way.retain(|_, packets| {
                packets.retain(|packet| packet.strong_count() > 0);
                !packets.is_empty()
            });
        }
        let packet = Rc::new(Packet::new(frame));
        if self.on_their_way.len() < RUNS_MAX {
            let packets = self.on_their_way.entry(place).or_default();
            packets.retain(|packet| packet.strong_count() > 0);
            packets.push(Rc::downgrade(&packet));
            self.keep(&packet);
        }
        packet
    }

    fn keep(&mut self, packet: &Rc<Packet>) {
        self.kept_bytes += packet.len();
        self.kept.push_back(Rc::clone(packet));
        while self.kept.len() > RUNS_MAX / 2 || self.kept_bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else {
                return;
            };
            self.kept_bytes -= oldest.len();
        }
    }
}

/// The run of a frame that holds one and nothing else.
fn sole_run(frame: &Frame) -> Option<&Run> {
    match frame {
        Frame::Changesets(runs) => match runs.as_slice() {
            [run] => Some(run),
            _ => None,
        },
        _ => None,
    }
}

/// Whether two bodies are the same: those that are passed on are one piece of memory, which need not be read.
fn is_same(a: &Bytes, b: &Bytes) -> bool {
    a.len() == b.len() && (a.as_ptr() == b.as_ptr() || a == b)
}

#[cfg(test)]
mod tests {
    use sync_protocol::changeset::Signature;

    use super::*;

    fn frame(first: u64, bodies: &[&'static [u8]], signature: u8) -> Frame {
        Frame::Changesets(vec![Run {
            site: SiteId([7; 16]),
            first: Seq(first),
            bodies: bodies.iter().map(|body| Bytes::from_static(body)).collect(),
            signature: Signature([signature; 64]),
        }])
    }

    #[test]
    fn only_a_run_that_is_on_its_way_in_the_very_same_bytes_is_sent_again() {
        let mut packets = Packets::default();
        let sent = frame(3, &[b"one", b"two"], 1);
        let first = packets.packet(sent.clone());
        let received = first.decode().unwrap();
        assert!(Rc::ptr_eq(&first, &packets.packet(sent.clone())));
        assert!(Rc::ptr_eq(&first, &packets.packet(received.clone())));
        for other in [
            frame(4, &[b"one", b"two"], 1),
            frame(3, &[b"one"], 1),
            frame(3, &[b"one", b"twe"], 1),
            frame(3, &[b"onet", b"wo"], 1),
            frame(3, &[b"one", b"two"], 2),
        ] {
            let packet = packets.packet(other.clone());
            assert_eq!(packet.decode().as_ref(), Ok(&other));
            assert!(Rc::ptr_eq(&packet, &packets.packet(other.clone())));
        }
        assert_eq!(packets.packet(sent).decode(), Ok(received));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut packets = Packets::default();
        let body: &'static [u8] = Box::leak(vec![1; 1 << 20].into_boxed_slice());
        for first in 1..=200 {
            packets.packet(frame(first, &[body], 1));
        }
        assert!(packets.kept_bytes <= KEPT_BYTES_MAX && packets.kept.len() > 50);
        for first in 1..=2 * RUNS_MAX as u64 {
            packets.packet(frame(first, &[b"small"], 1));
        }
        assert!(packets.kept.len() <= RUNS_MAX / 2 && packets.on_their_way.len() <= RUNS_MAX);
        assert_eq!(
            packets.kept_bytes,
            packets.kept.iter().map(|packet| packet.len()).sum::<usize>()
        );
    }
}
