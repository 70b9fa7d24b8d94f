//! The real extension in real SQLite. One program, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a step that fails unexpectedly fails the test")]

mod convergence;
mod hostile;
mod lifecycle;
mod support;
