//! The way of a card to the writer, for readers and for the HTTP interface alike.

use std::sync::Arc;

use sync_protocol::fact::Direction;
use sync_protocol::id::CardId;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::answer::Answer;
use crate::clock::Clock;
use crate::message::Language;
use crate::metrics::Metrics;
use crate::node::Tapped;
use crate::reader::{LineError, Reading};
use crate::writer::{TAP_QUEUE_MAX, TapRequest};

/// Presents cards to a running gate. Cheap to clone.
#[derive(Clone)]
pub struct Taps {
    queue: mpsc::Sender<TapRequest>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// Why a tap was not decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TapRefusal {
    /// No room in the queue.
    #[error("{TAP_QUEUE_MAX} taps wait already: present the card again in a second")]
    Busy,
    /// The gate stops.
    #[error("the gate is stopping: present the card again when it runs")]
    Stopping,
    /// The writer ended in between.
    #[error(
        "the gate ended while it decided; whether the tap was recorded is not known: present the card again"
    )]
    Lost,
}

impl Taps {
    /// A way into a writer's queue.
    #[must_use]
    pub fn new(queue: mpsc::Sender<TapRequest>, clock: Clock, metrics: Arc<Metrics>) -> Taps {
        Taps {
            queue,
            clock,
            metrics,
        }
    }

    /// Presents a card; the answer comes once the tap is durable.
    ///
    /// # Errors
    /// See [`TapRefusal`].
    pub async fn tap(&self, card: CardId, direction: Option<Direction>) -> Result<Answer, TapRefusal> {
        let (answer, answered) = oneshot::channel();
        let request = self.request(card, direction, answer);
        self.queue.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.metrics.turned_away();
                TapRefusal::Busy
            }
            mpsc::error::TrySendError::Closed(_) => TapRefusal::Stopping,
        })?;
        answered.await.map_err(|_| TapRefusal::Lost)
    }

    /// Presents a card from a thread that may wait, outside any runtime; a full queue is waited for.
    ///
    /// # Errors
    /// See [`TapRefusal`].
    pub fn tap_blocking(&self, card: CardId, direction: Option<Direction>) -> Result<Answer, TapRefusal> {
        let (answer, answered) = oneshot::channel();
        let request = self.request(card, direction, answer);
        self.queue
            .blocking_send(request)
            .map_err(|_| TapRefusal::Stopping)?;
        answered.blocking_recv().map_err(|_| TapRefusal::Lost)
    }

    /// What a reader that writes lines is told about one of its own: one line.
    #[must_use]
    pub fn line(&self, language: Language, reading: Result<Reading, LineError>) -> String {
        let reading = match reading {
            Ok(reading) => reading,
            Err(error) => {
                self.metrics.line_refused();
                return format!("refused {error}");
            }
        };
        match self.tap_blocking(reading.card, reading.direction) {
            Ok(answer) => {
                let decision = if answer.opens { "open" } else { "deny" };
                format!("{decision} {}", answer.message(language))
            }
            Err(refusal) => format!("refused {refusal}"),
        }
    }

    /// How many taps wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    fn request(
        &self,
        card: CardId,
        direction: Option<Direction>,
        answer: oneshot::Sender<Answer>,
    ) -> TapRequest {
        TapRequest {
            tapped: Tapped {
                card,
                direction,
                at_ms: self.clock.now().wall_ms,
            },
            answer,
        }
    }
}
