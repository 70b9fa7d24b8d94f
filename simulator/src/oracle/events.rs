//! What people saw and operators know: presentations, downtimes, changes made by hand.

use std::collections::BTreeSet;

use sync_protocol::decide::Decision;
use sync_protocol::fact::Direction;
use sync_protocol::id::{CardId, FactId, NodeId, Seq, SiteId};

use super::Oracle;

/// A card at a gate, whatever came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Which gate.
    pub gate: NodeId,
    /// When, milliseconds after the start.
    pub at_ms: i64,
    /// The card.
    pub card: CardId,
    /// Which way the passenger wants to go.
    pub direction: Direction,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a presentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The gate answered, and the tap is durable.
    Answered {
        /// Its place in [`super::Oracle::answered`].
        index: usize,
    },
    /// The gate did not run.
    GateDown,
    /// The process died before the tap was durable: nothing is left of it.
    DiedBefore,
    /// The process died after the tap was durable and before the answer: its fact counts, but the barrier stayed
    /// shut and nobody was told (T-37).
    DiedAfter {
        /// The changeset that carries it.
        changeset: (SiteId, Seq),
    },
    /// The tap could not be recorded because the disk was full: an exit opened all the same, an entry was denied.
    Unrecorded {
        /// What was decided. Boxed, because it is rare.
        decision: Box<Decision>,
    },
}

/// Why a node did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Its process or its power was gone, or its disk.
    Down,
    /// Its process stood still.
    Paused,
    /// It was not installed yet.
    NotYet,
    /// It was removed for good.
    Removed,
}

/// A time in which a node did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downtime {
    /// Which node.
    pub node: NodeId,
    /// Why.
    pub absence: Absence,
    /// From, milliseconds after the start.
    pub from_ms: i64,
    /// Until; `None` while it lasts.
    pub until_ms: Option<i64>,
}

/// A change of a kind that nobody in the network knows: to be kept and relayed as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// Where it stands.
    pub id: FactId,
    /// Who wrote it.
    pub node: NodeId,
    /// Its content as written.
    pub content: Vec<u8>,
    /// When, milliseconds after the start.
    pub at_ms: i64,
}

/// A changeset made by hand to do harm, signed with the key of the node that sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forged {
    /// Whose key signs it.
    pub node: NodeId,
    /// What it tries, in words.
    pub what: String,
    /// The site that it claims.
    pub site: SiteId,
    /// Its first and last changeset.
    pub seqs: (Seq, Seq),
    /// Whether an honest node has to take it as part of its log: it is well-formed and well signed, and whatever is
    /// wrong in it has to be put aside. Otherwise the whole run has to be refused.
    pub fits_log: bool,
    /// Fare versions in it that nobody may apply.
    pub fare_versions: Vec<u32>,
    /// When, milliseconds after the start.
    pub at_ms: i64,
    /// The nodes that refused it.
    pub refused_by: BTreeSet<NodeId>,
}

impl Oracle {
    /// Notes that a node refused a run: whether it is one of the hand-made ones.
    pub fn note_refused(&mut self, node: NodeId, site: SiteId, first: Seq, last: Seq) {
        let meant =
            |forged: &&mut Forged| forged.site == site && forged.seqs.0 <= last && first <= forged.seqs.1;
        for forged in self.forged.iter_mut().filter(meant) {
            forged.refused_by.insert(node);
        }
    }
}
