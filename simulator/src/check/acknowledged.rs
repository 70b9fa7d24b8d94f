//! No acknowledged tap is lost (I6): every tap that became durable is in the hub's ledger, and in the journal of the
//! gate that took it; and what lies there is that very tap, as the check of chains shows.
//!
//! Would fail if a gate opened before its commit was durable, if a crash or a power cut took a committed tap, or if
//! a changeset were dropped on its way. Excused, and counted: taps that went down with a disk that was wiped,
//! replaced by an older copy or removed, and that nobody else had a copy of. A tap under which the process died after
//! its commit was never answered, and counts all the same.

use sync_protocol::id::{CardId, NodeId, Seq, SiteId};

use super::{Check, Violations, second};
use crate::oracle::{Oracle, Outcome};

/// A durable tap.
struct Durable {
    gate: NodeId,
    card: CardId,
    at_ms: i64,
    changeset: (SiteId, Seq),
}

/// Compares the durable taps with what the hub and the gates hold: `hub` and `own` tell up to where the hub, and the
/// gate itself, hold a site; a gate that does not run holds nothing to be seen (`None`).
#[must_use]
pub fn check(
    oracle: &Oracle,
    hub: impl Fn(SiteId) -> Seq,
    own: impl Fn(NodeId, SiteId) -> Option<Seq>,
) -> Check {
    let mut missing = Violations::default();
    let (mut taps, mut lost, mut unseen) = (0_u64, 0_u64, 0_u64);
    for tap in durable(oracle) {
        let (site, seq) = tap.changeset;
        taps += 1;
        if oracle.is_lost(site, seq) {
            lost += 1;
            continue;
        }
        let at_own = own(tap.gate, site);
        unseen += u64::from(at_own.is_none());
        for (place, held) in [("the hub", Some(hub(site))), ("its own gate", at_own)] {
            if held.is_some_and(|held| held < seq) {
                missing.note(format!(
                    "the tap of {} at {} ({}) is not at {place}",
                    tap.card,
                    tap.gate,
                    second(tap.at_ms)
                ));
            }
        }
    }
    let detail = format!(
        "{} taps are at the hub and at their own gates{}{}",
        taps - lost,
        counted(lost, "went down with a disk before anybody had a copy"),
        counted(unseen, "are of gates that do not run any more"),
    );
    missing.into_check("no acknowledged tap lost", detail)
}

fn counted(taps: u64, what: &str) -> String {
    if taps == 0 {
        String::new()
    } else {
        format!("; {taps} {what}")
    }
}

fn durable(oracle: &Oracle) -> impl Iterator<Item = Durable> + '_ {
    let answered = oracle.answered.iter().map(|answered| Durable {
        gate: answered.gate,
        card: answered.decision.tap.card,
        at_ms: answered.at_ms,
        changeset: answered.changeset,
    });
    let unanswered = oracle.presented.iter().filter_map(|presented| {
        let Outcome::DiedAfter { changeset } = presented.outcome else {
            return None;
        };
        Some(Durable {
            gate: presented.gate,
            card: presented.card,
            at_ms: presented.at_ms,
            changeset,
        })
    });
    answered.chain(unanswered)
}

#[cfg(test)]
mod tests {
    use sync_protocol::fact::Direction;

    use super::super::sample;
    use super::*;

    fn checked(hub: u64, own: Option<u64>) -> Check {
        let mut oracle = Oracle::default();
        oracle.answered.push(sample::answered(Direction::Entry, 0));
        check(&oracle, |_| Seq(hub), |_, _| own.map(Seq))
    }

    #[test]
    fn a_tap_that_is_in_both_places_passes() {
        let check = checked(1, Some(1));
        assert!(
            check.passed && check.detail.starts_with("1 taps are"),
            "{}",
            check.detail
        );
        assert!(checked(1, None).detail.contains("1 are of gates that do not run"));
    }

    #[test]
    fn a_tap_that_the_hub_or_the_gate_lacks_is_noticed() {
        let hub = checked(0, Some(1));
        assert_eq!(
            hub.detail,
            "the tap of CARD0001 at gate 1 (second 9) is not at the hub"
        );
        let own = checked(1, Some(0));
        assert!(
            !own.passed && own.detail.contains("not at its own gate"),
            "{}",
            own.detail
        );
    }
}
