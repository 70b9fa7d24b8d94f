//! `hub fares`.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Subcommand;
use sync_shell::settings;

use super::desk::Desk;
use super::say::say;
use super::{Failure, Surroundings};
use crate::config::HubConfig;
use crate::decisions::Decision;
use crate::http::FaresBody;

/// Most bytes of a fare file.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A fare file is not to be set by the environment.
const NO_VARIABLES: &str = "HUB_FARES_";

/// What to do with fares.
#[derive(Debug, Subcommand)]
pub enum FaresCommand {
    /// Publishes a fare version from a file: TOML or JSON, with the keys of `POST /v1/fare-versions`.
    Publish {
        /// The file.
        file: PathBuf,
        /// Publishes it although it takes effect sooner than the lead time allows.
        #[arg(long)]
        override_lead_time: bool,
    },
}

/// Does it.
///
/// # Errors
/// It is refused, makes no sense, or a database does not answer.
pub async fn execute(
    command: FaresCommand,
    config: &HubConfig,
    surroundings: &Surroundings,
) -> Result<(), Failure> {
    let FaresCommand::Publish {
        file,
        override_lead_time,
    } = command;
    let body = read(&file)?;
    let version = body
        .version()
        .map_err(|error| Failure::bad_input(anyhow!("{}: {error}", file.display())))?;
    let number = version.version;
    let desk = Desk::open(config, surroundings).await?;
    let overrides = override_lead_time || body.override_lead_time;
    desk.decide(vec![Decision::Fares(version)], overrides).await?;
    say(format_args!("fare version {number} is published"))?;
    Ok(())
}

fn read(file: &Path) -> Result<FaresBody, Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::bad_input(anyhow!("{}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| named(&error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(named(&format!(
            "{size} bytes: a fare file has at most {FILE_BYTES_MAX}"
        )));
    }
    match file.extension().and_then(std::ffi::OsStr::to_str) {
        Some("json") => {
            let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
            serde_json::from_str(&text).map_err(|error| named(&error))
        }
        Some("toml") => {
            settings::load(Some(file), NO_VARIABLES, std::iter::empty()).map_err(Failure::bad_input)
        }
        _ => Err(named(&"name the file .toml or .json, by what it holds")),
    }
}
