//! The service databases: made and brought up to date, or refused with a reason.
//!
//! One PostgreSQL server holds all six in development; in production each may have a URL of its own. Steps are files
//! in `sql/<database>/migrations`, embedded here. Each runs in one transaction and is remembered with its hash.
//!
//! Invariant: a step that was applied is never edited. A database whose steps are not a prefix of those this program
//! knows is refused before anything is written.

mod steps;

use std::collections::BTreeMap;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection};

pub use steps::Migration;

/// Longest prefix of database names, so that every name fits PostgreSQL's 63 bytes.
pub const PREFIX_BYTES_MAX: usize = 30;

/// Where databases are created from when the one wanted does not exist yet.
const MAINTENANCE_DATABASE: &str = "postgres";
/// PostgreSQL: the database does not exist.
const NO_SUCH_DATABASE: &str = "3D000";
/// PostgreSQL: the table does not exist.
const NO_SUCH_TABLE: &str = "42P01";
/// PostgreSQL: the database exists already: another hub was faster.
const DUPLICATE_DATABASE: [&str; 2] = ["42P04", "23505"];

const LOCK: &str = include_str!("../../sql/migrate/lock.sql");
const DATABASE_EXISTS: &str = include_str!("../../sql/migrate/database_exists.sql");
const TABLE: &str = include_str!("../../sql/migrate/table.sql");
const APPLIED: &str = include_str!("../../sql/migrate/applied.sql");
const RECORD: &str = include_str!("../../sql/migrate/record.sql");

/// A service with a database of its own (R-09).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// People and their cards: a projection.
    User,
    /// Terminals, gates, fares, holds: a projection.
    Terminal,
    /// The system of record.
    Transaction,
    /// Journeys: a projection.
    Journey,
    /// Notifications: a projection.
    Notification,
    /// Analytics: a projection.
    Analytics,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 6] = [
        Service::User,
        Service::Terminal,
        Service::Transaction,
        Service::Journey,
        Service::Notification,
        Service::Analytics,
    ];

    /// The name of its database, without a prefix.
    #[must_use]
    pub const fn database(self) -> &'static str {
        match self {
            Service::User => "user_service_db",
            Service::Terminal => "terminal_service_db",
            Service::Transaction => "transaction_service_db",
            Service::Journey => "journey_service_db",
            Service::Notification => "notification_service_db",
            Service::Analytics => "analytics_service_db",
        }
    }

    /// The environment variable that gives its database a URL of its own.
    #[must_use]
    pub const fn url_variable(self) -> &'static str {
        match self {
            Service::User => "USER_SERVICE_DATABASE_URL",
            Service::Terminal => "TERMINAL_SERVICE_DATABASE_URL",
            Service::Transaction => "TRANSACTION_SERVICE_DATABASE_URL",
            Service::Journey => "JOURNEY_SERVICE_DATABASE_URL",
            Service::Notification => "NOTIFICATION_SERVICE_DATABASE_URL",
            Service::Analytics => "ANALYTICS_SERVICE_DATABASE_URL",
        }
    }
}

/// Why a database is not ready.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Not a URL of PostgreSQL.
    #[error(
        "{variable} is not a PostgreSQL URL ({source}): write postgres://user:password@host:5432/ or correct it"
    )]
    Url {
        /// Where it was given.
        variable: &'static str,
        /// What is wrong.
        source: sqlx::Error,
    },
    /// A prefix that cannot stand in a database's name.
    #[error(
        "database prefix {0:?} is not allowed: write at most {PREFIX_BYTES_MAX} of a-z, 0-9 and _, a letter first"
    )]
    Prefix(String),
    /// The server cannot be reached, or refuses.
    #[error("cannot open {database}: {source}; check that PostgreSQL runs there and that the URL is right")]
    Open {
        /// Which database.
        database: String,
        /// What PostgreSQL says.
        source: sqlx::Error,
    },
    /// The database could not be made.
    #[error("cannot create {database}: {source}; create it by hand, or give a user that may")]
    Create {
        /// Which database.
        database: String,
        /// What PostgreSQL says.
        source: sqlx::Error,
    },
    /// Nothing was migrated yet.
    #[error("{database} has no schema yet: run `hub migrate`")]
    Empty {
        /// Which database.
        database: String,
    },
    /// Some steps are missing.
    #[error("{database} has schema {found}, this hub needs {known}: run `hub migrate`")]
    Older {
        /// Which database.
        database: String,
        /// Its schema.
        found: usize,
        /// The program's.
        known: usize,
    },
    /// The database was migrated by a later program.
    #[error(
        "{database} has schema {found}, this hub knows {known}: it was made for a newer hub; install that one, \
         or restore the database of before the upgrade"
    )]
    Newer {
        /// Which database.
        database: String,
        /// Its schema.
        found: usize,
        /// The program's.
        known: usize,
    },
    /// An applied step is not the one this program knows.
    #[error(
        "{database}: migration {version} was applied as {applied:?} and differs from this hub's {known:?}: \
         a released migration is never edited; use the hub that migrated this database, or restore it"
    )]
    Differs {
        /// Which database.
        database: String,
        /// The step.
        version: i64,
        /// Its name in the database.
        applied: String,
        /// Its name in the program.
        known: String,
    },
    /// A step failed. Nothing of it remains.
    #[error("{database}: migration {name} failed and was undone: {source}")]
    Step {
        /// Which database.
        database: String,
        /// The step.
        name: &'static str,
        /// What PostgreSQL says.
        source: sqlx::Error,
    },
    /// Reading or writing the list of steps failed.
    #[error("{database}: the list of migrations cannot be used: {source}")]
    List {
        /// Which database.
        database: String,
        /// What PostgreSQL says.
        source: sqlx::Error,
    },
}

/// What was done to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The service.
    pub service: Service,
    /// The database's name.
    pub database: String,
    /// Whether it was created.
    pub created: bool,
    /// The steps applied now, by name.
    pub applied: Vec<&'static str>,
}

/// Where the service databases are.
#[derive(Clone, Debug)]
pub struct Databases {
    options: BTreeMap<Service, PgConnectOptions>,
}

impl Databases {
    /// All databases on one server. `server_url` is `DATABASE_URL`; the database it names is not used.
    ///
    /// # Errors
    /// The URL or the prefix is not one.
    pub fn new(server_url: &str, prefix: &str) -> Result<Databases, MigrateError> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let starts_well = prefix.bytes().next().is_none_or(|byte| byte.is_ascii_lowercase());
        if prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(is_allowed) || !starts_well {
            return Err(MigrateError::Prefix(prefix.chars().take(80).collect()));
        }
        let server = parse("DATABASE_URL", server_url)?;
        let options = Service::ALL.map(|service| {
            let name = format!("{prefix}{}", service.database());
            (service, server.clone().database(&name))
        });
        Ok(Databases {
            options: options.into(),
        })
    }

    /// The same with one database elsewhere, as `url` names it.
    ///
    /// # Errors
    /// The URL is not one.
    pub fn with_url(mut self, service: Service, url: &str) -> Result<Databases, MigrateError> {
        self.options.insert(service, parse(service.url_variable(), url)?);
        Ok(self)
    }

    /// How to connect to a service's database.
    #[must_use]
    pub fn options(&self, service: Service) -> PgConnectOptions {
        self.options
            .get(&service)
            .expect("BUG: every service has options")
            .clone()
    }

    /// Creates what is missing and applies the steps that are not applied, database by database. Safe to run twice
    /// at once.
    ///
    /// # Errors
    /// See [`MigrateError`]. Databases before the one that failed are migrated.
    pub async fn migrate(&self) -> Result<Vec<Migrated>, MigrateError> {
        let mut all = Vec::with_capacity(Service::ALL.len());
        for service in Service::ALL {
            all.push(self.migrate_one(service).await?);
        }
        Ok(all)
    }

    /// Does so for one database.
    ///
    /// # Errors
    /// See [`MigrateError`].
    pub async fn migrate_one(&self, service: Service) -> Result<Migrated, MigrateError> {
        let options = self.options(service);
        let database = described(&options);
        let (mut connection, created) = open_or_create(&options, &database).await?;
        let list = |source| MigrateError::List {
            database: database.clone(),
            source,
        };
        sqlx::query(LOCK).execute(&mut connection).await.map_err(list)?;
        sqlx::query(TABLE).execute(&mut connection).await.map_err(list)?;
        let found = compare(&mut connection, service, &database).await?;
        let mut applied = Vec::new();
        for (version, step) in (1_i64..).zip(service.migrations()).skip(found) {
            apply(&mut connection, version, step)
                .await
                .map_err(|source| MigrateError::Step {
                    database: database.clone(),
                    name: step.name,
                    source,
                })?;
            applied.push(step.name);
        }
        // Closing gives the lock back.
        connection.close().await.map_err(list)?;
        Ok(Migrated {
            service,
            database,
            created,
            applied,
        })
    }
}

/// Whether a database has exactly the schema this program knows.
///
/// # Errors
/// It is empty, older, newer or another one; or cannot be read.
pub async fn check(pool: &PgPool, service: Service) -> Result<(), MigrateError> {
    let database = described(&pool.connect_options());
    let mut connection = pool.acquire().await.map_err(|source| MigrateError::Open {
        database: database.clone(),
        source,
    })?;
    let found = match compare(&mut connection, service, &database).await {
        Err(MigrateError::List { source, .. }) if has_code(&source, &[NO_SUCH_TABLE]) => {
            return Err(MigrateError::Empty { database });
        }
        found => found?,
    };
    let known = service.migrations().len();
    match found {
        0 if known > 0 => Err(MigrateError::Empty { database }),
        found if found < known => Err(MigrateError::Older {
            database,
            found,
            known,
        }),
        _ => Ok(()),
    }
}

/// sqlx takes a URL of anything.
fn parse(variable: &'static str, url: &str) -> Result<PgConnectOptions, MigrateError> {
    let is_postgres = ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    let options = if is_postgres {
        PgConnectOptions::from_str(url)
    } else {
        Err(sqlx::Error::Configuration("another scheme".into()))
    };
    options.map_err(|source| MigrateError::Url { variable, source })
}

/// Names a database for a person, without the password.
fn described(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or(MAINTENANCE_DATABASE);
    format!("{name} on {}:{}", options.get_host(), options.get_port())
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| codes.contains(&code.as_ref()))
}

async fn open_or_create(
    options: &PgConnectOptions,
    database: &str,
) -> Result<(PgConnection, bool), MigrateError> {
    let open = |source| MigrateError::Open {
        database: database.to_owned(),
        source,
    };
    match PgConnection::connect_with(options).await {
        Ok(connection) => return Ok((connection, false)),
        Err(error) if !has_code(&error, &[NO_SUCH_DATABASE]) => return Err(open(error)),
        Err(_) => {}
    }
    let created = create(options).await.map_err(|source| MigrateError::Create {
        database: database.to_owned(),
        source,
    })?;
    let connection = PgConnection::connect_with(options).await.map_err(open)?;
    Ok((connection, created))
}

/// Creates a database whose text sorts by bytes, as the program's does, whatever the server's locale.
async fn create(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let name = options.get_database().unwrap_or(MAINTENANCE_DATABASE).to_owned();
    let maintenance = options.clone().database(MAINTENANCE_DATABASE);
    let mut connection = PgConnection::connect_with(&maintenance).await?;
    sqlx::query(LOCK).execute(&mut connection).await?;
    let exists: bool = sqlx::query_scalar(DATABASE_EXISTS)
        .bind(&name)
        .fetch_one(&mut connection)
        .await?;
    let mut created = false;
    if !exists {
        let quoted = name.replace('"', "\"\"");
        let statement =
            format!(r#"CREATE DATABASE "{quoted}" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"#);
        match sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
        {
            Ok(_) => created = true,
            Err(error) if has_code(&error, &DUPLICATE_DATABASE) => {}
            Err(error) => return Err(error),
        }
    }
    connection.close().await?;
    Ok(created)
}

/// How many steps are applied, once they are known to be the first of this program's.
async fn compare(
    connection: &mut PgConnection,
    service: Service,
    database: &str,
) -> Result<usize, MigrateError> {
    let applied: Vec<(i64, String, Vec<u8>)> =
        sqlx::query_as(APPLIED)
            .fetch_all(connection)
            .await
            .map_err(|source| MigrateError::List {
                database: database.to_owned(),
                source,
            })?;
    let steps = service.migrations();
    for ((expected, step), (version, name, hash)) in (1_i64..).zip(steps).zip(&applied) {
        if (*version, name.as_str(), hash.as_slice()) != (expected, step.name, step.hash().as_slice()) {
            return Err(MigrateError::Differs {
                database: database.to_owned(),
                version: *version,
                applied: name.clone(),
                known: step.name.to_owned(),
            });
        }
    }
    if applied.len() > steps.len() {
        return Err(MigrateError::Newer {
            database: database.to_owned(),
            found: applied.len(),
            known: steps.len(),
        });
    }
    Ok(applied.len())
}

async fn apply(connection: &mut PgConnection, version: i64, step: &Migration) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(step.sql).execute(&mut *transaction).await?;
    sqlx::query(RECORD)
        .bind(version)
        .bind(step.name)
        .bind(step.hash().as_slice())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
