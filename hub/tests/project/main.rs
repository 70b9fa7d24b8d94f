//! The projections and the cache over a real PostgreSQL and a real Redis: what they show after small histories, and
//! that replays, rebuilds, flushes and reordered writes change nothing.

#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod cache;
mod holds;
#[path = "../core/network.rs"]
#[expect(dead_code, reason = "shared with the tests of the core")]
mod network;
mod outage;
mod people;
mod sample;
mod terminals;
mod users;
mod world;
