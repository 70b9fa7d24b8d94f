//! A whole network in one process, and the tools that check what the nodes make of their facts.
//!
//! [`fold`] replays a list of facts; [`check`] holds what is checked against it.

pub mod check;
pub mod fold;
