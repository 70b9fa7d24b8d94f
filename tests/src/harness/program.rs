//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

/// The path of a program of this build, `hub` or `edge-node`.
///
/// # Errors
/// It was not built.
pub fn path(name: &str) -> anyhow::Result<PathBuf> {
    let folder = profile_folder()?;
    let program = folder.join(name);
    anyhow::ensure!(
        program.is_file(),
        "{} is not built: run `cargo build --workspace --bins` first (`make test` does)",
        program.display()
    );
    Ok(program)
}

/// A command that runs a program of this build. What the caller's environment says to hubs and gates is not passed on:
/// these programs must touch nothing but what they were given.
///
/// # Errors
/// It was not built.
pub fn command(name: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(path(name)?);
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        let speaks_to_them = name.starts_with("HUB_")
            || name.starts_with("EDGE_")
            || name.ends_with("DATABASE_URL")
            || name == "REDIS_URL";
        if speaks_to_them {
            command.env_remove(&variable);
        }
    }
    Ok(command)
}

/// The folder that everything built is under (`target`, unless cargo was told otherwise).
///
/// # Errors
/// This program is in no such folder.
pub fn target_folder() -> anyhow::Result<PathBuf> {
    let profile = profile_folder()?;
    let folder = profile
        .parent()
        .context("this program is in no folder of cargo's")?;
    Ok(folder.to_path_buf())
}

/// The folder of this build's programs, such as `target/debug`; tests are in `deps` below it.
fn profile_folder() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let folder = own.parent().context("this program is in no folder")?;
    let folder = match folder.parent() {
        Some(profile) if folder.ends_with("deps") => profile,
        _ => folder,
    };
    Ok(folder.to_path_buf())
}

/// The repository's top folder.
#[must_use]
pub fn repository() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_path_buf()
}
