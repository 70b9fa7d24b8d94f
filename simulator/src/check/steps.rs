//! What is looked at while a run goes on, at the steps where it could go wrong. Looking plans no event, draws nothing
//! from the run's randomness and changes no node, so a run is the same with and without it.

use sync_protocol::changeset::Run;
use sync_protocol::decide::Policy;
use sync_protocol::id::{NodeId, SiteId};
use sync_protocol::time::SECOND_MS;

use super::clocks::{Stamped, Stamps};
use super::conservation::Books;
use super::decisions::Decisions;
use super::heads::Heads;
use super::overdraft::{Moment, Overdrafts};
use super::prefix::Prefixes;
use super::sites::Sites;
use super::waits::BusyDisks;
use crate::node::gate::GateNode;
use crate::node::hub::HubNode;
use crate::node::map::NodeMap;
use crate::oracle::Oracle;

/// Nodes are looked at this often besides, milliseconds.
const LOOK_PERIOD_MS: i64 = 30 * SECOND_MS;
/// Gates looked at in one look; of more, the next ones come with the next look.
const GATES_PER_LOOK: usize = 32;

/// What the steps of a run showed.
#[derive(Debug, Default)]
pub struct Steps {
    pub(super) books: Books,
    pub(super) stamps: Stamps,
    pub(super) sites: Sites,
    pub(super) heads: Heads,
    pub(super) prefixes: Prefixes,
    pub(super) overdrafts: Overdrafts,
    pub(super) decisions: Decisions,
    pub(super) disks: BusyDisks,
    next_look_ms: i64,
    /// The first gate of the next look.
    next_gate: Option<NodeId>,
}

impl Steps {
    /// Steps of a network whose gates decide by this policy.
    #[must_use]
    pub fn new(policy: Policy) -> Steps {
        Steps {
            overdrafts: Overdrafts::new(policy),
            ..Steps::default()
        }
    }

    /// Looks at the hub after it settled.
    pub fn after_settle(&mut self, hub: &mut HubNode, oracle: &Oracle, now_ms: i64) {
        let cards = self.books.after_settle(hub);
        self.prefixes.after_settle(hub, oracle, &cards, now_ms);
    }

    /// Looks at what a node's writer committed and signed.
    pub fn committed(&mut self, node: NodeId, run: &Run, now_ms: i64) {
        self.sites.committed(node, run, now_ms);
    }

    /// Looks at a tap that a gate stamped.
    pub fn stamped(&mut self, tap: Stamped) {
        self.stamps.note(tap);
    }

    /// Looks at a tap that is durable; the oracle knows of it.
    ///
    /// # Errors
    /// The gate's store failed.
    pub fn after_tap(&mut self, moment: &Moment<'_>) -> anyhow::Result<()> {
        let tap = &moment.decided.decision.tap;
        self.prefixes
            .after_tap(moment.gate, moment.oracle, tap.card, moment.now_ms)?;
        self.decisions.after_tap(moment)?;
        self.overdrafts.after_tap(moment)
    }

    /// Looks at a gate's process that has just started.
    pub fn started(&mut self, node: NodeId, gate: &GateNode, now_ms: i64) {
        self.sites.started(node, gate.site(), now_ms);
        self.heads.look(node, gate.have(), now_ms);
    }

    /// A gate's disk was lost, or replaced by an older copy of itself.
    pub fn disk_replaced(&mut self, node: NodeId) {
        self.heads.disk_replaced(node);
    }

    /// A gate dropped a branch that by the hub's word does not count.
    pub fn reverted(&mut self, node: NodeId, site: SiteId) {
        self.heads.reverted(node, site);
    }

    /// A gate's disk is busy.
    pub fn disk_busy(&mut self, node: NodeId, from_ms: i64, until_ms: i64) {
        self.disks.note(node, from_ms, until_ms);
    }

    /// Whether it is time for a look.
    #[must_use]
    pub const fn is_due(&self, now_ms: i64) -> bool {
        now_ms >= self.next_look_ms
    }

    /// Looks at the hub and at some gates: now and then, and when faults begin and end.
    pub fn look(&mut self, gates: &NodeMap<GateNode>, hub: &HubNode, now_ms: i64) {
        self.next_look_ms = now_ms + LOOK_PERIOD_MS;
        self.heads.look(NodeId::HUB, hub.held(), now_ms);
        let from = self.next_gate.unwrap_or(NodeId::HUB);
        let turn = gates.range(from..).chain(gates.range(..from));
        for (node, gate) in turn.clone().take(GATES_PER_LOOK) {
            self.heads.look(*node, gate.have(), now_ms);
        }
        self.next_gate = turn.map(|(node, _)| *node).nth(GATES_PER_LOOK);
    }

    /// Looks at everybody once more, at the end.
    pub fn last_look(&mut self, gates: &NodeMap<GateNode>, hub: &HubNode, now_ms: i64) {
        self.heads.look(NodeId::HUB, hub.held(), now_ms);
        for (node, gate) in gates.iter() {
            self.heads.look(*node, gate.have(), now_ms);
        }
    }
}
