//! The barrier. Told only what is decided and durable.

use crate::answer::Answer;

/// A barrier, or whatever moves one. Called on the writer's thread: it must hand over and return, not wait for metal.
pub trait Barrier: Send {
    /// Opens, or shows that it stays closed.
    fn tell(&mut self, answer: &Answer);
}

/// A barrier that only writes to the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogBarrier;

impl Barrier for LogBarrier {
    fn tell(&mut self, answer: &Answer) {
        tracing::debug!(
            card = %answer.card,
            direction = crate::answer::direction_name(answer.direction),
            opens = answer.opens,
            reason = answer.reason(),
            "barrier"
        );
    }
}
