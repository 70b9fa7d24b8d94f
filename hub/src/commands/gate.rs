//! `hub gate`: gates in the shared table.

use clap::{Args, Subcommand};
use sync_protocol::id::{GateCode, GateId, TerminalCode};

use super::desk::{Desk, unreachable};
use super::say::say;
use super::{Failure, Surroundings};
use crate::config::HubConfig;
use crate::decisions::Decision;
use crate::shared_tables::{EditError, GateStatus, GateType, NewGate, add_gate, set_gate_status};

/// What to do with a gate.
#[derive(Debug, Subcommand)]
pub enum GateCommand {
    /// Enters a gate into the shared table.
    Add(AddArguments),
    /// Sets a gate's status: online, maintenance, error or removed.
    Status {
        /// The gate's code, such as A-ENTRY-01.
        gate: GateCode,
        /// The status.
        status: GateStatus,
    },
}

/// A gate.
#[derive(Debug, Args)]
pub struct AddArguments {
    /// Its number, one in the whole network; the same as in its certificate.
    id: u32,
    /// The code of its terminal.
    #[arg(long, value_name = "CODE")]
    terminal: TerminalCode,
    /// Its code, such as A-ENTRY-01.
    #[arg(long)]
    code: GateCode,
    /// Which directions it serves: entry, exit or bidirectional.
    #[arg(long = "type", value_name = "TYPE")]
    gate_type: GateType,
    /// Where its neighbours reach it.
    #[arg(long, value_name = "HOST:PORT", default_value = "")]
    address: String,
}

/// Does it.
///
/// # Errors
/// It is refused, makes no sense, or a database does not answer.
pub async fn execute(
    command: GateCommand,
    config: &HubConfig,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    let desk = Desk::open(config, surroundings).await?;
    let rows = desk.ledger.rows().await.map_err(unreachable)?;
    match command {
        GateCommand::Add(arguments) => {
            let gate = NewGate {
                id: GateId(arguments.id),
                terminal: arguments.terminal,
                code: arguments.code,
                gate_type: arguments.gate_type,
                address: arguments.address,
            };
            let edits = add_gate(&rows, &gate).map_err(failure)?;
            desk.decide(edits.into_iter().map(Decision::Row).collect(), false)
                .await?;
            say(format_args!(
                "gate {} is entered as number {}",
                gate.code, gate.id.0
            ))?;
        }
        GateCommand::Status { gate, status } => {
            let edit = set_gate_status(&rows, gate, status).map_err(failure)?;
            desk.decide(vec![Decision::Row(edit)], false).await?;
            say(format_args!("gate {gate} is {}", status.name()))?;
        }
    }
    Ok(())
}

fn failure(error: EditError) -> Failure {
    match error {
        EditError::Address(_) | EditError::NumberZero | EditError::Status(_) | EditError::Type(_) => {
            Failure::bad_input(error)
        }
        _ => Failure::refused(error),
    }
}
