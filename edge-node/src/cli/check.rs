//! `config check`: settings and keys, without starting anything.

use std::process::ExitCode;

use edge_node::config::GateConfig;
use edge_node::run::{StartError, load_keys};

use super::failure::Failure;
use super::utc;

pub(crate) fn execute(config: &GateConfig) -> Result<ExitCode, Failure> {
    let keys = load_keys(config).map_err(|error| match error {
        StartError::Identity { .. } => Failure::bad_input(error.to_string()),
        _ => Failure::from(error),
    })?;
    println!(
        "gate {} ({}) of terminal {}",
        config.gate.id.0, config.gate.code, config.gate.terminal
    );
    println!("database   {}", config.database().display());
    println!(
        "keys       {}, valid until {} UTC",
        config.keys_dir().display(),
        utc::text(keys.expires_at_ms())
    );
    println!("HTTP       {}", config.http.listen);
    println!("links      {} (UDP)", config.sync.listen);
    println!(
        "hub        {}",
        config
            .sync
            .hub
            .as_deref()
            .unwrap_or("none: the gate goes on alone")
    );
    println!("neighbours {}", config.sync.neighbours.len());
    println!("the settings and keys are in order");
    Ok(ExitCode::SUCCESS)
}
