//! `hub run`, `hub migrate`, `hub sample`.

use anyhow::{Context as _, anyhow};
use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use super::desk::Desk;
use super::say::say;
use super::{Failure, RunArguments, Surroundings};
use crate::config::HubConfig;
use crate::databases;
use crate::people::People;
use crate::run::{Hub, StartError};
use crate::sample::{self, SampleError};

/// What to do with the sample network.
#[derive(Debug, Subcommand)]
pub enum SampleCommand {
    /// Loads the source design's sample terminals, gates, fares, people and cards, corrected.
    Load,
}

/// Runs the hub until a signal tells it to stop.
///
/// # Errors
/// It cannot start.
pub async fn run(
    arguments: RunArguments,
    mut config: HubConfig,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    config.auto_migrate |= arguments.migrate;
    config.http.listen = arguments.http_listen.unwrap_or(config.http.listen);
    config.sync.listen = arguments.sync_listen.unwrap_or(config.sync.listen);
    config.http.token_file = arguments.token_file.unwrap_or(config.http.token_file);
    config.check().map_err(Failure::bad_input)?;
    crate::log::install(&config.log).map_err(Failure::bad_input)?;
    let mut terminate = signal(SignalKind::terminate())
        .context("cannot listen for SIGTERM")
        .map_err(Failure::unreachable)?;
    let start = Hub::start(config, surroundings.clock, surroundings.random);
    let mut hub = tokio::select! {
        started = start => started.map_err(start_failure)?,
        _ = terminate.recv() => return Ok(()),
        _ = tokio::signal::ctrl_c() => return Ok(()),
    };
    tokio::select! {
        _ = terminate.recv() => info!("told to stop"),
        _ = tokio::signal::ctrl_c() => info!("told to stop"),
        part = hub.ended() => {
            hub.stop().await;
            return Err(Failure::unreachable(anyhow!(
                "a part of the hub ended by itself ({part}): nothing is lost; start it again and report this"
            )));
        }
    }
    hub.stop().await;
    Ok(())
}

fn start_failure(error: StartError) -> Failure {
    match error {
        StartError::Clock(_) | StartError::Config(_) | StartError::Keys(_) | StartError::Url(_) => {
            Failure::bad_input(error)
        }
        _ => Failure::unreachable(error),
    }
}

/// Creates the databases that are missing and brings them up to date.
///
/// # Errors
/// A database cannot be opened, or is not one of this program's.
pub async fn migrate(config: &HubConfig) -> Result<(), Failure> {
    let databases = databases::locate(config).map_err(Failure::bad_input)?;
    for migrated in databases.migrate().await.map_err(Failure::unreachable)? {
        let made = if migrated.created { "created, " } else { "" };
        match migrated.applied.as_slice() {
            [] => say(format_args!("{}: {made}up to date", migrated.database))?,
            applied => say(format_args!(
                "{}: {made}applied {}",
                migrated.database,
                applied.join(", ")
            ))?,
        }
    }
    Ok(())
}

/// Loads the sample network.
///
/// # Errors
/// It is refused, or a database does not answer.
pub async fn load_sample(
    command: &SampleCommand,
    config: &HubConfig,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    let SampleCommand::Load = command;
    let desk = Desk::open(config, surroundings).await?;
    let people = People::new(desk.pools.users.clone());
    let loaded = sample::load(&desk.ledger, &people, desk.clock.wall_ms())
        .await
        .map_err(sample_failure)?;
    for request in &loaded.requests {
        desk.finish(*request).await?;
    }
    say(format_args!("{loaded}"))?;
    Ok(())
}

fn sample_failure(error: SampleError) -> Failure {
    match error {
        SampleError::OtherRow { .. } | SampleError::OtherFares => Failure::refused(error),
        _ => Failure::unreachable(error),
    }
}
