//! A gate's database as a person at the gate reads it: with SQL, while the gate runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Context as _;
use edge_node::store::Inspection;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::gate::Gate;

/// Looks into a gate's database. Each look opens it anew and writes nothing.
pub struct GateDatabase {
    file: PathBuf,
}

impl GateDatabase {
    /// The database of a gate.
    #[must_use]
    pub fn new(gate: &Gate) -> GateDatabase {
        GateDatabase {
            file: gate.database(),
        }
    }

    /// The balance that the view `users` shows, a decimal string; `None`: the card is not known.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn balance(&self, card: &str) -> anyhow::Result<Option<String>> {
        let connection = self.open()?;
        let sql = "SELECT balance FROM users WHERE card_id = ?1";
        Ok(connection.query_row(sql, [card], |row| row.get(0)).optional()?)
    }

    /// Whether the view `users` shows the card on a trip.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn travels(&self, card: &str) -> anyhow::Result<bool> {
        let connection = self.open()?;
        let sql = "SELECT current_trip_terminal_id IS NOT NULL FROM users WHERE card_id = ?1";
        let travels = connection.query_row(sql, [card], |row| row.get(0));
        Ok(travels.optional()?.unwrap_or(false))
    }

    /// Every card as the view `users` shows it: card, balance, status.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn cards(&self) -> anyhow::Result<BTreeSet<Vec<String>>> {
        let connection = self.open()?;
        let mut statement = connection.prepare("SELECT card_id, balance, status FROM users")?;
        let rows = statement.query_map([], |row| Ok(vec![row.get(0)?, row.get(1)?, row.get(2)?]))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How far each log is held, by the site's hexadecimal digits.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn heads(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let sites = Inspection::open(&self.file)?.sites()?;
        Ok(sites
            .iter()
            .map(|site| (site.site.to_string(), site.head.0))
            .collect())
    }

    /// How many fare versions are known.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn fare_versions(&self) -> anyhow::Result<i64> {
        let connection = self.open()?;
        Ok(connection.query_row("SELECT count(*) FROM fare_versions", [], |row| row.get(0))?)
    }

    /// One number.
    ///
    /// # Errors
    /// The database cannot be read, or the statement gives no number.
    pub fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let connection = self.open()?;
        let number = connection.query_row(sql, [], |row| row.get(0));
        number.with_context(|| sql.to_owned())
    }

    fn open(&self) -> anyhow::Result<Connection> {
        let connection = Connection::open_with_flags(&self.file, OpenFlags::SQLITE_OPEN_READ_ONLY);
        connection.with_context(|| format!("cannot open {}", self.file.display()))
    }
}
