//! The gate process and its commands.
//!
//! Exit codes: 0 done, and a tap opens; 1 a tap is denied; 2 bad input; 3 not running, or it failed.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Arguments::parse().execute() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("edge-node: {failure}");
            failure.code()
        }
    }
}
