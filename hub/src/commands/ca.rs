//! `hub ca`: the authority that certifies hub and gates.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use sync_protocol::id::{NodeId, TerminalCode};
use sync_protocol::time::DAY_MS;
use sync_shell::identity::{Authority, IdentityError};

use super::say::say;
use super::{Failure, Surroundings};
use crate::config::CERTIFICATE_DAYS;

/// How long a node's certificate is valid unless said otherwise, days: as one that a gate enrols for. A hub that has the
/// authority renews it; without one it is issued anew in time, or for longer with `--days`.
const VALID_DAYS: i64 = CERTIFICATE_DAYS as i64;
/// Certificates begin this long before now, for clocks that are a little behind.
const BACKDATED_MS: i64 = DAY_MS;

/// What to do with the authority.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Makes an authority: its key and certificate. Once in an installation.
    Init(InitArguments),
    /// Makes a key for a gate or the hub and certifies it.
    Issue(IssueArguments),
}

/// Flags of `hub ca init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The authority's folder: keep it off the gates, and its `ca.key` secret.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Issues the hub's own key into this folder too.
    #[arg(long, value_name = "DIR")]
    hub_keys: Option<PathBuf>,
}

/// Flags of `hub ca issue`.
#[derive(Debug, Args)]
pub struct IssueArguments {
    /// The authority's folder.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The number of the gate.
    #[arg(
        long,
        value_name = "NUMBER",
        required_unless_present = "hub",
        conflicts_with = "hub",
        requires = "terminal"
    )]
    gate: Option<u32>,
    /// The code of the gate's terminal.
    #[arg(long, value_name = "CODE", requires = "gate")]
    terminal: Option<TerminalCode>,
    /// Issues a key of the hub.
    #[arg(long)]
    hub: bool,
    /// How long the certificate is valid, days.
    #[arg(long, value_name = "DAYS", default_value_t = VALID_DAYS, value_parser = clap::value_parser!(i64).range(1..=3_650))]
    days: i64,
    /// The folder for the node: copy it to the node's machine.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replaces a key that is in the folder. The old one is gone then.
    #[arg(long)]
    replace: bool,
}

/// Does it.
///
/// # Errors
/// A file exists, is missing or damaged, or a gate's number makes no sense.
pub fn execute(command: &CaCommand, surroundings: &Surroundings) -> Result<(), Failure> {
    surroundings.clock.check().map_err(Failure::bad_input)?;
    match command {
        CaCommand::Init(arguments) => init(arguments, surroundings),
        CaCommand::Issue(arguments) => issue(arguments, surroundings),
    }
}

fn init(arguments: &InitArguments, surroundings: &Surroundings) -> Result<(), Failure> {
    let now_ms = surroundings.clock.wall_ms();
    let dir = &arguments.dir;
    let authority = Authority::init(dir, &(surroundings.random)(), now_ms - BACKDATED_MS).map_err(failure)?;
    say(format_args!(
        "made an authority in {}: keep its ca.key secret",
        dir.display()
    ))?;
    if let Some(hub_keys) = &arguments.hub_keys {
        let hub = Holder {
            node: NodeId::HUB,
            terminal: None,
            days: VALID_DAYS,
        };
        write(&authority, hub, hub_keys, false, surroundings)?;
    }
    Ok(())
}

fn issue(arguments: &IssueArguments, surroundings: &Surroundings) -> Result<(), Failure> {
    let node = NodeId(arguments.gate.unwrap_or(NodeId::HUB.0));
    if node.is_hub() && !arguments.hub {
        return Err(Failure::bad_input(anyhow!(
            "gate number 0 is not allowed: it stands for the hub; give --hub for the hub's key"
        )));
    }
    let authority = Authority::load(&arguments.dir).map_err(failure)?;
    let holder = Holder {
        node,
        terminal: arguments.terminal,
        days: arguments.days,
    };
    write(
        &authority,
        holder,
        &arguments.out,
        arguments.replace,
        surroundings,
    )
}

/// Whose certificate it will be, and for how many days.
struct Holder {
    node: NodeId,
    terminal: Option<TerminalCode>,
    days: i64,
}

fn write(
    authority: &Authority,
    holder: Holder,
    out: &Path,
    replace: bool,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    let now_ms = surroundings.clock.wall_ms();
    let Holder { node, terminal, days } = holder;
    let issued = authority
        .issue(
            node,
            terminal,
            &(surroundings.random)(),
            now_ms - BACKDATED_MS,
            now_ms + days * DAY_MS,
        )
        .map_err(failure)?;
    let written = match replace {
        true => issued.replace(out),
        false => issued.write(out),
    };
    written.map_err(failure)?;
    say(format_args!(
        "issued a key for {node} in {}: node.key, node.crt, ca.crt; valid for {days} days; public key {}",
        out.display(),
        hexadecimal_text(&issued.identity.key.0)
    ))?;
    Ok(())
}

fn hexadecimal_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A folder that cannot be read or written cannot be reached; everything else is a matter of what was given.
fn failure(error: IdentityError) -> Failure {
    match error {
        IdentityError::Read { .. } | IdentityError::Write { .. } => Failure::unreachable(error),
        IdentityError::Exists { .. } | IdentityError::OtherInstallation { .. } => Failure::refused(error),
        _ => Failure::bad_input(error),
    }
}
