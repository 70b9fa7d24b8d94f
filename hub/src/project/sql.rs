//! The statements, one file each: `sql/projection` for what every projection does, and the folders of the services.

macro_rules! statements {
    ($folder:literal, $all:ident: $($name:ident = $file:literal),* $(,)?) => {
        $(pub(crate) const $name: &str = include_str!(concat!("../../../sql/", $folder, "/", $file, ".sql"));)*

        #[cfg(test)]
        pub(crate) const $all: &[(&str, &str)] = &[$(($file, $name)),*];
    };
}

statements! {
    "projection/checkpoint", CHECKPOINTS:
    CHECKPOINT_LOCK = "checkpoint_lock",
    CHECKPOINT_MOVE = "checkpoint_move",
    CHECKPOINT_READ = "checkpoint_read",
}

statements! {
    "projection/source", SOURCE:
    CARDS_ISSUED = "cards_issued",
    CARD_STATES = "card_states",
    FARE_IN_FORCE = "fare_in_force",
    FARE_VERSIONS = "fare_versions",
    HEARTBEATS = "heartbeats",
    OUTBOX_AFTER = "outbox_after",
    OUTBOX_CARDS_BETWEEN = "outbox_cards_between",
    OUTBOX_FIRST = "outbox_first",
    OUTBOX_HEAD = "outbox_head",
    OUTBOX_SINCE = "outbox_since",
    SHARED_ROWS = "shared_rows",
}

statements! {
    "user_service_db/queries", USERS:
    PERSON_ERASE = "person_erase",
    PERSON_READ = "person_read",
    PERSON_REGISTER = "person_register",
    USERS_CACHED = "users_cached",
    USERS_CLEAR = "users_clear",
    USERS_ENSURE = "users_ensure",
    USERS_IDS = "users_ids",
    USERS_PROJECT = "users_project",
    USERS_RESET = "users_reset",
    USERS_TERMINAL_IDS = "users_terminal_ids",
}

statements! {
    "terminal_service_db/queries", TERMINALS:
    FARES_IN_FORCE = "fares_in_force",
    FARES_PROJECT = "fares_project",
    GATES_LIVENESS = "gates_liveness",
    GATES_PROJECT = "gates_project",
    GATES_RETIRE = "gates_retire",
    HOLDS_CLEAR = "holds_clear",
    HOLDS_PROJECT = "holds_project",
    HOLDS_READ = "holds_read",
    HOLDS_RESET = "holds_reset",
    HOLDS_TERMINALS = "holds_terminals",
    REJECTED_CLEAR = "rejected_clear",
    REJECTED_PROJECT = "rejected_project",
    TERMINALS_PROJECT = "terminals_project",
    TERMINALS_RETIRE = "terminals_retire",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sqlx::postgres::PgConnection;
    use sqlx::{AssertSqlSafe, Connection, Executor, SqlSafeStr};

    use super::*;
    use crate::migrate::{Databases, Service};

    const NEEDED: &str = "run make test, or start the services with .ci/services";

    #[tokio::test]
    async fn every_statement_file_is_named_here_and_prepares() {
        let url = std::env::var("TEST_DATABASE_URL").expect(NEEDED);
        let prefix = format!("sql{}_", std::process::id());
        let databases = Databases::new(&url, &prefix).unwrap();
        for service in [Service::User, Service::Terminal, Service::Transaction] {
            databases.migrate_one(service).await.unwrap();
        }
        for (service, folder, all) in [
            (Service::User, "projection/checkpoint", CHECKPOINTS),
            (Service::Terminal, "projection/checkpoint", CHECKPOINTS),
            (Service::Transaction, "projection/source", SOURCE),
            (Service::User, "user_service_db/queries", USERS),
            (Service::Terminal, "terminal_service_db/queries", TERMINALS),
        ] {
            let named: BTreeSet<String> = all.iter().map(|(file, _)| format!("{file}.sql")).collect();
            let path = format!("{}/../sql/{folder}", env!("CARGO_MANIFEST_DIR"));
            let files: BTreeSet<String> = std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            assert_eq!(named, files, "{folder}");
            let mut connection = PgConnection::connect_with(&databases.options(service))
                .await
                .unwrap();
            for (file, sql) in all {
                if let Err(error) = connection.prepare((*sql).into_sql_str()).await {
                    panic!("{folder}/{file}: {error}");
                }
            }
            connection.close().await.unwrap();
        }
        let server = databases.options(Service::User).database("postgres");
        let mut server = PgConnection::connect_with(&server).await.unwrap();
        for service in [Service::User, Service::Terminal, Service::Transaction] {
            let drop = format!("DROP DATABASE {prefix}{} WITH (FORCE)", service.database());
            server.execute(AssertSqlSafe(drop)).await.unwrap();
        }
    }
}
