//! Benchmarks. Every figure is shown beside a floor or peer measured in the same run, so that a slow or noisy
//! machine shifts both.

pub mod catch_up;
pub mod clock;
mod curves;
pub mod decide;
mod filled;
pub mod fold;
mod gates;
pub mod hub_merge;
pub mod simulator;
pub mod size;
pub mod store;
pub mod tap_http;
pub mod terminal;
pub mod visible;

use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Its name; see the README's table.
    pub name: &'static str,
    /// What was measured.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The floor measured in the same run, in the same unit.
    pub baseline: f64,
    /// `value / baseline`.
    pub ratio: f64,
}

impl Figure {
    /// A figure with its floor.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "figures are measurements, not money")]
    pub fn new(name: &'static str, unit: &'static str, value: f64, baseline: f64) -> Figure {
        let ratio = if baseline > 0.0 { value / baseline } else { 0.0 };
        Figure {
            name,
            value,
            unit,
            baseline,
            ratio,
        }
    }
}

/// A benchmark: the names it gives figures for, and how to take them.
pub struct Benchmark {
    /// The figures' names.
    pub names: &'static [&'static str],
    /// Takes them.
    pub run: fn() -> anyhow::Result<Vec<Figure>>,
}

/// Every benchmark.
pub const ALL: &[Benchmark] = &[
    Benchmark {
        names: &["fold_in_order_per_s"],
        run: fold::in_order,
    },
    Benchmark {
        names: &["refold_1000_us"],
        run: fold::refold,
    },
    Benchmark {
        names: &["decide_p99_us"],
        run: decide::decide,
    },
    Benchmark {
        names: &["tap_commit_p50_us", "tap_commit_p99_us", "tap_cycle_p50_us"],
        run: store::tap_commit,
    },
    Benchmark {
        names: &["tap_http_1_per_s", "tap_http_8_per_s"],
        run: tap_http::tap_http,
    },
    Benchmark {
        names: &["visible_p50_ms", "visible_p99_ms", "second_copy_p99_ms"],
        run: visible::visible,
    },
    Benchmark {
        names: &["idle_gossip_per_gate_bytes_s"],
        run: terminal::idle,
    },
    Benchmark {
        names: &["received_tap_cpu_us"],
        run: terminal::received,
    },
    Benchmark {
        names: &["catchup_100k_s"],
        run: catch_up::catch_up,
    },
    Benchmark {
        names: &["disk_per_tap_bytes"],
        run: size::disk_per_tap,
    },
    Benchmark {
        names: &["rss_122k_taps_mb"],
        run: size::rss_taps,
    },
    Benchmark {
        names: &["rss_1m_cards_mb"],
        run: size::rss_cards,
    },
    Benchmark {
        names: &["hub_merge_per_s", "hub_merge_vs_copy_ratio"],
        run: hub_merge::hub_merge,
    },
    Benchmark {
        names: &["sweep_seeds_per_s"],
        run: simulator::sweep,
    },
    Benchmark {
        names: &["sim_sample_day_s"],
        run: simulator::sample_day,
    },
];

/// Those that take longer than all the others together: run only when asked for by name.
pub const LONG: &[Benchmark] = &[
    Benchmark {
        names: &["sim_jakarta_day_s"],
        run: simulator::jakarta_day,
    },
    Benchmark {
        names: curves::NAMES,
        run: curves::curves,
    },
];
