//! The simulator's command line. Each command is a module of the library with its own arguments.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use simulator::fold;

/// Replays facts.
#[derive(Parser)]
#[command(version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints what the fold makes of a list of facts.
    Fold(fold::Arguments),
}

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Fold(arguments) => fold::run(&arguments),
    }
}
