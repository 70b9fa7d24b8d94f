//! Faults and reasons in a transport operator's words.

use sync_protocol::fact::Reason;

use crate::scenario::{ByzantineKind, CrashMoment, End, Fault, FaultKind, Heal, Place, PoisonKind};

/// What kind of trouble a fault is: decides the colour of its bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Somebody does not hear somebody.
    CutOff,
    /// A process does not run, or its disk is gone.
    Down,
    /// Slow, lossy, standing still.
    Impaired,
    /// It goes on, but wrongly.
    Wrong,
}

impl Trouble {
    pub(super) const ALL: [Trouble; 4] = [Trouble::CutOff, Trouble::Down, Trouble::Impaired, Trouble::Wrong];

    /// The class in the charts' style.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Trouble::CutOff => "cut",
            Trouble::Down => "down",
            Trouble::Impaired => "impaired",
            Trouble::Wrong => "wrong",
        }
    }

    /// The word in the legend.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Trouble::CutOff => "cut off",
            Trouble::Down => "down",
            Trouble::Impaired => "slow, lossy or paused",
            Trouble::Wrong => "wrong clock or data",
        }
    }
}

/// A fault in words, with its time.
pub(super) fn fault_in_words(fault: &Fault) -> String {
    let times = format!("from second {} for {} seconds", fault.at_s, fault.for_s);
    let heal = match fault.heal {
        Heal::Spread => "",
        Heal::AtOnce => ", healing everywhere at once",
    };
    format!("{} {} {times}{heal}", subject(&fault.kind), what(&fault.kind))
}

/// Whom a fault strikes.
pub(super) fn subject(kind: &FaultKind) -> String {
    match kind.place() {
        Place::Gates => "all gates".to_owned(),
        Place::Hub => "the hub".to_owned(),
        Place::Terminal(terminal) | Place::AllBut(terminal, _) => format!("terminal {terminal}"),
        Place::Links(None) => "all links".to_owned(),
        Place::Links(Some(terminal)) => format!("links of terminal {terminal}"),
        Place::Link(from, to) => format!("{} to {}", end(from), end(to)),
        Place::Node(node) => end(node),
        Place::Gate(gate) => format!("gate {gate}"),
    }
}

/// What happens to it.
pub(super) fn what(kind: &FaultKind) -> String {
    match kind {
        FaultKind::Island { .. } => "cut off from everybody".to_owned(),
        FaultKind::HubAway => "cut off from the hub".to_owned(),
        FaultKind::Alone { .. } => "hears nobody".to_owned(),
        FaultKind::AllAlone => "hear nobody".to_owned(),
        FaultKind::Cut { .. } => "link cut".to_owned(),
        FaultKind::OneWay { .. } => "nothing arrives this way".to_owned(),
        FaultKind::Flapping { period_ms, .. } => format!("uplinks down and up every {} ms", period_ms.get()),
        FaultKind::Bridge { gate, .. } => format!("reaches the hub through {gate} only"),
        FaultKind::Lossy {
            loss_per_mille,
            duplicate_per_mille,
            reorder_per_mille,
            ..
        } => {
            let (lost, repeated) = (loss_per_mille.get(), duplicate_per_mille.get());
            let reordered = reorder_per_mille.get();
            format!("of 1000 frames {lost} lost, {repeated} repeated, {reordered} late")
        }
        FaultKind::SlowLinks {
            bytes_per_s,
            queue_bytes,
            ..
        } => format!(
            "carry {} bytes a second, {} wait at most",
            bytes_per_s.get(),
            queue_bytes.get()
        ),
        FaultKind::Crash { moment, .. } => match moment {
            CrashMoment::BeforeCommit => "killed before a tap is committed".to_owned(),
            CrashMoment::AfterCommit => "killed after a tap is committed".to_owned(),
            CrashMoment::MidApply => "killed while it writes what others sent".to_owned(),
        },
        FaultKind::Pause { .. } => "stands still".to_owned(),
        FaultKind::PowerLoss { .. } => "without power".to_owned(),
        FaultKind::DiskFull { .. } => "disk full".to_owned(),
        FaultKind::SlowDisk { sync_ms, .. } => format!("every write takes {} ms", sync_ms.get()),
        FaultKind::WipedDisk { .. } => "disk lost".to_owned(),
        FaultKind::RestoredDisk { age_s, .. } => format!("disk restored as it was {} s before", age_s.get()),
        FaultKind::Clock {
            offset_ms, drift_ppm, ..
        } => clock(offset_ms.get(), drift_ppm.get()),
        FaultKind::HubDown => "down".to_owned(),
        FaultKind::HubRestored { age_s } => format!("ledger restored as it was {} s before", age_s.get()),
        FaultKind::GateAdded { .. } => "not there yet".to_owned(),
        FaultKind::GateRemoved { .. } => "removed for good".to_owned(),
        FaultKind::NewerGate { .. } => "writes changes that nobody here knows".to_owned(),
        FaultKind::Poison { what } => poison(*what).to_owned(),
        FaultKind::Byzantine { what, .. } => byzantine(*what).to_owned(),
        FaultKind::Equivocation { .. } => "signs one log in two ways".to_owned(),
    }
}

fn clock(offset_ms: i64, drift_ppm: i64) -> String {
    let drift = match drift_ppm {
        0 => String::new(),
        ppm => format!(", running {} ppm {}", ppm.abs(), faster(ppm, "fast", "slow")),
    };
    let seconds = offset_ms.abs() / 1_000;
    let tenths = offset_ms.abs() % 1_000 / 100;
    format!(
        "clock {seconds}.{tenths} s {}{drift}",
        faster(offset_ms, "ahead", "behind")
    )
}

const fn faster(number: i64, positive: &'static str, negative: &'static str) -> &'static str {
    if number < 0 { negative } else { positive }
}

const fn poison(what: PoisonKind) -> &'static str {
    match what {
        PoisonKind::Oversized => "publishes reference data that is too large",
        PoisonKind::Truncated => "publishes reference data that is cut short",
        PoisonKind::WrongHash => "publishes reference data with a wrong hash",
        PoisonKind::EdgeSizes => "publishes reference data of awkward sizes",
    }
}

const fn byzantine(what: ByzantineKind) -> &'static str {
    match what {
        ByzantineKind::OtherSite => "signs changesets of another gate",
        ByzantineKind::HostileRows => "signs rows that no gate writes",
        ByzantineKind::FarFuture => "signs taps of the far future",
        ByzantineKind::BrokenChain => "signs changesets that do not follow on each other",
        ByzantineKind::ForgedSnapshot => "serves forged snapshots",
    }
}

/// What kind of trouble it is.
pub(super) const fn trouble(kind: &FaultKind) -> Trouble {
    match kind {
        FaultKind::Island { .. }
        | FaultKind::HubAway
        | FaultKind::Alone { .. }
        | FaultKind::AllAlone
        | FaultKind::Cut { .. }
        | FaultKind::OneWay { .. }
        | FaultKind::Bridge { .. } => Trouble::CutOff,
        FaultKind::Crash { .. }
        | FaultKind::PowerLoss { .. }
        | FaultKind::WipedDisk { .. }
        | FaultKind::RestoredDisk { .. }
        | FaultKind::HubDown
        | FaultKind::HubRestored { .. }
        | FaultKind::GateAdded { .. }
        | FaultKind::GateRemoved { .. }
        | FaultKind::DiskFull { .. } => Trouble::Down,
        FaultKind::Flapping { .. }
        | FaultKind::Lossy { .. }
        | FaultKind::SlowLinks { .. }
        | FaultKind::Pause { .. }
        | FaultKind::SlowDisk { .. } => Trouble::Impaired,
        FaultKind::Clock { .. }
        | FaultKind::NewerGate { .. }
        | FaultKind::Poison { .. }
        | FaultKind::Byzantine { .. }
        | FaultKind::Equivocation { .. } => Trouble::Wrong,
    }
}

fn end(end: End) -> String {
    match end {
        End::Hub => "the hub".to_owned(),
        End::Gate(gate) => format!("gate {gate}"),
    }
}

/// Why a tap was turned away.
pub(super) const fn reason_in_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Blocked => "card blocked",
        Reason::Suspended => "card suspended",
        Reason::Closed => "card closed",
        Reason::DenyList => "card on the deny list",
        Reason::Funds => "not enough money for the longest trip",
        Reason::Debt => "card owes money",
        Reason::Passback => "second entry within five minutes",
        Reason::WrongGate => "wrong direction for this gate",
        Reason::UnknownCard => "card not known",
        Reason::NoFare => "no fare known",
        Reason::Velocity => "too many offline entries",
        Reason::StaleKnowledge => "gate cut off for more than three days",
        Reason::GateClosed => "gate closed",
        Reason::Accepted | Reason::DupIn | Reason::Allowance | Reason::ExitOpen | Reason::FreeFlow => {
            "let through"
        }
    }
}
