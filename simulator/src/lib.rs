//! A whole network in one process, and the tools that check what the nodes make of their facts.
//!
//! [`run`] builds a [`world`] from a [`scenario`], lets it run in virtual time, and puts it through every
//! [`check`]; [`fold`] replays a list of facts for a dispute.

pub mod case;
pub mod check;
pub mod disk;
pub mod fold;
pub mod forge;
pub mod list;
#[cfg(feature = "mutations")]
pub mod mutations;
pub mod network;
pub mod node;
pub mod oracle;
pub mod random;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod series;
pub mod standard_output;
pub mod swarm;
pub mod sweep;
pub mod topology;
pub mod trace;
pub mod traffic;
pub mod trust;
pub mod world;
