//! How long it takes until a second node holds what this one committed: the time in which the loss of this disk would lose
//! a tap.

use std::collections::VecDeque;

use sync_protocol::changeset::Trust;
use sync_protocol::id::Seq;

use super::{Effect, Node};
use crate::clock::Moment;

/// Most commits that are timed at once. While a gate is alone, further ones are not timed: their number is in the status.
const TIMED_MAX: usize = 1_024;

/// Commits that no other node is known to hold.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// When the first of the taps was decided that are not sealed yet, monotonic microseconds.
    unsealed_us: Option<i64>,
    /// The last changeset of each commit, and when its first tap was decided.
    timed: VecDeque<(Seq, i64)>,
}

impl Copies {
    /// Taps are decided.
    pub(super) const fn decided(&mut self, now: Moment) {
        if self.unsealed_us.is_none() {
            self.unsealed_us = Some(now.monotonic_us);
        }
    }

    /// They are on their way to others, up to this changeset.
    pub(super) fn sealed(&mut self, now: Moment, last: Seq) {
        let begun_us = self.unsealed_us.take().unwrap_or(now.monotonic_us);
        if self.timed.len() < TIMED_MAX {
            self.timed.push_back((last, begun_us));
        }
    }

    /// Others hold everything up to `held`: how long the next commit took until then, microseconds.
    fn next_copied(&mut self, now: Moment, held: Seq) -> Option<i64> {
        let (_, begun_us) = self.timed.pop_front_if(|(last, _)| *last <= held)?;
        Some(now.monotonic_us.saturating_sub(begun_us))
    }
}

impl<T: Trust> Node<T> {
    /// Looks what others hold by now, after one of them has said something.
    pub(super) fn look_at_copies(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if self.copies.timed.is_empty() {
            return;
        }
        let held = self.peer.copied(self.store.site());
        while let Some(took_us) = self.copies.next_copied(now, held) {
            effects.push(Effect::Copied { took_us });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_us: i64) -> Moment {
        Moment {
            wall_ms: 0,
            monotonic_us,
        }
    }

    #[test]
    fn a_commit_is_timed_from_its_first_tap_to_the_first_copy() {
        let mut copies = Copies::default();
        copies.decided(at(100));
        copies.decided(at(150));
        copies.sealed(at(300), Seq(2));
        copies.decided(at(400));
        copies.sealed(at(500), Seq(3));
        assert_eq!(
            copies.next_copied(at(900), Seq(1)),
            None,
            "nobody holds all of it"
        );
        assert_eq!(copies.next_copied(at(1_000), Seq(2)), Some(900));
        assert_eq!(copies.next_copied(at(1_000), Seq(2)), None);
        assert_eq!(copies.next_copied(at(2_000), Seq(9)), Some(1_600));
    }

    #[test]
    fn a_gate_that_is_alone_for_long_times_no_more_than_it_may() {
        let mut copies = Copies::default();
        for seq in 1..=2 * TIMED_MAX as u64 {
            copies.sealed(at(0), Seq(seq));
        }
        assert_eq!(copies.timed.len(), TIMED_MAX);
    }
}
