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
#[cfg(feature = "server")]
pub mod migrate;
pub mod outbox;
pub mod own_site;
#[cfg(feature = "server")]
pub mod project;
pub mod reference;
pub mod settle;
#[cfg(feature = "server")]
pub mod cache;
#[cfg(feature = "server")]
pub mod people;
#[cfg(feature = "server")]
pub mod sample;
