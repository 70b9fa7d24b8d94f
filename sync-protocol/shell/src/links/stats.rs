//! What is counted about links.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::identity::Identity;

/// One link, as it stands. The counters go on over all links of the peer since this node's start.
#[derive(Clone, Debug)]
pub struct LinkStats {
    /// Who.
    pub peer: Identity,
    /// Where.
    pub address: SocketAddr,
    /// Whether this node dialled it.
    pub dialled: bool,
    /// How long the link stands.
    pub age: Duration,
    /// Frames received.
    pub frames_in: u64,
    /// Frames handed to QUIC.
    pub frames_out: u64,
    /// Bytes of frames received.
    pub bytes_in: u64,
    /// Bytes of frames handed to QUIC.
    pub bytes_out: u64,
    /// Frames not sent because the peer's queue was full.
    pub frames_dropped: u64,
    /// Bytes queued now.
    pub bytes_queued: usize,
    /// Round-trip time, as QUIC estimates it.
    pub rtt: Duration,
}

/// What is counted per peer.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) frames_in: Counter,
    pub(super) frames_out: Counter,
    pub(super) bytes_in: Counter,
    pub(super) bytes_out: Counter,
    pub(super) frames_dropped: Counter,
}

/// How often a link was refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// A certificate was none, of another authority, expired, or names no node.
    pub certificates: u64,
    /// The roster does not admit the node.
    pub not_admitted: u64,
    /// The other end has this node's own number.
    pub own_number: u64,
    /// The other end was linked already.
    pub duplicates: u64,
    /// Too many strangers at a time, or too many attempts of one address.
    pub floods: u64,
    /// The other end did not keep to the protocol of links.
    pub faults: u64,
}

/// [`Refusals`], being counted.
#[derive(Debug, Default)]
pub(super) struct RefusalCounters {
    pub(super) certificates: Counter,
    pub(super) not_admitted: Counter,
    pub(super) own_number: Counter,
    pub(super) duplicates: Counter,
    pub(super) floods: Counter,
    pub(super) faults: Counter,
}

impl RefusalCounters {
    pub(super) fn snapshot(&self) -> Refusals {
        Refusals {
            certificates: self.certificates.get(),
            not_admitted: self.not_admitted.get(),
            own_number: self.own_number.get(),
            duplicates: self.duplicates.get(),
            floods: self.floods.get(),
            faults: self.faults.get(),
        }
    }
}

/// Counts up, from any thread.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
