//! Every limit and interval of the engine, by name. Times in milliseconds of the monotonic clock.

/// A digest goes out about this often, jittered by a quarter either way.
pub const ROUND_MS: i64 = 1_000;
/// Deadlines and silences are looked at this often.
pub const HOUSEKEEPING_MS: i64 = 250;
/// A link on which nothing was sent for this long carries an empty heartbeat.
pub const KEEP_ALIVE_MS: i64 = 2_000;
/// A link from which nothing was heard for this long is cut: nothing is asked of it.
pub const SILENCE_MS: i64 = 5_000;
/// A Hello that was not answered is repeated after this long.
pub const HELLO_RETRY_MS: i64 = 1_000;
/// A Need that was not answered by then is put to another peer.
pub const REQUEST_DEADLINE_MS: i64 = 2_000;
/// An Ingest that the shell did not report by then counts as lost.
pub const INGEST_DEADLINE_MS: i64 = 10_000;
/// A Serve that the shell did not report by then counts as lost.
pub const SERVE_DEADLINE_MS: i64 = 10_000;
/// A peer whose run of a site was refused is not asked for that site for this long.
pub const REFUSED_AVOID_MS: i64 = 10_000;
/// A site whose ingest failed here, through no fault of the peer, is not asked for for this long.
pub const FAILED_PAUSE_MS: i64 = 1_000;
/// A run that arrived early is dropped after this long: by then the gap should have closed.
pub const EARLY_KEEP_MS: i64 = 10_000;
/// A whole Have goes to one peer at most this often; a digest that comes sooner is not answered.
pub const HAVE_SPACING_MS: i64 = 200;

/// Of what a peer sends again, one run in this long is compared with what is held.
pub const SPOT_CHECK_MS: i64 = 5_000;
/// A piece of a log that may be of another branch is waited for this long.
pub const PROBE_DEADLINE_MS: i64 = 4_000;
/// Where two branches of a site part is looked for again after this long at the earliest.
pub const PROBE_AGAIN_MS: i64 = 30_000;
/// Most sites of which branches are looked for at a time.
pub const PROBES_MAX: usize = 64;
/// Most pieces asked for to find where two branches of a site part.
pub const PROBE_TURNS_MAX: u32 = 40;
/// Changesets before the own head where the search begins; it goes back four times as far at each turn.
pub const PROBE_STEP: u64 = 16;
/// So long everybody must have cut off what is missing before a snapshot is begun: whoever has it may only just have
/// linked.
pub const SNAPSHOT_PATIENCE_MS: i64 = 3_000;
/// A page of a snapshot that the shell did not report by then counts as lost.
pub const SNAPSHOT_TAKE_DEADLINE_MS: i64 = 10_000;
/// A peer whose snapshot was refused is not asked for another one for this long.
pub const SNAPSHOT_AVOID_MS: i64 = 600_000;
/// After a snapshot none is begun for this long: its tail comes in meanwhile.
pub const SNAPSHOT_SPACING_MS: i64 = 60_000;

/// Most sites asked of one peer at a time.
pub const REQUESTS_PER_PEER_MAX: usize = 64;
/// Most bytes of bodies asked for in one range, and served for one.
pub const RANGE_BYTES_MAX: usize = 256 << 10;
/// Fewest bytes of bodies worth asking for in one range.
pub const RANGE_BYTES_MIN: usize = 64 << 10;
/// Most ranges being read for one peer at a time.
pub const SERVES_PER_PEER_MAX: usize = 128;
/// Most sites of one peer's Have that are remembered.
pub const OFFERS_PER_PEER_MAX: usize = 4 * crate::have::SITES_MAX;
/// How many gates a gate relays a heartbeat of the hub to. Every gate that hears the hub relays, so one that does
/// not hears it from about this many neighbours without everybody telling everybody.
pub const BEAT_RELAYS: usize = 3;
/// Most heartbeats of one peer handed to the shell between two looks at the clock ([`HOUSEKEEPING_MS`]).
pub const BEATS_PER_PEER_MAX: u32 = 256;
/// Most nodes whose last heartbeat is remembered.
pub const BEAT_NODES_MAX: usize = 32_768;
/// Most nodes for which refusals are counted one by one.
pub const STATS_NODES_MAX: usize = 32_768;
/// A peer that sent this many undecodable frames on one connection is closed.
pub const MALFORMED_FRAMES_MAX: u32 = 16;
/// Bytes reckoned for a run besides its bodies.
pub const RUN_OVERHEAD_BYTES: usize = 128;

/// Limits a deployment may choose; the defaults suit a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes asked of one peer, or handed over from it, and not yet durable.
    pub in_flight_bytes_per_peer: usize,
    /// Most bytes asked of all peers, or handed over, and not yet durable.
    pub in_flight_bytes: usize,
    /// Most changesets kept that arrived before what precedes them.
    pub early_changesets: usize,
    /// Most bytes of them.
    pub early_bytes: usize,
    /// How often a digest goes out, milliseconds; [`ROUND_MS`] unless many nodes run in one process. Where rounds are
    /// rarer, deadlines are looked at, links kept alive and silences noticed as much more rarely.
    pub round_ms: i64,
}

impl Limits {
    /// How often deadlines and silences are looked at.
    pub(super) fn housekeeping_ms(&self) -> i64 {
        HOUSEKEEPING_MS.max(self.round_ms / (ROUND_MS / HOUSEKEEPING_MS))
    }

    /// A link on which nothing was sent for this long carries an empty heartbeat.
    pub(super) fn keep_alive_ms(&self) -> i64 {
        KEEP_ALIVE_MS.max(self.round_ms.saturating_mul(KEEP_ALIVE_MS / ROUND_MS))
    }

    /// A link from which nothing was heard for this long is cut.
    pub(super) fn silence_ms(&self) -> i64 {
        SILENCE_MS.max(self.round_ms.saturating_mul(SILENCE_MS / ROUND_MS))
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            in_flight_bytes_per_peer: 4 << 20,
            in_flight_bytes: 16 << 20,
            early_changesets: 1_024,
            early_bytes: 4 << 20,
            round_ms: ROUND_MS,
        }
    }
}
