//! One passenger's trip and its steps.

use sync_protocol::fact::Direction;
use sync_protocol::id::GateId;

/// One passenger's trip. The exit is tried only if the entry was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    pub(super) card: u32,
    /// 0 for a passenger who climbs in without tapping.
    pub(super) entry_gate: u32,
    /// 0 for a passenger who leaves without tapping.
    pub(super) exit_gate: u32,
    /// Milliseconds after the start.
    pub(super) begins_ms: u32,
    pub(super) ride_ms: u32,
    pub(super) aside: Aside,
}

/// What a passenger does besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aside {
    /// Nothing.
    #[default]
    None,
    /// The card is presented at an entry of the same terminal again.
    EntersAgain {
        /// Which gate.
        gate: u32,
        /// How long after the entry, milliseconds.
        after_ms: u32,
    },
    /// The card is presented at an exit of the same terminal again.
    LeavesAgain {
        /// Which gate.
        gate: u32,
        /// How long after the exit, milliseconds.
        after_ms: u32,
    },
    /// The passenger first tries a gate that lets nobody in, and then finds the entry.
    WrongWayIn {
        /// Which gate.
        gate: u32,
        /// How long after that the entry is tried, milliseconds.
        after_ms: u32,
    },
    /// The passenger first tries a gate that lets nobody out, and then finds the exit.
    WrongWayOut {
        /// Which gate.
        gate: u32,
        /// How long after that the exit is tried, milliseconds.
        after_ms: u32,
    },
}

/// A tap of a trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// In at a gate that lets nobody in.
    WrongWayIn,
    /// In.
    Enter,
    /// In again.
    EnterAgain,
    /// Out at a gate that lets nobody out.
    WrongWayOut,
    /// Out.
    Leave,
    /// Out again.
    LeaveAgain,
}

impl Trip {
    /// Number of its card among the [`super::Cards`].
    #[must_use]
    pub const fn card(&self) -> u32 {
        self.card
    }

    /// When its first tap is, milliseconds after the start.
    #[must_use]
    pub fn begins_ms(&self) -> i64 {
        i64::from(self.begins_ms)
    }

    /// How long the ride takes, milliseconds.
    #[must_use]
    pub fn ride_ms(&self) -> i64 {
        i64::from(self.ride_ms)
    }

    /// When its last tap is over at the latest, milliseconds after the start.
    #[must_use]
    pub fn ends_ms(&self) -> i64 {
        let aside_ms = match self.aside {
            Aside::None => 0,
            Aside::EntersAgain { after_ms, .. }
            | Aside::LeavesAgain { after_ms, .. }
            | Aside::WrongWayIn { after_ms, .. }
            | Aside::WrongWayOut { after_ms, .. } => i64::from(after_ms),
        };
        let ride_ms = if self.exit_gate == 0 { 0 } else { self.ride_ms() };
        self.begins_ms() + ride_ms + aside_ms
    }

    /// Where it goes in; `None` for a passenger who climbs in without tapping.
    #[must_use]
    pub const fn entry_gate(&self) -> Option<GateId> {
        gate(self.entry_gate)
    }

    /// Where it comes out; `None` for a passenger who leaves without tapping.
    #[must_use]
    pub const fn exit_gate(&self) -> Option<GateId> {
        gate(self.exit_gate)
    }

    /// What its passenger does besides.
    #[must_use]
    pub const fn aside(&self) -> Aside {
        self.aside
    }

    /// Its first tap.
    #[must_use]
    pub const fn first(&self) -> Step {
        match (self.aside, self.entry_gate) {
            (Aside::WrongWayIn { .. }, _) => Step::WrongWayIn,
            (_, 0) => self.way_out(),
            _ => Step::Enter,
        }
    }

    /// Gate and direction of a step; `None` for a step that it does not have.
    pub(super) fn place(&self, step: Step) -> Option<(GateId, Direction)> {
        let place = match (step, self.aside) {
            (Step::Enter, _) => (self.entry_gate()?, Direction::Entry),
            (Step::Leave, _) => (self.exit_gate()?, Direction::Exit),
            (Step::WrongWayIn, Aside::WrongWayIn { gate, .. })
            | (Step::EnterAgain, Aside::EntersAgain { gate, .. }) => (GateId(gate), Direction::Entry),
            (Step::WrongWayOut, Aside::WrongWayOut { gate, .. })
            | (Step::LeaveAgain, Aside::LeavesAgain { gate, .. }) => (GateId(gate), Direction::Exit),
            _ => return None,
        };
        Some(place)
    }

    /// What follows a step: how long after it, in milliseconds, and which.
    pub(super) fn after(&self, step: Step, opened: bool) -> impl Iterator<Item = (i64, Step)> + use<> {
        let leaves = (opened && self.exit_gate != 0).then(|| (self.ride_ms(), self.way_out()));
        let next = match (step, self.aside) {
            (Step::Enter, Aside::EntersAgain { after_ms, .. }) => {
                let again = opened.then_some((i64::from(after_ms), Step::EnterAgain));
                [again, leaves]
            }
            (Step::Enter, _) => [leaves, None],
            (Step::WrongWayIn, Aside::WrongWayIn { after_ms, .. }) => {
                [Some((i64::from(after_ms), Step::Enter)), None]
            }
            (Step::WrongWayOut, Aside::WrongWayOut { after_ms, .. }) => {
                [Some((i64::from(after_ms), Step::Leave)), None]
            }
            (Step::Leave, Aside::LeavesAgain { after_ms, .. }) => {
                [Some((i64::from(after_ms), Step::LeaveAgain)), None]
            }
            _ => [None, None],
        };
        next.into_iter().flatten()
    }

    const fn way_out(&self) -> Step {
        match self.aside {
            Aside::WrongWayOut { .. } => Step::WrongWayOut,
            _ => Step::Leave,
        }
    }
}

const fn gate(number: u32) -> Option<GateId> {
    if number == 0 { None } else { Some(GateId(number)) }
}
