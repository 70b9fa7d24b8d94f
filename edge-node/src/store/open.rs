//! Opening the file: one process, a known schema, a new site.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crsqlite::Replica;
use rusqlite::{Connection, OpenFlags};
use sync_protocol::changeset::Signer;
use sync_protocol::codec;
use sync_protocol::decide::{Gate, Policy};
use sync_protocol::fare::{FareBook, FareVersion};
use sync_protocol::id::SiteId;
use sync_protocol::mutation::{Mutation, is};

use super::ballast::Ballast;
use super::cards::Remembered;
use super::error::Fault;
use super::quarantine::RETRIED_AT_START_MAX;
use super::sites::Sites;
use super::unfiled::Unfiled;
use super::unsynced::{Unsynced, write_again};
use super::wal::WAL_BYTES_KEPT;
use super::writer::Writer;
use super::{Counters, Store, StoreError, schema, sql};

/// How long a write waits for another program's transaction on the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_millis(2_000);
/// SQLite's page cache, KiB.
const CACHE_KIB: i64 = 4_096;
/// Prepared statements kept.
const STATEMENTS_KEPT: usize = 64;

/// What a gate brings to its database.
pub struct Opening {
    /// The gate, as configured; the `gates` table may switch its mode.
    pub gate: Gate,
    /// The limits of deciding alone.
    pub policy: Policy,
    /// Signs this node's changesets.
    pub signer: Box<dyn Signer + Send>,
    /// Proof that the key is this node's, for its SiteOpen.
    pub certificate: Vec<u8>,
    /// Drawn anew for every start: makes the new site's id.
    pub random: [u8; 16],
    /// Bytes on the disk that are kept for taps, in a file beside the database; 0 for none. Where nothing else is
    /// configured, [`BALLAST_BYTES`](super::BALLAST_BYTES).
    pub ballast_bytes: u64,
    /// The file system that SQLite shall use, by the name it is registered under; `None` is the system's own. Under
    /// another one the store touches no file but through SQLite: it makes no lock file, so that one process at a
    /// time has the database is the caller's duty, and no ballast, so [`Opening::ballast_bytes`] is not looked at
    /// and a tap that finds the disk full fails at once.
    pub vfs: Option<&'static str>,
}

impl Store {
    /// Opens the database at `path`, which is created when there is none, and begins a new site in it.
    ///
    /// # Errors
    /// See [`Fault`]. A database that is not a gate's, is newer than this program or is open elsewhere is left as
    /// it is.
    pub fn open(path: impl AsRef<Path>, opening: Opening) -> Result<Store, StoreError> {
        let path = path.as_ref().to_path_buf();
        match try_open(&path, opening) {
            Ok(store) => Ok(store),
            Err(fault) => Err(StoreError { path, fault }),
        }
    }
}

fn try_open(path: &Path, opening: Opening) -> Result<Store, Fault> {
    let vfs = opening.vfs;
    let (lock, mut ballast) = match vfs {
        None => (Some(lock(path)?), Ballast::find(path, opening.ballast_bytes)),
        Some(_) => (None, Ballast::none(path)),
    };
    let key = opening.signer.public_key();
    let random = if is(Mutation::ReuseSite) {
        [0; 16]
    } else {
        opening.random
    };
    let site = SiteId::derive(&key.0, &random);
    let mut freed = 0;
    let replica = match replica(path, vfs, site) {
        Err(Fault::Full) if ballast.free() => {
            freed += 1;
            replica(path, vfs, site)
        }
        other => other,
    }?;
    let sites = Sites::load(&replica)?;
    let gate = opening.gate;
    let writer = Writer::new(
        gate.id.node(),
        gate.terminal,
        opening.signer,
        random,
        opening.certificate,
    );
    let mut store = Store {
        installing: super::snapshot::is_installing(&replica)?.then_some(super::Installing::All),
        schema: crsqlite::schema(&replica)?,
        fares: fares(&replica)?,
        marks: super::prune::marks(&replica)?,
        pieces: BTreeMap::new(),
        arrival: sites.iter().map(|site| site.arrival).max().unwrap_or(0),
        replica,
        path: path.to_path_buf(),
        _lock: lock,
        own_gate: gate,
        mode: None,
        policy: opening.policy,
        writer,
        signed: None,
        sites,
        unfiled: Unfiled::default(),
        remembered: Remembered::default(),
        ballast,
        wal_retry_pages: 0,
        wal_unlooked_slices: 0,
        unsynced: Unsynced::default(),
        forks: super::Forks::new(),
        reverted: Vec::new(),
        counters: Counters {
            ballast_freed: freed,
            ..Counters::default()
        },
    };
    store.replay()?;
    store.writer.last = store.sites.own().map(|site| site.stamp).max().unwrap_or_default();
    store.read_mode()?;
    match store
        .apply_pending()
        .and_then(|_| store.try_retry(RETRIED_AT_START_MAX))
    {
        Ok(_) | Err(Fault::Full) => {}
        Err(fault) => return Err(fault),
    }
    store.counters.ballast_made += u64::from(store.ballast.make());
    Ok(store)
}

/// The connection, with the schema as this program knows it, for a site to write.
fn replica(path: &Path, vfs: Option<&'static str>, site: SiteId) -> Result<Replica, Fault> {
    let connection = checked(path, vfs)?;
    // cr-sqlite reads its site id when it is loaded, from a table that it makes when it is loaded for the first time.
    let is_current = schema::version(&connection)? == schema::SCHEMA_VERSION;
    if is_current {
        crsqlite::set_site_id(&connection, site.0)?;
    }
    let mut replica = Replica::open(connection)?;
    if !is_current || crsqlite::site_id(&replica)? != site.0 {
        schema::migrate(&mut replica)?;
        crsqlite::set_site_id(&replica, site.0)?;
        replica.close()?;
        let connection = connect(path, vfs)?;
        tune(&connection)?;
        replica = Replica::open(connection)?;
    }
    replica.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(replica)
}

/// A connection to a database that is a gate's, or an empty one.
fn checked(path: &Path, vfs: Option<&'static str>) -> Result<Connection, Fault> {
    let connection = connect(path, vfs)?;
    schema::check(&connection)?;
    tune(&connection)?;
    write_again(&connection)?;
    Ok(connection)
}

/// Makes the database at `path` with the schema of this program, for any gate to start from; one that is there is
/// brought up to date. No site begins in it. Under the system's own file system (`vfs` is `None`) no lock is taken:
/// no store may have it open.
///
/// # Errors
/// See [`Fault`].
pub fn prepare(path: impl AsRef<Path>, vfs: Option<&'static str>) -> Result<(), StoreError> {
    let path = path.as_ref();
    let made = || -> Result<(), Fault> {
        let mut replica = Replica::open(checked(path, vfs)?)?;
        schema::migrate(&mut replica)?;
        Ok(replica.close()?)
    };
    made().map_err(|fault| StoreError {
        path: path.to_path_buf(),
        fault,
    })
}

/// One process at a time: a lock on a file beside the database, which the system takes back when the process ends.
/// (Locks on the database file itself are SQLite's.)
fn lock(path: &Path) -> Result<File, Fault> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(Fault::NoFolder);
    }
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(PathBuf::from(name))
        .map_err(Fault::Lock)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Fault::InUse),
        Err(TryLockError::Error(error)) => Err(Fault::Lock(error)),
    }
}

fn connect(path: &Path, vfs: Option<&'static str>) -> Result<Connection, Fault> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match vfs {
        None => Connection::open_with_flags(path, flags)?,
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// The order matters little, but the journal mode comes first: it writes to the file, and tells a read-only one.
fn tune(connection: &Connection) -> Result<(), Fault> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::CannotOpen(format!("its journal mode stays {mode}")));
    }
    let synchronous = if is(Mutation::SkipFsync) { "OFF" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Never inside a commit: see `wal`.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(())
}

/// Every fare version stored. One that no longer reads is left out: the others stay in force (I11).
pub(super) fn fares(connection: &Connection) -> Result<FareBook, Fault> {
    let mut book = FareBook::default();
    let mut statement = connection.prepare(sql::FARE_VERSIONS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(0)?;
        if let Ok(version) = codec::decode::<FareVersion>(&bytes)
            && version.check().is_ok()
        {
            book.insert(version);
        }
    }
    Ok(book)
}
