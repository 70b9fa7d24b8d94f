//! Settling for a moment: what a command does when no hub runs.

use super::{Authority, REQUESTS_MAX};
use crate::clock::Clock;
use crate::ledger::postgres::{LedgerError, PostgresLedger};

/// Most settling transactions in one go; what is left waits for the hub.
const ROUNDS_MAX: usize = 1_024;

/// A settler that settles what there is and leaves.
pub struct StandIn<'a> {
    /// What it settles.
    pub ledger: &'a PostgresLedger,
    /// As whom.
    pub authority: &'a Authority,
    /// For stamps.
    pub clock: Clock,
    /// Names the command in the lease.
    pub holder: String,
    /// For the two sites of the term.
    pub random: [[u8; 16]; 2],
    /// Most changesets in one transaction.
    pub changesets_max: usize,
}

impl StandIn<'_> {
    /// Takes the lease, numbers what is requested, settles what waits, and gives the lease back. Does nothing when
    /// somebody else was faster to take it.
    ///
    /// # Errors
    /// The ledger fails. What was committed stands; the lease runs out by itself.
    pub async fn run(self) -> Result<(), LedgerError> {
        let acquired = self.ledger.acquire_lease(
            &self.holder,
            self.authority.public_key(),
            &self.authority.certificate,
            self.random,
        );
        let Some(lease) = acquired.await? else {
            return Ok(());
        };
        let Authority { signer, trust, .. } = self.authority;
        for _ in 0..ROUNDS_MAX {
            let now_ms = self.clock.wall_ms();
            let taken = self
                .ledger
                .take_requests(&lease, REQUESTS_MAX, now_ms, signer, trust)
                .await?;
            let settled = self
                .ledger
                .settle(&lease, self.changesets_max, now_ms, signer)
                .await?;
            if taken.outcomes.is_empty() && settled.changesets == 0 {
                break;
            }
            self.ledger.renew(&lease).await?;
        }
        self.ledger.give_back(&lease).await
    }
}
