//! `config check`: settings and keys, without starting anything.

use std::process::ExitCode;

use edge_node::config::GateConfig;
use edge_node::run::{StartError, load_keys};
use sync_shell::output::say;

use super::failure::Failure;
use super::utc;

pub(crate) fn execute(config: &GateConfig) -> Result<ExitCode, Failure> {
    let keys = load_keys(config).map_err(|error| match error {
        StartError::Identity { .. } => Failure::bad_input(error.to_string()),
        _ => Failure::from(error),
    })?;
    say(format_args!(
        "gate {} ({}) of terminal {}",
        config.gate.id.0, config.gate.code, config.gate.terminal
    ))?;
    say(format_args!("database   {}", config.database().display()))?;
    say(format_args!(
        "keys       {}, valid until {} UTC",
        config.keys_dir().display(),
        utc::text(keys.expires_at_ms())
    ))?;
    say(format_args!("HTTP       {}", config.http.listen))?;
    say(format_args!("links      {} (UDP)", config.sync.listen))?;
    say(format_args!(
        "hub        {}",
        config
            .sync
            .hub
            .as_deref()
            .unwrap_or("none: the gate goes on alone")
    ))?;
    say(format_args!("neighbours {}", config.sync.neighbours.len()))?;
    say("the settings and keys are in order")?;
    Ok(ExitCode::SUCCESS)
}
