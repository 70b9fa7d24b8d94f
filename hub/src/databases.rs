//! Connections to the service databases this process uses.

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use tokio::time::timeout;

use crate::config::HubConfig;
use crate::migrate::{Databases, MigrateError, Service};

/// PostgreSQL: the database does not exist.
const NO_SUCH_DATABASE: &str = "3D000";

/// How PostgreSQL notices that a process has vanished inside a transaction, with its host or its line, and gives back
/// the locks of that transaction: the settler's lease above all. Longer than a transaction may take.
const VANISHED: [(&str, &str); 4] = [
    ("idle_in_transaction_session_timeout", "10s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
];

/// Services this process reads or writes.
const USED: [Service; 3] = [Service::Transaction, Service::User, Service::Terminal];

/// One pool per database. A pool connects when it is used, so it outlives a database that is away.
#[derive(Clone, Debug)]
pub struct Pools {
    /// The system of record.
    pub transactions: PgPool,
    /// People and their cards.
    pub users: PgPool,
    /// Terminals, gates, fares.
    pub terminals: PgPool,
    /// How long a server may take to let somebody in.
    patience: Duration,
}

/// Where the configuration says the databases are.
///
/// # Errors
/// A URL or the prefix is not one.
pub fn locate(config: &HubConfig) -> Result<Databases, MigrateError> {
    let services = &config.services;
    let own_urls = [
        (Service::User, &services.user),
        (Service::Terminal, &services.terminal),
        (Service::Transaction, &services.transaction),
        (Service::Journey, &services.journey),
        (Service::Notification, &services.notification),
        (Service::Analytics, &services.analytics),
    ];
    let mut databases = Databases::new(&config.database_url, &config.database_prefix)?;
    for (service, url) in own_urls {
        if let Some(url) = url {
            databases = databases.with_url(service, url)?;
        }
    }
    Ok(databases)
}

impl Pools {
    /// Pools that have not connected yet.
    ///
    /// # Errors
    /// A URL or the prefix is not one.
    pub fn new(config: &HubConfig) -> Result<Pools, MigrateError> {
        let databases = locate(config)?;
        let pool = |service, connections| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(Duration::from_millis(config.database.acquire_timeout_ms))
                .connect_lazy_with(databases.options(service).options(VANISHED))
        };
        let most = config.database.connections_max;
        // Projections need few.
        let few = most.min(4);
        Ok(Pools {
            transactions: pool(Service::Transaction, most),
            users: pool(Service::User, few),
            terminals: pool(Service::Terminal, few),
            patience: Duration::from_millis(config.database.acquire_timeout_ms),
        })
    }

    /// Whether all databases answer and have this program's schema.
    ///
    /// # Errors
    /// The first that does not.
    pub async fn check(&self) -> Result<(), MigrateError> {
        for service in USED {
            let pool = match service {
                Service::User => &self.users,
                Service::Terminal => &self.terminals,
                _ => &self.transactions,
            };
            knock(&pool.connect_options(), self.patience).await?;
            crate::migrate::check(pool, service).await?;
        }
        Ok(())
    }

    /// Closes all connections once they are given back.
    pub async fn close(&self) {
        self.transactions.close().await;
        self.users.close().await;
        self.terminals.close().await;
    }
}

/// Connects once. A pool would try until its time is up and then not say why.
async fn knock(options: &PgConnectOptions, patience: Duration) -> Result<(), MigrateError> {
    let opened = async {
        let connection = PgConnection::connect_with(options).await?;
        connection.close().await
    };
    let answer = timeout(patience, opened).await;
    let answer = answer.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    answer.map_err(|source| {
        let name = options.get_database().unwrap_or_default();
        let database = format!("{name} on {}:{}", options.get_host(), options.get_port());
        match source.as_database_error().and_then(|error| error.code()) {
            Some(code) if code == NO_SUCH_DATABASE => MigrateError::Empty { database },
            _ => MigrateError::Open { database, source },
        }
    })
}

/// Whether a database may come up by itself: a server that is not there or not ready, unlike one that lets nobody in.
#[must_use]
pub fn may_come(error: &MigrateError) -> bool {
    let MigrateError::Open { source, .. } = error else {
        return false;
    };
    match source.as_database_error().and_then(|error| error.code()) {
        // 57P0x: shutting down or starting; 53: too many connections.
        Some(code) => code.starts_with("57P") || code.starts_with("53"),
        None => true,
    }
}
