//! A gate's configuration: a TOML file, then `EDGE_` environment variables, then flags.

mod retention;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use sync_protocol::decide::{BeyondAutonomy, Gate, GateType, Mode, Policy};
use sync_protocol::id::{GateCode, GateId, TerminalCode};
use sync_protocol::money::Money;
use sync_protocol::time::SECOND_MS;
use thiserror::Error;

use crate::clock::SYNCED_UNCERTAINTY_MS;
use crate::message::Language;

pub use retention::RetentionConfig;

/// What environment variables of the gate begin with: `EDGE_SYNC__LISTEN` is `listen` in `[sync]`.
pub const ENVIRONMENT_PREFIX: &str = "EDGE_";
/// Most neighbours that a configuration names; more come from the `gates` table.
pub const NEIGHBOURS_MAX: usize = 256;
/// The largest ballast, MiB.
pub const BALLAST_MIB_MAX: u64 = 65_536;

/// Everything a gate is told before it starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateConfig {
    /// Which gate this is.
    pub gate: Own,
    /// Folder of the database and of the token.
    pub data_dir: PathBuf,
    /// Folder of `node.key`, `node.crt` and `ca.crt`; `keys` in the data folder when not given.
    #[serde(default)]
    pub keys_dir: Option<PathBuf>,
    /// Language of messages.
    #[serde(default)]
    pub language: Language,
    /// Where cards are read besides the HTTP interface.
    #[serde(default)]
    pub reader: Reader,
    /// The local HTTP interface.
    #[serde(default)]
    pub http: Http,
    /// Links to other nodes.
    #[serde(default)]
    pub sync: Sync,
    /// Limits of deciding alone.
    #[serde(default)]
    pub policy: PolicyConfig,
    /// Disk.
    #[serde(default)]
    pub disk: Disk,
    /// How long logs are kept that the hub has.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// Clock.
    #[serde(default)]
    pub clock: ClockConfig,
    /// Log.
    #[serde(default)]
    pub log: Log,
}

/// Which gate this is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// Its number, as in the `gates` table.
    pub id: GateId,
    /// Its code, such as `A-ENTRY-01`.
    pub code: GateCode,
    /// Where it stands.
    pub terminal: TerminalCode,
    /// Which ways it lets passengers through.
    #[serde(rename = "type")]
    pub kind: GateType,
    /// The operator's switch while the `gates` table says nothing.
    #[serde(default)]
    pub mode: Mode,
}

/// Where cards are read besides the HTTP interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    /// Nowhere.
    #[default]
    None,
    /// Lines of standard input.
    Stdin,
}

/// The local HTTP interface.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host names that requests may name besides those of the loopback.
    pub hosts: Vec<String>,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            hosts: Vec::new(),
        }
    }
}

/// Links to other nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// Where other nodes reach this one (UDP).
    pub listen: SocketAddr,
    /// The hub, `host:port`; a gate without one goes on alone.
    pub hub: Option<String>,
    /// Gates of the terminal, `host:port`, besides those in the `gates` table. One is enough to join.
    pub neighbours: Vec<String>,
    /// Where other gates reach this one, `host:port`: told to them through the `gates` table.
    pub advertise: Option<String>,
}

impl Default for Sync {
    fn default() -> Sync {
        Sync {
            listen: SocketAddr::from(([0, 0, 0, 0], 7401)),
            hub: None,
            neighbours: Vec::new(),
            advertise: None,
        }
    }
}

/// Limits of deciding alone; what is not given is as recommended for the highest fare known (domain 4.5).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// S: how much of what it believes a card has a terminal may spend before the hub has covered it.
    pub spend_max: Option<Money>,
    /// F: how much a terminal may let a card spend without security.
    pub allowance: Option<Money>,
    /// Knowledge up to this old is fresh, seconds.
    pub fresh_s: Option<u32>,
    /// F and unknown cards are possible up to this age, seconds.
    pub allowance_until_s: Option<u32>,
    /// Entries are decided as usual up to this age, seconds.
    pub autonomy_s: Option<u32>,
    /// Most entries of one card accepted offline before the hub has covered them.
    pub offline_entries_max: Option<u32>,
    /// What happens beyond that age: `closed` or `free_flow`.
    pub beyond_autonomy: Option<BeyondAutonomy>,
}

/// Disk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disk {
    /// Space kept for taps on a full disk, MiB; 0 keeps none.
    pub ballast_mib: u64,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk { ballast_mib: 64 }
    }
}

/// Clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockConfig {
    /// How far the clock may be off while it is kept in step, milliseconds.
    pub uncertainty_ms: u32,
}

impl Default for ClockConfig {
    fn default() -> ClockConfig {
        ClockConfig {
            uncertainty_ms: SYNCED_UNCERTAINTY_MS,
        }
    }
}

/// Log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged, such as `info` or `info,edge_node=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Log {
        Log {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Number 0 is the hub's.
    #[error("gate.id is 0, which is the hub's number: give the gate its number from the gates table")]
    HubNumber,
    /// The HTTP interface opens barriers.
    #[error("http.listen is {0}, which others can reach: give a loopback address such as 127.0.0.1:7400")]
    NotLoopback(SocketAddr),
    /// Not `host:port`.
    #[error("{key} is {value:?}: write host:port, such as gate-2.terminal-a.example:7401")]
    Address {
        /// Which setting.
        key: &'static str,
        /// What it says.
        value: String,
    },
    /// Too many.
    #[error(
        "sync.neighbours names {0} gates: at most {NEIGHBOURS_MAX}; the others are found through the gates table"
    )]
    Neighbours(usize),
    /// Negative or out of range.
    #[error("{key} is {value}: an amount from 0.00 to 9999999999999.99 is allowed")]
    Amount {
        /// Which setting.
        key: &'static str,
        /// What it says.
        value: Money,
    },
    /// The three ages must rise.
    #[error(
        "policy: fresh_s {fresh_s}, allowance_until_s {allowance_until_s} and autonomy_s {autonomy_s} must rise"
    )]
    Ages {
        /// Fresh up to here.
        fresh_s: i64,
        /// Allowance up to here.
        allowance_until_s: i64,
        /// As usual up to here.
        autonomy_s: i64,
    },
    /// Too large.
    #[error("disk.ballast_mib is {0}: at most {BALLAST_MIB_MAX}")]
    Ballast(u64),
    /// Too short or too long.
    #[error("{key} is {value}: {least} to {most} is allowed")]
    Retention {
        /// Which setting.
        key: &'static str,
        /// What it says.
        value: u32,
        /// The least that is allowed.
        least: u32,
        /// The most that is allowed.
        most: u32,
    },
}

impl GateConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.gate.id.node().is_hub() {
            return Err(ConfigError::HubNumber);
        }
        if !self.http.listen.ip().is_loopback() {
            return Err(ConfigError::NotLoopback(self.http.listen));
        }
        if self.sync.neighbours.len() > NEIGHBOURS_MAX {
            return Err(ConfigError::Neighbours(self.sync.neighbours.len()));
        }
        let hub = self.sync.hub.iter().map(|address| ("sync.hub", address));
        let advertised = self
            .sync
            .advertise
            .iter()
            .map(|address| ("sync.advertise", address));
        let neighbours = self
            .sync
            .neighbours
            .iter()
            .map(|address| ("sync.neighbours", address));
        for (key, value) in hub.chain(advertised).chain(neighbours) {
            if !is_address(value) {
                let value = value.clone();
                return Err(ConfigError::Address { key, value });
            }
        }
        if self.disk.ballast_mib > BALLAST_MIB_MAX {
            return Err(ConfigError::Ballast(self.disk.ballast_mib));
        }
        self.retention.check()?;
        self.policy.check()
    }

    /// Where the keys are.
    #[must_use]
    pub fn keys_dir(&self) -> PathBuf {
        self.keys_dir
            .clone()
            .unwrap_or_else(|| self.data_dir.join("keys"))
    }

    /// The database file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("gate.db")
    }

    /// The token that requests must carry.
    #[must_use]
    pub fn token(&self) -> PathBuf {
        self.data_dir.join("token")
    }

    /// Where a running gate writes its HTTP address.
    #[must_use]
    pub fn address_file(&self) -> PathBuf {
        self.data_dir.join("http.address")
    }

    /// Space kept for taps on a full disk, bytes.
    #[must_use]
    pub const fn ballast_bytes(&self) -> u64 {
        self.disk.ballast_mib << 20
    }

    /// The gate that decides.
    #[must_use]
    pub const fn decider(&self) -> Gate {
        Gate {
            id: self.gate.id,
            terminal: self.gate.terminal,
            kind: self.gate.kind,
            mode: self.gate.mode,
            uncertainty_ms: self.clock.uncertainty_ms,
        }
    }
}

impl PolicyConfig {
    /// The limits where the highest fare known is `highest`.
    #[must_use]
    pub fn policy(&self, highest: Money) -> Policy {
        let recommended = Policy::recommended(highest);
        let age_ms = |given_s: Option<u32>, recommended_ms: i64| {
            given_s.map_or(recommended_ms, |given_s| i64::from(given_s) * SECOND_MS)
        };
        Policy {
            spend_max: self.spend_max.unwrap_or(recommended.spend_max),
            allowance: self.allowance.unwrap_or(recommended.allowance),
            fresh_ms: age_ms(self.fresh_s, recommended.fresh_ms),
            allowance_until_ms: age_ms(self.allowance_until_s, recommended.allowance_until_ms),
            autonomy_ms: age_ms(self.autonomy_s, recommended.autonomy_ms),
            offline_entries_max: self
                .offline_entries_max
                .unwrap_or(recommended.offline_entries_max),
            beyond_autonomy: self.beyond_autonomy.unwrap_or(recommended.beyond_autonomy),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let amounts = [
            ("policy.spend_max", self.spend_max),
            ("policy.allowance", self.allowance),
        ];
        for (key, value) in amounts {
            if let Some(value) = value.filter(|value| !value.is_price()) {
                return Err(ConfigError::Amount { key, value });
            }
        }
        let policy = self.policy(Money::ZERO);
        if policy.fresh_ms > policy.allowance_until_ms || policy.allowance_until_ms > policy.autonomy_ms {
            return Err(ConfigError::Ages {
                fresh_s: policy.fresh_ms / SECOND_MS,
                allowance_until_s: policy.allowance_until_ms / SECOND_MS,
                autonomy_s: policy.autonomy_ms / SECOND_MS,
            });
        }
        Ok(())
    }
}

/// Whether a text is `host:port`, a host by name, IPv4, or IPv6 in brackets.
#[must_use]
pub fn is_address(text: &str) -> bool {
    const HOST_BYTES_MAX: usize = 253;
    if text.parse::<SocketAddr>().is_ok_and(|address| address.port() > 0) {
        return true;
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' || byte == b'_';
    !host.is_empty()
        && host.len() <= HOST_BYTES_MAX
        && host.bytes().all(allowed)
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> GateConfig {
        GateConfig {
            gate: Own {
                id: GateId(1),
                code: "A-ENTRY-01".parse().unwrap(),
                terminal: "A".parse().unwrap(),
                kind: GateType::Entry,
                mode: Mode::Normal,
            },
            data_dir: "/var/lib/edge-node".into(),
            keys_dir: None,
            language: Language::Id,
            reader: Reader::None,
            http: Http::default(),
            sync: Sync::default(),
            policy: PolicyConfig::default(),
            disk: Disk::default(),
            retention: RetentionConfig::default(),
            clock: ClockConfig::default(),
            log: Log::default(),
        }
    }

    #[test]
    fn addresses_are_host_and_port() {
        for good in [
            "10.0.0.1:7401",
            "[::1]:7401",
            "gate-2.terminal-a.example:7401",
            "hub:1",
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "hub",
            "hub:",
            ":7401",
            "hub:0",
            "hub:70000",
            "a b:1",
            "http://hub:1",
            "",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_to_do() {
        assert!(config().check().is_ok());
        let mut hub = config();
        hub.gate.id = GateId(0);
        assert!(hub.check().unwrap_err().to_string().contains("hub's number"));
        let mut open = config();
        open.http.listen = "0.0.0.0:7400".parse().unwrap();
        assert!(open.check().unwrap_err().to_string().contains("loopback"));
        let mut neighbours = config();
        neighbours.sync.neighbours = vec!["gate-2".into()];
        assert!(neighbours.check().unwrap_err().to_string().contains("host:port"));
        let mut ages = config();
        ages.policy.fresh_s = Some(100_000);
        assert!(ages.check().unwrap_err().to_string().contains("must rise"));
        let mut amount = config();
        amount.policy.allowance = Some(Money::rupiah(-1));
        assert!(
            amount
                .check()
                .unwrap_err()
                .to_string()
                .contains("policy.allowance")
        );
    }

    #[test]
    fn limits_follow_the_highest_fare_unless_given() {
        let mut policy = PolicyConfig::default();
        assert_eq!(
            policy.policy(Money::rupiah(12_000)),
            Policy::recommended(Money::rupiah(12_000))
        );
        policy.spend_max = Some(Money::rupiah(50_000));
        policy.fresh_s = Some(60);
        let made = policy.policy(Money::rupiah(12_000));
        assert_eq!(made.spend_max, Money::rupiah(50_000));
        assert_eq!(made.allowance, Money::rupiah(12_000));
        assert_eq!(made.fresh_ms, 60_000);
    }
}
