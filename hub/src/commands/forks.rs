//! `hub forks`: what was signed twice, who runs twice, and an operator's word on it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Serialize;
use sync_protocol::changeset::{Body, Change, Content, Head};
use sync_protocol::fact::{Direction, Fact};
use sync_protocol::id::{Seq, SiteId};

use super::desk::{Desk, unreachable};
use super::say::say;
use super::{Failure, Surroundings};
use crate::config::HubConfig;
use crate::decisions::Decision;
use crate::http::values::spoken;
use crate::ledger::postgres::{Branch, ClonedNode};

/// Most changes of a branch that are shown.
const CHANGES_SHOWN_MAX: usize = 50;

/// Flags of `hub forks`.
#[derive(Debug, Args)]
pub struct ForksArguments {
    /// What to do; nothing: show them.
    #[command(subcommand)]
    command: Option<ForksCommand>,
    /// As JSON, with every change of both branches from where they part.
    #[arg(long)]
    json: bool,
}

/// What to do with a log that has two branches.
#[derive(Debug, Subcommand)]
enum ForksCommand {
    /// Says that the branch which the hub holds counts. Gates that hold another one drop it and take this one; what
    /// was settled stays settled.
    Decide {
        /// The log, 32 hexadecimal digits.
        #[arg(value_parser = site)]
        site: SiteId,
    },
}

/// Both kinds of alarm.
#[derive(Debug, Serialize)]
struct Report {
    forks: Vec<Fork>,
    cloned_nodes: Vec<Cloned>,
}

/// A log of which two branches exist.
#[derive(Debug, Serialize)]
struct Fork {
    site: String,
    node: u32,
    /// The first changeset that differs.
    parted_at: u64,
    held_up_to: u64,
    settled_up_to: u64,
    other_up_to: u64,
    times: u64,
    first_seen: String,
    last_seen: String,
    decided: Option<String>,
    /// What the branch that is held says from there on, as far as the other one goes.
    held: Vec<String>,
    /// What the other one says.
    other: Vec<String>,
}

/// A node of which two processes run.
#[derive(Debug, Serialize)]
struct Cloned {
    node: u32,
    shown_by: String,
    sites: Vec<String>,
    episodes: u64,
    first_seen: String,
    last_seen: String,
}

/// Shows the alarms, or decides.
///
/// # Errors
/// The log has no second branch, or the database does not answer.
pub async fn execute(
    arguments: ForksArguments,
    config: &HubConfig,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    let desk = Desk::open(config, surroundings).await?;
    match arguments.command {
        None => show(&desk, arguments.json).await,
        Some(ForksCommand::Decide { site }) => decide(&desk, site).await,
    }
}

async fn show(desk: &Desk<'_>, json: bool) -> Result<(), Failure> {
    let mut forks = Vec::new();
    for branch in desk.ledger.branches().await.map_err(unreachable)? {
        forks.push(fork(desk, &branch).await?);
    }
    let cloned = desk.ledger.cloned_nodes().await.map_err(unreachable)?;
    let report = Report {
        forks,
        cloned_nodes: cloned.into_iter().map(told).collect(),
    };
    if json {
        let text = serde_json::to_string_pretty(&report).map_err(Failure::unreachable)?;
        say(format_args!("{text}"))?;
        return Ok(());
    }
    if report.forks.is_empty() && report.cloned_nodes.is_empty() {
        say("no log has two branches, and no node runs twice")?;
    }
    for fork in &report.forks {
        show_fork(fork)?;
    }
    for clone in &report.cloned_nodes {
        say(format_args!(
            "CLONED_NODE gate {}: two processes with its key, by their {}; {} episode(s), from {} to {}; logs {}",
            clone.node,
            clone.shown_by,
            clone.episodes,
            clone.first_seen,
            clone.last_seen,
            if clone.sites.is_empty() {
                "unknown".to_owned()
            } else {
                clone.sites.join(", ")
            },
        ))?;
    }
    Ok(())
}

fn show_fork(fork: &Fork) -> Result<(), Failure> {
    say(format_args!(
        "FORK log {} of gate {}: from changeset {} on two branches, both signed by its key",
        fork.site, fork.node, fork.parted_at
    ))?;
    say(format_args!(
        "  seen {} time(s), {} to {}; {}",
        fork.times,
        fork.first_seen,
        fork.last_seen,
        match &fork.decided {
            Some(at) => format!("decided at {at}: the one that is held counts"),
            None => format!("NOT decided: `hub forks decide {}`", fork.site),
        }
    ))?;
    let sides = [
        ("held ", fork.held_up_to, &fork.held),
        ("other", fork.other_up_to, &fork.other),
    ];
    for (name, up_to, changes) in sides {
        say(format_args!(
            "  {name} up to {up_to}, {} changes shown:",
            changes.len()
        ))?;
        for change in changes {
            say(format_args!("    {change}"))?;
        }
    }
    say(format_args!(
        "  settled up to {}; taps of the other branch that happened are made good with `hub card adjust`",
        fork.settled_up_to
    ))?;
    Ok(())
}

async fn fork(desk: &Desk<'_>, branch: &Branch) -> Result<Fork, Failure> {
    let other = branch
        .run
        .bodies
        .iter()
        .zip(branch.run.first.0..)
        .skip_while(|(_, seq)| *seq < branch.parted.seq.0);
    let other: Vec<String> = other.flat_map(|(body, seq)| changes(seq, body)).collect();
    let held = desk
        .ledger
        .bodies(branch.site, branch.parted.seq, branch.run.last())
        .await
        .map_err(unreachable)?;
    let held: Vec<String> = held.iter().flat_map(|(seq, body)| changes(seq.0, body)).collect();
    let few = |mut changes: Vec<String>| {
        changes.truncate(CHANGES_SHOWN_MAX);
        changes
    };
    Ok(Fork {
        site: branch.site.to_string(),
        node: branch.node.0,
        parted_at: branch.parted.seq.0,
        held_up_to: branch.held.0,
        settled_up_to: branch.settled.0,
        other_up_to: branch.run.last().0,
        times: branch.times,
        first_seen: spoken(branch.first_seen_ms),
        last_seen: spoken(branch.last_seen_ms),
        decided: branch.decided_ms.map(spoken),
        held: few(held),
        other: few(other),
    })
}

/// The changes of a changeset, in words.
fn changes(seq: u64, body: &[u8]) -> Vec<String> {
    let Ok(body) = Body::decode(body) else {
        return vec![format!("{seq}: a body that cannot be read")];
    };
    let at_ms = body.at.ms;
    let line = |change: &Change| {
        let at = spoken(change.at.map_or(at_ms, |at| at.ms));
        let what = match change.read() {
            Ok(Some(Content::Fact(Fact::Tap(tap)))) => {
                let direction = match tap.direction {
                    Direction::Entry => "entry",
                    Direction::Exit => "exit",
                };
                let outcome = if tap.accepted { "let through" } else { "denied" };
                format!(
                    "{} {direction} at {}, {outcome}, hold {}",
                    tap.card, tap.terminal, tap.hold
                )
            }
            Ok(Some(Content::Fact(_))) => "a fact of the hub".to_owned(),
            Ok(Some(Content::Row(row))) => format!("an edit of {}", row.table),
            Ok(Some(Content::SiteOpen(_))) => "the opening of the log".to_owned(),
            Ok(None) => "a change of a later version".to_owned(),
            Err(_) => "a change that cannot be read".to_owned(),
        };
        format!("{seq}: {at} {what}")
    };
    body.changes.iter().map(line).collect()
}

fn told(cloned: ClonedNode) -> Cloned {
    Cloned {
        node: cloned.node.0,
        shown_by: cloned.shown_by,
        sites: cloned.sites.iter().map(SiteId::to_string).collect(),
        episodes: cloned.episodes,
        first_seen: spoken(cloned.first_seen_ms),
        last_seen: spoken(cloned.last_seen_ms),
    }
}

async fn decide(desk: &Desk<'_>, site: SiteId) -> Result<(), Failure> {
    let branches = desk.ledger.branches().await.map_err(unreachable)?;
    let branches: Vec<&Branch> = branches.iter().filter(|branch| branch.site == site).collect();
    if branches.is_empty() {
        return Err(Failure::refused(anyhow!(
            "the hub has no second branch of log {site}: `hub forks` lists those it has"
        )));
    }
    // A gate knows by these which branch it holds: one for each place where branches part.
    let parted: BTreeMap<Seq, Head> = branches
        .iter()
        .map(|branch| (branch.parted.seq, branch.parted))
        .collect();
    let words = parted
        .values()
        .map(|head| Decision::SiteFork { site, head: *head });
    desk.decide(words.collect(), false).await?;
    desk.ledger.branches_decided(site).await.map_err(unreachable)?;
    let places: BTreeSet<u64> = parted.keys().map(|seq| seq.0).collect();
    say(format_args!(
        "log {site}: the branch that the hub holds counts, from changeset(s) {places:?} on; gates that hold another one \
         take it now. Its gate still has the key: see whether a copy runs (`hub forks`), or `hub revoke` it"
    ))?;
    Ok(())
}

fn site(text: &str) -> Result<SiteId, String> {
    let site = sync_shell::identity::hexadecimal(text).map(SiteId);
    site.ok_or_else(|| "the 32 digits of a log, as `hub forks` shows it".to_owned())
}
