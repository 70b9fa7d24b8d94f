//! `taps`: the gate's last taps, from the running gate or from its database.

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use edge_node::answer::Outcome;
use edge_node::config::GateConfig;
use edge_node::http::RecordedTap;
use edge_node::store::Inspection;
use hyper::Method;
use sync_shell::output::say;

use super::client::{Asked, ask};
use super::failure::Failure;
use super::utc;

pub(crate) fn execute(config: &GateConfig, last: usize, json: bool) -> Result<ExitCode, Failure> {
    let path = format!("/v1/taps?last={last}");
    let taps: Vec<RecordedTap> = match ask(config, Method::GET, &path, None)? {
        Asked::Answer(answer) => serde_json::from_slice(&answer).context("the gate's answer")?,
        Asked::Refused(problem) => return Err(anyhow::anyhow!("the gate refused: {}", problem.detail).into()),
        Asked::NotRunning(_) => {
            let inspection = Inspection::open(config.database())?;
            inspection
                .recent_taps(last)?
                .iter()
                .map(RecordedTap::from)
                .collect()
        }
    };
    if json {
        say(format_args!("{}", serde_json::to_string_pretty(&taps)?))?;
    } else {
        show(&taps)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(taps: &[RecordedTap]) -> io::Result<()> {
    if taps.is_empty() {
        return say("no taps yet");
    }
    say(format_args!(
        "{:<23} {:<20} {:<5} {:<4} {:<15} {:>12} {:>12} settled",
        "time (UTC)", "card", "way", "gate", "reason", "hold", "fare"
    ))?;
    for tap in taps {
        say(format_args!(
            "{:<23} {:<20} {:<5} {:<4} {:<15} {:>12} {:>12} {}",
            utc::text(tap.at_ms),
            tap.card,
            tap.direction,
            match tap.decision {
                Outcome::Open => "open",
                Outcome::Deny => "deny",
            },
            tap.reason,
            tap.hold,
            tap.fare.as_deref().unwrap_or("-"),
            if tap.covered { "yes" } else { "no" },
        ))?;
    }
    Ok(())
}
