//! `status`: how the gate stands, whether it runs or not.

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use edge_node::config::GateConfig;
use edge_node::status::{Counts, Status};
use edge_node::store::{Inspection, SCHEMA_VERSION};
use hyper::Method;
use serde::Serialize;
use sync_shell::output::say;

use super::client::{Asked, ask};
use super::failure::{FAILED, Failure};
use super::utc;

/// A gate that does not run, as its database tells.
#[derive(Debug, Serialize)]
struct AtRest {
    running: bool,
    node: u32,
    code: String,
    terminal: String,
    schema: u32,
    /// The log that the last start of the gate wrote.
    site: Option<String>,
    head: u64,
    /// Own changesets that no settled state covers.
    uncovered: u64,
    /// The hub's own time in its newest heartbeat, milliseconds since 1970.
    hub_time_ms: Option<i64>,
    quarantined: u64,
    unapplied: u64,
    /// The newest fare version; 0 when there is none.
    fare_newest: u32,
    denied_cards: u64,
    database_bytes: u64,
    wal_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Running<'a> {
    running: bool,
    #[serde(flatten)]
    status: &'a Status,
}

pub(crate) fn execute(config: &GateConfig, json: bool) -> Result<ExitCode, Failure> {
    match ask(config, Method::GET, "/v1/status", None)? {
        Asked::Answer(answer) => {
            let status: Status = serde_json::from_slice(&answer).context("the gate's answer")?;
            if json {
                let running = Running {
                    running: true,
                    status: &status,
                };
                say(format_args!("{}", serde_json::to_string_pretty(&running)?))?;
            } else {
                show_running(&status)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Asked::Refused(problem) => Err(anyhow::anyhow!("the gate refused: {}", problem.detail).into()),
        Asked::NotRunning(address) => {
            let at_rest = look(config).with_context(|| format!("no gate answers at {address}"))?;
            if json {
                say(format_args!("{}", serde_json::to_string_pretty(&at_rest)?))?;
            } else {
                say(format_args!("no gate answers at {address}; its database tells:"))?;
                show_at_rest(&at_rest)?;
            }
            Ok(ExitCode::from(FAILED))
        }
    }
}

fn look(config: &GateConfig) -> anyhow::Result<AtRest> {
    let inspection = Inspection::open(config.database())?;
    let counts = Counts::read(&config.database())?;
    let sites = inspection.sites()?;
    let own = || sites.iter().filter(|site| site.own);
    Ok(AtRest {
        running: false,
        node: config.gate.id.0,
        code: config.gate.code.to_string(),
        terminal: config.gate.terminal.to_string(),
        schema: SCHEMA_VERSION,
        site: own().next().map(|site| site.site.to_string()),
        head: own().next().map_or(0, |site| site.head.0),
        uncovered: own().map(|site| site.head.0.saturating_sub(site.covered.0)).sum(),
        hub_time_ms: inspection.hub_heartbeat()?.map(|beat| beat.t.ms),
        quarantined: counts.set_aside.0,
        unapplied: counts.set_aside.1,
        fare_newest: inspection.fares()?.newest(),
        denied_cards: counts.denied,
        database_bytes: counts.file_bytes.0,
        wal_bytes: counts.file_bytes.1,
    })
}

fn show_running(status: &Status) -> io::Result<()> {
    say(format_args!(
        "gate {} ({}) of terminal {} runs since {} s, version {}, schema {}, mode {}",
        status.node,
        status.code,
        status.terminal,
        status.uptime_s,
        status.version,
        status.schema,
        status.mode
    ))?;
    if let Some(advice) = &status.clock.advice {
        say(format_args!("CLOCK      {advice}"))?;
    }
    if let Some(alarm) = &status.certificate_alarm {
        say(format_args!("CERTIFICATE {alarm}"))?;
    }
    say(format_args!(
        "certificate until {} UTC",
        utc::text(status.certificate_expires_ms)
    ))?;
    say(format_args!(
        "clock      {} UTC, within {} ms",
        utc::text(status.clock.wall_ms),
        status.clock.uncertainty_ms
    ))?;
    let heartbeat = match status.hub.heard_s {
        Some(heard_s) => format!("its heartbeat came {heard_s} s ago"),
        None => "no heartbeat since the start".to_owned(),
    };
    let link = if status.hub.reachable {
        "linked"
    } else {
        "NOT linked"
    };
    say(format_args!(
        "hub        {link}, {heartbeat}; knowledge is {} s old",
        status.knowledge_age_s
    ))?;
    say(format_args!(
        "taps       {} since the start; log {} up to {}; {} not known at the hub, {} not settled",
        status.taps, status.site, status.head, status.backlog, status.uncovered
    ))?;
    if status.taps_unrecorded > 0 {
        say(format_args!(
            "TAPS       {} could not be stored: see the log",
            status.taps_unrecorded
        ))?;
    }
    for peer in &status.peers {
        say(format_args!(
            "link       {:<10} {} since {} s, {}, {} us",
            peer.node,
            peer.address,
            peer.since_s,
            if peer.live { "live" } else { "silent" },
            peer.rtt_us
        ))?;
    }
    say(format_args!(
        "disk       database {} bytes, WAL {} bytes, ballast {}{}",
        status.disk.database_bytes,
        status.disk.wal_bytes,
        status.disk.ballast,
        if status.disk.full {
            ", FULL: free some space"
        } else {
            ""
        }
    ))?;
    say(format_args!(
        "logs       {} changesets of {} bytes; {} older ones cut off {} logs, which the hub has",
        status.disk.journal_changesets,
        status.disk.journal_bytes,
        status.disk.pruned_changesets,
        status.disk.pruned_sites
    ))?;
    say(format_args!(
        "data       fare version {}, {} cards denied, {} changes set aside, {} for a later version, {} divergences",
        status
            .fare_version
            .map_or("none".to_owned(), |version| version.to_string()),
        status.denied_cards,
        status.quarantined,
        status.unapplied,
        status.divergences
    ))?;
    for fork in &status.forks {
        say(format_args!(
            "FORK       two branches of log {} from {} on, both signed by its writer{}: `hub forks` decides",
            fork.site,
            fork.seq,
            if fork.own {
                ", THIS GATE; a copy of it runs"
            } else {
                ""
            }
        ))?;
    }
    for node in &status.cloned_nodes {
        say(format_args!(
            "CLONED     two processes run with the key of gate {node}: stop the one that was copied"
        ))?;
    }
    if status.quarantined > 0 {
        say("QUARANTINE verified changes cannot be applied: `edge-node quarantine` says why")?;
    }
    Ok(())
}

fn show_at_rest(at_rest: &AtRest) -> io::Result<()> {
    say(format_args!(
        "gate {} ({}) of terminal {}",
        at_rest.node, at_rest.code, at_rest.terminal
    ))?;
    say(format_args!(
        "taps       log {} up to {}; {} changesets not settled",
        at_rest.site.as_deref().unwrap_or("none"),
        at_rest.head,
        at_rest.uncovered
    ))?;
    let hub = at_rest.hub_time_ms.map_or("never heard".to_owned(), |ms| {
        format!("last heard at {} UTC", utc::text(ms))
    });
    say(format_args!("hub        {hub}"))?;
    say(format_args!(
        "disk       database {} bytes, WAL {} bytes",
        at_rest.database_bytes, at_rest.wal_bytes
    ))?;
    say(format_args!(
        "data       newest fare version {}, {} cards denied, {} changes set aside, {} for a later version",
        at_rest.fare_newest, at_rest.denied_cards, at_rest.quarantined, at_rest.unapplied
    ))
}
