//! The hub process against a real PostgreSQL: its commands, its HTTP interface, and a gate that talks to it over QUIC.
//!
//! The server is the one `make test` starts; each test has databases of its own there.

#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod commands;
mod gate;
mod http;
mod in_process;
mod support;
mod taps;
