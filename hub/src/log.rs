//! Log lines on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogConfig, LogFormat};

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Not a filter.
    #[error(
        "log.filter is {filter:?}, which is no filter ({source}): write such as \"info\" or \"info,hub=debug\""
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something logs already.
    #[error("the log cannot be set up: {0}")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging, once in a process.
///
/// # Errors
/// The filter is none, or something logs already.
pub fn install(config: &LogConfig) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|source| LogError::Filter {
        filter: config.filter.clone(),
        source,
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => lines.with_ansi(false).with_target(false).finish().try_init()?,
        LogFormat::Json => lines.json().finish().try_init()?,
    }
    Ok(())
}
