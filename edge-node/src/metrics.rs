//! What a gate counts and measures, in the form of Prometheus. Every name begins with `gate_`; counters only rise.
//!
//! Each gate has a recorder of its own, not the process's: several gates may run in one process.

use std::collections::BTreeMap;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use sync_protocol::fact::Reason;
use sync_shell::links::LinkStats;

use crate::answer::{Answer, reason_name};
use crate::clock::ClockState;
use crate::node::Snapshot;
use crate::renewal::CertificateState;
use crate::store::BallastState;

/// Seconds of deciding and committing.
const TAP_SECONDS: &str = "gate_tap_seconds";
/// Seconds from a decision until a second node says that it holds it.
const SECOND_COPY_SECONDS: &str = "gate_second_copy_seconds";
/// Taps in one commit.
const GROUP_TAPS: &str = "gate_commit_group_taps";
/// Borders of [`TAP_SECONDS`].
const SECONDS: [f64; 13] = [
    0.000_1, 0.000_2, 0.000_3, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0,
];
/// Borders of [`SECOND_COPY_SECONDS`]: from a good network to an outage.
const COPY_SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 1.0, 10.0, 60.0, 600.0,
];
/// Borders of [`GROUP_TAPS`].
const GROUPS: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Why a run of a peer was not taken, as a label.
type Refusals = [(&'static str, u64); 6];

/// Every reason a decision may have.
const REASONS: [Reason; 18] = [
    Reason::Accepted,
    Reason::DupIn,
    Reason::Allowance,
    Reason::ExitOpen,
    Reason::FreeFlow,
    Reason::Blocked,
    Reason::Suspended,
    Reason::Closed,
    Reason::DenyList,
    Reason::Funds,
    Reason::Debt,
    Reason::Passback,
    Reason::WrongGate,
    Reason::UnknownCard,
    Reason::NoFare,
    Reason::Velocity,
    Reason::StaleKnowledge,
    Reason::GateClosed,
];

/// What a gate counts and measures.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    taps: BTreeMap<(bool, &'static str), Counter>,
    tap_seconds: Histogram,
    second_copy_seconds: Histogram,
    group_taps: Histogram,
    lines_refused: Counter,
    taps_turned_away: Counter,
}

/// What is known besides a node's snapshot.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The links that stand.
    pub links: Vec<LinkStats>,
    /// Changes in the quarantine, and changes kept for a later version.
    pub set_aside: (u64, u64),
    /// Bytes of the database file, and of its WAL file.
    pub file_bytes: (u64, u64),
    /// Taps in the queue.
    pub taps_waiting: usize,
    /// How the certificate stands, where there is one.
    pub certificate: Option<CertificateState>,
}

impl Metrics {
    /// Starts at zero.
    ///
    /// # Errors
    /// The borders of a histogram are not borders: a bug.
    pub fn new() -> Result<Metrics, BuildError> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(TAP_SECONDS.to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Full(SECOND_COPY_SECONDS.to_owned()), &COPY_SECONDS)?
            .set_buckets_for_metric(Matcher::Full(GROUP_TAPS.to_owned()), &GROUPS)?;
        let recorder = builder.build_recorder();
        describe(&recorder);
        let counter = |opens: bool, reason: &'static str| {
            let decision = if opens { "open" } else { "deny" };
            let labels = vec![
                Label::from_static_parts("decision", decision),
                Label::from_static_parts("reason", reason),
            ];
            recorder.register_counter(&Key::from_parts("gate_taps_total", labels), &METADATA)
        };
        let mut taps = BTreeMap::new();
        for reason in REASONS {
            let key = (reason.opens(), reason_name(reason));
            taps.insert(key, counter(key.0, key.1));
        }
        for opens in [true, false] {
            taps.insert((opens, "UNRECORDED"), counter(opens, "UNRECORDED"));
        }
        Ok(Metrics {
            handle: recorder.handle(),
            taps,
            tap_seconds: recorder.register_histogram(&Key::from_static_name(TAP_SECONDS), &METADATA),
            second_copy_seconds: recorder
                .register_histogram(&Key::from_static_name(SECOND_COPY_SECONDS), &METADATA),
            group_taps: recorder.register_histogram(&Key::from_static_name(GROUP_TAPS), &METADATA),
            lines_refused: recorder.register_counter(
                &Key::from_static_name("gate_reader_lines_refused_total"),
                &METADATA,
            ),
            taps_turned_away: recorder
                .register_counter(&Key::from_static_name("gate_taps_turned_away_total"), &METADATA),
            recorder,
        })
    }

    /// Counts the answers of one commit, which took `took_us` microseconds from the decision on.
    pub fn committed(&self, answers: &[Answer], took_us: i64) {
        for answer in answers {
            if let Some(counter) = self.taps.get(&(answer.opens, answer.reason())) {
                counter.increment(1);
            }
            self.tap_seconds.record(seconds(took_us));
        }
        self.group_taps.record(small(answers.len() as u64));
    }

    /// Notes that a second node holds a commit, so long after it was decided.
    pub fn copied(&self, took_us: i64) {
        self.second_copy_seconds.record(seconds(took_us));
    }

    /// Counts a line of the reader that was no card.
    pub fn line_refused(&self) {
        self.lines_refused.increment(1);
    }

    /// Counts a tap for which there was no room in the queue.
    pub fn turned_away(&self) {
        self.taps_turned_away.increment(1);
    }

    /// Bounds the memory of the histograms. To be called every few seconds.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Everything, as Prometheus reads it.
    #[must_use]
    pub fn render(&self, snapshot: &Snapshot, surroundings: &Surroundings) -> String {
        self.note_network(snapshot, surroundings);
        self.note_logs(snapshot, surroundings);
        self.note_disk(snapshot, surroundings);
        if let Some(certificate) = &surroundings.certificate {
            self.note_certificate(certificate);
        }
        self.note_peers(snapshot);
        self.handle.render()
    }

    fn note_network(&self, snapshot: &Snapshot, surroundings: &Surroundings) {
        self.gauge("gate_peers_connected", small(surroundings.links.len() as u64));
        self.gauge("gate_peers_live", small(snapshot.live.len() as u64));
        self.gauge("gate_taps_waiting", small(surroundings.taps_waiting as u64));
        self.gauge(
            "gate_work_waiting",
            small((snapshot.work.0 + snapshot.work.1) as u64),
        );
        self.gauge(
            "gate_knowledge_age_seconds",
            seconds(snapshot.age_ms.saturating_mul(1_000)),
        );
        self.gauge(
            "gate_clock_plausible",
            if snapshot.clock == ClockState::Plausible {
                1.0
            } else {
                0.0
            },
        );
        self.gauge(
            "gate_clock_uncertainty_seconds",
            seconds(i64::from(snapshot.gate.uncertainty_ms) * 1_000),
        );
        self.gauge(
            "gate_uptime_seconds",
            seconds(snapshot.uptime_ms.saturating_mul(1_000)),
        );
        for link in &surroundings.links {
            let peer = || vec![Label::new("peer", link.peer.node.to_string())];
            let counters = [
                ("gate_peer_received_bytes_total", link.bytes_in),
                ("gate_peer_sent_bytes_total", link.bytes_out),
                ("gate_peer_received_frames_total", link.frames_in),
                ("gate_peer_sent_frames_total", link.frames_out),
                ("gate_peer_dropped_frames_total", link.frames_dropped),
            ];
            for (name, value) in counters {
                self.labelled_total(name, peer(), value);
            }
            let rtt_us = i64::try_from(link.rtt.as_micros()).unwrap_or(i64::MAX);
            self.labelled("gate_peer_rtt_seconds", peer())
                .set(seconds(rtt_us));
        }
    }

    fn note_logs(&self, snapshot: &Snapshot, surroundings: &Surroundings) {
        self.gauge("gate_head", small(snapshot.head.0));
        self.gauge("gate_sites", small(snapshot.sites as u64));
        self.gauge("gate_backlog_changesets", small(snapshot.backlog));
        self.gauge("gate_uncovered_changesets", small(snapshot.uncovered));
        self.gauge(
            "gate_single_copy_changesets",
            small(snapshot.single_copy.unwrap_or(0)),
        );
        self.gauge(
            "gate_fare_version",
            small(u64::from(snapshot.fare_version.unwrap_or(0))),
        );
        self.gauge("gate_quarantined_changes", small(surroundings.set_aside.0));
        self.gauge("gate_unapplied_changes", small(surroundings.set_aside.1));
        let counters = &snapshot.counters;
        self.total("gate_quarantined_changes_total", snapshot.counters.quarantined);
        self.total(
            "gate_quarantine_released_changes_total",
            snapshot.counters.released,
        );
        self.total("gate_ingested_changesets_total", counters.ingested);
        self.total("gate_compared_cards_total", counters.compared);
        self.total("gate_divergences_total", counters.divergences);
        self.total("gate_replayed_changesets_total", counters.replayed);
        self.total("gate_unsigned_changesets_total", counters.unsigned);
        self.total("gate_taken_back_changesets_total", counters.taken_back);
        self.total("gate_reverted_logs_total", counters.reverted);
        self.gauge("gate_forked_logs", small(snapshot.forks.len() as u64));
        self.gauge("gate_cloned_nodes", small(snapshot.cloned.len() as u64));
        self.total("gate_heartbeats_refused_total", snapshot.mishaps.beats_refused);
        self.total("gate_ingests_refused_total", snapshot.mishaps.ingests_refused);
    }

    fn note_disk(&self, snapshot: &Snapshot, surroundings: &Surroundings) {
        self.gauge("gate_database_bytes", small(surroundings.file_bytes.0));
        self.gauge("gate_wal_bytes", small(surroundings.file_bytes.1));
        let present = match snapshot.disk.ballast {
            BallastState::None => -1.0,
            BallastState::Freed => 0.0,
            BallastState::Present => 1.0,
        };
        self.gauge("gate_ballast_present", present);
        self.gauge("gate_disk_full", if snapshot.disk.full { 1.0 } else { 0.0 });
        let counters = &snapshot.counters;
        self.gauge("gate_journal_bytes", small(snapshot.kept.journal_bytes));
        self.gauge("gate_journal_changesets", small(snapshot.kept.changesets));
        self.gauge("gate_floor_changesets", small(snapshot.kept.pruned));
        self.gauge("gate_pruned_sites", small(snapshot.kept.cut_sites));
        self.total("gate_ballast_freed_total", counters.ballast_freed);
        self.total("gate_pruned_changesets_total", counters.pruned);
        self.total("gate_kept_out_total", counters.kept_out);
        self.total("gate_store_failures_total", snapshot.mishaps.store_failures);
        self.total("gate_filing_failures_total", counters.filing_failures);
        self.total("gate_checkpoint_failures_total", counters.checkpoint_failures);
    }

    fn note_certificate(&self, certificate: &CertificateState) {
        self.gauge(
            "gate_certificate_expires_in_seconds",
            seconds(certificate.left_s.saturating_mul(1_000_000)),
        );
        let alarm = if certificate.alarm().is_some() { 1.0 } else { 0.0 };
        self.gauge("gate_certificate_alarm", alarm);
    }

    /// What was refused, dropped or given up, of all peers together: the log names them.
    fn note_peers(&self, snapshot: &Snapshot) {
        let mut refused: Refusals = [
            ("malformed", 0),
            ("gap", 0),
            ("signature", 0),
            ("not_admitted", 0),
            ("unwanted", 0),
            ("other", 0),
        ];
        let mut expired = 0;
        let mut duplicates = 0;
        for (_, stats) in &snapshot.peers {
            let counts = [
                stats.malformed_runs + stats.malformed_frames,
                stats.refused_gap,
                stats.refused_signature,
                stats.refused_not_admitted,
                stats.unwanted_runs + stats.bad_offers + stats.bad_ranges,
                stats.refused_other + stats.overruns + stats.early_dropped,
            ];
            for (slot, count) in refused.iter_mut().zip(counts) {
                slot.1 += count;
            }
            expired += stats.requests_expired;
            duplicates += stats.duplicate_runs;
        }
        for (reason, count) in refused {
            let labels = vec![Label::from_static_parts("reason", reason)];
            self.labelled_total("gate_link_refusals_total", labels, count);
        }
        self.total("gate_requests_expired_total", expired);
        self.total("gate_duplicate_runs_total", duplicates);
    }

    fn gauge(&self, name: &'static str, value: f64) {
        self.recorder
            .register_gauge(&Key::from_static_name(name), &METADATA)
            .set(value);
    }

    fn labelled(&self, name: &'static str, labels: Vec<Label>) -> Gauge {
        self.recorder
            .register_gauge(&Key::from_parts(name, labels), &METADATA)
    }

    fn total(&self, name: &'static str, value: u64) {
        self.recorder
            .register_counter(&Key::from_static_name(name), &METADATA)
            .absolute(value);
    }

    fn labelled_total(&self, name: &'static str, labels: Vec<Label>, value: u64) {
        self.recorder
            .register_counter(&Key::from_parts(name, labels), &METADATA)
            .absolute(value);
    }
}

/// Microseconds as Prometheus wants them.
#[expect(
    clippy::float_arithmetic,
    reason = "Prometheus measures in seconds; no money is here"
)]
fn seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}

/// A count as Prometheus wants it: exact up to 2^53.
fn small(count: u64) -> f64 {
    count as f64
}

fn describe(recorder: &PrometheusRecorder) {
    let counters = [
        ("gate_taps_total", "Taps answered, by decision and reason."),
        (
            "gate_taps_turned_away_total",
            "Taps for which there was no room in the queue.",
        ),
        (
            "gate_reader_lines_refused_total",
            "Lines of the reader that were no card.",
        ),
        (
            "gate_divergences_total",
            "Settled states unlike this gate's own fold of the same facts: severity 1.",
        ),
        (
            "gate_unsigned_changesets_total",
            "Own changesets that nobody can sign, as the key was replaced: an alarm.",
        ),
        (
            "gate_taken_back_changesets_total",
            "Own changesets that came back from others, as the database was an older copy.",
        ),
        (
            "gate_reverted_logs_total",
            "Logs dropped because by the hub's word another branch of them counts.",
        ),
        (
            "gate_quarantined_changes_total",
            "Changes put into the quarantine since the start.",
        ),
        (
            "gate_quarantine_released_changes_total",
            "Changes that left the quarantine, tried again.",
        ),
        (
            "gate_pruned_changesets_total",
            "Changesets cut off logs since the start: the hub has them.",
        ),
        (
            "gate_store_failures_total",
            "Failed reads and writes of the database.",
        ),
        (
            "gate_link_refusals_total",
            "What peers sent and was not taken, by reason.",
        ),
    ];
    for (name, text) in counters {
        recorder.describe_counter(name.into(), None, text.into());
    }
    let gauges = [
        (
            "gate_backlog_changesets",
            "Own changesets that the hub is not known to hold.",
        ),
        (
            "gate_certificate_expires_in_seconds",
            "Seconds until the gate's certificate ends; below 0 once it has.",
        ),
        (
            "gate_certificate_alarm",
            "1 while the certificate was not renewed in time, or has ended.",
        ),
        (
            "gate_uncovered_changesets",
            "Own changesets that no settled state covers.",
        ),
        (
            "gate_single_copy_changesets",
            "Own changesets of this start that no other node is known to hold.",
        ),
        (
            "gate_knowledge_age_seconds",
            "How long ago the hub could still have told something new.",
        ),
        (
            "gate_ballast_present",
            "1: on the disk; 0: freed for taps; -1: none configured.",
        ),
        ("gate_journal_bytes", "Bytes of the changesets in the journal."),
        (
            "gate_floor_changesets",
            "Changesets below the floors of all logs, since the database was made.",
        ),
        (
            "gate_wal_bytes",
            "Bytes of the WAL file, which a reader's long transaction makes grow.",
        ),
        (
            "gate_forked_logs",
            "Logs of which two branches exist, both signed: an alarm.",
        ),
        (
            "gate_cloned_nodes",
            "Nodes of which two processes run with one key (CLONED_NODE): an alarm.",
        ),
        (
            "gate_quarantined_changes",
            "Verified changes that cannot be applied.",
        ),
    ];
    for (name, text) in gauges {
        recorder.describe_gauge(name.into(), None, text.into());
    }
    recorder.describe_histogram(
        TAP_SECONDS.into(),
        None,
        "Seconds from decision to durable commit.".into(),
    );
    recorder.describe_histogram(
        SECOND_COPY_SECONDS.into(),
        None,
        "Seconds from decision until a second node holds the commit.".into(),
    );
    recorder.describe_histogram(GROUP_TAPS.into(), None, "Taps in one commit.".into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_counter_and_two_gates_do_not_share_them() {
        let answers = |why, opens| Answer {
            card: "CARD0001".parse().unwrap(),
            direction: sync_protocol::fact::Direction::Entry,
            opens,
            why,
            rule: "T-01",
            balance: None,
            age_s: 0,
            hold: sync_protocol::money::Money::ZERO,
            fare: None,
            offline: false,
            fact: None,
        };
        let (one, other) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        for reason in REASONS {
            one.committed(
                &[answers(crate::answer::Why::Decided(reason), reason.opens())],
                210,
            );
        }
        one.committed(&[answers(crate::answer::Why::Unrecorded, true)], 210);
        let text = one.handle.render();
        let counted = text
            .lines()
            .filter(|line| line.starts_with("gate_taps_total") && line.ends_with(" 1"));
        assert_eq!(counted.count(), REASONS.len() + 1, "{text}");
        assert!(
            text.contains("gate_tap_seconds_bucket{le=\"0.0003\"} 19"),
            "{text}"
        );
        assert!(other.handle.render().lines().all(|line| !line.ends_with(" 1")));
    }
}
