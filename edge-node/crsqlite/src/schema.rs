//! Reading from a database what it takes from others.

use rusqlite::Connection;
use sync_protocol::rows::{Column, Kind, Schema, TableSchema};

use crate::{Error, Result};

/// The replicated tables of this database. Read it once after opening and after each alteration.
pub fn schema(connection: &Connection) -> Result<Schema> {
    let sql = "SELECT substr(name, 1, length(name) - length('__crsql_clock')) FROM sqlite_schema
               WHERE type = 'table' AND name LIKE '%\\_\\_crsql\\_clock' ESCAPE '\\'";
    let mut schema = Schema::default();
    for table in connection
        .prepare(sql)?
        .query_map([], |row| row.get::<_, String>(0))?
    {
        let table = table?;
        let columns = table_schema(connection, &table)?;
        schema.tables.insert(table, columns);
    }
    Ok(schema)
}

/// Refuses a table that could not be replicated faithfully.
pub(crate) fn check_table(connection: &Connection, table: &str) -> Result<()> {
    table_schema(connection, table).map(|_| ())
}

fn table_schema(connection: &Connection, table: &str) -> Result<TableSchema> {
    if !is_table(connection, table)? {
        return Err(unreplicable(table, "there is no such table".to_owned()));
    }
    let mut key = Vec::new();
    let mut schema = TableSchema::default();
    let sql = "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?)";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let (name, declared): (String, String) = (row.get(0)?, row.get(1)?);
        let strict = declared.eq_ignore_ascii_case("ANY") && is_strict(connection, table)?;
        let kind = kind_of(&declared, strict).ok_or_else(|| {
            unreplicable(
                table,
                format!("declare {name} INTEGER, REAL, TEXT or BLOB, not {declared}"),
            )
        })?;
        let position: i64 = row.get(3)?;
        if position > 0 {
            if !matches!(kind, Kind::Integer | Kind::Text | Kind::Blob) {
                return Err(unreplicable(
                    table,
                    format!("declare key column {name} INTEGER, TEXT or BLOB"),
                ));
            }
            key.push((position, kind));
            continue;
        }
        schema.columns.insert(
            name,
            Column {
                kind,
                nullable: !row.get::<_, bool>(2)?,
            },
        );
    }
    check_collation(connection, table)?;
    key.sort_by_key(|(position, _)| *position);
    schema.key = key.into_iter().map(|(_, kind)| kind).collect();
    Ok(schema)
}

/// Whether there is an ordinary table of this name: views and virtual tables have no root page.
fn is_table(connection: &Connection, table: &str) -> Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema
               WHERE type = 'table' AND rootpage > 0 AND name = ? COLLATE NOCASE";
    Ok(connection.query_row(sql, [table], |row| row.get::<_, i64>(0))? > 0)
}

/// To answer this SQLite resolves every view of the database: ask only where it matters.
fn is_strict(connection: &Connection, table: &str) -> Result<bool> {
    let sql = "SELECT strict FROM pragma_table_list(?) WHERE schema = 'main'";
    Ok(connection.query_row(sql, [table], |row| row.get(0))?)
}

/// The type of a column by SQLite's rules for declared types; none when SQLite would convert values in it.
fn kind_of(declared: &str, strict: bool) -> Option<Kind> {
    let declared = declared.to_ascii_uppercase();
    let names = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    match declared.as_str() {
        "" => Some(Kind::Any),
        "ANY" if strict => Some(Kind::Any),
        _ if names(&["INT"]) => Some(Kind::Integer),
        _ if names(&["CHAR", "CLOB", "TEXT"]) => Some(Kind::Text),
        _ if names(&["BLOB"]) => Some(Kind::Blob),
        _ if names(&["REAL", "FLOA", "DOUB"]) => Some(Kind::Real),
        _ => None,
    }
}

/// Under another collation than BINARY two keys of different bytes can be one row.
fn check_collation(connection: &Connection, table: &str) -> Result<()> {
    let sql = "SELECT count(*) FROM pragma_index_list(?) AS list, pragma_index_xinfo(list.name) AS part
               WHERE list.origin = 'pk' AND part.key = 1 AND part.coll <> 'BINARY'";
    match connection.query_row(sql, [table], |row| row.get::<_, i64>(0))? {
        0 => Ok(()),
        _ => Err(unreplicable(
            table,
            "its primary key must have the BINARY collation".to_owned(),
        )),
    }
}

fn unreplicable(table: &str, reason: String) -> Error {
    Error::Unreplicable {
        table: table.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_follow_sqlite() {
        assert_eq!(kind_of("INTEGER", true), Some(Kind::Integer));
        assert_eq!(kind_of("bigint", false), Some(Kind::Integer));
        assert_eq!(kind_of("VARCHAR(20)", false), Some(Kind::Text));
        assert_eq!(kind_of("DOUBLE PRECISION", false), Some(Kind::Real));
        assert_eq!(kind_of("BLOB", true), Some(Kind::Blob));
        assert_eq!(kind_of("ANY", true), Some(Kind::Any));
        // NUMERIC affinity turns '5' and 5.0 into 5.
        for numeric in ["ANY", "DECIMAL(15,2)", "BOOLEAN", "TIMESTAMP"] {
            assert_eq!(kind_of(numeric, false), None, "{numeric}");
        }
    }
}
