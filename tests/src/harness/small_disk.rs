//! A disk of a few megabytes, to be filled.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{keeper, process};

/// Written at a time while it is filled.
const PIECE: [u8; 4_096] = [0x5a; 4_096];

/// A small file system in memory, mounted over a folder. Dropping it unmounts it.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts one over `folder`, with what is in the folder; `None` where this process may not mount.
    ///
    /// # Errors
    /// The folder cannot be copied.
    pub fn mount(folder: &Path, megabytes: u32) -> anyhow::Result<Option<SmallDisk>> {
        let before = folder.with_extension("before");
        process::run(Command::new("cp").arg("-a").arg(folder).arg(&before))?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]);
        let mounted = process::finish(mount.arg(folder));
        if !mounted.as_ref().is_ok_and(|mounted| mounted.succeeded) {
            println!("skipped: no small disk can be mounted here ({mounted:?})");
            return Ok(None);
        }
        keeper::unmount(folder)?;
        let disk = SmallDisk {
            folder: folder.to_owned(),
        };
        process::run(Command::new("cp").arg("-a").arg(before.join(".")).arg(folder))?;
        Ok(Some(disk))
    }

    /// Writes a file until nothing more fits.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut file = File::create(self.filling()).context("cannot write on the small disk")?;
        while file.write_all(&PIECE).is_ok() {}
        Ok(())
    }

    /// Removes that file.
    ///
    /// # Errors
    /// There is none.
    pub fn empty(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.filling()).context("cannot remove from the small disk")
    }

    fn filling(&self) -> PathBuf {
        self.folder.join("filling")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _gone_at_the_latest_with_this_process =
            process::finish(Command::new("umount").arg("-l").arg(&self.folder));
    }
}
