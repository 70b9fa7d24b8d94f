//! Why a command ended without doing what was asked.

use std::fmt;
use std::process::ExitCode;

/// Exit code for a denied tap.
pub(crate) const DENIED: u8 = 1;
/// Exit code for bad input.
const BAD_INPUT: u8 = 2;
/// Exit code for a gate that does not run, or a command that failed.
pub(crate) const FAILED: u8 = 3;

/// Why a command ended without doing what was asked, in an operator's words.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// What was asked cannot be done, however often it is tried.
    pub(crate) fn bad_input(message: String) -> Failure {
        Failure {
            code: BAD_INPUT,
            error: anyhow::Error::msg(message),
        }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure {
            code: FAILED,
            error: error.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}
