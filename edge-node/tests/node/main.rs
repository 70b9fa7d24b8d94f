//! Whole gates: in this process with real links and real databases, and as the program that operators run.
#![cfg(feature = "node")]
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod cli;
mod clock;
mod core;
mod http;
mod hub;
mod network;
mod queue;
mod restart;
mod support;
