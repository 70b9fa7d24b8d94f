//! The simulated disk under SQLite and under a gate's store.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod commits;
mod faults;
mod storage;
mod store;
