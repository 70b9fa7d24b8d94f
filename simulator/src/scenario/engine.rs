//! `[engine]`: how the simulator itself works. The report says where this differs from the defaults.

use edge_node::store::Retention;
use serde::Deserialize;
use sync_protocol::time::SECOND_MS;

use super::Within;

/// Where a gate keeps its facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// In its own SQLite database with the extension, as in production.
    #[default]
    Sqlite,
    /// In a model of it on one log that all gates share: for large networks.
    Model,
}

/// How nodes sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureKind {
    /// With Ed25519, as in production.
    #[default]
    Ed25519,
    /// With a keyed hash that is quick to make and to check: for large networks.
    KeyedHash,
}

/// When the hub sends what it has decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sending {
    /// Each decision at once, as in production.
    #[default]
    AtOnce,
    /// All together when it settles next: for large networks, where each goes to thousands of gates.
    WhenSettling,
}

/// How the simulator works. What is left out is as in production.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Engine {
    /// The gates' stores: `sqlite` (the default) or `model`.
    pub store: StoreKind,
    /// Gates with SQLite stores begin with what the hub issued before the day, as if installed with a copy of it;
    /// otherwise (the default) they get it over the network. A model store is never stocked.
    pub stocked: bool,
    /// The signatures: `ed25519` (the default) or `keyed_hash`.
    pub signatures: SignatureKind,
    /// The hub settles what came in at most this long after it came, milliseconds. Default 20.
    pub settle_every_ms: Within<1, 600_000>,
    /// What others wrote is in a gate's database this long after it came, milliseconds; the gates' databases then work
    /// on all cores. Default 0.
    pub ingest_ms: Within<0, 60_000>,
    /// When the hub sends its decisions: `at_once` (the default) or `when_settling`.
    pub decisions: Sending,
    /// Gates send a sign of life this often, seconds. Default 5 (domain 7).
    pub gate_beat_s: Within<1, 3_600>,
    /// The hub sends one this often, seconds. Default 10 (domain 7).
    pub hub_beat_s: Within<1, 3_600>,
    /// How often a node's sync engine goes round, milliseconds. Default 1,000.
    pub round_ms: Within<100, 600_000>,
    /// Gates keep logs that the hub has settled this long, seconds. Default 14 days.
    pub keep_logs_s: Within<1, 34_560_000>,
    /// Gates keep the hub's settled states this long, seconds. Default 15 minutes.
    pub keep_settled_s: Within<1, 86_400>,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine {
            store: StoreKind::Sqlite,
            stocked: false,
            signatures: SignatureKind::Ed25519,
            settle_every_ms: Within::new(20),
            ingest_ms: Within::new(0),
            decisions: Sending::AtOnce,
            gate_beat_s: Within::new(5),
            hub_beat_s: Within::new(10),
            round_ms: Within::new(1_000),
            keep_logs_s: Within::new(14 * 86_400),
            keep_settled_s: Within::new(900),
        }
    }
}

impl Engine {
    /// Where this differs from the defaults, one line each; empty for an engine as in production.
    #[must_use]
    pub fn departures(&self) -> Vec<String> {
        let usual = Engine::default();
        let mut departures = Vec::new();
        if self.store != usual.store {
            departures.push("gates keep their facts in a model store, not in SQLite".to_owned());
        }
        if self.stocked {
            departures.push("gates are installed with the cards that the hub issued before".to_owned());
        }
        if self.signatures != usual.signatures {
            departures.push("signatures are keyed hashes, not Ed25519".to_owned());
        }
        if self.decisions != usual.decisions {
            departures
                .push("the hub sends its decisions together when it settles, not each at once".to_owned());
        }
        let numbers = [
            (
                "the hub settles",
                self.settle_every_ms.get(),
                usual.settle_every_ms.get(),
                "ms",
            ),
            (
                "gates send a sign of life",
                self.gate_beat_s.get(),
                usual.gate_beat_s.get(),
                "s",
            ),
            (
                "the hub sends a sign of life",
                self.hub_beat_s.get(),
                usual.hub_beat_s.get(),
                "s",
            ),
            (
                "sync engines go round",
                self.round_ms.get(),
                usual.round_ms.get(),
                "ms",
            ),
        ];
        if self.ingest_ms != usual.ingest_ms {
            let ms = self.ingest_ms.get();
            departures.push(format!(
                "what others wrote is in a gate's database {ms} ms after it came"
            ));
        }
        for (what, own, usual, unit) in numbers {
            if own != usual {
                departures.push(format!("{what} every {own} {unit} instead of {usual}"));
            }
        }
        let kept = [
            ("settled logs", self.keep_logs_s.get(), usual.keep_logs_s.get()),
            (
                "the hub's settled states",
                self.keep_settled_s.get(),
                usual.keep_settled_s.get(),
            ),
        ];
        for (what, own, usual) in kept {
            if own != usual {
                departures.push(format!("gates keep {what} for {own} s instead of {usual}"));
            }
        }
        departures
    }

    /// How long gates keep logs.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            logs_ms: self.keep_logs_s.get() * SECOND_MS,
            settled_ms: self.keep_settled_s.get() * SECOND_MS,
            ..Retention::default()
        }
    }
}
