//! The simulator's command line. Each command is a module of the library with its own arguments.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
#[cfg(feature = "mutations")]
use simulator::mutations;
use simulator::{fold, list, replay, run, sweep};

/// Shows what a network partition would cost and whether everything converges; replays facts.
#[derive(Parser)]
#[command(version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a scenario and checks every promise. Exits 0 when all hold, 1 when one fails, 2 on bad input.
    Run(run::Arguments),
    /// Draws scenarios from seeds and runs them on all cores. Exits 0 when every check holds, 1 when one fails.
    Sweep(sweep::Arguments),
    /// Runs a kept case or a drawn seed again, event by event as before. Exits as run does.
    Replay(replay::Arguments),
    /// Names the built-in scenarios, or every kind of fault.
    List(list::Arguments),
    /// Prints what the fold makes of a list of facts.
    Fold(fold::Arguments),
    /// Breaks the product on purpose, one promise at a time, and tells what notices.
    #[cfg(feature = "mutations")]
    Mutations(mutations::Arguments),
}

fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::List(arguments) => list::run(&arguments),
        Command::Fold(arguments) => fold::run(&arguments),
        #[cfg(feature = "mutations")]
        Command::Mutations(arguments) => mutations::run(&arguments),
    }
}
