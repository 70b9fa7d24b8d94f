//! The hub process.

use std::process::ExitCode;

use clap::Parser as _;
use hub::commands::{self, CommandLine, Surroundings};
use hub::run;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let surroundings = Surroundings {
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        clock: run::clock(),
        random: run::random,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(commands::execute(line, surroundings)),
        Err(error) => Err(commands::Failure::unreachable(error)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("hub: {}", failure.message());
            failure.code()
        }
    }
}
