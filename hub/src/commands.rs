//! The command line: what a person at the hub can do without the console.
//!
//! Commands that change something write a decision request into the database. A running hub numbers it; with none
//! running the command takes the settler's lease for a moment and does so itself. Exit codes: 0 done, 1 refused,
//! 2 bad input, 3 something that is needed cannot be reached.

pub mod ca;
pub mod card;
pub mod desk;
pub mod enrol;
pub mod failure;
pub mod fares;
pub mod forks;
pub mod gate;
pub mod revoke;
pub mod say;
pub mod service;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use failure::{Exit, Failure};

use crate::clock::Clock;
use crate::config::HubConfig;

/// The central hub of the fare network: takes in what gates saw, settles it, and tells the gates.
#[derive(Debug, Parser)]
#[command(name = "hub", version, arg_required_else_help = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Where things are.
    #[command(flatten)]
    pub common: Common,
}

/// Flags that every command takes; they win over the file and the environment.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// The configuration file (TOML); also HUB_CONFIG.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The PostgreSQL server; also DATABASE_URL.
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// Put before the name of each database.
    #[arg(long, global = true, value_name = "PREFIX")]
    pub database_prefix: Option<String>,
    /// The Redis server, or "" for none; also REDIS_URL.
    #[arg(long, global = true, value_name = "URL")]
    pub redis_url: Option<String>,
    /// The folder with the hub's key and certificate.
    #[arg(long, global = true, value_name = "DIR")]
    pub keys: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The authority that certifies hub and gates.
    #[command(subcommand)]
    Ca(ca::CaCommand),
    /// Everything that needs the databases.
    #[command(flatten)]
    Database(DatabaseCommand),
}

/// What needs the databases.
#[derive(Debug, Subcommand)]
pub enum DatabaseCommand {
    /// Runs the hub until it is told to stop.
    Run(RunArguments),
    /// Creates the databases that are missing and brings them up to date.
    Migrate,
    /// The source's sample network.
    #[command(subcommand)]
    Sample(service::SampleCommand),
    /// Cards.
    #[command(subcommand)]
    Card(card::CardCommand),
    /// Pays money into a card.
    Topup(card::TopUpArguments),
    /// Fares.
    #[command(subcommand)]
    Fares(fares::FaresCommand),
    /// Gates in the shared table.
    #[command(subcommand)]
    Gate(gate::GateCommand),
    /// Makes a token that lets one gate enrol, once.
    EnrollToken(enrol::EnrollTokenArguments),
    /// Revokes a gate's keys: it links to nobody any more, and later changes of its logs do not count.
    Revoke(revoke::RevokeArguments),
    /// Logs of which two signed branches exist, nodes of which two processes run; and which branch counts.
    Forks(forks::ForksArguments),
}

/// Flags of `hub run`.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArguments {
    /// Brings the databases up to date first.
    #[arg(long)]
    pub migrate: bool,
    /// Where the HTTP interface listens.
    #[arg(long, value_name = "ADDRESS")]
    pub http_listen: Option<SocketAddr>,
    /// Where gates connect (QUIC).
    #[arg(long, value_name = "ADDRESS")]
    pub sync_listen: Option<SocketAddr>,
    /// The file with the bearer token of the HTTP interface.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// What commands take from the process they run in.
pub struct Surroundings {
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// The clocks.
    pub clock: Clock,
    /// Draws 32 random bytes.
    pub random: fn() -> [u8; 32],
}

/// Does what the command line says.
///
/// # Errors
/// It could not be done; the failure says why, what to do, and which exit code that is.
pub async fn execute(line: CommandLine, surroundings: Surroundings) -> Result<(), Failure> {
    let CommandLine { command, common } = line;
    let command = match command {
        // Keys are made before there is anything to be configured.
        Command::Ca(command) => return ca::execute(&command, &surroundings),
        Command::Database(command) => command,
    };
    let config = load(&common, &surroundings)?;
    match command {
        DatabaseCommand::Run(arguments) => service::run(arguments, config, &surroundings).await,
        DatabaseCommand::Migrate => service::migrate(&config).await,
        DatabaseCommand::Sample(command) => service::load_sample(&command, &config, &surroundings).await,
        DatabaseCommand::Card(command) => card::execute(command, &config, &surroundings).await,
        DatabaseCommand::Topup(arguments) => card::top_up(arguments, &config, &surroundings).await,
        DatabaseCommand::Fares(command) => fares::execute(command, &config, &surroundings).await,
        DatabaseCommand::Gate(command) => gate::execute(command, &config, &surroundings).await,
        DatabaseCommand::Revoke(arguments) => revoke::execute(arguments, &config, &surroundings).await,
        DatabaseCommand::Forks(arguments) => forks::execute(arguments, &config, &surroundings).await,
        DatabaseCommand::EnrollToken(arguments) => enrol::token(arguments, &config, &surroundings).await,
    }
}

fn load(common: &Common, surroundings: &Surroundings) -> Result<HubConfig, Failure> {
    let environment = &surroundings.environment;
    let named = environment.iter().find(|(name, _)| name == "HUB_CONFIG");
    let file = common
        .config
        .clone()
        .or_else(|| named.map(|(_, file)| PathBuf::from(file)));
    let mut config =
        HubConfig::load(file.as_deref(), environment.iter().cloned()).map_err(Failure::bad_input)?;
    let Common {
        config: _,
        database_url,
        database_prefix,
        redis_url,
        keys,
    } = common.clone();
    config.database_url = database_url.unwrap_or(config.database_url);
    config.database_prefix = database_prefix.unwrap_or(config.database_prefix);
    config.redis_url = redis_url.unwrap_or(config.redis_url);
    config.keys = keys.unwrap_or(config.keys);
    config.check().map_err(Failure::bad_input)?;
    Ok(config)
}
