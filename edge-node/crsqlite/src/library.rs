//! The built extension inside this binary, and its way into SQLite.
//!
//! SQLite loads extensions from a path only. The library is written once per process to a sealed memory file
//! and loaded from `/proc/self/fd`, so a gate needs one binary and no writable, executable folder. Without memory
//! files or `/proc` it goes through a temporary file that only this user can read, removed as soon as it is loaded.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rusqlite::{Connection, LoadExtensionGuard};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::{Error, Result};

static LIBRARY: &[u8] = include_bytes!(env!("CRSQLITE_EMBEDDED"));
const ENTRY_POINT: &str = "sqlite3_crsqlite_init";

/// Loads the extension into a connection; extension loading is off again afterwards.
pub(crate) fn load(connection: &Connection) -> Result<()> {
    static MEMORY: OnceLock<Option<File>> = OnceLock::new();
    let memory = MEMORY.get_or_init(|| memory_file().ok()).as_ref();
    match memory.map(path_of).filter(|path| path.exists()) {
        Some(path) => load_from(connection, &path),
        None => load_through_file(connection),
    }
}

fn memory_file() -> io::Result<File> {
    let mut file = File::from(memfd_create(
        "crsqlite",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?);
    file.write_all(LIBRARY)?;
    fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file)
}

fn path_of(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn load_through_file(connection: &Connection) -> Result<()> {
    let written = || {
        let mut file = tempfile::Builder::new()
            .prefix("crsqlite-")
            .suffix(".so")
            .tempfile()?;
        file.write_all(LIBRARY)?;
        Ok(file)
    };
    let file = written().map_err(|source| Error::Library {
        folder: std::env::temp_dir().display().to_string(),
        source,
    })?;
    load_from(connection, file.path())
}

#[expect(unsafe_code, reason = "SQLite runs native code of the library it loads")]
fn load_from(connection: &Connection, path: &Path) -> Result<()> {
    // SAFETY: loading is enabled only while this guard lives, and no SQL runs meanwhile; the library is the one
    // built by our build script from pinned source, and the entry point has the signature that SQLite expects.
    unsafe {
        let _guard = LoadExtensionGuard::new(connection)?;
        connection.load_extension(path, Some(ENTRY_POINT))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_loaded(connection: &Connection) -> bool {
        connection
            .query_row("SELECT crsql_db_version()", [], |row| row.get::<_, i64>(0))
            .is_ok()
    }

    #[test]
    fn loads_from_memory_and_through_a_file() {
        let from_memory = Connection::open_in_memory().unwrap();
        assert!(!is_loaded(&from_memory));
        load_from(&from_memory, &path_of(&memory_file().unwrap())).unwrap();
        assert!(is_loaded(&from_memory));

        let through_file = Connection::open_in_memory().unwrap();
        load_through_file(&through_file).unwrap();
        assert!(is_loaded(&through_file));
        for connection in [from_memory, through_file] {
            connection
                .query_row("SELECT crsql_finalize()", [], |_| Ok(()))
                .unwrap();
            connection.close().unwrap();
        }
    }

    #[test]
    fn the_memory_file_cannot_be_altered() {
        let mut file = memory_file().unwrap();
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(1).is_err());
    }

    #[test]
    fn extension_loading_is_off_afterwards() {
        let connection = Connection::open_in_memory().unwrap();
        load(&connection).unwrap();
        let again = connection.query_row("SELECT load_extension('nowhere')", [], |_| Ok(()));
        assert!(again.unwrap_err().to_string().contains("not authorized"));
        connection
            .query_row("SELECT crsql_finalize()", [], |_| Ok(()))
            .unwrap();
    }
}
