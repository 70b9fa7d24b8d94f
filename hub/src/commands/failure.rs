//! How a command ends when it does not do what it was asked to.

use std::process::ExitCode;

/// The kinds of failure, by exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The hub says no.
    Refused = 1,
    /// What was given makes no sense.
    BadInput = 2,
    /// Something that is needed cannot be reached.
    Unreachable = 3,
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// The hub says no.
    pub fn refused(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            exit: Exit::Refused,
            error: error.into(),
        }
    }

    /// What was given makes no sense.
    pub fn bad_input(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            exit: Exit::BadInput,
            error: error.into(),
        }
    }

    /// Something that is needed cannot be reached.
    pub fn unreachable(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            exit: Exit::Unreachable,
            error: error.into(),
        }
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }

    /// What a person reads, on one line: the error, and what led to it unless the error says so itself.
    #[must_use]
    pub fn message(&self) -> String {
        let mut message = String::new();
        for cause in self.error.chain() {
            let said = cause.to_string();
            if message.is_empty() {
                message = said;
            } else if !message.contains(&said) {
                message = format!("{message}: {said}");
            }
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = || anyhow!("connection refused");
        let plain = Failure::unreachable(cause().context("cannot open x: connection refused; start it"));
        assert_eq!(plain.message(), "cannot open x: connection refused; start it");
        let told = Err::<(), _>(cause())
            .context("no hub runs")
            .map_err(Failure::unreachable);
        assert_eq!(told.unwrap_err().message(), "no hub runs: connection refused");
    }
}
