//! The statements, one file each in `sql/transaction_service_db/queries`.

macro_rules! statements {
    ($($name:ident = $file:literal),* $(,)?) => {
        $(pub(super) const $name: &str =
            include_str!(concat!("../../../../sql/transaction_service_db/queries/", $file, ".sql"));)*

        #[cfg(test)]
        const ALL: &[(&str, &str)] = &[$(($file, $name)),*];
    };
}

statements! {
    ACCOUNTS_ALL = "accounts_all",
    ACCOUNTS_ASTRAY = "accounts_astray",
    ACCOUNTS_MOVE = "accounts_move",
    ACCOUNTS_OF = "accounts_of",
    ALARMS = "alarms",
    ANNOUNCED_INSERT = "announced_insert",
    ANNOUNCED_OF = "announced_of",
    ARRIVALS_DELETE = "arrivals_delete",
    ARRIVALS_OLDEST = "arrivals_oldest",
    BODIES = "bodies",
    BRANCHES = "branches",
    BRANCHES_DECIDE = "branches_decide",
    BRANCHES_INSERT = "branches_insert",
    BRANCH_HELD = "branch_held",
    CARDS_AFTER = "cards_after",
    CARDS_KNOWN = "cards_known",
    CARD_ENTRIES_AFTER = "card_entries_after",
    CARD_STATES_FROM = "card_states_from",
    CARD_STATES_OF = "card_states_of",
    CARD_STATES_SAVE = "card_states_save",
    CERTIFICATE_INSERT = "certificate_insert",
    CHAINS = "chains",
    CHANGESETS_INSERT = "changesets_insert",
    CHANGESET_SIZES = "changeset_sizes",
    CLONED = "cloned",
    CLONED_SAVE = "cloned_save",
    COVERAGE_ALL = "coverage_all",
    COVERAGE_MOVE = "coverage_move",
    COVERAGE_OF = "coverage_of",
    ENROL_TOKEN_INSERT = "enrol_token_insert",
    ENROL_TOKEN_LOCK = "enrol_token_lock",
    ENROL_TOKENS_END = "enrol_tokens_end",
    ENROL_TOKEN_USE = "enrol_token_use",
    EVIDENCE = "evidence",
    FACTS_BY_ID = "facts_by_id",
    FACTS_INSERT = "facts_insert",
    FACTS_OF_CARD = "facts_of_card",
    FACTS_OF_CHANGESETS = "facts_of_changesets",
    FARES_NEWEST = "fares_newest",
    FARE_VERSIONS_BEYOND = "fare_versions_beyond",
    FARE_VERSIONS_INSERT = "fare_versions_insert",
    HAVE = "have",
    HEARTBEATS = "heartbeats",
    HEARTBEATS_SAVE = "heartbeats_save",
    HISTORY_OF = "history_of",
    HOLDS_OF_CARD = "holds_of_card",
    HUB_SITES = "hub_sites",
    HUB_SITES_FENCED = "hub_sites_fenced",
    HUB_SITE_SAVE = "hub_site_save",
    IS_PENDING = "is_pending",
    IS_WAITING = "is_waiting",
    KNOWS_KEY = "knows_key",
    LEASE_ANNOUNCE = "lease_announce",
    LEASE_GIVE_BACK = "lease_give_back",
    LEASE_IS_ANNOUNCED = "lease_is_announced",
    LEASE_READ = "lease_read",
    LEASE_RENEW = "lease_renew",
    LEASE_SET = "lease_set",
    LEASE_TAKE = "lease_take",
    OUTBOX_APPEND = "outbox_append",
    OUTBOX_FROM = "outbox_from",
    OUTBOX_LOCK = "outbox_lock",
    OUTBOX_NOTIFY = "outbox_notify",
    PENDING_INSERT = "pending_insert",
    PENDING_RESOLVE = "pending_resolve",
    QUARANTINE_INSERT = "quarantine_insert",
    RECOVERY_BEGIN = "recovery_begin",
    RECOVERY_NOTE = "recovery_note",
    RECOVERY_READ = "recovery_read",
    REFERENCES_SETTLED = "references_settled",
    REFUSED_COUNT = "refused_count",
    REFUSED_INSERT = "refused_insert",
    REQUESTS_PENDING = "requests_pending",
    REQUESTS_SETTLE = "requests_settle",
    REQUEST_BY_KEY = "request_by_key",
    REQUEST_INSERT = "request_insert",
    REQUEST_NOTIFY = "request_notify",
    REQUEST_OUTCOME = "request_outcome",
    RESTATEMENTS_DELETE = "restatements_delete",
    RESTATEMENTS_FIRST = "restatements_first",
    RESTATEMENTS_INSERT = "restatements_insert",
    REVOKED_KEYS = "revoked_keys",
    REVOKED_SITES = "revoked_sites",
    REVOKE_KEYS = "revoke_keys",
    REVOKE_LOCK = "revoke_lock",
    REVOKE_SITES = "revoke_sites",
    ROWS_ALL = "rows_all",
    ROWS_DELETE = "rows_delete",
    ROWS_INSERT = "rows_insert",
    ROWS_LOCK = "rows_lock",
    ROWS_SOME = "rows_some",
    SETTLED_DIGEST = "settled_digest",
    SETTLED_DIGEST_SAVE = "settled_digest_save",
    SITES_CLOSE = "sites_close",
    SITES_INSERT = "sites_insert",
    SITES_KNOWN = "sites_known",
    SITES_LOCK = "sites_lock",
    SITES_MOVE = "sites_move",
    SITES_REOPEN = "sites_reopen",
    SUMS = "sums",
    TOP_UPS_FIRST = "top_ups_first",
    TOP_UPS_INSERT = "top_ups_insert",
    TRANSFERS_INSERT = "transfers_insert",
    TRANSFERS_OF = "transfers_of",
    WAITING = "waiting",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sqlx::postgres::PgConnection;
    use sqlx::{Connection, Executor};

    use super::*;
    use crate::migrate::{Databases, Service};

    #[tokio::test]
    async fn every_statement_file_is_named_here_and_prepares() {
        let named: BTreeSet<String> = ALL.iter().map(|(file, _)| format!("{file}.sql")).collect();
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../sql/transaction_service_db/queries"
        );
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(named, files);
        let url = std::env::var("TEST_DATABASE_URL")
            .expect("run make test, or start the services with .ci/services");
        let databases = Databases::new(&url, "statements_").unwrap();
        databases.migrate_one(Service::Transaction).await.unwrap();
        let options = databases.options(Service::Transaction);
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        for (file, sql) in ALL {
            if let Err(error) = connection.prepare(sqlx::SqlSafeStr::into_sql_str(*sql)).await {
                panic!("{file}: {error}");
            }
        }
    }
}
