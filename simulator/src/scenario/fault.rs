//! `[[fault]]`: what goes wrong, when, and for how long.

mod catalogue;
mod places;

use std::fmt;

use serde::Deserialize;
use sync_protocol::id::{GateCode, TerminalCode};

pub use catalogue::{Entry, catalogue};
pub(super) use places::find_terminal;

use super::document::{self, Table, Wrong};
use super::number::zero;
use super::{DURATION_S_MAX, PerMille, StoreKind, Within};
use crate::topology::Topology;

/// Most faults in one scenario.
pub const FAULTS_MAX: usize = 64;
/// Furthest that a wall clock is set wrong, milliseconds: 400 days.
const OFFSET_MS_MAX: i64 = 400 * 86_400_000;
/// Fastest and slowest that a wall clock runs, millionths: a tenth.
const DRIFT_PPM_MAX: i64 = 100_000;

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum End {
    /// The hub.
    Hub,
    /// A gate.
    Gate(GateCode),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Hub => f.write_str("hub"),
            End::Gate(code) => code.fmt(f),
        }
    }
}

impl TryFrom<String> for End {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "hub" => Ok(End::Hub),
            code => code
                .parse()
                .map(End::Gate)
                .map_err(|error| format!("{error}; or write \"hub\"")),
        }
    }
}

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashMoment {
    /// At the first tap, before it is committed.
    BeforeCommit,
    /// At the first tap, when it is committed and the barrier has not opened.
    AfterCommit,
    /// While the first changeset of another node is written.
    MidApply,
}

/// What is wrong with published reference data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoisonKind {
    /// Larger than anybody takes.
    Oversized,
    /// Cut short.
    Truncated,
    /// Not what its hash says.
    WrongHash,
    /// Correct, of sizes at powers of two and at the edges of pieces.
    EdgeSizes,
}

/// What a hostile gate signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByzantineKind {
    /// Changesets of another gate's site.
    OtherSite,
    /// Rows with values that no gate writes.
    HostileRows,
    /// Taps of the far future.
    FarFuture,
    /// Changesets that do not follow on each other.
    BrokenChain,
    /// Nothing; but snapshots that are asked of it hold richer cards.
    ForgedSnapshot,
}

/// How the links come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heal {
    /// One after the other, as reconnecting nodes do.
    #[default]
    Spread,
    /// All in the same millisecond.
    AtOnce,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The gates of one terminal hear each other and nobody else.
    Island {
        /// The terminal.
        terminal: TerminalCode,
    },
    /// No gate hears the hub. Terminals have no links among each other, so each is an island.
    HubAway,
    /// A gate hears nobody.
    Alone {
        /// The gate.
        gate: GateCode,
    },
    /// No gate hears anybody.
    AllAlone,
    /// Two nodes do not hear each other.
    Cut {
        /// One of them.
        from: End,
        /// The other.
        to: End,
    },
    /// What one node sends to another is lost; the other way passes.
    OneWay {
        /// Whose frames are lost.
        from: End,
        /// Who does not hear them.
        to: End,
    },
    /// The uplinks of a terminal go down and come up again, half a period each.
    Flapping {
        /// The terminal.
        terminal: TerminalCode,
        /// One time down and up, milliseconds.
        period_ms: Within<200, 600_000>,
    },
    /// Only one gate of a terminal hears the hub.
    Bridge {
        /// The terminal.
        terminal: TerminalCode,
        /// The gate that does.
        gate: GateCode,
    },
    /// Links lose, repeat and reorder frames.
    Lossy {
        /// Share of frames lost.
        #[serde(default = "zero")]
        loss_per_mille: Within<0, 900>,
        /// Share of frames delivered twice.
        #[serde(default = "zero")]
        duplicate_per_mille: PerMille,
        /// Share of frames that arrive after later ones.
        #[serde(default = "zero")]
        reorder_per_mille: PerMille,
        /// Only the links of this terminal's gates.
        terminal: Option<TerminalCode>,
    },
    /// Links carry little; what does not fit the queue is dropped.
    SlowLinks {
        /// What a link carries each way.
        bytes_per_s: Within<100, 1_000_000_000>,
        /// What waits at most.
        queue_bytes: Within<1_000, 1_000_000_000>,
        /// Only the links of this terminal's gates.
        terminal: Option<TerminalCode>,
    },
    /// A gate's process dies at a moment after the fault begins, and starts again when it ends.
    Crash {
        /// The gate.
        gate: GateCode,
        /// The moment.
        moment: CrashMoment,
    },
    /// A process stands still, then goes on.
    Pause {
        /// Whose.
        node: End,
    },
    /// A gate loses power: what it had not synced is gone. It starts again when the fault ends.
    PowerLoss {
        /// The gate.
        gate: GateCode,
    },
    /// A gate's disk takes no byte more.
    DiskFull {
        /// The gate.
        gate: GateCode,
    },
    /// A gate's disk is slow to sync.
    SlowDisk {
        /// The gate.
        gate: GateCode,
        /// How long every sync takes.
        sync_ms: Within<1, 60_000>,
    },
    /// A gate's disk is lost; it starts with an empty one when the fault ends.
    WipedDisk {
        /// The gate.
        gate: GateCode,
    },
    /// A gate stops, and starts from an old image of its disk when the fault ends.
    RestoredDisk {
        /// The gate.
        gate: GateCode,
        /// How much older than the beginning of the fault the image is, seconds.
        age_s: Within<1, DURATION_S_MAX>,
    },
    /// A gate's wall clock is set wrong, and right again when the fault ends.
    Clock {
        /// The gate.
        gate: GateCode,
        /// How far it is ahead.
        offset_ms: Within<{ -OFFSET_MS_MAX }, OFFSET_MS_MAX>,
        /// How much too fast it runs, millionths.
        #[serde(default = "zero")]
        drift_ppm: Within<{ -DRIFT_PPM_MAX }, DRIFT_PPM_MAX>,
    },
    /// The hub's process does not run. It starts again from its ledger.
    HubDown,
    /// The hub's process stops, and starts when the fault ends from an older copy of its ledger: a backup, or a copy
    /// that lacked the last commits when it took over.
    HubRestored {
        /// How much older than the beginning of the fault the copy is, seconds.
        age_s: Within<1, DURATION_S_MAX>,
    },
    /// A gate comes into being when the fault ends.
    GateAdded {
        /// The gate.
        gate: GateCode,
    },
    /// A gate is gone for good from the beginning of the fault.
    GateRemoved {
        /// The gate.
        gate: GateCode,
    },
    /// A gate also writes changes of a kind that nobody here knows.
    NewerGate {
        /// The gate.
        gate: GateCode,
    },
    /// The hub publishes bad reference data, signed with its own key.
    Poison {
        /// What is wrong with it.
        what: PoisonKind,
    },
    /// A gate's key signs hostile changesets.
    Byzantine {
        /// The gate.
        gate: GateCode,
        /// What it signs.
        what: ByzantineKind,
    },
    /// A gate's key signs one site twice, and shows one half of its peers the one branch, the other half the other.
    /// When the fault ends, an operator says which counts.
    Equivocation {
        /// The gate.
        gate: GateCode,
    },
}

/// A fault with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it begins, seconds after the start.
    pub at_s: i64,
    /// How long it lasts, seconds.
    pub for_s: i64,
    /// How the links come back after it.
    pub heal: Heal,
    /// What it is.
    pub kind: FaultKind,
}

/// Whom a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// All gates.
    Gates,
    /// The hub.
    Hub,
    /// The gates of a terminal.
    Terminal(TerminalCode),
    /// The gates of a terminal but this one.
    AllBut(TerminalCode, GateCode),
    /// All links of a terminal's gates, or all there are.
    Links(Option<TerminalCode>),
    /// The link between two nodes.
    Link(End, End),
    /// A node.
    Node(End),
    /// A gate.
    Gate(GateCode),
}

impl FaultKind {
    /// Whom it strikes.
    pub(crate) const fn place(&self) -> Place {
        match *self {
            FaultKind::HubAway | FaultKind::AllAlone => Place::Gates,
            FaultKind::HubDown | FaultKind::HubRestored { .. } | FaultKind::Poison { .. } => Place::Hub,
            FaultKind::Island { terminal } | FaultKind::Flapping { terminal, .. } => {
                Place::Terminal(terminal)
            }
            FaultKind::Bridge { terminal, gate } => Place::AllBut(terminal, gate),
            FaultKind::Lossy { terminal, .. } | FaultKind::SlowLinks { terminal, .. } => {
                Place::Links(terminal)
            }
            FaultKind::Cut { from, to } | FaultKind::OneWay { from, to } => Place::Link(from, to),
            FaultKind::Pause { node } => Place::Node(node),
            FaultKind::Alone { gate }
            | FaultKind::Crash { gate, .. }
            | FaultKind::PowerLoss { gate }
            | FaultKind::DiskFull { gate }
            | FaultKind::SlowDisk { gate, .. }
            | FaultKind::WipedDisk { gate }
            | FaultKind::RestoredDisk { gate, .. }
            | FaultKind::Clock { gate, .. }
            | FaultKind::GateAdded { gate }
            | FaultKind::GateRemoved { gate }
            | FaultKind::NewerGate { gate }
            | FaultKind::Byzantine { gate, .. }
            | FaultKind::Equivocation { gate } => Place::Gate(gate),
        }
    }

    /// Whether it shows only on a disk of the gate's own.
    const fn needs_a_disk(&self) -> bool {
        matches!(
            self,
            FaultKind::DiskFull { .. } | FaultKind::SlowDisk { .. } | FaultKind::Equivocation { .. }
        )
    }
}

impl Fault {
    /// When it is over, seconds after the start.
    #[must_use]
    pub const fn ends_s(&self) -> i64 {
        self.at_s + self.for_s
    }
}

/// The keys that every fault may have. They are read apart from those of its kind.
#[derive(Deserialize)]
struct Times {
    at_s: Within<0, DURATION_S_MAX>,
    for_s: Within<1, DURATION_S_MAX>,
    #[serde(default)]
    heal: Heal,
}

/// Reads every `[[fault]]` of a scenario for a network.
pub(super) fn read(
    tables: Vec<Table<'_>>,
    duration_s: i64,
    network: &Topology,
    store: StoreKind,
) -> Result<Vec<Fault>, Wrong> {
    if let Some(excess) = tables.get(FAULTS_MAX) {
        let message = format!("{} faults: at most {FAULTS_MAX} are allowed", tables.len());
        return Err(Wrong::at(excess.span().start, message));
    }
    let read = |table| read_one(table, duration_s, network, store).map_err(|wrong| wrong.within("fault"));
    tables.into_iter().map(read).collect()
}

fn read_one(
    mut table: Table<'_>,
    duration_s: i64,
    network: &Topology,
    store: StoreKind,
) -> Result<Fault, Wrong> {
    let spans = document::Spans::of(&table);
    let times: Times = document::read(document::split_off(&mut table, &["at_s", "for_s", "heal"]))?;
    let kind = document::kind_of(&table)?;
    if let Some(entry) = catalogue()
        .iter()
        .find(|entry| entry.kind == kind && entry.is_not_yet())
    {
        let message = format!(
            "{} is not simulated yet: `simulator list --faults` shows what is",
            entry.kind
        );
        return Err(Wrong::at(spans.of_key("kind"), message));
    }
    let kind: FaultKind = document::read_tagged(table)?;
    if store == StoreKind::Model && kind.needs_a_disk() {
        let message = "a model store has no disk that runs full or slow, and knows no second branch: use store = \"sqlite\" in [engine]";
        return Err(Wrong::at(spans.of_key("kind"), message));
    }
    let fault = Fault {
        at_s: times.at_s.get(),
        for_s: times.for_s.get(),
        heal: times.heal,
        kind,
    };
    if fault.ends_s() > duration_s {
        let message = format!(
            "it ends {} s after the start, the traffic after {duration_s} s",
            fault.ends_s()
        );
        return Err(Wrong::at(spans.of_key("for_s"), message));
    }
    places::check(&fault.kind, network)
        .map_err(|misplaced| Wrong::at(spans.of_key(misplaced.key), misplaced.message))?;
    Ok(fault)
}
