//! Databases are made, brought up to date, or refused with a reason.

use hub::ledger::postgres::PostgresLedger;
use hub::migrate::{Databases, MigrateError, Service, check};
use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::database::{drop_database, prefix, server_url};

async fn databases(name: &str) -> Databases {
    let databases = Databases::new(&server_url(), &prefix(name)).unwrap();
    remove(&databases).await;
    databases
}

async fn remove(databases: &Databases) {
    for service in Service::ALL {
        drop_database(&databases.options(service)).await;
    }
}

async fn pool(databases: &Databases, service: Service) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(1);
    pool.connect_with(databases.options(service)).await.unwrap()
}

#[tokio::test]
async fn all_six_are_created_once() {
    let databases = databases("six").await;
    let first = databases.migrate().await.unwrap();
    assert_eq!(first.len(), 6);
    assert!(first.iter().all(|migrated| migrated.created));
    let again = databases.migrate().await.unwrap();
    assert!(
        again
            .iter()
            .all(|migrated| !migrated.created && migrated.applied.is_empty())
    );
    for service in Service::ALL {
        let pool = pool(&databases, service).await;
        check(&pool, service).await.unwrap();
        let sorted: bool = sqlx::query_scalar("SELECT 'Z' < 'a' AND 'a' < 'é'")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert!(sorted, "text sorts by bytes");
        pool.close().await;
    }
    remove(&databases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hubs_that_start_at_once_migrate_once() {
    let databases = databases("at_once").await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let databases = databases.clone();
        tasks.push(tokio::spawn(async move {
            databases.migrate_one(Service::Transaction).await.unwrap()
        }));
    }
    let mut applied = 0;
    for task in tasks {
        applied += task.await.unwrap().applied.len();
    }
    assert_eq!(applied, Service::Transaction.migrations().len());
    remove(&databases).await;
}

#[tokio::test]
async fn another_schema_is_refused_with_what_to_do() {
    let databases = databases("refused").await;
    let service = Service::Transaction;
    // Created, but nothing in it: the analytics database will do as a stand-in.
    databases.migrate_one(Service::Analytics).await.unwrap();
    let empty = pool(&databases, Service::Analytics).await;
    let error = check(&empty, service).await.unwrap_err();
    assert!(matches!(error, MigrateError::Empty { .. }), "{error}");
    assert!(error.to_string().contains("hub migrate"));
    empty.close().await;

    databases.migrate_one(service).await.unwrap();
    let pool = pool(&databases, service).await;
    let ledger = PostgresLedger::connect(pool.clone()).await;
    assert!(ledger.is_ok());
    let run = |sql: &'static str| {
        let pool = pool.clone();
        async move { sqlx::raw_sql(sql).execute(&pool).await.map(drop).unwrap() }
    };
    run("INSERT INTO schema_migrations (version, name, hash) VALUES (1000, '1000_future', '')").await;
    for error in [
        PostgresLedger::connect(pool.clone()).await.unwrap_err(),
        databases.migrate_one(service).await.unwrap_err(),
    ] {
        assert!(matches!(error, MigrateError::Newer { .. }), "{error}");
        assert!(error.to_string().contains("newer hub"));
    }
    run("DELETE FROM schema_migrations WHERE version = 1000").await;
    run("UPDATE schema_migrations SET hash = 'edited' WHERE version = 1").await;
    for error in [
        PostgresLedger::connect(pool.clone()).await.unwrap_err(),
        databases.migrate_one(service).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, MigrateError::Differs { version: 1, .. }),
            "{error}"
        );
    }
    pool.close().await;
    remove(&databases).await;
}

#[tokio::test]
async fn what_is_not_a_url_or_not_there_is_said_without_the_password() {
    let error = Databases::new("mysql://root@localhost", "").unwrap_err();
    assert!(matches!(error, MigrateError::Url { .. }), "{error}");
    for prefix in ["1a", "A_", "a-", "a\"b", &"a".repeat(31)] {
        let error = Databases::new(&server_url(), prefix).unwrap_err();
        assert!(matches!(error, MigrateError::Prefix(_)), "{error}");
    }
    let nobody = "postgres://somebody:secret@127.0.0.1:1/nothing";
    let databases = Databases::new(&server_url(), "").unwrap();
    let databases = databases.with_url(Service::User, nobody).unwrap();
    let error = databases
        .migrate_one(Service::User)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("nothing on 127.0.0.1:1"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_database_may_be_elsewhere_under_another_name() {
    let databases = databases("elsewhere").await;
    let elsewhere = format!("{}elsewhere", prefix("elsewhere"));
    let url = format!("{}/{elsewhere}", server_url().trim_end_matches('/'));
    let databases = databases.with_url(Service::Journey, &url).unwrap();
    let migrated = databases.migrate_one(Service::Journey).await.unwrap();
    assert!(migrated.created && migrated.database.starts_with(&elsewhere));
    remove(&databases).await;
}
