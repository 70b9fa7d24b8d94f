//! How long logs are kept, and up to where one may be cut. Pure, and shared with the simulator's model of this store,
//! so that both cut alike.
//!
//! Time here is the hub's, as its heartbeats tell: it only moves forward, and no wrong clock of a gate cuts anything.
//! While the hub is not heard that time stands still, and with it everything but the bound on bytes.
//!
//! The last changeset of a log stays: its signature proves the head, and at the end of a log of settled states it says
//! what a snapshot is held against ([`super::snapshot`]).
//!
//! Invariant: nothing above [`Limits::covered`] is cut, whatever its age: the hub holds and has settled what is below.

use std::collections::VecDeque;

use sync_protocol::changeset::SiteRole;
use sync_protocol::id::Seq;
use sync_protocol::time::{HOUR_MS, MINUTE_MS};

/// The marks of a log are so many to the time it is kept: it is kept longer by one part of these at most.
const MARKS_PER_KEPT: i64 = 16;

/// How long a gate keeps logs after it has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Logs of gates, and the hub's decisions: so long after they came, and until settled states cover them,
    /// milliseconds.
    pub logs_ms: i64,
    /// The hub's settled states: so long after they were applied, milliseconds.
    pub settled_ms: i64,
    /// And at most so many bytes of each such log.
    pub settled_bytes: u64,
}

impl Default for Retention {
    /// As the design has it: 14 days; 15 minutes or 64 MiB.
    fn default() -> Retention {
        Retention {
            logs_ms: 14 * 24 * HOUR_MS,
            settled_ms: 15 * MINUTE_MS,
            settled_bytes: 64 << 20,
        }
    }
}

impl Retention {
    /// How long a log of this role is kept, milliseconds.
    #[must_use]
    pub const fn kept_ms(&self, role: SiteRole) -> i64 {
        match role {
            SiteRole::Gate(_) | SiteRole::Decisions => self.logs_ms,
            SiteRole::Settled => self.settled_ms,
        }
    }
}

/// What is known of a log that may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What it is for.
    pub role: SiteRole,
    /// Its last changeset, applied.
    pub head: Seq,
    /// Up to where the hub's settled states cover it.
    pub covered: Seq,
    /// Bytes of the bodies that are left of it.
    pub bytes: u64,
}

impl Retention {
    /// Up to where a log may be cut now.
    #[must_use]
    pub fn cut(&self, limits: &Limits, marks: &Marks, hub_ms: i64) -> Seq {
        let aged = marks.held_before(hub_ms.saturating_sub(self.kept_ms(limits.role)));
        match limits.role {
            SiteRole::Gate(_) | SiteRole::Decisions => aged.min(limits.covered),
            SiteRole::Settled if limits.bytes > self.settled_bytes => limits.head,
            SiteRole::Settled => aged,
        }
        .min(Seq(limits.head.0.saturating_sub(1)))
    }
}

/// At some moment everything up to some changeset was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Up to here.
    pub seq: Seq,
    /// When, in the hub's time, milliseconds since 1970.
    pub at_ms: i64,
}

/// The marks of one log, oldest first. Few: see [`Marks::note`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(VecDeque<Mark>);

impl Marks {
    /// Notes that a log is held up to `head` now, when there is news and the last mark is old enough. Returns what is
    /// new.
    pub fn note(&mut self, head: Seq, hub_ms: i64, kept_ms: i64) -> Option<Mark> {
        let due = self.0.back().is_none_or(|last| {
            head > last.seq && hub_ms.saturating_sub(last.at_ms) >= (kept_ms / MARKS_PER_KEPT).max(1)
        });
        if !due || head == Seq::NONE {
            return None;
        }
        let mark = Mark {
            seq: head,
            at_ms: hub_ms,
        };
        self.0.push_back(mark);
        Some(mark)
    }

    /// A mark that was stored; later ones come after it.
    pub fn restore(&mut self, mark: Mark) {
        self.0.push_back(mark);
    }

    /// Up to where the log was held at this moment.
    #[must_use]
    pub fn held_before(&self, at_ms: i64) -> Seq {
        let aged = self.0.iter().take_while(|mark| mark.at_ms <= at_ms);
        aged.last().map_or(Seq::NONE, |mark| mark.seq)
    }

    /// Forgets marks of what is cut.
    pub fn forget(&mut self, floor: Seq) {
        while self.0.front().is_some_and(|mark| mark.seq <= floor) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: SiteRole = SiteRole::Decisions;

    fn limits(role: SiteRole, covered: u64) -> Limits {
        Limits {
            role,
            head: Seq(100),
            covered: Seq(covered),
            bytes: 1_000,
        }
    }

    fn marks() -> Marks {
        let mut marks = Marks::default();
        assert!(marks.note(Seq(10), 1_000, 1_600).is_some());
        assert!(marks.note(Seq(20), 1_099, 1_600).is_none(), "too soon");
        assert!(marks.note(Seq(30), 1_100, 1_600).is_some());
        assert!(marks.note(Seq(30), 9_000, 1_600).is_none(), "nothing new");
        marks
    }

    #[test]
    fn only_what_is_old_and_covered_is_cut() {
        let retention = Retention {
            logs_ms: 1_600,
            ..Retention::default()
        };
        let marks = marks();
        let cut = |covered, hub_ms| retention.cut(&limits(GATE, covered), &marks, hub_ms);
        assert_eq!(cut(100, 2_599), Seq(0), "not old enough");
        assert_eq!(cut(100, 2_600), Seq(10));
        assert_eq!(cut(100, 2_700), Seq(30));
        assert_eq!(cut(25, 2_700), Seq(25), "not covered");
        assert_eq!(cut(0, i64::MAX), Seq(0), "not covered at all");
    }

    #[test]
    fn settled_states_go_by_age_and_beyond_their_bytes_at_once() {
        let retention = Retention {
            settled_ms: 1_600,
            settled_bytes: 1_000,
            ..Retention::default()
        };
        let mut settled = limits(SiteRole::Settled, 0);
        assert_eq!(retention.cut(&settled, &marks(), 2_600), Seq(10));
        settled.bytes = 1_001;
        assert_eq!(
            retention.cut(&settled, &Marks::default(), 0),
            Seq(99),
            "the last one stays"
        );
    }

    #[test]
    fn marks_of_what_is_cut_are_forgotten_and_come_back_in_order() {
        let mut marks = marks();
        marks.forget(Seq(10));
        assert_eq!(marks.held_before(1_099), Seq(0));
        assert_eq!(marks.held_before(1_100), Seq(30));
        let mut restored = Marks::default();
        restored.restore(Mark {
            seq: Seq(30),
            at_ms: 1_100,
        });
        assert_eq!(restored, marks);
    }
}
