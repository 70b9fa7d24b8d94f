//! A gate's store under deaths of its process and of the power, on the disk of this machine. The long runs:
//! `cargo run --release -p tests --bin durability -- --help`.

mod kills;
mod power;
