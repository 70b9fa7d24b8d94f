//! Every limit and interval of links, by name.

use std::time::Duration;

/// Frames of more bytes travel on the bulk stream.
pub const LIVE_FRAME_BYTES_MAX: usize = 16 << 10;
/// Most bytes queued for one peer; a frame beyond is dropped.
pub const QUEUE_BYTES_MAX: usize = 4 << 20;
/// Of [`QUEUE_BYTES_MAX`], what bulk frames leave to the others.
pub const QUEUE_LIVE_BYTES: usize = 512 << 10;
/// Most frames queued for one peer on one stream.
pub const QUEUE_FRAMES_MAX: usize = 16_384;
/// Most frames handed to QUIC at once.
pub const BATCH_FRAMES_MAX: usize = 64;
/// Most bytes of one stream that arrived and were not read.
pub const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// Most bytes of one connection that arrived and were not read: both streams, so that a full one never stops the
/// other.
pub const CONNECTION_WINDOW_BYTES: u32 = 2 * STREAM_WINDOW_BYTES;
/// Most bytes of one connection that were sent and not acknowledged: as much as the other end takes on both streams.
pub const SEND_WINDOW_BYTES: u64 = CONNECTION_WINDOW_BYTES as u64;
/// Most bytes read from a stream at once.
pub const READ_BYTES_MAX: usize = 64 << 10;
/// Buffers asked of the system for the UDP socket.
pub const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// Most links at a time: gates of the largest network and room.
pub const LINKS_MAX: usize = 16_384;
/// Most strangers at a time that are proving who they are.
pub const HANDSHAKES_MAX: usize = 256;
/// Of those, most from one address: a terminal behind one address comes in turns, and nobody takes all places.
pub const HANDSHAKES_PER_ADDRESS_MAX: usize = 16;
/// Most attempts of one address per second.
pub const ATTEMPTS_PER_ADDRESS_MAX: u32 = 128;
/// Most addresses whose attempts are counted in one second; others wait for the next.
pub const ADDRESSES_MAX: usize = 4_096;
/// Most bytes kept of one connection that is not accepted yet.
pub const INCOMING_BYTES_MAX: u64 = 16 << 10;
/// Who has not proved who it is by then, or is not chosen, is closed.
pub const ESTABLISH_MAX: Duration = Duration::from_secs(5);

/// A link without anything else to say carries a sign of life this often.
pub const KEEP_ALIVE: Duration = Duration::from_millis(1_500);
/// QUIC gives up a connection from which nothing came for this long.
pub const IDLE_MAX: Duration = Duration::from_secs(5);
/// How often a link is looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// At so many looks in a row nothing had come: the link is closed, after 4 to 5 s of silence.
pub const SILENT_LOOKS_MAX: u32 = 4;
/// A peer that has ended one stream ends the other by then.
pub const ENDING_LOOKS_MAX: u32 = 2;

/// Assumed round-trip time until it is measured.
pub const INITIAL_RTT: Duration = Duration::from_millis(100);
/// What comes is acknowledged by then, so that the last frame before a silence is repeated soon if it was lost.
pub const ACK_DELAY_MAX: Duration = Duration::from_millis(5);
/// At most one answer per so long to packets of connections from before this node's start.
pub const RESET_SPACING: Duration = Duration::from_millis(1);

/// First pause between attempts to dial a target; doubled up to [`BACKOFF_MAX`].
pub const BACKOFF_MIN: Duration = Duration::from_millis(250);
/// Longest pause between attempts to dial a target. A link that stood this long resets the pause.
pub const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// A target that turned out to be this node itself is dialled again after this long: the address may move.
pub const OWN_ADDRESS_PAUSE: Duration = Duration::from_secs(60);
/// A name is resolved by then.
pub const RESOLVE_MAX: Duration = Duration::from_secs(5);
/// Most addresses of one name that are tried.
pub const ADDRESSES_PER_TARGET_MAX: usize = 4;

/// Of two processes with one key each keeps a link this long before the other may replace it.
pub const TURN_MIN: Duration = Duration::from_secs(30);

/// Two processes with one key are told of for this long after both last wanted to link.
pub const TWINS_KEEP: Duration = Duration::from_secs(600);

/// At the end, queued frames have this long to leave.
pub const FLUSH_MAX: Duration = Duration::from_millis(500);
/// At the end, peers have this long to be told.
pub const CLOSE_MAX: Duration = Duration::from_millis(250);
/// Most bytes of a reason told to a peer.
pub const REASON_BYTES_MAX: usize = 256;
