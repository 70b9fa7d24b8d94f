//! Taps: decided and committed in groups, answered whatever happens.

use sync_protocol::changeset::Trust;
use sync_protocol::decide::Presentation;
use sync_protocol::fact::Direction;
use sync_protocol::id::CardId;

use super::{IDLE_MS, Node};
use crate::answer::Answer;
use crate::clock::Moment;

/// A card that was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tapped {
    /// The card.
    pub card: CardId,
    /// Which way, if the reader knows.
    pub direction: Option<Direction>,
    /// The gate's time of day then, milliseconds since 1970.
    pub at_ms: i64,
}

impl<T: Trust> Node<T> {
    /// Decides taps and commits them, at most [`GROUP_TAPS_MAX`](crate::store::GROUP_TAPS_MAX) at a time, with one
    /// commit for all. What is answered with a fact is durable.
    pub fn taps(&mut self, now: Moment, tapped: &[Tapped]) -> Vec<Answer> {
        self.tapped_ms = now.monotonic_ms();
        let age_ms = self.knowledge.age_ms(now.monotonic_ms());
        // Whatever a heartbeat declared stated is stated: a tap that was on its way meanwhile counts from then on.
        let earliest_ms = self.stated().ms.saturating_add(1);
        let presentations: Vec<Presentation> = tapped
            .iter()
            .map(|tapped| Presentation {
                card: tapped.card,
                direction: tapped.direction,
                at_ms: tapped.at_ms.max(earliest_ms),
            })
            .collect();
        match self.store.taps(&presentations, age_ms) {
            Ok(decided) => {
                self.sealing.unsealed = true;
                self.copies.decided(now);
                self.sealing.file_at_ms = Some(now.monotonic_ms() + IDLE_MS);
                let policy = self.store.policy();
                decided
                    .iter()
                    .map(|decided| Answer::decided(decided, policy))
                    .collect()
            }
            Err(error) => {
                self.store_failed(now, "recording a tap", &error);
                let unrecorded = |presentation| self.unrecorded(presentation, age_ms);
                presentations.iter().map(unrecorded).collect()
            }
        }
    }

    /// What is answered when the tap stands nowhere.
    fn unrecorded(&mut self, presentation: &Presentation, age_ms: i64) -> Answer {
        let unrecorded = self.store.decide_only(presentation, age_ms);
        let answer = Answer::unrecorded(&unrecorded, self.store.policy());
        self.mishaps.taps_unrecorded += 1;
        self.mishaps.unrecorded_open += u64::from(answer.opens);
        answer
    }
}
