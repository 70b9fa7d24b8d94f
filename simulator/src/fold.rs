//! `simulator fold FILE`: what the fold makes of a list of facts (journey replay for a dispute).
//!
//! One JSON object a line comes in, any order, duplicates allowed ([`input`]); one JSON document goes out
//! ([`output`]). Exit code 0; 2 on bad input, with nothing on standard output; with `--compare`, 1 when the
//! production fold and the reference fold differ.

pub mod examples;
pub mod input;
pub mod output;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::input::{Input, Refusal};
use self::output::Fold;

/// What to fold, and by which fold.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Facts, one JSON object a line; - reads standard input.
    pub file: PathBuf,
    /// Print what the reference fold makes of the facts.
    #[arg(long, hide = true, conflicts_with = "compare")]
    pub reference: bool,
    /// Print the cards on which the production fold and the reference fold differ.
    #[arg(long, hide = true)]
    pub compare: bool,
}

/// Runs the command on the process's own streams.
#[must_use]
pub fn run(arguments: &Arguments) -> ExitCode {
    let input = match read(arguments) {
        Ok(input) => input,
        Err(refusal) => {
            eprintln!("{refusal}");
            return ExitCode::from(2);
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match write(arguments, &input, &mut out) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("standard output: {error}");
            ExitCode::from(2)
        }
    }
}

fn read(arguments: &Arguments) -> Result<Input, Refusal> {
    if arguments.file.as_os_str() == "-" {
        return input::read("stdin", io::stdin().lock());
    }
    let name = arguments.file.display().to_string();
    match File::open(&arguments.file) {
        Ok(file) => input::read(&name, BufReader::with_capacity(1 << 16, file)),
        Err(error) => Err(Refusal::Unreadable { name, error }),
    }
}

fn write(arguments: &Arguments, input: &Input, out: &mut impl Write) -> io::Result<ExitCode> {
    if arguments.compare {
        let differing = output::write_differences(input, &mut *out)?;
        out.flush()?;
        return Ok(if differing == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let fold = if arguments.reference {
        Fold::Reference
    } else {
        Fold::Production
    };
    output::write(input, fold, &mut *out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
