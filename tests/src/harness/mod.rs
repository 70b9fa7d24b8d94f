//! Real processes on this machine, for tests to start, cut off from each other, kill and question.
//!
//! [`network::Network`] is the usual beginning: two terminals with two gates each, a hub, databases, and between all
//! of them a proxy that can cut and spoil every link. Whatever a test starts here ends with it, also when the test is
//! killed ([`keeper`]).
//!
//! The programs are those of the same build: `cargo build --workspace --bins` puts them where [`program::path`] looks.

pub mod books;
pub mod client;
pub mod database;
pub mod gate;
pub mod gate_database;
pub mod hub;
pub mod keeper;
pub mod network;
pub mod ports;
pub mod process;
pub mod program;
pub mod proxy;
pub mod random;
pub mod scratch;
pub mod services;
pub mod small_disk;
pub mod wait;
