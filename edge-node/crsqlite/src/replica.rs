//! A connection with cr-sqlite in it.

use std::ops::{Deref, DerefMut};

use rusqlite::Connection;

use crate::{Error, Result, library};

/// SQLite 3.51.3 fixes the reset of a WAL file under concurrent checkpoints, which could corrupt a database.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// A SQLite connection with cr-sqlite loaded. It is a [`Connection`] in all but its end: before it closes,
/// cr-sqlite must drop the statements it keeps, else SQLite would refuse to close.
pub struct Replica {
    connection: Option<Connection>,
}

impl Replica {
    /// Loads cr-sqlite into a connection. On a new database this creates cr-sqlite's own tables and a random
    /// site id ([`crate::set_site_id`]).
    pub fn open(connection: Connection) -> Result<Replica> {
        check_version(rusqlite::version_number(), rusqlite::version())?;
        library::load(&connection)?;
        Ok(Replica {
            connection: Some(connection),
        })
    }

    /// Closes the connection and tells when SQLite could not; dropping it closes it silently.
    pub fn close(mut self) -> Result<()> {
        let Some(connection) = self.connection.take() else {
            return Ok(());
        };
        finalize(&connection)?;
        connection.close().map_err(|(_, error)| error.into())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            // Nobody is left to tell; at worst SQLite keeps the file open.
            let _ = finalize(connection);
        }
    }
}

impl Deref for Replica {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
            .as_ref()
            .expect("BUG: only close takes the connection, and it takes the replica too")
    }
}

impl DerefMut for Replica {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection
            .as_mut()
            .expect("BUG: only close takes the connection, and it takes the replica too")
    }
}

fn finalize(connection: &Connection) -> Result<()> {
    connection.query_row("SELECT crsql_finalize()", [], |_| Ok(()))?;
    Ok(())
}

fn check_version(number: i32, found: &str) -> Result<()> {
    match number < SQLITE_VERSION_MIN {
        true => Err(Error::SqliteTooOld {
            found: found.to_owned(),
        }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_an_old_sqlite() {
        assert!(
            matches!(check_version(3_051_002, "3.51.2"), Err(Error::SqliteTooOld { found }) if found == "3.51.2")
        );
        assert!(check_version(3_009_000, "3.9.0").is_err());
        assert!(check_version(3_051_003, "3.51.3").is_ok());
        assert!(check_version(3_052_000, "3.52.0").is_ok());
    }

    #[test]
    fn closes_after_cr_sqlite_kept_statements() {
        let replica = Replica::open(Connection::open_in_memory().unwrap()).unwrap();
        replica
            .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, a TEXT) STRICT")
            .unwrap();
        crate::as_crr(&replica, "t").unwrap();
        replica
            .execute_batch("INSERT INTO t VALUES (1, 'a'); SELECT count(*) FROM crsql_changes")
            .unwrap();
        replica.close().unwrap();
    }
}
