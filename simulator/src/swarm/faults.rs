//! The faults of a drawn scenario: from none to many overlapping ones.

mod kinds;
mod places;

use std::fmt::Write as _;

pub(super) use kinds::KINDS;
use kinds::{Kind, Strikes};
use places::Places;

use crate::random::Stream;
use crate::scenario::Scenario;

/// How many faults a scenario has, with weights: lowest, highest, weight.
const COUNTS: [(i64, i64, u32); 5] = [(0, 0, 8), (1, 1, 25), (2, 3, 35), (4, 7, 24), (8, 12, 8)];
/// Durations around which faults are drawn, seconds: as often a moment as the whole run.
const USUAL_S: [i64; 5] = [5, 20, 60, 180, 600];
/// Two faults that stop the same gate's process are this far apart at least, seconds.
const APART_S: i64 = 5;

/// A restored hub lost, and was away for, this part at most of the time for which gates keep their logs.
const KEPT_SHARE: i64 = 6;

/// A drawn fault.
pub(super) struct Drawn {
    pub(super) kind: &'static str,
    at_s: i64,
    for_s: i64,
    at_once: bool,
    parameters: String,
    /// The gate whose process or disk it takes.
    takes: Option<String>,
}

impl Drawn {
    /// The keys of its table.
    pub(super) fn text(&self) -> String {
        let Drawn {
            kind, at_s, for_s, ..
        } = self;
        let mut text = format!("at_s = {at_s}\nfor_s = {for_s}\nkind = \"{kind}\"\n");
        text.push_str(&self.parameters);
        if self.at_once {
            text.push_str("heal = \"at_once\"\n");
        }
        text
    }
}

/// Draws the faults of a scenario.
pub(super) fn draw(scenario: &Scenario, stream: &mut Stream) -> Vec<Drawn> {
    let places = Places::of(scenario);
    let counts = COUNTS.map(|(_, _, weight)| weight);
    let (fewest, most, _) = COUNTS[stream.weighted(&counts)];
    let weights: Vec<u32> = KINDS.iter().map(|kind| kind.weight).collect();
    let mut faults: Vec<Drawn> = Vec::new();
    for _ in 0..stream.between(fewest, most) {
        let kind = &KINDS[stream.weighted(&weights)];
        let fault = draw_one(kind, &places, scenario, stream);
        if !faults.iter().any(|other| exclude(other, &fault)) {
            faults.push(fault);
        }
    }
    faults
}

fn draw_one(kind: &Kind, places: &Places, scenario: &Scenario, stream: &mut Stream) -> Drawn {
    let duration_s = scenario.duration_s;
    let (mut at_s, mut for_s) = time(duration_s, stream);
    let mut parameters = String::new();
    let gate = match kind.strikes {
        Strikes::Network => None,
        Strikes::Gate | Strikes::Process => {
            let (gate, _) = places.gate(stream);
            let _ = writeln!(parameters, "gate = \"{gate}\"");
            Some(gate.clone())
        }
    };
    match kind.name {
        // It does not exist from the beginning, and comes somewhere in the middle.
        "gate_added" => (at_s, for_s) = (0, at_s + for_s),
        "gate_removed" => for_s = 1,
        // A wrong clock shows by the taps that it stamps: for the most part of the run.
        "clock" => {
            at_s = stream.between(0, duration_s / 3);
            for_s = stream.between(duration_s / 3, duration_s - at_s);
        }
        // What the hub acknowledged since has to be at gates still: they are not asked to keep more than they promise.
        "hub_restored" => {
            let kept_s = (scenario.engine.keep_logs_s.get() / KEPT_SHARE).max(1);
            for_s = for_s.min(kept_s);
            let age_s = stream.between(1, kept_s.min(duration_s));
            let _ = writeln!(parameters, "age_s = {age_s}");
        }
        _ => {}
    }
    parameters.push_str(&(kind.parameters)(places, stream));
    Drawn {
        kind: kind.name,
        at_s,
        for_s,
        at_once: stream.chance(250),
        parameters,
        takes: gate.filter(|_| kind.strikes == Strikes::Process),
    }
}

/// When a fault strikes and how long it lasts.
fn time(duration_s: i64, stream: &mut Stream) -> (i64, i64) {
    let at_s = stream.between(0, duration_s - 10);
    let usual_s = USUAL_S[stream.below(USUAL_S.len() as u64) as usize];
    (at_s, stream.between(1, usual_s).min(duration_s - at_s))
}

/// Whether two faults cannot both be: a process that does not run cannot be stopped once more, and a gate that is
/// gone stays gone.
fn exclude(one: &Drawn, other: &Drawn) -> bool {
    if one.takes.is_none() || one.takes != other.takes {
        return false;
    }
    let ends_s = |fault: &Drawn| {
        if fault.kind == "gate_removed" {
            i64::MAX / 2
        } else {
            fault.at_s + fault.for_s
        }
    };
    one.at_s < ends_s(other) + APART_S && other.at_s < ends_s(one) + APART_S
}
