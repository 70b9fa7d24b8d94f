//! Every kind of fault in a line, for `simulator list --faults`.

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in `kind = "…"`.
    pub kind: &'static str,
    /// Its own keys.
    pub parameters: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// What it waits for, for a kind that is not simulated yet.
    pub waits_for: Option<&'static str>,
}

impl Entry {
    /// Whether a scenario cannot have it yet.
    #[must_use]
    pub const fn is_not_yet(&self) -> bool {
        self.waits_for.is_some()
    }

    const fn new(kind: &'static str, parameters: &'static str, meaning: &'static str) -> Entry {
        Entry {
            kind,
            parameters,
            meaning,
            waits_for: None,
        }
    }

    const fn not_yet(kind: &'static str, waits_for: &'static str, meaning: &'static str) -> Entry {
        Entry {
            kind,
            parameters: "",
            meaning,
            waits_for: Some(waits_for),
        }
    }
}

/// Every kind, in the order of the documentation.
#[must_use]
pub const fn catalogue() -> &'static [Entry] {
    CATALOGUE
}

const CATALOGUE: &[Entry] = &[
    Entry::new(
        "island",
        "terminal",
        "the gates of a terminal hear each other and nobody else",
    ),
    Entry::new(
        "hub_away",
        "",
        "no gate hears the hub: every terminal is an island",
    ),
    Entry::new("alone", "gate", "a gate hears nobody"),
    Entry::new("all_alone", "", "no gate hears anybody"),
    Entry::new("cut", "from, to", "two nodes do not hear each other"),
    Entry::new(
        "one_way",
        "from, to",
        "what from sends to to is lost, the other way passes",
    ),
    Entry::new(
        "flapping",
        "terminal, period_ms",
        "a terminal's uplinks go down and up, half a period each",
    ),
    Entry::new(
        "bridge",
        "terminal, gate",
        "only one gate of a terminal hears the hub",
    ),
    Entry::new(
        "lossy",
        "loss_per_mille, duplicate_per_mille, reorder_per_mille, terminal (each may be left out)",
        "links lose, repeat and reorder frames",
    ),
    Entry::new(
        "slow_links",
        "bytes_per_s, queue_bytes, terminal (may be left out)",
        "links carry little; what does not fit the queue is dropped",
    ),
    Entry::new(
        "crash",
        "gate, moment = before_commit / after_commit / mid_apply",
        "a gate's process dies at that moment, and starts again at the end",
    ),
    Entry::new(
        "pause",
        "node (a gate or hub)",
        "a process stands still, then goes on",
    ),
    Entry::new(
        "power_loss",
        "gate",
        "a gate loses what it had not synced, and starts again at the end",
    ),
    Entry::new("disk_full", "gate", "a gate's disk takes no byte more"),
    Entry::new(
        "slow_disk",
        "gate, sync_ms",
        "every sync of a gate's disk takes that long",
    ),
    Entry::new(
        "wiped_disk",
        "gate",
        "a gate's disk is lost; it starts with an empty one at the end",
    ),
    Entry::new(
        "restored_disk",
        "gate, age_s",
        "a gate stops, and starts from an old image of its disk at the end",
    ),
    Entry::new(
        "clock",
        "gate, offset_ms, drift_ppm (may be left out)",
        "a gate's wall clock is wrong",
    ),
    Entry::new(
        "hub_down",
        "",
        "the hub's process does not run; it starts again from its ledger",
    ),
    Entry::new(
        "hub_restored",
        "age_s",
        "the hub's process stops, and starts from an older copy of its ledger at the end",
    ),
    Entry::new(
        "gate_added",
        "gate",
        "a gate does not exist before the end of the fault",
    ),
    Entry::new("gate_removed", "gate", "a gate is gone for good"),
    Entry::new(
        "newer_gate",
        "gate",
        "a gate also writes changes of a kind that nobody here knows",
    ),
    Entry::new(
        "poison",
        "what = oversized / truncated / wrong_hash / edge_sizes",
        "the hub publishes bad reference data; gates stay on the version before",
    ),
    Entry::new(
        "byzantine",
        "gate, what = other_site / hostile_rows / far_future / broken_chain / forged_snapshot",
        "a gate's key signs hostile changesets, or it serves false snapshots; nobody else is harmed",
    ),
    Entry::new(
        "equivocation",
        "gate",
        "a gate's key signs one site twice and shows it to some in one way, to others in another",
    ),
    Entry::not_yet(
        "cloned_disk",
        "two processes with one number in the simulated network",
        "two gates run from copies of one disk",
    ),
    Entry::not_yet(
        "settler_failover",
        "a second settler",
        "another process takes over settling",
    ),
    Entry::not_yet(
        "redis_lost",
        "the cache in the simulated hub",
        "the hub's cache forgets everything",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_is_listed_twice() {
        let mut kinds: Vec<&str> = catalogue().iter().map(|entry| entry.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), catalogue().len());
    }
}
