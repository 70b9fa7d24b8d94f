//! How a gate stands, as `GET /v1/status` and `edge-node status` tell it.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sync_protocol::decide::Mode;
use sync_protocol::id::{GateCode, NodeId};
use sync_shell::links::LinkStats;
use utoipa::ToSchema;

use crate::clock::{ClockState, seconds};
use crate::metrics::Surroundings;
use crate::node::Snapshot;
use crate::renewal::{CertificateState, CertificateWatch};
use crate::store::{BallastState, Inspection, SCHEMA_VERSION, StoreError};

/// How a gate stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The gate's number.
    pub node: u32,
    /// Its code, such as A-ENTRY-01.
    pub code: String,
    /// Where it stands.
    pub terminal: String,
    /// Version of the program.
    pub version: String,
    /// Version of the database's schema.
    pub schema: u32,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// When the gate's certificate ends, milliseconds since 1970: it links to nobody from then on.
    pub certificate_expires_ms: i64,
    /// What to do about the certificate; null while it is good or its renewal is under way.
    pub certificate_alarm: Option<String>,
    /// The clock.
    pub clock: ClockStatus,
    /// normal, closed or free_flow.
    pub mode: String,
    /// The log that this start of the gate writes.
    pub site: String,
    /// Its last changeset; 0 before the first tap.
    pub head: u64,
    /// Own changesets that the hub is not known to hold.
    pub backlog: u64,
    /// Own changesets that no settled state covers.
    pub uncovered: u64,
    /// Own changesets of this start that no other node is known to hold; null before the first.
    pub single_copy: Option<u64>,
    /// The hub.
    pub hub: HubStatus,
    /// Seconds since the hub could still have told something new.
    pub knowledge_age_s: u32,
    /// The links that stand.
    pub peers: Vec<PeerStatus>,
    /// The disk.
    pub disk: DiskStatus,
    /// Verified changes that cannot be applied.
    pub quarantined: u64,
    /// Changes kept for a later version of the program.
    pub unapplied: u64,
    /// Settled states unlike this gate's own fold of the same facts: an alarm.
    pub divergences: u64,
    /// Logs of which two branches exist, both signed by their writer: an alarm.
    pub forks: Vec<ForkStatus>,
    /// Nodes of which two processes run with one key: an alarm.
    pub cloned_nodes: Vec<u32>,
    /// Own changesets that came back from others since the start, because the database was an older copy.
    pub taken_back: u64,
    /// The fare version in force; null when there is none.
    pub fare_version: Option<u32>,
    /// Cards that the deny list denies.
    pub denied_cards: u64,
    /// Taps committed since the start.
    pub taps: u64,
    /// Taps that could not be stored since the start.
    pub taps_unrecorded: u64,
}

/// A log of which two branches exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForkStatus {
    /// The log.
    pub site: String,
    /// The first changeset that exists twice.
    pub seq: u64,
    /// Whether it is the one that this start of the gate writes.
    pub own: bool,
}

/// The clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClockStatus {
    /// What it is worth.
    pub state: ClockState,
    /// The time of day, milliseconds since 1970.
    pub wall_ms: i64,
    /// How far it may be off, milliseconds.
    pub uncertainty_ms: u32,
    /// What to do about it; null for a good clock.
    pub advice: Option<String>,
}

/// The hub, as this gate knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HubStatus {
    /// Whether a link to it stands on which something was heard within 5 s.
    pub reachable: bool,
    /// Seconds since its own heartbeat came straight from it; null when none did since the start.
    pub heard_s: Option<u32>,
    /// Its own time in the newest heartbeat, whatever way it came; milliseconds since 1970.
    pub time_ms: Option<i64>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerStatus {
    /// The node: `hub`, or such as `gate 3`.
    pub node: String,
    /// Where it is.
    pub address: String,
    /// Seconds since the link stands.
    pub since_s: u64,
    /// Whether the node introduced itself and was heard within 5 s.
    pub live: bool,
    /// Round-trip time, microseconds.
    pub rtt_us: u64,
    /// Bytes received since the start of the gate.
    pub received_bytes: u64,
    /// Bytes sent since the start of the gate.
    pub sent_bytes: u64,
    /// Frames dropped because its queue was full.
    pub dropped_frames: u64,
}

/// The disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiskStatus {
    /// none, present or freed: the space kept for taps.
    pub ballast: String,
    /// Whether the last tap found the disk full.
    pub full: bool,
    /// Bytes of the database file.
    pub database_bytes: u64,
    /// Bytes of its WAL file.
    pub wal_bytes: u64,
    /// Bytes of the changesets in its journal.
    pub journal_bytes: u64,
    /// Changesets in its journal.
    pub journal_changesets: u64,
    /// Changesets that were cut off since the database was made: the hub has them.
    pub pruned_changesets: u64,
    /// Logs that are cut.
    pub pruned_sites: u64,
}

/// What the database tells besides its writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Changes in the quarantine, and changes kept for a later version.
    pub set_aside: (u64, u64),
    /// Cards that the deny list denies.
    pub denied: u64,
    /// Bytes of the database file, and of its WAL file.
    pub file_bytes: (u64, u64),
}

impl Counts {
    /// Counts in the database at `path`, beside its writer.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> Result<Counts, StoreError> {
        let inspection = Inspection::open(path)?;
        Ok(Counts {
            set_aside: inspection.set_aside()?,
            denied: inspection.denied_count()?,
            file_bytes: file_bytes(path),
        })
    }
}

/// Bytes of a database file, and of its WAL file.
#[must_use]
pub fn file_bytes(path: &Path) -> (u64, u64) {
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    (bytes(path), bytes(Path::new(&wal)))
}

/// What a gate knows of itself from its settings and keys.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its code.
    pub code: GateCode,
    /// How its certificate stands.
    pub certificate: CertificateWatch,
}

impl Status {
    /// Puts together what is known of a running gate.
    #[must_use]
    pub fn of(own: &Own, snapshot: &Snapshot, counts: &Counts, links: &[LinkStats]) -> Status {
        let certificate = own.certificate.at(snapshot.wall_ms);
        Status {
            node: snapshot.gate.id.0,
            code: own.code.to_string(),
            terminal: snapshot.gate.terminal.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: SCHEMA_VERSION,
            uptime_s: snapshot.uptime_ms.unsigned_abs() / 1_000,
            certificate_expires_ms: certificate.expires_ms,
            certificate_alarm: certificate.alarm().map(str::to_owned),
            clock: ClockStatus {
                state: snapshot.clock,
                wall_ms: snapshot.wall_ms,
                uncertainty_ms: snapshot.gate.uncertainty_ms,
                advice: snapshot.clock.advice().map(str::to_owned),
            },
            mode: mode_name(snapshot.gate.mode).to_owned(),
            site: snapshot.site.to_string(),
            head: snapshot.head.0,
            backlog: snapshot.backlog,
            uncovered: snapshot.uncovered,
            single_copy: snapshot.single_copy,
            hub: HubStatus {
                reachable: snapshot.live.contains(&NodeId::HUB),
                heard_s: snapshot.hub_heard_ms.map(seconds),
                time_ms: snapshot.hub_ms,
            },
            knowledge_age_s: seconds(snapshot.age_ms),
            peers: links.iter().map(|link| peer(snapshot, link)).collect(),
            disk: DiskStatus {
                ballast: ballast_name(snapshot.disk.ballast).to_owned(),
                full: snapshot.disk.full,
                database_bytes: counts.file_bytes.0,
                wal_bytes: counts.file_bytes.1,
                journal_bytes: snapshot.kept.journal_bytes,
                journal_changesets: snapshot.kept.changesets,
                pruned_changesets: snapshot.kept.pruned,
                pruned_sites: snapshot.kept.cut_sites,
            },
            quarantined: counts.set_aside.0,
            unapplied: counts.set_aside.1,
            divergences: snapshot.counters.divergences,
            forks: forks(snapshot),
            cloned_nodes: snapshot.cloned.iter().map(|node| node.0).collect(),
            taken_back: snapshot.counters.taken_back,
            fare_version: snapshot.fare_version,
            denied_cards: counts.denied,
            taps: snapshot.counters.taps,
            taps_unrecorded: snapshot.mishaps.taps_unrecorded,
        }
    }
}

/// What the metrics want to know besides a snapshot.
#[must_use]
pub fn surroundings(
    counts: &Counts,
    links: Vec<LinkStats>,
    taps_waiting: usize,
    certificate: CertificateState,
) -> Surroundings {
    Surroundings {
        certificate: Some(certificate),
        links,
        set_aside: counts.set_aside,
        file_bytes: counts.file_bytes,
        taps_waiting,
    }
}

fn forks(snapshot: &Snapshot) -> Vec<ForkStatus> {
    let told = |(site, seq): (&sync_protocol::id::SiteId, &sync_protocol::id::Seq)| ForkStatus {
        site: site.to_string(),
        seq: seq.0,
        own: *site == snapshot.site,
    };
    snapshot.forks.iter().map(told).collect()
}

fn peer(snapshot: &Snapshot, link: &LinkStats) -> PeerStatus {
    PeerStatus {
        node: link.peer.node.to_string(),
        address: link.address.to_string(),
        since_s: link.age.as_secs(),
        live: snapshot.live.contains(&link.peer.node),
        rtt_us: microseconds(link.rtt),
        received_bytes: link.bytes_in,
        sent_bytes: link.bytes_out,
        dropped_frames: link.frames_dropped,
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A mode as it is configured and told.
#[must_use]
pub const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Normal => "normal",
        Mode::Closed => "closed",
        Mode::FreeFlow => "free_flow",
    }
}

const fn ballast_name(state: BallastState) -> &'static str {
    match state {
        BallastState::None => "none",
        BallastState::Present => "present",
        BallastState::Freed => "freed",
    }
}
