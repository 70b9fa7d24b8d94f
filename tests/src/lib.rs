//! Tests and benchmarks that need more than one crate: real processes, real services, measured speed.

pub mod bench;
pub mod durability;
pub mod harness;
