//! The schema: additive migrations, each in one transaction, then the views. Rules in `sql/README.md`.

use crsqlite::Replica;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use sync_protocol::rows::Schema;

use super::error::Fault;

/// Marks the file as a gate's database: "TGAT".
const APPLICATION_ID: i32 = 0x5447_4154;

/// One step of the schema.
struct Migration {
    sql: &'static str,
    /// Tables of it that become replicated.
    replicated: &'static [&'static str],
}

/// Migration n brings schema n to n + 1. Only ever add to the end.
const MIGRATIONS: &[Migration] = &[
    Migration {
        sql: include_str!("../../../sql/edge/migrations/0001_store.sql"),
        replicated: &["terminals", "gates", "system_config", "deny_list"],
    },
    Migration {
        sql: include_str!("../../../sql/edge/migrations/0002_retention.sql"),
        replicated: &[],
    },
    Migration {
        sql: include_str!("../../../sql/edge/migrations/0003_forks.sql"),
        replicated: &[],
    },
    Migration {
        sql: include_str!("../../../sql/edge/migrations/0004_snapshot.sql"),
        replicated: &[],
    },
];

/// Newest schema this program knows.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// Hash of the migrations' text: what a node tells of its schema in Hello.
#[must_use]
pub fn hash() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 schema");
    for migration in MIGRATIONS {
        hasher.update(migration.sql.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// The replicated tables of this schema, as peers' row changes are checked against.
///
/// # Errors
/// SQLite or the extension failed.
pub fn replicated() -> Result<Schema, Fault> {
    let mut replica = Replica::open(Connection::open_in_memory()?)?;
    migrate(&mut replica)?;
    Ok(crsqlite::schema(&replica)?)
}

/// The source design's tables as views, and what they share; made anew with every schema.
const VIEWS: &[&str] = &[
    include_str!("../../../sql/edge/views/0_words.sql"),
    include_str!("../../../sql/edge/views/1_taps.sql"),
    include_str!("../../../sql/edge/views/2_users.sql"),
    include_str!("../../../sql/edge/views/3_fares.sql"),
    include_str!("../../../sql/edge/views/4_offline_tasks.sql"),
    include_str!("../../../sql/edge/views/5_local_transactions.sql"),
];

/// Refuses a database that is not a gate's or is newer than this program, before anything is written.
pub(super) fn check(connection: &Connection) -> Result<(), Fault> {
    let application: i32 = pragma(connection, "application_id")?;
    let found: u32 = pragma(connection, "user_version")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (application != 0 || tables > 0) {
        return Err(Fault::Foreign(application));
    }
    if found > SCHEMA_VERSION {
        return Err(Fault::SchemaNewer {
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

/// Brings the schema up to date. A migration happens as a whole or not at all.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Fault> {
    let found: u32 = pragma(connection, "user_version")?;
    for (version, migration) in (1..).zip(MIGRATIONS).skip(found as usize) {
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration.sql)?;
        for table in migration.replicated {
            crsqlite::as_crr(&transaction, table)?;
        }
        // The views are those of the newest schema, and fit no older one.
        if version == SCHEMA_VERSION {
            for view in VIEWS {
                transaction.execute_batch(view)?;
            }
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The schema of the file; 0 for an empty one.
pub(super) fn version(connection: &Connection) -> Result<u32, Fault> {
    pragma(connection, "user_version")
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> Result<T, Fault> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_knows_the_replicated_tables_by_the_same_shape() {
        assert_eq!(&replicated().unwrap(), sync_protocol::rows::shared());
    }
}
