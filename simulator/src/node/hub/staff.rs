//! What the hub's staff and channels decide, as decisions of the production core.

use hub::decisions::{DecideError, Decision, Refusal, Terms};
use hub::ledger::memory::DecisionError;
use sync_protocol::changeset::Run;
use sync_protocol::fare::FareVersion;
use sync_protocol::id::{CardId, FactId};
use sync_protocol::journey::JourneyStatus;
use sync_protocol::time::SECOND_MS;

use super::HubNode;
use crate::scenario::Scenario;
use crate::traffic::{self, Cards};
use crate::world::WARM_UP_MS;

/// Version number of the first fare change: the network opens with version 1.
const FIRST_CHANGE: u32 = 2;

impl HubNode {
    /// Carries out a decision of the drawn traffic. Nothing comes of closing a journey that the hub does not know of,
    /// nor of fares that it refuses because they would be published too late (T-22b).
    ///
    /// # Errors
    /// The decision is refused for another reason.
    pub fn carry_out(
        &mut self,
        now_ms: i64,
        decision: traffic::Decision,
        cards: &Cards,
        scenario: &Scenario,
    ) -> anyhow::Result<Vec<Run>> {
        let reason = || "simulated".to_owned();
        let decision = match decision {
            traffic::Decision::TopUp { card, amount, number } => Decision::TopUp {
                card: cards.id(card),
                amount,
                reference: format!("online-{number}"),
            },
            traffic::Decision::Status { card, status } => Decision::Status {
                card: cards.id(card),
                status,
            },
            traffic::Decision::Refund { card, amount } => Decision::Refund {
                card: cards.id(card),
                amount,
                reason: reason(),
            },
            traffic::Decision::Adjust { card, amount } => Decision::Adjust {
                card: cards.id(card),
                amount,
                reason: reason(),
            },
            traffic::Decision::WriteOff { card, amount } => Decision::WriteOff {
                card: cards.id(card),
                amount,
                reason: reason(),
            },
            traffic::Decision::Close { card } => {
                let card = cards.id(card);
                let Some(tap) = self.last_journey(card) else {
                    return Ok(Vec::new());
                };
                Decision::Close { card, tap }
            }
            traffic::Decision::Fares { change } => return self.publish_fares(now_ms, change, scenario),
        };
        self.decide(now_ms, &[decision])
    }

    /// The tap that names the last journey of a card: its entry, or the exit that has none.
    fn last_journey(&self, card: CardId) -> Option<FactId> {
        let projection = self.projection(card)?;
        let journey = projection.journeys.last()?;
        let endpoint = match journey.status {
            JourneyStatus::Unstarted => journey.exit,
            _ => journey.entry,
        };
        endpoint.map(|endpoint| endpoint.tap)
    }

    fn publish_fares(&mut self, now_ms: i64, change: usize, scenario: &Scenario) -> anyhow::Result<Vec<Run>> {
        let written = &scenario.fare_changes[change];
        let terms = Terms {
            now_ms: self.wall_ms + now_ms,
            lead_time_ms: written.lead_time_s.get() * SECOND_MS,
            override_lead_time: written.override_lead_time,
        };
        let fares = self.changed_fares(change, scenario)?;
        match self.decide_under(&[Decision::Fares(fares)], &terms) {
            Err(DecisionError::Decide(DecideError::Refused {
                refusal: Refusal::LeadTime { .. } | Refusal::FareVersion { .. },
                ..
            })) => Ok(Vec::new()),
            decided => Ok(decided?),
        }
    }

    /// The fare version of a change, which holds from the change's time on.
    fn changed_fares(&self, change: usize, scenario: &Scenario) -> anyhow::Result<FareVersion> {
        let changes = &scenario.fare_changes[..=change];
        let written = &scenario.fare_changes[change];
        let policy = changes.iter().rev().find_map(|change| change.orphan_policy);
        let version = FIRST_CHANGE + u32::try_from(change)?;
        let from_ms = self.wall_ms + WARM_UP_MS + written.at_s.get() * SECOND_MS;
        let policy = policy.unwrap_or(scenario.policy.orphan_policy);
        let per_mille = written.price_per_mille.get();
        Ok(scenario
            .topology()
            .changed_fares(version, from_ms, policy, per_mille)?)
    }
}
