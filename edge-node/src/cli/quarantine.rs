//! `quarantine`: what verified and could not be applied, and trying it again.

use std::process::ExitCode;

use anyhow::Context as _;
use edge_node::config::GateConfig;
use edge_node::http::{QuarantinedChange, RetryAnswer};
use edge_node::run::{Surroundings, load_keys, open_store};
use edge_node::store::Inspection;
use hyper::Method;
use sync_shell::output::say;

use super::client::{Asked, ask};
use super::failure::Failure;

/// Requests for trying again, at most: the quarantine is small, or something is very wrong.
const ROUNDS_MAX: u32 = 1_000;

/// Lists what is in it.
pub(crate) fn list(config: &GateConfig, json: bool) -> Result<ExitCode, Failure> {
    let changes: Vec<QuarantinedChange> = match ask(config, Method::GET, "/v1/quarantine", None)? {
        Asked::Answer(answer) => serde_json::from_slice(&answer).context("the gate's answer")?,
        Asked::Refused(problem) => return Err(anyhow::anyhow!("the gate refused: {}", problem.detail).into()),
        Asked::NotRunning(_) => {
            let found = Inspection::open(config.database()).and_then(|inspection| inspection.quarantine());
            let found = found.context("the gate does not run, and its database cannot be read")?;
            found.iter().map(QuarantinedChange::from).collect()
        }
    };
    if json {
        say(format_args!("{}", serde_json::to_string_pretty(&changes)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    if changes.is_empty() {
        say("nothing is set aside")?;
    }
    for change in &changes {
        let place = change
            .change
            .map_or("all of it".to_owned(), |index| format!("change {index}"));
        say(format_args!(
            "{} changeset {}, {place}: {} (tried again {} times)",
            change.site, change.seq, change.reason, change.attempts
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tries all of it again, once.
pub(crate) fn retry(config: &GateConfig) -> Result<ExitCode, Failure> {
    let retried = match round(config)? {
        Some(first) => all_rounds(config, first)?,
        None => retry_here(config)?,
    };
    say(format_args!(
        "{} changes tried again, {} applied; the others stay set aside: `edge-node quarantine` says why",
        retried.tried, retried.released
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// One request's share of a running gate; `None` when none runs.
fn round(config: &GateConfig) -> Result<Option<RetryAnswer>, Failure> {
    match ask(config, Method::POST, "/v1/quarantine/retry", None)? {
        Asked::Answer(answer) => Ok(Some(
            serde_json::from_slice(&answer).context("the gate's answer")?,
        )),
        Asked::Refused(problem) => Err(anyhow::anyhow!("the gate refused: {}", problem.detail).into()),
        Asked::NotRunning(_) => Ok(None),
    }
}

/// Those tried least come first, so all had their turn when as many were tried as there were.
fn all_rounds(config: &GateConfig, first: RetryAnswer) -> Result<RetryAnswer, Failure> {
    let counts = Inspection::open(config.database()).and_then(|inspection| inspection.set_aside());
    let (left, _) = counts.context("the gate's database")?;
    let all = left + first.released;
    let mut total = first;
    for _ in 1..ROUNDS_MAX {
        if total.tried >= all {
            break;
        }
        let Some(next) = round(config)?.filter(|next| next.tried > 0) else {
            break;
        };
        total.tried += next.tried;
        total.released += next.released;
    }
    Ok(total)
}

/// In the database of a gate that does not run.
fn retry_here(config: &GateConfig) -> anyhow::Result<RetryAnswer> {
    let keys = load_keys(config)?;
    let mut store = open_store(config, &keys, &Surroundings::system())
        .context("the gate does not answer, and its database cannot be used instead")?;
    let retried = store.retry_quarantine(usize::MAX)?;
    store.close()?;
    Ok(retried.into())
}
