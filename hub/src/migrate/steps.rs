//! The steps of each database, in order. Only ever add to the end of a list.

use super::Service;

/// One step of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The file's name, `NNNN_what`.
    pub name: &'static str,
    /// The file's content.
    pub sql: &'static str,
}

impl Migration {
    /// What names the step's content.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 migration");
        hasher.update(self.sql.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

macro_rules! steps {
    ($database:literal: $($name:literal),* $(,)?) => {
        &[$(Migration {
            name: $name,
            sql: include_str!(concat!("../../../sql/", $database, "/migrations/", $name, ".sql")),
        }),*]
    };
}

impl Service {
    /// The steps of its database.
    #[must_use]
    pub const fn migrations(self) -> &'static [Migration] {
        match self {
            Service::User => steps!("user_service_db": "0001_users"),
            Service::Terminal => steps!("terminal_service_db": "0001_terminals"),
            Service::Transaction => {
                steps!(
                    "transaction_service_db":
                    "0001_ledger",
                    "0002_certificates",
                    "0003_revocations",
                    "0004_forks",
                    "0005_recovery",
                    "0006_settled_digest",
                )
            }
            // Their tables come with their services.
            Service::Journey | Service::Notification | Service::Analytics => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_file_is_a_step_in_the_order_of_its_number() {
        for service in Service::ALL {
            let folder = format!(
                "{}/../sql/{}/migrations",
                env!("CARGO_MANIFEST_DIR"),
                service.database()
            );
            let mut files: Vec<String> = match std::fs::read_dir(&folder) {
                Ok(entries) => entries
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                    .collect(),
                Err(_) => Vec::new(),
            };
            files.sort();
            let steps: Vec<String> = service
                .migrations()
                .iter()
                .map(|step| format!("{}.sql", step.name))
                .collect();
            assert_eq!(steps, files, "{folder}");
            for (number, step) in (1..).zip(service.migrations()) {
                assert!(step.name.starts_with(&format!("{number:04}_")), "{}", step.name);
            }
        }
    }
}
