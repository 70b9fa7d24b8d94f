//! What the engine asked for and is not done yet: fresh changesets first, a backlog in slices behind them.
//!
//! Bounded by the engine: it hands over a few MiB of runs, a few ranges and a few heartbeats per peer at a time.

use std::collections::VecDeque;

use sync_protocol::changeset::Run;
use sync_protocol::have::{Range, Scope};
use sync_protocol::id::NodeId;
use sync_protocol::peer::Output;
use sync_protocol::snapshot::{Need, Page};
use sync_protocol::wire::Heartbeat;

use crate::store::{PageWork, Verified};

/// Runs of at most so many changesets count as fresh: a push, not an answer to a Need.
const FRESH_CHANGESETS_MAX: usize = 4;
/// Tasks of the fresh kind in a row before one of a backlog gets its turn.
const FRESH_IN_A_ROW_MAX: u32 = 8;

/// One piece of work.
#[derive(Debug)]
pub(super) enum Task {
    /// Verify a run, then apply it.
    Ingest { peer: NodeId, run: Run },
    /// Go on applying a run.
    Apply { peer: NodeId, verified: Box<Verified> },
    /// Read a range.
    Serve {
        peer: NodeId,
        range: Range,
        bytes_max: usize,
    },
    /// Verify a heartbeat.
    Hear { peer: NodeId, beat: Heartbeat },
    /// Say of whom to gather a snapshot.
    BeginSnapshot { servers: Vec<NodeId> },
    /// Check a page, then write it.
    CheckPage { peer: NodeId, page: Box<Page> },
    /// Go on writing a page.
    TakePage { work: Box<PageWork> },
    /// Read a page.
    ServePage { peer: NodeId, scope: Scope, need: Need },
}

/// Tasks in two queues.
#[derive(Debug, Default)]
pub(super) struct Work {
    fresh: VecDeque<Task>,
    backlog: VecDeque<Task>,
    in_a_row: u32,
}

impl Work {
    /// Takes over what the engine put out. Frames and closings are no work.
    pub(super) fn push(&mut self, output: Output) {
        match output {
            Output::Ingest { peer, run } => {
                let is_fresh = run.bodies.len() <= FRESH_CHANGESETS_MAX;
                let queue = if is_fresh {
                    &mut self.fresh
                } else {
                    &mut self.backlog
                };
                queue.push_back(Task::Ingest { peer, run });
            }
            Output::Heard { peer, beat } => self.fresh.push_back(Task::Hear { peer, beat }),
            Output::Serve {
                peer,
                range,
                bytes_max,
            } => self.backlog.push_back(Task::Serve {
                peer,
                range,
                bytes_max,
            }),
            Output::SnapshotBegin { servers } => self.backlog.push_back(Task::BeginSnapshot { servers }),
            Output::SnapshotTake { peer, page } => self.backlog.push_back(Task::CheckPage { peer, page }),
            Output::SnapshotServe { peer, scope, need } => {
                self.backlog.push_back(Task::ServePage { peer, scope, need });
            }
            Output::Send { .. } | Output::Close { .. } => {}
        }
    }

    /// Puts back what is not finished; the others come first.
    pub(super) fn put_back(&mut self, task: Task) {
        self.backlog.push_back(task);
    }

    /// The next task.
    pub(super) fn next(&mut self) -> Option<Task> {
        let backlog_turn = self.in_a_row >= FRESH_IN_A_ROW_MAX && !self.backlog.is_empty();
        if !backlog_turn && let Some(task) = self.fresh.pop_front() {
            self.in_a_row += 1;
            return Some(task);
        }
        self.in_a_row = 0;
        self.backlog.pop_front()
    }

    /// How many tasks wait: fresh ones, and those of a backlog.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.fresh.len(), self.backlog.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync_protocol::changeset::Signature;
    use sync_protocol::id::{Seq, SiteId};

    fn ingest(changesets: usize) -> Output {
        Output::Ingest {
            peer: NodeId(7),
            run: Run {
                site: SiteId([1; 16]),
                first: Seq(1),
                bodies: vec![bytes::Bytes::new(); changesets],
                signature: Signature([0; 64]),
            },
        }
    }

    fn changesets(task: Option<Task>) -> usize {
        match task {
            Some(Task::Ingest { run, .. }) => run.bodies.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fresh_changeset_overtakes_a_backlog_and_a_flood_of_them_does_not_starve_it() {
        let mut work = Work::default();
        work.push(ingest(500));
        for _ in 0..20 {
            work.push(ingest(1));
        }
        let order: Vec<usize> = (0..21).map(|_| changesets(work.next())).collect();
        assert_eq!(order.iter().position(|changesets| *changesets == 500), Some(8));
        assert!(work.next().is_none());
    }
}
