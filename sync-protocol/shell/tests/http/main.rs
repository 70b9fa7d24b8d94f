//! The manners of the HTTP server, asked over real TCP.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod client;
mod guard;
mod serving;
mod tokens;
