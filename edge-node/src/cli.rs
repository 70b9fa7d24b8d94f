//! The command line: settings from file, environment and flags, and one module per command.

mod check;
mod client;
mod enroll;
mod failure;
mod quarantine;
mod run;
mod status;
mod tap;
mod taps;
mod utc;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use edge_node::config::{ENVIRONMENT_PREFIX, GateConfig};
use edge_node::reader;
use sync_protocol::fact::Direction;

use failure::Failure;

/// The settings file that is read when none is named, if it is there.
const SETTINGS_FILE: &str = "gate.toml";

/// One gate: decides taps by itself, and shares them with its neighbours and the hub.
///
/// Exit codes: 0 done, and a tap opens; 1 a tap is denied; 2 bad input; 3 not running, or it failed.
#[derive(Debug, Parser)]
#[command(name = "edge-node", version, about, long_about)]
pub(crate) struct Arguments {
    /// Settings file; without it `gate.toml` in the current folder, if there is one. Environment variables such as
    /// EDGE_SYNC__LISTEN come after it, flags last.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the database (data_dir).
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Address of the HTTP interface (http.listen).
    #[arg(long, global = true, value_name = "HOST:PORT")]
    http: Option<SocketAddr>,
    /// Address for links to other nodes (sync.listen).
    #[arg(long, global = true, value_name = "HOST:PORT")]
    sync: Option<SocketAddr>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gate until SIGTERM or SIGINT.
    Run,
    /// Present a card: to the running gate, or, when none runs, to its database.
    Tap {
        /// The card: 8 to 20 of A-Z and 0-9.
        card: String,
        /// entry or exit; left out, what fits the gate and the journey under way.
        #[arg(long, value_parser = direction)]
        direction: Option<Direction>,
        /// Print the answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the gate's last taps, newest first, whether it runs or not.
    Taps {
        /// How many, 1 to 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
        last: u16,
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show how the gate stands; exit code 3 when it does not run.
    Status {
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what verified and could not be applied, with the reason; or try it again.
    Quarantine {
        /// Try it again, at the running gate or, when none runs, in its database.
        #[arg(long, conflicts_with = "json")]
        retry: bool,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Get this gate's first certificate from the hub, by a token of `hub enroll-token`.
    Enroll {
        /// The token; `-` reads it from standard input.
        #[arg(value_name = "TOKEN")]
        token: String,
        /// Replace the key and certificate that are here. The old key is gone then.
        #[arg(long)]
        replace: bool,
    },
    /// Look at the settings without starting anything.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum ConfigCommand {
    /// Check settings and keys, and say what the gate would be.
    Check,
}

impl Arguments {
    /// Does what was asked.
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let config = self.settings()?;
        match self.command {
            Command::Run => run::execute(config),
            Command::Tap {
                card,
                direction,
                json,
            } => tap::execute(&config, &card, direction, json),
            Command::Taps { last, json } => taps::execute(&config, usize::from(last), json),
            Command::Status { json } => status::execute(&config, json),
            Command::Quarantine { retry: true, .. } => quarantine::retry(&config),
            Command::Quarantine { json, .. } => quarantine::list(&config, json),
            Command::Enroll { token, replace } => enroll::execute(&config, &token, replace),
            Command::Config {
                command: ConfigCommand::Check,
            } => check::execute(&config),
        }
    }

    fn settings(&self) -> Result<GateConfig, Failure> {
        let found = Path::new(SETTINGS_FILE);
        let file = self.config.as_deref().or_else(|| found.exists().then_some(found));
        let mut config: GateConfig = sync_shell::settings::load(file, ENVIRONMENT_PREFIX, std::env::vars())
            .map_err(|error| Failure::bad_input(format!("{error}")))?;
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        config.http.listen = self.http.unwrap_or(config.http.listen);
        config.sync.listen = self.sync.unwrap_or(config.sync.listen);
        config
            .check()
            .map_err(|error| Failure::bad_input(format!("configuration: {error}")))?;
        Ok(config)
    }
}

fn direction(word: &str) -> Result<Direction, String> {
    reader::direction(word).map_err(|_| "entry or exit".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
