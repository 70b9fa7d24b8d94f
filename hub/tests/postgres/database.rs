//! A database of each test's own.

use hub::ledger::postgres::PostgresLedger;
use hub::migrate::{Databases, Service};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Tables in which a ledger leaves something, and what they start with.
const CLEAR: &str = "
    DELETE FROM sites; DELETE FROM changesets; DELETE FROM arrivals; DELETE FROM coverage; DELETE FROM facts;
    DELETE FROM top_ups; DELETE FROM quarantine; DELETE FROM refused; UPDATE refused_count SET runs = 0;
    DELETE FROM accounts; DELETE FROM accounting_days; DELETE FROM transfers; DELETE FROM pending_transfers;
    DELETE FROM card_states; DELETE FROM announced; DELETE FROM fare_versions; DELETE FROM rows;
    DELETE FROM outbox; UPDATE outbox_head SET position = 0;
    UPDATE settler_lease SET holder = '', term = 0, until = '-infinity'; DELETE FROM hub_sites;
    DELETE FROM decision_requests; DELETE FROM heartbeats; DELETE FROM settled_digest;
    UPDATE recovery SET is_due = false, revision_floor = 0, changesets = 0, noticed_at = NULL; DELETE FROM restatements;
    DELETE FROM site_branches; DELETE FROM cloned_nodes;";

/// The server the tests use.
pub(crate) fn server_url() -> String {
    std::env::var("TEST_DATABASE_URL").expect("run make test, or start the services with .ci/services")
}

/// A prefix no other test has: each runs in a process of its own, or under another name.
pub(crate) fn prefix(name: &str) -> String {
    format!("l{}_{name}_", std::process::id())
}

/// A migrated `transaction_service_db`.
pub(crate) struct Database {
    options: PgConnectOptions,
}

impl Database {
    pub(crate) async fn new(name: &str) -> Database {
        let databases = Databases::new(&server_url(), &prefix(name)).unwrap();
        let options = databases.options(Service::Transaction);
        drop_database(&options).await;
        databases.migrate_one(Service::Transaction).await.unwrap();
        Database { options }
    }

    /// Connections that call themselves `name`. They do not wait for the disk: nothing here pulls a plug.
    pub(crate) async fn pool(&self, name: &str) -> PgPool {
        let options = self.options.clone().application_name(name);
        let options = options.options([("synchronous_commit", "off")]);
        let pool = PgPoolOptions::new().max_connections(8);
        pool.connect_with(options).await.unwrap()
    }

    pub(crate) async fn ledger(&self) -> PostgresLedger {
        PostgresLedger::connect(self.pool("ledger").await).await.unwrap()
    }

    pub(crate) async fn clear(&self, pool: &PgPool) {
        sqlx::raw_sql(CLEAR).execute(pool).await.unwrap();
    }

    pub(crate) async fn remove(self) {
        drop_database(&self.options).await;
    }
}

/// Drops a database, whoever is connected to it.
pub(crate) async fn drop_database(options: &PgConnectOptions) {
    let name = options.get_database().unwrap().to_owned();
    let maintenance = options.clone().database("postgres");
    let mut connection = PgConnection::connect_with(&maintenance).await.unwrap();
    let statement = AssertSqlSafe(format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#));
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// One number.
pub(crate) async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}
