//! Groups of gates, as one card's uncovered entries show them: who knew of what.

use sync_protocol::fact::Direction;
use sync_protocol::id::{FactId, Seq, SiteId, TerminalCode};
use sync_protocol::money::Money;

use super::Moment;

/// An accepted entry that the hub's settled states do not cover.
#[derive(Clone, Debug)]
pub(in crate::check) struct Entry {
    pub(in crate::check) tap: FactId,
    pub(in crate::check) terminal: TerminalCode,
    pub(in crate::check) hold: Money,
    /// What its group may have spent with it.
    pub(in crate::check) limit: Money,
    /// Whether the group has seen another tap of the card since: then it may take the journey for ended.
    pub(in crate::check) is_superseded: bool,
}

impl Entry {
    pub(super) fn new(moment: &Moment<'_>, limit: Money) -> Entry {
        let tap = &moment.decided.decision.tap;
        Entry {
            tap: moment.decided.fact,
            terminal: tap.terminal,
            hold: tap.hold,
            limit,
            is_superseded: false,
        }
    }
}

/// The groups in which one card has uncovered entries. The last entry of a group is the last decision.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Groups {
    groups: Vec<Vec<Entry>>,
    /// Whether it tapped where everybody passes.
    pub(in crate::check) is_free: bool,
}

impl Groups {
    /// Notes an entry and forgets what the hub has covered.
    pub(super) fn enter(&mut self, moment: &Moment<'_>, entry: Entry) {
        self.cover(|site| moment.hub.covered(site));
        self.add(entry, |tap| knows(moment, tap));
    }

    /// Adds an entry: to the groups of which its gate knew every entry, which are one then, or as a group of its own.
    pub(in crate::check) fn add(&mut self, entry: Entry, knows: impl Fn(&FactId) -> bool) {
        let known = |group: &Vec<Entry>| {
            let mut entries = group.iter();
            entries.all(|other| other.terminal == entry.terminal && knows(&other.tap))
        };
        let mut own: Vec<Entry> = Vec::new();
        for group in self.groups.extract_if(.., |group| known(group)) {
            own.extend(group);
        }
        for earlier in &mut own {
            earlier.is_superseded = true;
        }
        own.push(entry);
        self.groups.push(own);
    }

    /// Notes an exit: whatever was entered in a group of its terminal may count as ended there. Forgets what the hub
    /// has covered.
    pub(super) fn exit(&mut self, moment: &Moment<'_>) {
        self.cover(|site| moment.hub.covered(site));
        let tap = &moment.decided.decision.tap;
        if tap.direction == Direction::Exit {
            self.supersede(tap.terminal);
        }
    }

    pub(in crate::check) fn supersede(&mut self, terminal: TerminalCode) {
        for entry in self.groups.iter_mut().flatten() {
            entry.is_superseded |= entry.terminal == terminal;
        }
    }

    pub(in crate::check) fn cover(&mut self, covered: impl Fn(SiteId) -> Seq) {
        for group in &mut self.groups {
            group.retain(|entry| entry.tap.seq > covered(entry.tap.site));
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// Whether nothing is known that matters later.
    pub(super) const fn is_idle(&self) -> bool {
        self.groups.is_empty() && !self.is_free
    }

    /// Whether uncovered holds may bring the card below zero, given what the hub has settled as available.
    pub(super) fn may_be_below(&self, settled: Money) -> bool {
        self.entries().map(|entry| entry.hold).sum::<Money>() > settled
    }

    /// All uncovered entries.
    pub(in crate::check) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.groups.iter().flatten()
    }

    /// What all groups together may have spent: each as its last decision said.
    pub(in crate::check) fn limit(&self) -> Money {
        let last = self.groups.iter().filter_map(|group| group.last());
        last.map(|entry| entry.limit).sum()
    }

    /// How many groups there are.
    pub(in crate::check) const fn count(&self) -> usize {
        self.groups.len()
    }
}

/// Whether the gate that decided held this tap: its own, and those it had got from others.
fn knows(moment: &Moment<'_>, tap: &FactId) -> bool {
    tap.site == moment.gate.site() || moment.gate.have().seq(tap.site) >= tap.seq
}

#[cfg(test)]
mod tests {
    use super::super::super::sample::{GATES, terminal};
    use super::*;

    fn entry(site: SiteId, seq: u64, code: &str, limit: i64) -> Entry {
        Entry {
            tap: FactId {
                site,
                seq: Seq(seq),
                index: 0,
            },
            terminal: terminal(code),
            hold: Money::rupiah(12_000),
            limit: Money::rupiah(limit),
            is_superseded: false,
        }
    }

    #[test]
    fn entries_that_know_each_other_are_one_group() {
        let mut groups = Groups::default();
        groups.add(entry(GATES[0], 1, "A", 24_000), |_| true);
        groups.add(entry(GATES[0], 2, "A", 20_000), |_| true);
        assert_eq!((groups.count(), groups.limit()), (1, Money::rupiah(20_000)));
        // A gate of the same terminal that heard nothing of them, and one of another terminal.
        groups.add(entry(GATES[1], 1, "A", 24_000), |_| false);
        groups.add(entry(SiteId([3; 16]), 1, "B", 24_000), |_| true);
        assert_eq!((groups.count(), groups.limit()), (3, Money::rupiah(68_000)));
        assert_eq!(groups.entries().filter(|entry| entry.is_superseded).count(), 1);
        // Somebody in A who has heard of all: one group again.
        groups.add(entry(GATES[0], 3, "A", 24_000), |_| true);
        assert_eq!(groups.count(), 2);
    }

    #[test]
    fn what_the_hub_covered_is_forgotten() {
        let mut groups = Groups::default();
        groups.add(entry(GATES[0], 1, "A", 24_000), |_| true);
        groups.add(entry(GATES[1], 1, "B", 24_000), |_| true);
        groups.cover(|site| if site == GATES[0] { Seq(1) } else { Seq::NONE });
        assert_eq!((groups.count(), groups.limit()), (1, Money::rupiah(24_000)));
        assert!(groups.may_be_below(Money::rupiah(11_999)) && !groups.may_be_below(Money::rupiah(12_000)));
    }
}
