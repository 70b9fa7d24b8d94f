//! The ledger in PostgreSQL, against the one in memory and against a real server.
//!
//! These tests read `TEST_DATABASE_URL`: the URL of a server whose user may create databases.

#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod concurrent;
mod database;
mod equality;
mod forks;
mod hostile;
mod interrupted;
mod leases;
mod migrations;
#[expect(dead_code, reason = "shared with the tests of the core, which use all of it")]
#[path = "../core/network.rs"]
mod network;
mod pair;
#[path = "../core/random.rs"]
mod random;
mod requests;
mod revoke;
