//! The hub's databases, asked as a person with `psql` would.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::runtime::Runtime;

use super::process;

/// The system of record.
pub const TRANSACTIONS: &str = "transaction_service_db";
/// Cards and persons.
pub const USERS: &str = "user_service_db";
/// Terminals, gates, fares, holds.
pub const TERMINALS: &str = "terminal_service_db";

/// What a backup holds, in the order in which it is taken.
const BACKED_UP: [&str; 3] = [USERS, TERMINALS, TRANSACTIONS];

/// A query that waits longer has met a server that does not answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The databases of one hub on one server.
pub struct Database {
    runtime: Runtime,
    server_url: String,
    prefix: String,
    open: Mutex<Vec<(String, PgConnection)>>,
}

impl Database {
    /// The databases whose names begin with `prefix`. Nothing is connected yet.
    ///
    /// # Errors
    /// No runtime for the connections.
    pub fn new(server_url: &str, prefix: &str) -> anyhow::Result<Database> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Database {
            runtime: runtime.context("cannot start a runtime for PostgreSQL")?,
            server_url: server_url.to_owned(),
            prefix: prefix.to_owned(),
            open: Mutex::default(),
        })
    }

    /// The server's URL.
    #[must_use]
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// What the names of the databases begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The URL of a database by its name without prefix.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("{}/{}{database}", self.server_url, self.prefix)
    }

    /// Rows of text: every column of the statement has to be text; a NULL reads as `-`.
    ///
    /// # Errors
    /// The server does not answer, or refuses the statement.
    pub fn rows(&self, database: &str, sql: &str) -> anyhow::Result<Vec<Vec<String>>> {
        let rows = self.fetch(&self.url(database), sql)?;
        rows.iter().map(as_text).collect()
    }

    /// The one value of the one row, as text; `None` when there is no row.
    ///
    /// # Errors
    /// As [`Database::rows`], or more than one row.
    pub fn value(&self, database: &str, sql: &str) -> anyhow::Result<Option<String>> {
        let mut rows = self.rows(database, sql)?;
        anyhow::ensure!(rows.len() <= 1, "{} rows for {sql}", rows.len());
        Ok(rows.pop().and_then(|mut row| row.pop()))
    }

    /// The one number.
    ///
    /// # Errors
    /// As [`Database::rows`], or no single number.
    pub fn number(&self, database: &str, sql: &str) -> anyhow::Result<i64> {
        let value = self.value(database, sql)?;
        let number = value.as_deref().map(str::parse);
        number
            .with_context(|| format!("no row for {sql}"))?
            .with_context(|| format!("no number for {sql}"))
    }

    /// What `read` reads of a database is as of one moment, whatever is committed meanwhile.
    ///
    /// # Errors
    /// As `read`, or the server does not answer.
    pub fn at_one_moment<T>(
        &self,
        database: &str,
        read: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.rows(database, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let found = read();
        self.rows(database, "COMMIT")?;
        found
    }

    /// Copies every database into files of `folder`, as an operator's backup does. What follows the system of record is
    /// copied before it, so that no copy is ahead of it.
    ///
    /// # Errors
    /// `pg_dump` failed.
    pub fn back_up(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        for database in BACKED_UP {
            let mut command = Command::new("pg_dump");
            command
                .args(["--format=custom", "--file"])
                .arg(folder.join(database));
            process::run(command.arg(self.url(database)))?;
        }
        Ok(())
    }

    /// Puts the copies of `folder` in the place of the databases, whoever is connected.
    ///
    /// # Errors
    /// The server does not answer, or `pg_restore` failed.
    pub fn restore(&self, folder: &Path) -> anyhow::Result<()> {
        self.lock()?.clear();
        let server = format!("{}/postgres", self.server_url);
        for database in BACKED_UP {
            let name = format!("{}{database}", self.prefix);
            self.fetch(&server, &format!("DROP DATABASE \"{name}\" WITH (FORCE)"))?;
            self.fetch(&server, &format!("CREATE DATABASE \"{name}\" TEMPLATE template0"))?;
            let mut command = Command::new("pg_restore");
            command.args(["--exit-on-error", "--dbname", &self.url(database)]);
            process::run(command.arg(folder.join(database)))?;
        }
        Ok(())
    }

    /// Drops every database with the prefix, whoever is connected.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn drop_all(&self) -> anyhow::Result<()> {
        self.lock()?.clear();
        let server = format!("{}/postgres", self.server_url);
        let names = format!(
            "SELECT datname::text FROM pg_database WHERE starts_with(datname, '{}')",
            self.prefix
        );
        for row in self.fetch(&server, &names)? {
            let name: String = row.try_get(0)?;
            self.fetch(&server, &format!("DROP DATABASE \"{name}\" WITH (FORCE)"))?;
        }
        Ok(())
    }

    /// Connections are kept. One that was kept may have died with its server: then the statement is sent once more,
    /// over a new one.
    fn fetch(&self, url: &str, sql: &str) -> anyhow::Result<Vec<PgRow>> {
        let mut open = self.lock()?;
        let kept = open.iter().position(|(of, _)| of == url);
        let kept = kept.map(|place| open.swap_remove(place).1);
        let answer = match kept {
            Some(connection) => self
                .ask(Some(connection), url, sql)
                .or_else(|_| self.ask(None, url, sql)),
            None => self.ask(None, url, sql),
        };
        let (rows, connection) = answer?;
        open.push((url.to_owned(), connection));
        Ok(rows)
    }

    fn ask(
        &self,
        kept: Option<PgConnection>,
        url: &str,
        sql: &str,
    ) -> anyhow::Result<(Vec<PgRow>, PgConnection)> {
        let work = async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => PgConnection::connect(url).await?,
            };
            let rows = sqlx::raw_sql(AssertSqlSafe(sql))
                .fetch_all(&mut connection)
                .await?;
            Ok::<_, sqlx::Error>((rows, connection))
        };
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(ANSWER_LIMIT, work).await });
        answer
            .with_context(|| format!("PostgreSQL did not answer within {ANSWER_LIMIT:?}: {sql}"))?
            .with_context(|| format!("PostgreSQL: {sql}"))
    }

    fn lock(&self) -> anyhow::Result<std::sync::MutexGuard<'_, Vec<(String, PgConnection)>>> {
        let open = self.open.lock();
        open.map_err(|_| anyhow::anyhow!("a thread panicked while it asked PostgreSQL"))
    }
}

fn as_text(row: &PgRow) -> anyhow::Result<Vec<String>> {
    (0..row.len())
        .map(|column| {
            let value: Option<String> = row.try_get(column)?;
            Ok(value.unwrap_or_else(|| "-".to_owned()))
        })
        .collect()
}
