//! A look into a gate's database beside its writer, or when none runs: reads only, begins no site, takes no lock.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use sync_protocol::changeset::SiteRole;
use sync_protocol::codec;
use sync_protocol::fare::FareBook;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::wire::Heartbeat;

use super::error::Fault;
use super::journal::{RecentTap, newest_taps};
use super::open::{BUSY_TIMEOUT, fares};
use super::quarantine::{Quarantined, told};
use super::sites::{Sites, seq};
use super::{StoreError, schema, sql};

/// A database that is looked at.
pub struct Inspection {
    connection: Connection,
    path: PathBuf,
}

/// A log found in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteFound {
    /// The log.
    pub site: SiteId,
    /// Who wrote it.
    pub node: NodeId,
    /// What it is for.
    pub role: SiteRole,
    /// Whether this database's own writer did.
    pub own: bool,
    /// Its last changeset in the journal.
    pub head: Seq,
    /// Up to where the hub's settled states cover it.
    pub covered: Seq,
}

impl Inspection {
    /// Opens the database at `path`, which must be there.
    ///
    /// # Errors
    /// It is not there, not a gate's, or of a schema that this program does not know.
    pub fn open(path: impl AsRef<Path>) -> Result<Inspection, StoreError> {
        let path = path.as_ref().to_path_buf();
        match try_open(&path) {
            Ok(connection) => Ok(Inspection { connection, path }),
            Err(fault) => Err(StoreError { path, fault }),
        }
    }

    /// The gate's last taps, newest first; at most 1,000.
    ///
    /// # Errors
    /// The database failed.
    pub fn recent_taps(&self, count: usize) -> Result<Vec<RecentTap>, StoreError> {
        let sites = self.named(Sites::load(&self.connection))?;
        self.named(newest_taps(&self.connection, &sites, count))
    }

    /// Every log, own ones first, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn sites(&self) -> Result<Vec<SiteFound>, StoreError> {
        self.named(self.try_sites())
    }

    fn try_sites(&self) -> Result<Vec<SiteFound>, Fault> {
        let sites = Sites::load(&self.connection)?;
        let mut statement = self.connection.prepare_cached(sql::JOURNAL_NEWEST)?;
        let others = sites.iter().filter(|site| !site.own);
        let mut found = Vec::new();
        for site in sites.own().chain(others) {
            // The head in the table is where filing has got to; the journal may reach beyond it.
            let last = statement.query_row([site.ordinal], |row| row.get(0)).optional()?;
            found.push(SiteFound {
                site: site.id,
                node: site.node,
                role: site.role,
                own: site.own,
                head: last.map_or(site.head.seq, seq),
                covered: sites.covered(site.id),
            });
        }
        Ok(found)
    }

    /// How many changes are in the quarantine, and how many are kept for a later version.
    ///
    /// # Errors
    /// The database failed.
    pub fn set_aside(&self) -> Result<(u64, u64), StoreError> {
        let counted = self
            .connection
            .prepare_cached(sql::COUNTS)
            .and_then(|mut statement| {
                statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            });
        let (quarantined, unapplied) = self.named(counted.map_err(Fault::from))?;
        Ok((quarantined.unsigned_abs(), unapplied.unsigned_abs()))
    }

    /// What is in the quarantine, in order; at most [`QUARANTINE_TOLD_MAX`](super::QUARANTINE_TOLD_MAX) changes.
    ///
    /// # Errors
    /// The database failed.
    pub fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.named(told(&self.connection))
    }

    /// How many cards the deny list denies now.
    ///
    /// # Errors
    /// The database failed.
    pub fn denied_count(&self) -> Result<u64, StoreError> {
        let counted = self
            .connection
            .prepare_cached(sql::DENIED_COUNT)
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
        self.named(counted.map(i64::unsigned_abs).map_err(Fault::from))
    }

    /// Every fare version held.
    ///
    /// # Errors
    /// The database failed.
    pub fn fares(&self) -> Result<FareBook, StoreError> {
        self.named(fares(&self.connection))
    }

    /// The newest heartbeat of the hub that was kept.
    ///
    /// # Errors
    /// The database failed.
    pub fn hub_heartbeat(&self) -> Result<Option<Heartbeat>, StoreError> {
        let read = || -> Result<Option<Heartbeat>, Fault> {
            let mut statement = self.connection.prepare_cached(sql::HEARTBEATS)?;
            let mut rows = statement.query([])?;
            // In order of nodes, and the hub is the first.
            let Some(row) = rows.next()? else {
                return Ok(None);
            };
            let beat: Heartbeat = codec::decode(&row.get::<_, Vec<u8>>(0)?)?;
            Ok(beat.node.is_hub().then_some(beat))
        };
        self.named(read())
    }

    fn named<T>(&self, result: Result<T, Fault>) -> Result<T, StoreError> {
        result.map_err(|fault| StoreError {
            path: self.path.clone(),
            fault,
        })
    }
}

fn try_open(path: &Path) -> Result<Connection, Fault> {
    if !path.exists() {
        return Err(Fault::CannotOpen("there is no such file".to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    schema::check(&connection)?;
    if schema::version(&connection)? != schema::SCHEMA_VERSION {
        return Err(Fault::Content(
            "its schema is older than this program's; start the gate once, which brings it up to date"
                .to_owned(),
        ));
    }
    Ok(connection)
}
