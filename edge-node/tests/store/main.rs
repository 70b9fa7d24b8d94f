//! The store on real files with the real extension.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod convergence;
mod crash;
mod disk;
mod forks;
mod ingest;
mod lifecycle;
mod prune;
mod quarantine;
mod snapshot;
mod support;
mod taps;
mod views;
