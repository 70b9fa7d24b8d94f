//! The hub's core: what becomes of changesets once they arrive at the system of record.
//!
//! Changesets → [`ingest`] (verify, store, acknowledge) → [`settle`] (fold, book, publish) → [`outbox`] (tell).
//! People's decisions enter by [`decisions`] and then take the same way as everything else.
//!
//! Each step reads a ledger through a small trait and returns a *plan*: plain data, in order, complete in itself.
//! A ledger executes a plan in one transaction: [`ledger::memory`] here, PostgreSQL in production, the same plans.
//! Nothing here reads a clock or draws random bytes, and signing and trust are arguments.
//!
//! Invariant (I2): journal entries sum to zero. Invariant (I8): per card, the journal's sum is the projection's
//! balance. Both hold after every executed plan, and [`ledger::memory::MemoryLedger::audit`] checks them.

pub mod decisions;
pub mod ingest;
pub mod ledger;
pub mod outbox;
pub mod own_site;
pub mod recovery;
pub mod reference;
pub mod settle;

// The process around the core: PostgreSQL, Redis, QUIC, HTTP, commands.
#[cfg(feature = "server")]
pub mod backoff;
#[cfg(feature = "server")]
pub mod cache;
#[cfg(feature = "server")]
pub mod certifier;
#[cfg(feature = "server")]
pub mod clock;
#[cfg(feature = "server")]
pub mod commands;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod databases;
#[cfg(feature = "server")]
pub mod followers;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod log;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
pub mod migrate;
#[cfg(feature = "server")]
pub mod net;
#[cfg(feature = "server")]
pub mod observer;
#[cfg(feature = "server")]
pub mod people;
#[cfg(feature = "server")]
pub mod project;
#[cfg(feature = "server")]
pub mod revoked;
#[cfg(feature = "server")]
pub mod run;
#[cfg(feature = "server")]
pub mod sample;
#[cfg(feature = "server")]
pub mod settlement;
#[cfg(feature = "server")]
pub mod settler;
#[cfg(feature = "server")]
pub mod shared_tables;
#[cfg(feature = "server")]
pub mod stop;
