//! What a simulated day costs over the number of gates and of taps, with real SQLite stores and with the model store. The
//! floor of each point is the bare folding of as many facts, measured in the same run.

use simulator::scenario::Scenario;

use super::Figure;
use super::simulator::measured;

/// One point of a curve: a day of a network of terminals with four gates each.
struct Point {
    name: &'static str,
    store: &'static str,
    terminals: u32,
    /// About so many taps.
    taps: u32,
}

macro_rules! points {
    ($($name:literal: $store:literal, $terminals:literal terminals, $taps:literal taps;)*) => {
        /// The figures' names.
        pub(super) const NAMES: &[&str] = &[$($name),*];
        const POINTS: &[Point] =
            &[$(Point { name: $name, store: $store, terminals: $terminals, taps: $taps }),*];
    };
}

points! {
    "sim_sqlite_12_gates_4k_taps_s": "sqlite", 3 terminals, 4_000 taps;
    "sim_sqlite_24_gates_4k_taps_s": "sqlite", 6 terminals, 4_000 taps;
    "sim_sqlite_48_gates_4k_taps_s": "sqlite", 12 terminals, 4_000 taps;
    "sim_sqlite_24_gates_8k_taps_s": "sqlite", 6 terminals, 8_000 taps;
    "sim_sqlite_24_gates_16k_taps_s": "sqlite", 6 terminals, 16_000 taps;
    "sim_model_100_gates_50k_taps_s": "model", 25 terminals, 50_000 taps;
    "sim_model_400_gates_50k_taps_s": "model", 100 terminals, 50_000 taps;
    "sim_model_1600_gates_50k_taps_s": "model", 400 terminals, 50_000 taps;
    "sim_model_400_gates_100k_taps_s": "model", 100 terminals, 100_000 taps;
    "sim_model_400_gates_200k_taps_s": "model", 100 terminals, 200_000 taps;
}

/// Taps of such a day for each trip of its busiest hour, in hundredths.
const TAPS_PER_PEAK_TRIP: u32 = 1_890;

/// Measures every point.
pub(super) fn curves() -> anyhow::Result<Vec<Figure>> {
    POINTS
        .iter()
        .map(|point| measured(point.name, point.scenario()?))
        .collect()
}

impl Point {
    fn scenario(&self) -> anyhow::Result<Scenario> {
        let Point {
            name,
            store,
            terminals,
            taps,
        } = self;
        let trips = (taps * 100 / TAPS_PER_PEAK_TRIP).max(1);
        let cards = taps / 4;
        let (stocked, signatures, round_ms) = match *store {
            "sqlite" => ("true", "ed25519", 10_000),
            _ => ("false", "keyed_hash", 60_000),
        };
        let text = format!(
            "title = \"{name}\"\nstarts_at = \"03:00\"\nduration_s = 86400\nconverge_within_s = 600\n\
             [network]\nkind = \"generated\"\nterminals = {terminals}\n\
             gates_per_terminal = {{ entry = 2, exit = 2, bidirectional = 0 }}\n\
             [traffic]\ncards = {cards}\ntrips_per_hour_at_peak = {trips}\npairs = \"commuter\"\n\
             missing_exit_per_mille = 5\nrepeated_tap_per_mille = 5\n\
             [engine]\nstore = \"{store}\"\nstocked = {stocked}\nsignatures = \"{signatures}\"\n\
             settle_every_ms = 20000\ngate_beat_s = 60\nhub_beat_s = 60\nround_ms = {round_ms}\n\
             [[fault]]\nat_s = 14400\nfor_s = 7200\nkind = \"island\"\nterminal = \"B\"\n"
        );
        Ok(Scenario::parse(name, name, &text)?)
    }
}
