//! One gate: its store, and around it the process that decides taps and talks to its peers.
//!
//! From a card to an open barrier: [`reader`] or [`http`] → [`writer`] (one thread) → [`node`] (what it does, without
//! threads) → [`store`] (decide and commit) → [`barrier`] and [`answer`].
//! [`run`] puts a whole gate together from its [`config`]; the binary and tests start it the same way.
//!
//! Without the feature `node` the crate is the store alone, which is what the simulator builds.

pub mod store;

#[cfg(feature = "node")]
pub mod answer;
#[cfg(feature = "node")]
pub mod barrier;
#[cfg(feature = "node")]
pub mod clock;
#[cfg(feature = "node")]
pub mod config;
#[cfg(feature = "node")]
pub mod http;
#[cfg(feature = "node")]
pub mod message;
#[cfg(feature = "node")]
pub mod metrics;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "node")]
pub mod reader;
#[cfg(feature = "node")]
pub mod renewal;
#[cfg(feature = "node")]
pub mod run;
#[cfg(feature = "node")]
pub mod status;
#[cfg(feature = "node")]
pub mod taps;
#[cfg(feature = "node")]
pub mod writer;
