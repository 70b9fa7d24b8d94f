//! What the hub counts, by name. Counters only rise; the rest says how things stand.

use std::sync::OnceLock;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Runs handed to ingest.
pub const INGEST_RUNS: &str = "hub_ingest_runs_total";
/// Changesets stored.
pub const INGEST_CHANGESETS: &str = "hub_ingest_changesets_total";
/// Runs in which nothing was new.
pub const INGEST_DUPLICATES: &str = "hub_ingest_duplicate_runs_total";
/// Runs refused.
pub const INGEST_REFUSED: &str = "hub_ingest_refused_runs_total";
/// Changes stored and never folded, in the whole ledger.
pub const INGEST_QUARANTINED: &str = "hub_ingest_quarantined_changes_total";
/// Logs of which two signed branches exist and nobody has decided which counts.
pub const FORKED_SITES: &str = "hub_forked_sites";
/// Nodes of which two processes ran in the last ten minutes.
pub const CLONED_NODES: &str = "hub_cloned_nodes";
/// Closed logs that wrote on.
pub const SITES_REOPENED: &str = "hub_reopened_sites_total";
/// Runs put off because the ledger could not be written, or too many waited.
pub const INGEST_PUT_OFF: &str = "hub_ingest_put_off_runs_total";
/// Runs in one transaction of ingest.
pub const INGEST_BATCH_RUNS: &str = "hub_ingest_batch_runs";
/// Seconds of one transaction of ingest.
pub const INGEST_SECONDS: &str = "hub_ingest_seconds";
/// Bytes of runs that wait for ingest.
pub const INGEST_WAITING_BYTES: &str = "hub_ingest_waiting_bytes";
/// Seconds of one transaction of settling.
pub const SETTLE_SECONDS: &str = "hub_settle_seconds";
/// Changesets settled.
pub const SETTLE_CHANGESETS: &str = "hub_settle_changesets_total";
/// Facts settled.
pub const SETTLE_FACTS: &str = "hub_settle_facts_total";
/// Cards folded again from their history.
pub const SETTLE_REFOLDS: &str = "hub_settle_refolds_total";
/// Changesets that are stored and not settled.
pub const SETTLE_WAITING: &str = "hub_settle_waiting_changesets";
/// 1 while this process holds the settler's lease.
pub const LEASE_HELD: &str = "hub_settle_lease_held";
/// 1 while the hub takes back from gates what its database lacks.
pub const RECOVERING: &str = "hub_recovering";
/// Logs of which linked gates can serve more than the database held when recovery was last looked at.
pub const RECOVERY_LACKING: &str = "hub_recovery_lacking_logs";
/// Logs of which gates had pruned what the database lacks, when recovery ended.
pub const RECOVERY_UNREACHABLE: &str = "hub_recovery_unreachable_logs";
/// Changesets of the hub's own sites that came back from gates, ever.
pub const RECOVERED_CHANGESETS: &str = "hub_recovered_changesets_total";
/// 1 while a decision request waits for the settler.
pub const REQUESTS_PENDING: &str = "hub_decision_requests_wait";
/// The last event of the outbox.
pub const OUTBOX_HEAD: &str = "hub_outbox_head";
/// Events of the outbox that a projection has not applied.
pub const PROJECTION_LAG: &str = "hub_projection_lag_events";
/// Failures of a projection.
pub const PROJECTION_ERRORS: &str = "hub_projection_errors_total";
/// Calls of Redis that failed.
pub const CACHE_ERRORS: &str = "hub_cache_errors_total";
/// Gates connected.
pub const PEERS: &str = "hub_peers_connected";
/// Bytes received from a peer.
pub const PEER_BYTES_IN: &str = "hub_peer_received_bytes_total";
/// Bytes sent to a peer.
pub const PEER_BYTES_OUT: &str = "hub_peer_sent_bytes_total";
/// Frames dropped because a peer did not take them.
pub const PEER_DROPPED: &str = "hub_peer_dropped_frames_total";
/// Seconds since a gate's last heartbeat.
pub const HEARTBEAT_AGE: &str = "hub_heartbeat_age_seconds";
/// Heartbeats that are not genuine.
pub const HEARTBEATS_REFUSED: &str = "hub_heartbeats_refused_total";
/// HTTP requests by route and status.
pub const HTTP_REQUESTS: &str = "hub_http_requests_total";
/// Seconds of an HTTP request by route.
pub const HTTP_SECONDS: &str = "hub_http_request_seconds";
/// Failures of the database by what was tried.
pub const DATABASE_ERRORS: &str = "hub_database_errors_total";

/// Seconds until the hub's own certificate ends; 0 once it has.
pub const CERTIFICATE_EXPIRES_IN: &str = "hub_certificate_expires_in_seconds";

/// Borders of the histograms of seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
];
/// Borders of the histogram of batch sizes.
const BATCHES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 128.0, 256.0, 512.0];

/// Starts counting, once in a process, and gives what renders the counters.
///
/// # Errors
/// Another recorder is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(Matcher::Full(INGEST_BATCH_RUNS.to_owned()), &BATCHES)?
        .install_recorder()?;
    describe();
    Ok(HANDLE.get_or_init(|| handle).clone())
}

fn describe() {
    describe_counter!(INGEST_RUNS, "Runs handed to ingest.");
    describe_counter!(INGEST_CHANGESETS, "Changesets stored.");
    describe_counter!(INGEST_DUPLICATES, "Runs in which nothing was new.");
    describe_counter!(INGEST_REFUSED, "Runs refused: signature, certificate or branch.");
    describe_counter!(
        INGEST_QUARANTINED,
        "Changes stored and never folded, in the whole ledger."
    );
    describe_gauge!(
        FORKED_SITES,
        "Logs with two signed branches, undecided: `hub forks` shows them. An alarm."
    );
    describe_gauge!(
        CLONED_NODES,
        "Nodes of which two processes ran in the last ten minutes (CLONED_NODE). An alarm."
    );
    describe_counter!(SITES_REOPENED, "Closed logs that wrote on (CLONED_NODE).");
    describe_counter!(INGEST_PUT_OFF, "Runs put off: gates offer them again.");
    describe_histogram!(INGEST_BATCH_RUNS, "Runs in one transaction of ingest.");
    describe_histogram!(INGEST_SECONDS, "Seconds of one transaction of ingest.");
    describe_gauge!(INGEST_WAITING_BYTES, "Bytes of runs that wait for ingest.");
    describe_histogram!(SETTLE_SECONDS, "Seconds of one transaction of settling.");
    describe_counter!(SETTLE_CHANGESETS, "Changesets settled.");
    describe_counter!(SETTLE_FACTS, "Facts settled.");
    describe_counter!(SETTLE_REFOLDS, "Cards folded again from their history.");
    describe_gauge!(SETTLE_WAITING, "Changesets that are stored and not settled.");
    describe_gauge!(LEASE_HELD, "1 while this process holds the settler's lease.");
    describe_gauge!(
        REQUESTS_PENDING,
        "1 while a decision request waits for the settler."
    );
    describe_gauge!(
        RECOVERING,
        "1 while the hub takes back from gates what its database lacks."
    );
    describe_gauge!(
        RECOVERY_LACKING,
        "Logs of which linked gates can serve more, in a recovery."
    );
    describe_gauge!(
        RECOVERY_UNREACHABLE,
        "Logs of which gates had pruned what the database lacks."
    );
    describe_counter!(
        RECOVERED_CHANGESETS,
        "Changesets of the hub's own sites that came back from gates, ever."
    );
    describe_gauge!(OUTBOX_HEAD, "The last event of the outbox.");
    describe_gauge!(PROJECTION_LAG, "Events that a projection has not applied.");
    describe_counter!(PROJECTION_ERRORS, "Failures of a projection; it is tried again.");
    describe_counter!(
        CACHE_ERRORS,
        "Calls of Redis that failed; nothing depends on them."
    );
    describe_gauge!(PEERS, "Gates connected.");
    describe_counter!(PEER_BYTES_IN, "Bytes received from a peer.");
    describe_counter!(PEER_BYTES_OUT, "Bytes sent to a peer.");
    describe_counter!(PEER_DROPPED, "Frames dropped because a peer did not take them.");
    describe_gauge!(HEARTBEAT_AGE, "Seconds since a gate's last heartbeat.");
    describe_counter!(HEARTBEATS_REFUSED, "Heartbeats that are not genuine.");
    describe_counter!(HTTP_REQUESTS, "HTTP requests by route and status.");
    describe_histogram!(HTTP_SECONDS, "Seconds of an HTTP request by route.");
    describe_gauge!(
        CERTIFICATE_EXPIRES_IN,
        "Seconds until the hub's own certificate ends."
    );
    describe_counter!(
        DATABASE_ERRORS,
        "Failures of the database by what was tried; tried again."
    );
}
