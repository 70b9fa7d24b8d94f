//! Kills a gate's store and cuts the power under it, again and again, and counts what it lost.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tests::durability::{kills, power, writer};

/// Kills a gate's store and cuts the power under it, again and again, and checks that nothing acknowledged is lost.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Inner>,
    /// How often the process is killed (kill -9).
    #[arg(long, default_value_t = 0)]
    kills: u64,
    /// How often the power is cut under a file system on a loop device.
    #[arg(long, default_value_t = 0)]
    cuts: u64,
    /// Decides the moments and what is done.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where databases are made; without it a folder in memory or the system's for temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Inner {
    /// The process that is killed; started by this program itself.
    #[command(hide = true)]
    Writer { folder: PathBuf, start: u64, steps: u64 },
    /// A process that must lose rows when the power is cut; started by this program itself.
    #[command(hide = true)]
    Control { folder: PathBuf },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut output = std::io::stdout().lock();
    match &arguments.command {
        Some(Inner::Writer { folder, start, steps }) => writer::write(folder, *start, *steps, &mut output),
        Some(Inner::Control { folder }) => power::control(folder, &mut output),
        None => drive(&arguments),
    }
}

fn drive(arguments: &Arguments) -> anyhow::Result<()> {
    let memory = PathBuf::from("/dev/shm");
    let parent = match &arguments.folder {
        Some(folder) => folder.clone(),
        None if memory.is_dir() => memory,
        None => std::env::temp_dir(),
    };
    let folder = tempfile::Builder::new().prefix("durability-").tempdir_in(&parent);
    let folder = folder.with_context(|| format!("cannot make a folder in {}", parent.display()))?;
    let done = kill(arguments, folder.path()).and_then(|()| cut(arguments, folder.path()));
    if let Err(error) = done {
        return Err(error.context(format!("what is left is in {}", folder.keep().display())));
    }
    println!("nothing acknowledged was lost");
    Ok(())
}

fn kill(arguments: &Arguments, folder: &Path) -> anyhow::Result<()> {
    let plan = kills::Plan {
        program: std::env::current_exe().context("this program's own file")?,
        folder: folder.join("kills"),
        kills: arguments.kills,
        seed: arguments.seed,
    };
    let counts = kills::kill(&plan, |counts| {
        println!(
            "{} of {} kills, {} taps acknowledged",
            counts.kills, plan.kills, counts.taps
        );
    })?;
    println!("{counts:#?}");
    Ok(())
}

fn cut(arguments: &Arguments, folder: &Path) -> anyhow::Result<()> {
    let plan = power::Plan {
        program: std::env::current_exe().context("this program's own file")?,
        folder: folder.join("power"),
        cuts: arguments.cuts,
        seed: arguments.seed,
    };
    let counted = power::cut(&plan, |counts| {
        println!(
            "{} of {} power cuts, {} taps acknowledged",
            counts.cuts, plan.cuts, counts.taps
        );
    })?;
    match counted {
        Ok(counts) => println!("{counts:#?}"),
        Err(reason) => println!("power cuts skipped: {reason}"),
    }
    Ok(())
}
