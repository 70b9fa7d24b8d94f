//! What a hub is told before it starts: a TOML file, then the environment (`HUB_…`), then flags.
//!
//! The names that other tools use count too, unless their `HUB_` form is set: `DATABASE_URL`, `REDIS_URL`, and
//! `TRANSACTION_SERVICE_DATABASE_URL` and its like for a database that lives on a server of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sync_shell::settings::{self, SettingsError};

/// Prefix of the environment variables that set a key: `HUB_HTTP__LISTEN` is `listen` in `[http]`.
pub const ENVIRONMENT_PREFIX: &str = "HUB_";

/// How long a certificate is valid where nothing else is said, days.
pub const CERTIFICATE_DAYS: u32 = 90;

/// Everything a hub is told. Every key has a default, so that an empty file is a development set-up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HubConfig {
    /// The PostgreSQL server that holds the six databases.
    pub database_url: String,
    /// Put before the name of each database, so that several installations share a server.
    pub database_prefix: String,
    /// The Redis server; empty for none, and then nothing is cached.
    pub redis_url: String,
    /// The folder with `node.key`, `node.crt` and `ca.crt`, made by `hub ca issue --hub`.
    pub keys: PathBuf,
    /// Whether `hub run` brings the databases up to date before it starts.
    pub auto_migrate: bool,
    /// URLs of databases that are not on the common server.
    pub services: ServiceUrls,
    /// How PostgreSQL is used.
    pub database: DatabaseConfig,
    /// The HTTP interface.
    pub http: HttpConfig,
    /// The links to gates.
    pub sync: SyncConfig,
    /// The authority that certifies gates.
    pub authority: AuthorityConfig,
    /// The settler and what it decides by.
    pub settle: SettleConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// A URL of its own for a service's database; `None`: it is on the common server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceUrls {
    /// `user_service_db`.
    pub user: Option<String>,
    /// `terminal_service_db`.
    pub terminal: Option<String>,
    /// `transaction_service_db`, the system of record.
    pub transaction: Option<String>,
    /// `journey_service_db`.
    pub journey: Option<String>,
    /// `notification_service_db`.
    pub notification: Option<String>,
    /// `analytics_service_db`.
    pub analytics: Option<String>,
}

/// How PostgreSQL is used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// Most connections to each database.
    pub connections_max: u32,
    /// How long `hub run` waits for a database that does not answer at start, seconds; then it exits.
    pub start_wait_s: u64,
    /// How long one statement may wait for a connection, milliseconds.
    pub acquire_timeout_ms: u64,
    /// How long one transaction of the hub may take, milliseconds; it is given up then and tried again.
    pub transaction_timeout_ms: u64,
}

/// The HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The file that holds the bearer token; made with a new one when it is missing. Empty: no token is asked for,
    /// which is allowed on a loopback address only.
    pub token_file: PathBuf,
    /// The names a request may give in `Host`; empty: any.
    pub hosts: Vec<String>,
    /// How long a decision waits for the settler before it is answered with 202, milliseconds.
    pub decision_wait_ms: u64,
}

/// The links to gates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncConfig {
    /// Where gates connect (QUIC).
    pub listen: SocketAddr,
    /// How gates reach that port, `host:port`: what enrolment tokens say. Empty: `listen`, if it names an address.
    pub advertise: String,
    /// Most bytes of changesets that are asked for, or here and not yet stored.
    pub in_flight_bytes: usize,
}

/// The authority that certifies gates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthorityConfig {
    /// The folder with `ca.key` and `ca.crt`, made by `hub ca init`. Empty: gates cannot enrol or renew here.
    pub dir: PathBuf,
    /// How long a certificate is valid, days. A gate asks for the next one when half of that is over.
    pub certificate_days: u32,
}

/// The settler.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettleConfig {
    /// Least time from the start of one settling transaction to the next, milliseconds; the first of a quiet time
    /// does not wait.
    pub spacing_ms: u64,
    /// Most changesets settled in one transaction.
    pub changesets_max: usize,
    /// How long before its effect a fare version has to be published, hours (T-22b).
    pub fare_lead_time_h: u32,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Which lines, in the manner of `RUST_LOG`.
    pub filter: String,
    /// How they look.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for HubConfig {
    fn default() -> HubConfig {
        HubConfig {
            database_url: "postgres://postgres@127.0.0.1:5432/postgres".to_owned(),
            database_prefix: String::new(),
            redis_url: "redis://127.0.0.1:6379".to_owned(),
            keys: PathBuf::from("hub-keys"),
            auto_migrate: false,
            services: ServiceUrls::default(),
            database: DatabaseConfig::default(),
            http: HttpConfig::default(),
            sync: SyncConfig::default(),
            authority: AuthorityConfig::default(),
            settle: SettleConfig::default(),
            log: LogConfig::default(),
        }
    }
}

impl Default for DatabaseConfig {
    fn default() -> DatabaseConfig {
        DatabaseConfig {
            connections_max: 12,
            start_wait_s: 30,
            acquire_timeout_ms: 3_000,
            transaction_timeout_ms: 8_000,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 7500)),
            token_file: PathBuf::from("hub.token"),
            hosts: Vec::new(),
            decision_wait_ms: 5_000,
        }
    }
}

impl Default for SyncConfig {
    fn default() -> SyncConfig {
        SyncConfig {
            listen: SocketAddr::from(([0, 0, 0, 0], 7501)),
            advertise: String::new(),
            in_flight_bytes: 64 << 20,
        }
    }
}

impl Default for AuthorityConfig {
    fn default() -> AuthorityConfig {
        AuthorityConfig {
            dir: PathBuf::new(),
            certificate_days: CERTIFICATE_DAYS,
        }
    }
}

impl Default for SettleConfig {
    fn default() -> SettleConfig {
        SettleConfig {
            spacing_ms: 20,
            changesets_max: 1_024,
            fare_lead_time_h: 24,
        }
    }
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            filter: "info,sqlx=warn".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// A value that the types allow and a hub cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file or the environment.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A value out of its range.
    #[error("{key} is {value}: {allowed}")]
    Value {
        /// The key, with its section.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
}

impl HubConfig {
    /// Reads the file, if any, and the environment.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, or a value that is not allowed.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<HubConfig, ConfigError> {
        let environment = with_common_names(environment);
        let config: HubConfig = settings::load(file, ENVIRONMENT_PREFIX, environment.into_iter())?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what the types cannot.
    ///
    /// # Errors
    /// A value out of its range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, value: &dyn ToString, allowed| {
            let value = value.to_string();
            Err(ConfigError::Value { key, value, allowed })
        };
        if self.database.connections_max < 4 {
            let allowed = "the hub needs at least 4 connections";
            return refuse(
                "database.connections_max",
                &self.database.connections_max,
                allowed,
            );
        }
        if !(1..=10_000).contains(&self.settle.changesets_max) {
            let allowed = "1 to 10000 are allowed";
            return refuse("settle.changesets_max", &self.settle.changesets_max, allowed);
        }
        if self.sync.in_flight_bytes < 1 << 20 {
            let allowed = "at least 1048576 bytes are needed";
            return refuse("sync.in_flight_bytes", &self.sync.in_flight_bytes, allowed);
        }
        if !(1..=3_650).contains(&self.authority.certificate_days) {
            let allowed = "1 to 3650 days are allowed";
            return refuse(
                "authority.certificate_days",
                &self.authority.certificate_days,
                allowed,
            );
        }
        if self.http.token_file.as_os_str().is_empty() && !self.http.listen.ip().is_loopback() {
            let allowed = "name a token file, or listen on a loopback address";
            return refuse("http.token_file", &"empty", allowed);
        }
        Ok(())
    }

    /// How long before its effect a fare version has to be published, milliseconds.
    #[must_use]
    pub fn fare_lead_time_ms(&self) -> i64 {
        i64::from(self.settle.fare_lead_time_h) * sync_protocol::time::HOUR_MS
    }
}

/// The names other tools use, with what they set here.
const COMMON_NAMES: [(&str, &str); 8] = [
    ("DATABASE_URL", "HUB_DATABASE_URL"),
    ("REDIS_URL", "HUB_REDIS_URL"),
    ("USER_SERVICE_DATABASE_URL", "HUB_SERVICES__USER"),
    ("TERMINAL_SERVICE_DATABASE_URL", "HUB_SERVICES__TERMINAL"),
    ("TRANSACTION_SERVICE_DATABASE_URL", "HUB_SERVICES__TRANSACTION"),
    ("JOURNEY_SERVICE_DATABASE_URL", "HUB_SERVICES__JOURNEY"),
    ("NOTIFICATION_SERVICE_DATABASE_URL", "HUB_SERVICES__NOTIFICATION"),
    ("ANALYTICS_SERVICE_DATABASE_URL", "HUB_SERVICES__ANALYTICS"),
];

/// The environment with the common names under the hub's own, unless those are set. `HUB_CONFIG` names the file and
/// is no key of it.
fn with_common_names(environment: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = environment.collect();
    environment.remove("HUB_CONFIG");
    for (common, own) in COMMON_NAMES {
        if let Some(value) = environment.get(common).cloned() {
            environment.entry(own.to_owned()).or_insert(value);
        }
    }
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<HubConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hub.toml");
        std::fs::write(&file, text).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        HubConfig::load(Some(&file), environment).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_a_development_set_up() {
        let config = load("", &[]).unwrap();
        assert_eq!(config, HubConfig::default());
        assert_eq!(config.http.listen.to_string(), "127.0.0.1:7500");
        assert_eq!(config.sync.listen.to_string(), "0.0.0.0:7501");
        assert_eq!(config.check().map_err(|error| error.to_string()), Ok(()));
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_hubs_own_names_over_common_ones() {
        let file = "database_url = \"postgres://file\"\n[http]\ndecision_wait_ms = 7\n";
        let config = load(file, &[]).unwrap();
        assert_eq!(
            (config.database_url.as_str(), config.http.decision_wait_ms),
            ("postgres://file", 7)
        );
        let common = [
            ("DATABASE_URL", "postgres://common"),
            ("USER_SERVICE_DATABASE_URL", "postgres://users"),
        ];
        let config = load(file, &common).unwrap();
        assert_eq!(config.database_url, "postgres://common");
        assert_eq!(config.services.user.as_deref(), Some("postgres://users"));
        let both = [
            ("DATABASE_URL", "postgres://common"),
            ("HUB_DATABASE_URL", "postgres://own"),
            ("HUB_HTTP__LISTEN", "127.0.0.1:9"),
            ("HUB_CONFIG", "/names/the/file"),
        ];
        let config = load(file, &both).unwrap();
        assert_eq!(config.database_url, "postgres://own");
        assert_eq!(config.http.listen.port(), 9);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_name() {
        let said = load("[http]\nlisten_on = \"127.0.0.1:1\"\n", &[]).unwrap_err();
        assert!(said.contains("listen_on") && said.contains("hub.toml"), "{said}");
        for (text, named) in [
            ("[settle]\nchangesets_max = 0\n", "settle.changesets_max"),
            ("[database]\nconnections_max = 1\n", "database.connections_max"),
            ("[sync]\nin_flight_bytes = 5\n", "sync.in_flight_bytes"),
            (
                "[authority]\ncertificate_days = 0\n",
                "authority.certificate_days",
            ),
            (
                "[http]\nlisten = \"0.0.0.0:7500\"\ntoken_file = \"\"\n",
                "http.token_file",
            ),
        ] {
            let said = load(text, &[]).unwrap_err();
            assert!(said.contains(named), "{text}: {said}");
        }
    }
}
