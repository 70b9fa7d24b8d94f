//! Where the programs under test are.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The path of a program of this build, `hub` or `edge-node`.
///
/// # Errors
/// It was not built.
pub fn path(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let folder = own.parent().context("this program is in no folder")?;
    let folder = if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    };
    let program = folder.join(name);
    anyhow::ensure!(
        program.is_file(),
        "{} is not built: run `cargo build --workspace --bins` first (`make test` does)",
        program.display()
    );
    Ok(program)
}

/// The folder that everything built is under (`target`, unless cargo was told otherwise).
///
/// # Errors
/// This program is in no such folder.
pub fn target_folder() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let marked = own
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let folder = marked.with_context(|| format!("{} is in no folder of cargo's", own.display()))?;
    Ok(folder.to_path_buf())
}

/// The repository's top folder.
#[must_use]
pub fn repository() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_path_buf()
}
