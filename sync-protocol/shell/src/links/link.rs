//! One link: who is at the other end, what waits to be sent to it, and how it ends.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quinn::{Connection, ConnectionError, VarInt};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::lane::Lane;
use super::limits::{IDLE_MAX, QUEUE_BYTES_MAX, QUEUE_FRAMES_MAX, QUEUE_LIVE_BYTES, REASON_BYTES_MAX};
use super::stats::{Counters, LinkStats};
use crate::identity::Identity;

/// Why an end closes a connection, as told to the other end.
pub(super) mod code {
    use quinn::VarInt;

    /// The node stops.
    pub(in super::super) const STOPPING: VarInt = VarInt::from_u32(0);
    /// The roster does not admit the node.
    pub(in super::super) const NOT_ADMITTED: VarInt = VarInt::from_u32(1);
    /// Both ends have one number.
    pub(in super::super) const OWN_NUMBER: VarInt = VarInt::from_u32(2);
    /// Another connection of the two nodes counts.
    pub(in super::super) const DUPLICATE: VarInt = VarInt::from_u32(3);
    /// A newer connection of the two nodes counts.
    pub(in super::super) const REPLACED: VarInt = VarInt::from_u32(4);
    /// The other end did not keep to the protocol.
    pub(in super::super) const FAULT: VarInt = VarInt::from_u32(5);
    /// The certificate names no node.
    pub(in super::super) const CERTIFICATE: VarInt = VarInt::from_u32(6);
    /// Nothing came from the other end.
    pub(in super::super) const SILENT: VarInt = VarInt::from_u32(7);
    /// The engine closed the link.
    pub(in super::super) const CLOSED: VarInt = VarInt::from_u32(8);
    /// Too many links.
    pub(in super::super) const FULL: VarInt = VarInt::from_u32(9);
}

/// A link that counts: the one between this node and that peer.
pub(super) struct Link {
    pub(super) peer: Identity,
    pub(super) address: SocketAddr,
    pub(super) connection: Connection,
    /// Whether this node dialled it.
    pub(super) dialled: bool,
    /// The start of the peer that it links.
    pub(super) start: [u8; 8],
    /// The how manieth choice of the deciding end it is.
    pub(super) choice: u64,
    pub(super) counters: Arc<Counters>,
    since: Instant,
    live: mpsc::Sender<Bytes>,
    bulk: mpsc::Sender<Bytes>,
    queued_bytes: AtomicUsize,
    /// Why this end closed it.
    reason: Mutex<Option<String>>,
    over: watch::Sender<bool>,
}

/// What a new [`Link`] is made of.
pub(super) struct NewLink {
    pub(super) peer: Identity,
    pub(super) connection: Connection,
    pub(super) dialled: bool,
    pub(super) start: [u8; 8],
}

/// The receiving ends of a link's queues.
pub(super) struct Queues {
    pub(super) live: mpsc::Receiver<Bytes>,
    pub(super) bulk: mpsc::Receiver<Bytes>,
}

impl Link {
    pub(super) fn new(new: NewLink, choice: u64, counters: Arc<Counters>) -> (Link, Queues) {
        let (live, live_queue) = mpsc::channel(QUEUE_FRAMES_MAX);
        let (bulk, bulk_queue) = mpsc::channel(QUEUE_FRAMES_MAX);
        let link = Link {
            peer: new.peer,
            address: new.connection.remote_address(),
            connection: new.connection,
            dialled: new.dialled,
            start: new.start,
            choice,
            counters,
            since: Instant::now(),
            live,
            bulk,
            queued_bytes: AtomicUsize::new(0),
            reason: Mutex::new(None),
            over: watch::Sender::new(false),
        };
        let queues = Queues {
            live: live_queue,
            bulk: bulk_queue,
        };
        (link, queues)
    }

    /// How long it stands.
    pub(super) fn age(&self) -> std::time::Duration {
        self.since.elapsed()
    }

    /// Queues a message, or drops it if the queue is full.
    pub(super) fn push(&self, lane: Lane, message: Bytes) {
        let (queue, bytes_max) = match lane {
            Lane::Live => (&self.live, QUEUE_BYTES_MAX),
            Lane::Bulk => (&self.bulk, QUEUE_BYTES_MAX - QUEUE_LIVE_BYTES),
        };
        let bytes = message.len();
        let queued_bytes = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if queued_bytes > bytes_max || queue.try_send(message).is_err() {
            self.unqueued(bytes);
            self.counters.frames_dropped.add(1);
        }
    }

    /// So many bytes of messages are no longer queued.
    pub(super) fn unqueued(&self, bytes: usize) {
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Closes the connection, if it is not closed already, and tells both ends why.
    pub(super) fn close(&self, code: VarInt, reason: &str) {
        if !self.is_up() {
            return;
        }
        let mut told = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        told.get_or_insert_with(|| reason.to_owned());
        drop(told);
        close(&self.connection, code, reason);
    }

    /// Whether the connection stands, as far as this end knows.
    pub(super) fn is_up(&self) -> bool {
        self.connection.close_reason().is_none()
    }

    /// Nothing of this link will happen any more: its last event was told.
    pub(super) fn set_over(&self) {
        self.over.send_replace(true);
    }

    /// Returns once the link's last event was told.
    pub(super) async fn wait_over(&self) {
        // It cannot be dropped before: whoever waits holds it.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Why the connection ended, in words.
    pub(super) fn end_reason(&self, error: &ConnectionError) -> String {
        let told = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone().unwrap_or_else(|| in_words(error))
    }

    pub(super) fn stats(&self) -> LinkStats {
        LinkStats {
            peer: self.peer,
            address: self.connection.remote_address(),
            dialled: self.dialled,
            age: self.since.elapsed(),
            frames_in: self.counters.frames_in.get(),
            frames_out: self.counters.frames_out.get(),
            bytes_in: self.counters.bytes_in.get(),
            bytes_out: self.counters.bytes_out.get(),
            frames_dropped: self.counters.frames_dropped.get(),
            bytes_queued: self.queued_bytes.load(Ordering::Relaxed),
            rtt: self.connection.rtt(),
        }
    }
}

/// Closes a connection with as much of the reason as a peer is told.
pub(super) fn close(connection: &Connection, code: VarInt, reason: &str) {
    let bytes = reason.as_bytes();
    connection.close(code, bytes.get(..REASON_BYTES_MAX).unwrap_or(bytes));
}

/// Why a connection ended, in words for a log.
pub(super) fn in_words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            format!(
                "closed by the other end: {}",
                String::from_utf8_lossy(&close.reason)
            )
        }
        ConnectionError::ConnectionClosed(close) if is_certificate_code(close.error_code.into()) => {
            format!("the other end refuses this node's certificate: {close}")
        }
        ConnectionError::TransportError(error) if is_certificate_code(error.code.into()) => {
            format!(
                "the other end's certificate is refused: {error}; if it is in order, check this machine's clock"
            )
        }
        ConnectionError::Reset => "the other end has started anew".to_owned(),
        ConnectionError::TimedOut => format!("nothing heard for {} s", IDLE_MAX.as_secs()),
        ConnectionError::LocallyClosed => "the node stops".to_owned(),
        other => other.to_string(),
    }
}

/// Whether a QUIC error code is a TLS alert that speaks of a certificate (RFC 9001, section 4.8; RFC 8446, section 6).
pub(super) fn is_certificate_code(code: u64) -> bool {
    /// Where TLS alerts begin among QUIC's error codes.
    const ALERTS: u64 = 0x100;
    /// Bad, unsupported, revoked, expired, unknown.
    const CERTIFICATE: std::ops::RangeInclusive<u64> = 42..=46;
    /// Of an unknown authority, without access, malformed, not proved.
    const CHECK: std::ops::RangeInclusive<u64> = 48..=51;
    /// None was shown.
    const REQUIRED: u64 = 116;
    let alert = code.checked_sub(ALERTS);
    alert.is_some_and(|alert| CERTIFICATE.contains(&alert) || CHECK.contains(&alert) || alert == REQUIRED)
}
