//! Why a scenario cannot be run, with file and line where it is written.

use super::SCENARIO_BYTES_MAX;

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// No such name and no such file.
    #[error(
        "there is no scenario {0:?}: `simulator list` shows the built-in ones; a path to a .toml file works too"
    )]
    Unknown(String),
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is too large to be a scenario.
    #[error("{0}: a scenario has at most {SCENARIO_BYTES_MAX} bytes")]
    TooLarge(String),
    /// Something in it is not allowed.
    #[error("{path}:{line}: {message}")]
    Invalid {
        /// Which file.
        path: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong and what is allowed.
        message: String,
    },
}
