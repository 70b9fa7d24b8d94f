//! A hub whose database is behind: restored from a backup, or failed over to a copy that lacked the last commits.
//!
//! Nothing in such a database says that it is behind. The gates do: they hold signed changesets of the hub's own sites
//! that the hub does not. So every process of the hub first *hears the gates out* ([`Hearing`]) before it asks for the
//! lease. Is nobody ahead, it goes on; otherwise it waits until it has taken back what gates hold: its own decisions,
//! and the taps that it had acknowledged. Nothing is decided, settled or published meanwhile. The wait is bounded,
//! because a gate that tells of more may be wrong or gone.
//!
//! Taking back is ordinary ingest: signed runs, judged and settled like any other; so nothing is booked twice, and a
//! top-up keeps the one fact it had. That a run of the hub's own comes from outside and is new is the proof of a step
//! back. From then on ([`Recovery`]):
//! - revisions of settled states begin above all that were ever published: at the time of day in milliseconds, which no
//!   count of settlings reaches. What gates hold from the lost time is provisional until a state with a higher revision
//!   replaces it;
//! - cards that were published in what came back are stated anew, so that a gate never keeps the old one.
//!
//! The next term's sites name the last changeset of their predecessors that the hub holds by then.
//!
//! A gate that was not there in time is no harm: its part is taken when it links, and stated anew.
//!
//! Invariant: a card's revisions at gates only grow, and the highest is what the hub has settled (the check `heads and
//! digests equal everywhere` of every simulated run with the fault `hub_restored`).

use std::collections::BTreeSet;

use sync_protocol::changeset::SiteRole;
use sync_protocol::id::CardId;
use sync_protocol::mutation::{Mutation, is};
use sync_protocol::peer::Ahead;

use crate::ingest::MergePlan;

/// How long a starting process listens to gates before it goes on, if none is ahead.
pub const HEAR_MS: i64 = 2_000;
/// How long it waits for what gates hold of what it lacks.
pub const RECOVER_MAX_MS: i64 = 60_000;
/// How long it listens on once it lacks nothing more, for gates that link later than others.
pub const QUIET_MS: i64 = 1_000;
/// Most cards stated anew in one step of settling.
pub const RESTATED_MAX: usize = 4_096;

/// What a ledger remembers of steps back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// A step back was noticed since the last settling.
    pub is_due: bool,
    /// No revision below it is given any more.
    pub revision_floor: u64,
    /// Changesets of the hub's own sites that came back from gates, ever.
    pub changesets: u64,
    /// Cards to be stated anew.
    pub restate: BTreeSet<CardId>,
}

impl Recovery {
    /// Takes note of what came back.
    pub fn note(&mut self, back: TakenBack) {
        self.is_due |= back.changesets > 0;
        self.changesets += back.changesets;
        self.restate.extend(back.cards);
    }

    /// Begins revisions anew at `now_ms` if a step back was noticed. Returns the floor.
    pub fn begin(&mut self, now_ms: i64) -> u64 {
        if std::mem::take(&mut self.is_due) {
            self.revision_floor = self.revision_floor.max(now_ms.unsigned_abs());
        }
        self.revision_floor
    }
}

/// What a merge took of the hub's own sites, which only the hub writes: it had lost them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// Changesets.
    pub changesets: u64,
    /// Cards whose settled states were published in them.
    pub cards: BTreeSet<CardId>,
}

impl TakenBack {
    /// What a plan takes back, made of runs from outside.
    #[must_use]
    pub fn of(plan: &MergePlan) -> TakenBack {
        if is(Mutation::HubForgetsTail) {
            return TakenBack::default();
        }
        let own = |role: SiteRole| matches!(role, SiteRole::Decisions | SiteRole::Settled);
        let moved = plan.moved.iter().filter(|moved| own(moved.role));
        TakenBack {
            changesets: moved.map(|moved| moved.to.seq.0 - moved.from.seq.0).sum(),
            cards: plan.published.clone(),
        }
    }
}

/// What a starting process may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Listen on.
    Wait,
    /// Nobody is ahead, or nobody is there.
    Level,
    /// The database was behind, and lacks no more of what gates that are linked hold.
    Recovered,
    /// The database is behind, and gates that told of more did not hand it over in time, or have pruned it.
    Incomplete,
}

/// How a starting process hears the gates out. Times are of a monotonic clock, milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Hearing {
    since_ms: i64,
    behind_since_ms: Option<i64>,
    level_since_ms: Option<i64>,
    out_of_reach: usize,
}

impl Hearing {
    /// Begins to listen.
    #[must_use]
    pub const fn new(now_ms: i64) -> Hearing {
        Hearing {
            since_ms: now_ms,
            behind_since_ms: None,
            level_since_ms: None,
            out_of_reach: 0,
        }
    }

    /// Since when gates are known to be ahead.
    #[must_use]
    pub const fn behind_since_ms(&self) -> Option<i64> {
        self.behind_since_ms
    }

    /// Sites of which linked gates held more and had pruned what comes next, when last looked at.
    #[must_use]
    pub const fn out_of_reach(&self) -> usize {
        self.out_of_reach
    }

    /// Looks at what gates tell. `took_back` says whether something of the hub's own came back from them.
    pub fn look(&mut self, now_ms: i64, ahead: &Ahead, took_back: bool) -> Heard {
        if is(Mutation::HubForgetsTail) {
            return Heard::Level;
        }
        self.out_of_reach = ahead.out_of_reach;
        if took_back || ahead.hub_sites + ahead.hub_sites_out_of_reach > 0 {
            self.behind_since_ms.get_or_insert(now_ms);
        }
        let is_level = ahead.heard == ahead.linked && ahead.sites == 0;
        match (is_level, self.level_since_ms) {
            (false, _) => self.level_since_ms = None,
            (true, None) => self.level_since_ms = Some(now_ms),
            (true, Some(_)) => {}
        }
        let Some(behind_since_ms) = self.behind_since_ms else {
            let has_heard = now_ms - self.since_ms >= HEAR_MS;
            return if has_heard { Heard::Level } else { Heard::Wait };
        };
        let is_quiet = self
            .level_since_ms
            .is_some_and(|since_ms| now_ms - since_ms >= QUIET_MS);
        if is_quiet && now_ms - self.since_ms >= HEAR_MS {
            return match ahead.out_of_reach {
                0 => Heard::Recovered,
                _ => Heard::Incomplete,
            };
        }
        if now_ms - behind_since_ms >= RECOVER_MAX_MS {
            return Heard::Incomplete;
        }
        Heard::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gates(linked: usize, hub_sites: usize, sites: usize) -> Ahead {
        Ahead {
            linked,
            heard: linked,
            sites,
            hub_sites,
            ..Ahead::default()
        }
    }

    #[test]
    fn nobody_there_is_waited_for_a_moment_only() {
        let mut hearing = Hearing::new(1_000);
        assert_eq!(hearing.look(1_000, &Ahead::default(), false), Heard::Wait);
        assert_eq!(hearing.look(2_999, &Ahead::default(), false), Heard::Wait);
        assert_eq!(hearing.look(3_000, &Ahead::default(), false), Heard::Level);
    }

    #[test]
    fn a_backlog_of_taps_alone_holds_up_nothing() {
        let mut hearing = Hearing::new(0);
        assert_eq!(hearing.look(HEAR_MS, &gates(9, 0, 7), false), Heard::Level);
    }

    #[test]
    fn a_gate_that_is_ahead_is_waited_for_until_it_is_quiet() {
        let mut hearing = Hearing::new(0);
        assert_eq!(hearing.look(100, &gates(1, 1, 4), false), Heard::Wait);
        assert_eq!(hearing.look(HEAR_MS, &gates(1, 0, 2), true), Heard::Wait);
        assert_eq!(hearing.look(9_000, &gates(2, 0, 0), true), Heard::Wait);
        assert_eq!(hearing.look(9_500, &gates(3, 0, 1), true), Heard::Wait);
        assert_eq!(hearing.look(9_600, &gates(3, 0, 0), true), Heard::Wait);
        assert_eq!(hearing.look(10_500, &gates(3, 0, 0), true), Heard::Wait);
        assert_eq!(hearing.look(10_600, &gates(3, 0, 0), true), Heard::Recovered);
    }

    #[test]
    fn a_gate_that_tells_of_more_and_does_not_give_it_is_not_waited_for_for_ever() {
        let mut hearing = Hearing::new(0);
        assert_eq!(hearing.look(500, &gates(1, 1, 1), false), Heard::Wait);
        assert_eq!(
            hearing.look(RECOVER_MAX_MS + 499, &gates(1, 1, 1), false),
            Heard::Wait
        );
        assert_eq!(
            hearing.look(RECOVER_MAX_MS + 500, &gates(1, 1, 1), false),
            Heard::Incomplete
        );
    }

    #[test]
    fn what_gates_have_pruned_is_not_waited_for_and_said() {
        let pruned = Ahead {
            hub_sites_out_of_reach: 1,
            out_of_reach: 1,
            ..gates(2, 0, 0)
        };
        let mut hearing = Hearing::new(0);
        assert_eq!(hearing.look(500, &pruned, false), Heard::Wait);
        assert_eq!(hearing.look(HEAR_MS, &pruned, false), Heard::Incomplete);
        assert_eq!(hearing.out_of_reach(), 1);
    }

    #[test]
    fn revisions_begin_anew_above_all_before_and_only_after_a_step_back() {
        let mut recovery = Recovery::default();
        assert_eq!(recovery.begin(1_700), 0);
        let back = TakenBack {
            changesets: 2,
            cards: ["CARD0001".parse().unwrap()].into(),
        };
        recovery.note(back);
        assert_eq!(recovery.begin(1_800), 1_800);
        assert_eq!(recovery.begin(1_900), 1_800);
        assert_eq!((recovery.changesets, recovery.restate.len()), (2, 1));
    }
}
