//! How passengers fared.

use std::collections::BTreeMap;

use sync_protocol::decide::Decision;
use sync_protocol::fact::{Direction, Reason};
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::money::Money;

use super::{Outcome, Presented};

/// A tap that a gate answered: it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which gate.
    pub gate: NodeId,
    /// When the card was presented, milliseconds after the start.
    pub at_ms: i64,
    /// How much later the answer came, milliseconds: what the disk took.
    pub latency_ms: i64,
    /// How long the gate had not heard the hub, milliseconds.
    pub age_ms: i64,
    /// Whether that was so long that it decided alone, in the words of the report.
    pub alone: bool,
    /// What it decided.
    pub decision: Decision,
    /// The changeset that carries it.
    pub changeset: (SiteId, Seq),
}

/// How passengers fared, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passengers {
    /// Entries let in.
    pub entries: u64,
    /// Exits let out.
    pub exits: u64,
    /// Taps turned away, by reason.
    pub turned_away: BTreeMap<Reason, u64>,
    /// Taps decided while the gate had not heard the hub for one and a half of its heartbeats.
    pub decided_alone: u64,
    /// Entries let in on the unsecured allowance.
    pub on_allowance: u64,
    /// Holds placed at entries.
    pub held: Money,
    /// Presentations at a gate that did not run: the passenger went elsewhere or tried again.
    pub gate_down: u64,
    /// Presentations during which the gate's process died.
    pub died: u64,
    /// Exits that opened although the tap could not be recorded: the disk was full.
    pub unrecorded_open: u64,
    /// Entries denied because the tap could not be recorded.
    pub unrecorded_denied: u64,
    /// Passengers who gave up trying.
    pub gave_up: u64,
}

impl Passengers {
    pub(super) fn count(&mut self, answered: &Answered) {
        let tap = &answered.decision.tap;
        self.decided_alone += u64::from(answered.alone);
        match (tap.accepted, tap.direction) {
            (true, Direction::Entry) => {
                self.entries += 1;
                self.held += tap.hold;
                self.on_allowance += u64::from(tap.reason == Reason::Allowance);
            }
            (true, Direction::Exit) => self.exits += 1,
            (false, _) => *self.turned_away.entry(tap.reason).or_default() += 1,
        }
    }

    pub(super) fn count_presented(&mut self, presented: &Presented) {
        match &presented.outcome {
            Outcome::Answered { .. } => {}
            Outcome::GateDown => self.gate_down += 1,
            Outcome::DiedBefore | Outcome::DiedAfter { .. } => self.died += 1,
            Outcome::Unrecorded { decision } if decision.tap.accepted => self.unrecorded_open += 1,
            Outcome::Unrecorded { .. } => self.unrecorded_denied += 1,
        }
    }

    /// All taps answered.
    #[must_use]
    pub fn taps(&self) -> u64 {
        self.entries + self.exits + self.turned_away.values().sum::<u64>()
    }
}
