//! The desk a command works at: the databases, and a way to have decisions taken whether or not a hub runs.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use sync_protocol::id::FactId;
use sync_shell::identity::NodeKeys;
use tokio::time::sleep;

use super::{Failure, Surroundings};
use crate::clock::Clock;
use crate::config::HubConfig;
use crate::databases::Pools;
use crate::decisions::Decision;
use crate::ledger::postgres::{LedgerError, PostgresLedger, Request, RequestId, RequestOutcome, SubmitError};
use crate::settlement;
use crate::settler::{Authority, StandIn, halves};

/// How long a command waits for the hub that holds the lease, and for a lease that a killed hub left behind.
const PATIENCE_MS: i64 = 20_000;
/// A request is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a command works with.
pub struct Desk<'a> {
    /// Connections.
    pub pools: Pools,
    /// The system of record.
    pub ledger: PostgresLedger,
    /// The clocks.
    pub clock: Clock,
    config: &'a HubConfig,
    random: fn() -> [u8; 32],
}

impl<'a> Desk<'a> {
    /// Opens the databases.
    ///
    /// # Errors
    /// The clock was never set, a database does not answer, or its schema is not this program's.
    pub async fn open(config: &'a HubConfig, surroundings: &Surroundings) -> Result<Desk<'a>, Failure> {
        surroundings.clock.check().map_err(Failure::bad_input)?;
        let pools = Pools::new(config).map_err(Failure::bad_input)?;
        pools.check().await.map_err(Failure::unreachable)?;
        let ledger = PostgresLedger::connect(pools.transactions.clone())
            .await
            .map_err(Failure::unreachable)?
            .with_lead_time_ms(config.fare_lead_time_ms());
        Ok(Desk {
            pools,
            ledger,
            clock: surroundings.clock,
            config,
            random: surroundings.random,
        })
    }

    /// Has decisions taken, all or none; gives the facts that stand for them.
    ///
    /// # Errors
    /// One is refused, or nobody takes them.
    pub async fn decide(
        &self,
        decisions: Vec<Decision>,
        override_lead_time: bool,
    ) -> Result<Vec<FactId>, Failure> {
        let request = Request {
            idempotency_key: None,
            decisions,
            override_lead_time,
            requested_by: "command line".to_owned(),
        };
        let submitted = self.ledger.submit(&request).await.map_err(submit_failure)?;
        self.finish(submitted.id).await
    }

    /// Waits for what becomes of a request; gives the facts that stand for it.
    ///
    /// # Errors
    /// It is refused, or nobody takes it.
    pub async fn finish(&self, id: RequestId) -> Result<Vec<FactId>, Failure> {
        match self.outcome(id).await? {
            RequestOutcome::Taken(facts) => {
                settlement::wait(&self.ledger, &facts, &self.clock)
                    .await
                    .map_err(unreachable)?;
                Ok(facts)
            }
            RequestOutcome::Refused { refusal, .. } => Err(Failure::refused(anyhow!("refused: {refusal}"))),
            RequestOutcome::Pending => Err(Failure::unreachable(anyhow!(
                "the hub that holds the settler's lease did not take request {} in time: it stays requested; see \
                 whether that hub is well",
                id.0
            ))),
        }
    }

    /// Waits for a request's outcome, settling by itself when nobody else does.
    async fn outcome(&self, id: RequestId) -> Result<RequestOutcome, Failure> {
        let deadline_ms = self.clock.monotonic_ms() + PATIENCE_MS;
        loop {
            let outcome = self.ledger.outcome(id).await.map_err(unreachable)?;
            let outcome =
                outcome.ok_or_else(|| Failure::unreachable(anyhow!("request {} disappeared", id.0)))?;
            if !matches!(outcome, RequestOutcome::Pending) || self.clock.monotonic_ms() >= deadline_ms {
                return Ok(outcome);
            }
            let is_settled_by_a_hub = self.ledger.lease_holder().await.map_err(unreachable)?.is_alive
                || self.ledger.is_announced().await.map_err(unreachable)?;
            if !is_settled_by_a_hub {
                self.stand_in().await?;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Takes the lease for a moment, takes what is requested and settles what waits.
    ///
    /// # Errors
    /// The hub's key is not here, or the ledger fails.
    pub async fn stand_in(&self) -> Result<(), Failure> {
        let keys = NodeKeys::load(&self.config.keys)
            .with_context(|| {
                format!(
                    "no hub is running that could take this, and its key cannot be used here ({}): start `hub run`, \
                     or name the folder with --keys",
                    self.config.keys.display()
                )
            })
            .map_err(Failure::unreachable)?;
        let authority = Authority::new(&keys).map_err(Failure::bad_input)?;
        let stand_in = StandIn {
            ledger: &self.ledger,
            authority: &authority,
            clock: self.clock,
            holder: format!("command line, process {}", std::process::id()),
            random: halves(&(self.random)()),
            changesets_max: self.config.settle.changesets_max,
        };
        stand_in.run().await.map_err(unreachable)
    }
}

fn submit_failure(error: SubmitError) -> Failure {
    match error {
        SubmitError::Ledger(error) => unreachable(error),
        SubmitError::Refused { .. } | SubmitError::KeyTaken(_) => Failure::refused(error),
    }
}

/// A ledger that fails cannot be reached, whatever its reason.
pub fn unreachable(error: LedgerError) -> Failure {
    Failure::unreachable(error)
}
