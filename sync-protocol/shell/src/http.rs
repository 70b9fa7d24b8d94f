//! The manners of an HTTP server: problem details, who may ask, limits, a graceful end.
//!
//! [`bind`] a port, put a [`guard`] around a router, [`serve`] it. Every error is a [`Problem`] (RFC 9457); handlers
//! take their input with [`JsonBody`], [`PathParts`] and [`QueryParts`], whose refusals are problems too.
//!
//! Invariant: without the token nobody gets past the guard but to [`OPEN_PATHS`] from the same machine, and nobody at
//! all under a foreign Host name (`tests/http/guard.rs`).

mod extract;
mod guard;
mod problem;
mod serve;
mod token;

pub use extract::{JsonBody, PathParts, QueryParts};
pub use guard::{GuardConfig, LOOPBACK_HOSTS, OPEN_PATHS, guard};
pub use problem::{PROBLEM_JSON, Problem};
pub use serve::{BindError, CONNECTIONS_MAX, SHUTDOWN_MAX, bind, serve};
pub use token::{Token, TokenError};
