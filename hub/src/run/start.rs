//! Starting: everything that can be wrong is found here, before anything is taken from anybody.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sync_shell::http::{BindError, Token, TokenError, bind};
use sync_shell::identity::{Authority, IdentityError, NodeKeys};
use sync_shell::links::{LinkError, Links, LinksConfig};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{info, warn};

use super::parts::{self, Ground};
use super::{Hub, HubConfig};
use crate::backoff::Backoff;
use crate::certifier::{Office, OwnCertificate};
use crate::clock::{Clock, ClockError};
use crate::config::ConfigError;
use crate::databases::{self, Pools};
use crate::ledger::postgres::{LedgerError, PostgresLedger};
use crate::migrate::MigrateError;
use crate::net;
use crate::settler::{self, NotTheHub};

/// A certificate that ends sooner than this is worth a warning at start.
const CERTIFICATE_WARNING_MS: i64 = 30 * sync_protocol::time::DAY_MS;

/// Why a hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The clock was never set.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// A value out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys are missing or damaged.
    #[error(transparent)]
    Keys(#[from] IdentityError),
    /// The authority's folder is not that of the hub's keys.
    #[error(
        "authority.dir {} holds another authority than the hub's keys were issued by: name the folder that `hub ca init` \
         made together with them", .0.display()
    )]
    OtherAuthority(PathBuf),
    /// The keys are a gate's.
    #[error(transparent)]
    NotTheHub(#[from] NotTheHub),
    /// The certificate has ended.
    #[error("the hub's certificate ended at {0}: issue another with `hub ca issue --hub --replace`")]
    Expired(String),
    /// The token cannot be read or made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The HTTP port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The QUIC port cannot be had.
    #[error("{0}; set sync.listen (HUB_SYNC__LISTEN, --sync-listen), or stop what listens there")]
    Links(#[from] LinkError),
    /// A URL that is none.
    #[error(transparent)]
    Url(MigrateError),
    /// A database is not ready.
    #[error("{0}")]
    Database(#[from] MigrateError),
    /// A database did not answer for the whole time.
    #[error("waited {waited_s} s for PostgreSQL in vain: {source}")]
    Unreachable {
        /// How long, seconds.
        waited_s: u64,
        /// What it said last.
        source: MigrateError,
    },
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The counters cannot be set up.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

impl Hub {
    /// Starts a hub. Inside a tokio runtime. `random` draws 32 random bytes.
    ///
    /// # Errors
    /// See [`StartError`]: the message says what to do.
    pub async fn start(config: HubConfig, clock: Clock, random: fn() -> [u8; 32]) -> Result<Hub, StartError> {
        clock.check()?;
        config.check()?;
        let keys = NodeKeys::load(&config.keys)?;
        let certifying = load_authority(&config, &keys)?;
        let renewing = OwnCertificate::new(certifying.clone(), &config, clock);
        let keys = Arc::new(renewing.renewed(&keys)?.unwrap_or(keys));
        let authority = settler::Authority::new(&keys)?;
        check_certificate(&keys, &clock)?;
        let metrics = crate::metrics::install()?;
        let token = match config.http.token_file.as_os_str().is_empty() {
            true => None,
            false => Some(Token::load_or_create(&config.http.token_file, &random())?),
        };
        let listener = bind(
            config.http.listen,
            "http.listen (HUB_HTTP__LISTEN, --http-listen)",
        )
        .await?;
        let pools = Pools::new(&config).map_err(StartError::Url)?;
        wait_for_databases(&config, &pools, &clock).await?;
        let ledger = PostgresLedger::connect(pools.transactions.clone())
            .await?
            .with_lead_time_ms(config.fare_lead_time_ms());
        let have = ledger.have().await?;
        let revoked = ledger.revoked_keys().await?;

        let (events_in, events) = mpsc::channel(net::EVENTS_MAX);
        let seed = seed(&random());
        let office = Office {
            authority: certifying,
            ledger: ledger.clone(),
            clock,
            valid_days: config.authority.certificate_days,
            patience: Duration::from_millis(config.database.transaction_timeout_ms),
        };
        let links = Links::start_certifying(
            LinksConfig {
                listen: config.sync.listen,
                keys: Arc::clone(&keys),
                // Whoever the authority certified is admitted; the roster comes on top of it.
                admits: Arc::new(|_| true),
                seed,
            },
            office.certifier(),
            events_in,
        )?;
        links.set_revoked(revoked);
        let http_address = listener.local_addr().unwrap_or(config.http.listen);
        let sync_address = links.local_address();
        let token_text = token.as_ref().map(|token| token.text().to_owned());
        let (stop, stopped) = crate::stop::channel();
        let mut tasks = JoinSet::new();
        let ground = Ground {
            config,
            clock,
            random,
            keys,
            pools: pools.clone(),
            ledger,
            links: links.clone(),
            metrics,
            renewing,
            seed,
            stop: stopped,
        };
        parts::start(ground, have, authority, events, (listener, token), &mut tasks);
        info!(http = %http_address, sync = %sync_address, "the hub runs");
        Ok(Hub {
            http_address,
            sync_address,
            token: token_text,
            stop,
            tasks,
            links,
            pools,
        })
    }
}

/// The authority, if its key is at hand here.
///
/// # Errors
/// Its folder is named and cannot be used, or it is not the authority of the hub's own keys.
pub fn load_authority(config: &HubConfig, keys: &NodeKeys) -> Result<Option<Arc<Authority>>, StartError> {
    let dir = &config.authority.dir;
    if dir.as_os_str().is_empty() {
        return Ok(None);
    }
    let authority = Authority::load(dir)?;
    if authority.fingerprint() != keys.authority_fingerprint() {
        return Err(StartError::OtherAuthority(dir.clone()));
    }
    Ok(Some(Arc::new(authority)))
}

fn check_certificate(keys: &NodeKeys, clock: &Clock) -> Result<(), StartError> {
    let left_ms = keys.expires_at_ms().saturating_sub(clock.wall_ms());
    let ends = crate::http::values::spoken(keys.expires_at_ms());
    if left_ms <= 0 {
        return Err(StartError::Expired(ends));
    }
    if left_ms < CERTIFICATE_WARNING_MS {
        warn!(
            ends,
            "the hub's certificate ends soon: issue another with `hub ca issue --hub --replace`"
        );
    }
    Ok(())
}

fn seed(random: &[u8; 32]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&random[..8]);
    u64::from_le_bytes(first)
}

/// Waits for databases that do not answer; one that answers and is not ready is an error at once.
async fn wait_for_databases(config: &HubConfig, pools: &Pools, clock: &Clock) -> Result<(), StartError> {
    let deadline_ms =
        clock.monotonic_ms() + Duration::from_secs(config.database.start_wait_s).as_millis() as i64;
    let mut backoff = Backoff::default();
    loop {
        let error = match prepare(config, pools).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !databases::may_come(&error) {
            return Err(error.into());
        }
        if clock.monotonic_ms() >= deadline_ms {
            return Err(StartError::Unreachable {
                waited_s: config.database.start_wait_s,
                source: error,
            });
        }
        let pause = backoff.failed();
        warn!(%error, "waiting for PostgreSQL");
        sleep(pause).await;
    }
}

async fn prepare(config: &HubConfig, pools: &Pools) -> Result<(), MigrateError> {
    if config.auto_migrate {
        for migrated in databases::locate(config)?.migrate().await? {
            if !migrated.applied.is_empty() {
                let applied = migrated.applied.join(", ");
                info!(database = migrated.database, applied, "migrated");
            }
        }
    }
    pools.check().await
}
