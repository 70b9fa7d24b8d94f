//! Two processes with one node's key: a disk or a machine was copied, and the copy and its original both run.
//!
//! Each start of a process draws a number of its own and tells it when it links. A number that comes back after another
//! one is that of a process which did not end: the two take turns. No honest restart looks like that.

use std::collections::BTreeMap;

use sync_protocol::id::NodeId;
use tokio::time::Instant;

use super::limits::TWINS_KEEP;

/// Most starts remembered of one node.
const STARTS_MAX: usize = 8;

/// The starts of one node, newest last.
#[derive(Debug, Default)]
struct Starts {
    known: Vec<[u8; 8]>,
    /// How often an earlier one came back.
    returns: u64,
    /// When two of them last wanted to link at a time.
    contested: Option<Instant>,
}

impl Starts {
    fn are_two(&self) -> bool {
        self.contested
            .is_some_and(|contested| contested.elapsed() < TWINS_KEEP)
    }
}

/// The starts of all nodes that were linked: no more than were admitted.
#[derive(Debug, Default)]
pub(super) struct Twins(BTreeMap<NodeId, Starts>);

impl Twins {
    /// Notes which start of a node wants to link.
    pub(super) fn note(&mut self, node: NodeId, start: [u8; 8]) {
        let starts = self.0.entry(node).or_default();
        if starts.known.last() == Some(&start) {
            return;
        }
        let before = starts.known.len();
        starts.known.retain(|known| *known != start);
        if starts.known.len() < before {
            starts.returns += 1;
            starts.contested = Some(Instant::now());
        }
        if starts.known.len() >= STARTS_MAX {
            starts.known.remove(0);
        }
        starts.known.push(start);
    }

    /// Notes that one of two processes waits for its turn.
    pub(super) fn waits(&mut self, node: NodeId) {
        if let Some(starts) = self.0.get_mut(&node) {
            starts.contested = Some(Instant::now());
        }
    }

    /// Whether two processes with this node's key run, or did a little while ago.
    pub(super) fn has(&self, node: NodeId) -> bool {
        self.0.get(&node).is_some_and(Starts::are_two)
    }

    /// The nodes with two processes, and how often these took turns.
    pub(super) fn all(&self) -> impl Iterator<Item = (NodeId, u64)> {
        let twins = self.0.iter().filter(|(_, starts)| starts.are_two());
        twins.map(|(node, starts)| (*node, starts.returns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_no_twin_and_a_start_that_comes_back_is_one() {
        let mut twins = Twins::default();
        let node = NodeId(7);
        for start in [1, 1, 2, 2, 3] {
            twins.note(node, [start; 8]);
        }
        assert!(!twins.has(node) && twins.all().next().is_none());
        twins.note(node, [2; 8]);
        assert!(twins.has(node));
        twins.note(node, [3; 8]);
        assert_eq!(twins.all().collect::<Vec<_>>(), [(node, 2)]);
    }
}
