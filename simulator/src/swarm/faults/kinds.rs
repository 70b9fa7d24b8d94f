//! Every kind of fault with its weight and its parameters.

use super::places::Places;
use crate::random::Stream;

/// What a kind of fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::swarm) enum Strikes {
    /// Links, terminals, the hub.
    Network,
    /// A gate that goes on running.
    Gate,
    /// A gate's process or disk.
    Process,
}

/// A kind of fault that can be drawn.
pub(in crate::swarm) struct Kind {
    /// Its name in a scenario.
    pub(in crate::swarm) name: &'static str,
    pub(super) weight: u32,
    pub(super) strikes: Strikes,
    /// Its own keys, but for `gate`.
    pub(super) parameters: fn(&Places, &mut Stream) -> String,
}

const fn kind(
    name: &'static str,
    weight: u32,
    strikes: Strikes,
    parameters: fn(&Places, &mut Stream) -> String,
) -> Kind {
    Kind {
        name,
        weight,
        strikes,
        parameters,
    }
}

const fn none(_: &Places, _: &mut Stream) -> String {
    String::new()
}

/// Every kind that is drawn.
pub(in crate::swarm) const KINDS: &[Kind] = &[
    kind("island", 10, Strikes::Network, |places, stream| {
        format!("terminal = \"{}\"\n", places.terminal(stream))
    }),
    kind("hub_away", 7, Strikes::Network, none),
    kind("alone", 6, Strikes::Gate, none),
    kind("all_alone", 5, Strikes::Network, none),
    kind("cut", 6, Strikes::Network, ends),
    kind("one_way", 8, Strikes::Network, ends),
    kind("flapping", 6, Strikes::Network, |places, stream| {
        let period_ms = *stream.pick(&[200, 1_000, 5_000, 30_000]).unwrap_or(&1_000);
        format!(
            "terminal = \"{}\"\nperiod_ms = {period_ms}\n",
            places.terminal(stream)
        )
    }),
    kind("bridge", 6, Strikes::Network, |places, stream| {
        let (gate, terminal) = places.gate(stream);
        format!("terminal = \"{terminal}\"\ngate = \"{gate}\"\n")
    }),
    kind("lossy", 10, Strikes::Network, |places, stream| {
        let (lost, repeated, reordered) = (
            stream.between(0, 500),
            stream.between(0, 300),
            stream.between(0, 300),
        );
        let somewhere = somewhere(places, stream);
        format!(
            "loss_per_mille = {lost}\nduplicate_per_mille = {repeated}\nreorder_per_mille = {reordered}\n{somewhere}"
        )
    }),
    kind("slow_links", 6, Strikes::Network, |places, stream| {
        let bytes_per_s = *stream.pick(&[500, 2_000, 8_000, 64_000]).unwrap_or(&8_000);
        let queue_bytes = *stream.pick(&[4_000, 16_000, 64_000]).unwrap_or(&64_000);
        let somewhere = somewhere(places, stream);
        format!("bytes_per_s = {bytes_per_s}\nqueue_bytes = {queue_bytes}\n{somewhere}")
    }),
    kind("crash", 10, Strikes::Process, |_, stream| {
        one_of(stream, "moment", &["before_commit", "after_commit", "mid_apply"])
    }),
    kind("pause", 6, Strikes::Network, |places, stream| {
        let node = if stream.chance(250) {
            "hub"
        } else {
            &places.gate(stream).0
        };
        format!("node = \"{node}\"\n")
    }),
    kind("power_loss", 8, Strikes::Process, none),
    kind("disk_full", 6, Strikes::Process, none),
    kind("slow_disk", 5, Strikes::Gate, |_, stream| {
        format!("sync_ms = {}\n", stream.pick(&[5, 50, 500, 5_000]).unwrap_or(&50))
    }),
    kind("wiped_disk", 6, Strikes::Process, none),
    kind("restored_disk", 6, Strikes::Process, |_, stream| {
        format!("age_s = {}\n", stream.between(1, 400))
    }),
    kind("clock", 12, Strikes::Gate, clock),
    kind("hub_down", 6, Strikes::Network, none),
    // Its key comes with its time.
    kind("hub_restored", 6, Strikes::Network, none),
    kind("gate_added", 5, Strikes::Process, none),
    kind("gate_removed", 5, Strikes::Process, none),
    kind("newer_gate", 5, Strikes::Gate, none),
    kind("poison", 6, Strikes::Network, |_, stream| {
        one_of(
            stream,
            "what",
            &["oversized", "truncated", "wrong_hash", "edge_sizes"],
        )
    }),
    kind("byzantine", 6, Strikes::Gate, |_, stream| {
        one_of(
            stream,
            "what",
            &["other_site", "hostile_rows", "far_future", "broken_chain"],
        )
    }),
];

fn ends(places: &Places, stream: &mut Stream) -> String {
    let (from, to) = places.link(stream);
    format!("from = \"{from}\"\nto = \"{to}\"\n")
}

/// In half of the cases only the links of one terminal.
fn somewhere(places: &Places, stream: &mut Stream) -> String {
    if stream.chance(500) {
        format!("terminal = \"{}\"\n", places.terminal(stream))
    } else {
        String::new()
    }
}

fn one_of(stream: &mut Stream, key: &str, words: &[&str]) -> String {
    let word = stream.pick(words).copied().unwrap_or_default();
    format!("{key} = \"{word}\"\n")
}

/// Seconds as of a bad clock, minutes, the hours that make a journey too long, or days; either way.
fn clock(places: &Places, stream: &mut Stream) -> String {
    if stream.chance(300) {
        // Behind by about a ride: an exit there is stamped just before its entry.
        let (shortest_s, longest_s) = places.rides_s;
        let behind_ms = stream.between(shortest_s * 1_000 - 500, longest_s * 1_000 + 2_000);
        return format!("offset_ms = -{behind_ms}\n");
    }
    let farthest_ms = *stream
        .pick(&[4_000, 120_000, 6 * 3_600_000, 30 * 3_600_000, 3 * 86_400_000])
        .unwrap_or(&120_000);
    let offset_ms = stream.between(-farthest_ms, farthest_ms);
    let drift_ppm = if stream.chance(300) {
        stream.between(-100_000, 100_000)
    } else {
        0
    };
    format!("offset_ms = {offset_ms}\ndrift_ppm = {drift_ppm}\n")
}
