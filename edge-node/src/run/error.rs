//! Why a gate does not start or stop, in an operator's words.

use std::io;
use std::path::PathBuf;

use sync_shell::http::{BindError, TokenError};
use sync_shell::identity::IdentityError;
use sync_shell::links::LinkError;
use thiserror::Error;

use crate::config::ConfigError;
use crate::store::StoreError;

/// Why a gate does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration cannot work.
    #[error("configuration: {0}")]
    Config(ConfigError),
    /// Keys are missing or do not belong together.
    #[error(transparent)]
    Keys(#[from] IdentityError),
    /// Another node's keys.
    #[error(
        "the certificate in {folder} is that of {certificate}, the configuration says {configured}: correct \
         gate.id and gate.terminal, or put this gate's keys there"
    )]
    Identity {
        /// Where the keys are.
        folder: PathBuf,
        /// Whose they are.
        certificate: String,
        /// Who the gate is.
        configured: String,
    },
    /// The data folder cannot be used.
    #[error(
        "{folder} cannot be written ({source}): make it writable for this user, or set data_dir (EDGE_DATA_DIR)"
    )]
    DataFolder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token cannot be read or made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP port cannot be had.
    #[error(transparent)]
    Http(#[from] BindError),
    /// The HTTP port has no address.
    #[error("the address of the HTTP interface cannot be read: {0}")]
    HttpAddress(#[source] io::Error),
    /// The UDP port cannot be had, or the keys do not serve.
    #[error("{0}; the address is sync.listen (EDGE_SYNC__LISTEN, --sync)")]
    Links(LinkError),
    /// No thread.
    #[error("the system gives no thread for the writer ({0}): raise the limit of processes of this user")]
    Thread(#[source] io::Error),
    /// No entropy.
    #[error("the system gives no random bytes: {0}")]
    Entropy(String),
    /// A bug.
    #[error("BUG: the metrics cannot be set up: {0}")]
    Metrics(String),
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> StartError {
        StartError::Config(error)
    }
}

impl From<LinkError> for StartError {
    fn from(error: LinkError) -> StartError {
        StartError::Links(error)
    }
}

/// Why a gate did not stop in order. Every answered tap is durable nevertheless.
#[derive(Debug, Error)]
pub enum StopError {
    /// The database could not be closed.
    #[error("the database was not closed in order: {0}; every answered tap is in it")]
    Store(#[source] StoreError),
    /// It took too long.
    #[error("stopping took more than {} s and was given up; every answered tap is durable", super::STOP_MAX.as_secs())]
    TooSlow,
    /// The writer ended though nobody told it to.
    #[error("the writer ended without being told to")]
    Ended,
    /// The writer panicked.
    #[error("the writer broke down: see the log above; every answered tap is durable, start the gate again")]
    Broken,
}
