//! Folders of tests: databases, keys, configurations and logs.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use super::program;

/// A new folder on the disk of the build folder, removed when it is dropped outside a panic.
pub struct Scratch {
    folder: Option<TempDir>,
    path: PathBuf,
}

impl Scratch {
    /// A folder whose name begins with `name`. PostgreSQL's user can reach it, too: it lies in the system's folder for
    /// temporary files when that user could not enter the build folder.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(name: &str) -> anyhow::Result<Scratch> {
        let beside = program::target_folder()?.join("processes");
        std::fs::create_dir_all(&beside).with_context(|| format!("cannot make {}", beside.display()))?;
        let place = if rustix::process::geteuid().is_root() && !everybody_may_enter(&beside) {
            std::env::temp_dir()
        } else {
            beside
        };
        let folder = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(&place);
        let folder = folder.with_context(|| format!("cannot make a folder in {}", place.display()))?;
        open_to_everybody(folder.path())?;
        let path = folder.path().canonicalize().context("the folder was just made")?;
        let folder = Some(folder);
        Ok(Scratch { folder, path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder in it, made when missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Keeps the folder: somebody will want to look into it.
    pub fn keep(&mut self) {
        if let Some(folder) = self.folder.take() {
            let _path = folder.keep();
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the files of this test are kept in {}", self.path.display());
            self.keep();
        }
    }
}

fn everybody_may_enter(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else {
        return false;
    };
    folder
        .ancestors()
        .all(|part| part.metadata().is_ok_and(|data| data.mode() & 0o001 != 0))
}

fn open_to_everybody(folder: &Path) -> anyhow::Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder, mode).with_context(|| format!("cannot open {}", folder.display()))
}
