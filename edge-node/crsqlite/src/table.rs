//! Making tables replicated, and altering them.

use rusqlite::Connection;

use crate::schema::check_table;
use crate::{Error, Result};

/// Longest table name, so that the names cr-sqlite derives from it stay within reason.
const TABLE_NAME_BYTES_MAX: usize = 48;

/// Makes an existing table replicated (a CRR). A table that is one already stays as it is.
///
/// Rows that the table holds already become changes of the current transaction. Primary keys cannot be updated
/// afterwards. Call it outside a transaction or in one that only sets up the schema: on an error cr-sqlite rolls
/// the whole transaction back.
pub fn as_crr(connection: &Connection, table: &str) -> Result<()> {
    check_name(table)?;
    check_table(connection, table)?;
    call(connection, "SELECT crsql_as_crr('main', ?)", table)?;
    fix_key(connection, table)
}

/// Begins to alter the schema of a replicated table; [`commit_alter`] ends it, on the same connection. In
/// between, writes to the table are not captured.
pub fn begin_alter(connection: &Connection, table: &str) -> Result<()> {
    check_name(table)?;
    call(connection, "SELECT crsql_begin_alter('main', ?)", table)?;
    connection.execute_batch(&format!("DROP TRIGGER IF EXISTS \"{table}__key_is_fixed\""))?;
    Ok(())
}

/// Ends an alteration begun with [`begin_alter`].
pub fn commit_alter(connection: &Connection, table: &str) -> Result<()> {
    check_name(table)?;
    check_table(connection, table)?;
    fix_key(connection, table)?;
    call(connection, "SELECT crsql_commit_alter('main', ?)", table)
}

fn call(connection: &Connection, sql: &str, table: &str) -> Result<()> {
    connection.query_row(sql, [table], |_| Ok(()))?;
    Ok(())
}

/// cr-sqlite pastes names into its own SQL, so only plain ones are taken.
fn check_name(name: &str) -> Result<()> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let reserved = ["crsql_", "sqlite_"]
        .iter()
        .any(|prefix| name.to_ascii_lowercase().starts_with(prefix))
        || name.contains("__crsql_");
    match plain && begins_well && !reserved && name.len() <= TABLE_NAME_BYTES_MAX {
        true => Ok(()),
        false => Err(Error::TableName {
            name: name.to_owned(),
        }),
    }
}

/// Refuses updates of the primary key: cr-sqlite gives the columns of the moved row no new `db_version`, so the
/// transaction that moves it would not capture them.
fn fix_key(connection: &Connection, table: &str) -> Result<()> {
    let sql = "SELECT name FROM pragma_table_info(?) WHERE pk > 0";
    let names = connection
        .prepare(sql)?
        .query_map([table], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let differs: Vec<_> = names
        .iter()
        .map(|name| name.replace('"', "\"\""))
        .map(|name| format!("NEW.\"{name}\" IS NOT OLD.\"{name}\""))
        .collect();
    connection.execute_batch(&format!(
        "CREATE TRIGGER IF NOT EXISTS \"{table}__key_is_fixed\" BEFORE UPDATE ON \"{table}\"
         WHEN {}
         BEGIN SELECT RAISE(ABORT, 'a primary key is fixed: delete the row and insert it anew'); END",
        differs.join(" OR ")
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_names_only() {
        for name in ["terminals", "system_config", "T2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "a".repeat(49);
        for name in [
            "",
            "2t",
            "_t",
            "a b",
            "a\"b",
            "a'; DROP TABLE t --",
            "tä",
            "sqlite_schema",
            "CRSQL_x",
            "a__crsql_clock",
            &long,
        ] {
            assert!(matches!(check_name(name), Err(Error::TableName { .. })), "{name}");
        }
    }
}
