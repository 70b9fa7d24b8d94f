//! Decisions keep the table of domain 4.4, as each gate knew the card at that moment: an entry that opens has no
//! status and no debt against it (T-23, 4.6), is no pass-back (T-06), and holds exactly the highest fare from there
//! in a version that was published and in force by the tap's own stamp (T-01); a repeat holds what the first
//! presentation held (T-05); and nobody is turned away for a status that the gate does not know the card to have.
//!
//! Would fail if a gate forgot a block, a debt or a hold that it had been told of. What it had not been told of is
//! no fault of its decision (T-25), and free flow lets everybody pass. Each rule is read here a second time, apart
//! from the code that decides.

use std::collections::BTreeMap;

use sync_protocol::decide::Settled;
use sync_protocol::fact::{CardStatus, Direction, Fact, Reason};
use sync_protocol::id::TerminalCode;
use sync_protocol::journey::CardView;
use sync_protocol::money::Money;
use sync_protocol::time::{MINUTE_MS, SECOND_MS};

use super::overdraft::Moment;
use super::reference::Fares;
use super::{Check, Violations, second};
use crate::oracle::Oracle;

/// A second entry within this time is the same presentation.
const REPEAT_MS: i64 = 10 * SECOND_MS;
/// A second entry within this time is a pass-back.
const PASSBACK_MS: i64 = 5 * MINUTE_MS;

/// What the looks showed.
#[derive(Debug, Default)]
pub struct Decisions {
    opened: u64,
    repeats: u64,
    denied: u64,
    /// The highest fare from a terminal, by version, and since when the version is in force.
    highest: BTreeMap<(u32, TerminalCode), Option<(i64, Money)>>,
    violations: Violations,
}

/// An entry as a gate knew the card.
#[derive(Clone, Copy, Debug)]
struct Entry {
    reason: Reason,
    at_ms: i64,
    terminal: TerminalCode,
    hold: Money,
    before: CardView,
    settled: Settled,
    /// Since when the stated fare version is in force, and its highest fare from here.
    fares: Option<(i64, Money)>,
}

impl Decisions {
    /// Looks at an entry that was decided.
    ///
    /// # Errors
    /// The gate's store failed.
    pub fn after_tap(&mut self, moment: &Moment<'_>) -> anyhow::Result<()> {
        let tap = &moment.decided.decision.tap;
        if tap.direction != Direction::Entry {
            return Ok(());
        }
        let entry = Entry {
            reason: tap.reason,
            at_ms: moment.decided.at.ms,
            terminal: tap.terminal,
            hold: tap.hold,
            before: moment.decided.before,
            settled: moment.gate.settled(tap.card)?.unwrap_or_default(),
            fares: self.highest_from(moment.oracle, tap.fare_version, tap.terminal),
        };
        match tap.reason {
            Reason::Accepted | Reason::Allowance => self.opened += 1,
            Reason::DupIn => self.repeats += 1,
            _ => self.denied += 1,
        }
        if let Some(broken) = entry.broken() {
            self.violations.note(format!(
                "{} at gate {} ({}): {broken}",
                tap.card,
                moment.gate.code(),
                second(moment.now_ms)
            ));
        }
        Ok(())
    }

    fn highest_from(&mut self, oracle: &Oracle, version: u32, from: TerminalCode) -> Option<(i64, Money)> {
        *self.highest.entry((version, from)).or_insert_with(|| {
            let mut facts = oracle.fare_versions().iter();
            let stated = facts.find_map(|fact| match &fact.fact {
                Fact::FareVersion(fares) if fares.version == version => Some(fares),
                _ => None,
            })?;
            let highest = Fares::highest_from(stated, from)?;
            Some((stated.effective_from_ms, highest))
        })
    }
}

impl Entry {
    /// Which rule it breaks, if it does.
    fn broken(&self) -> Option<String> {
        let since_ms = self.since_entry_here_ms();
        match self.reason {
            Reason::Accepted | Reason::Allowance => {
                if self.before.status != CardStatus::Active {
                    return Some(format!(
                        "let in though it is known to be {:?}",
                        self.before.status
                    ));
                }
                if self.settled.balance < Money::ZERO {
                    return Some(format!(
                        "let in though it is known to owe {}",
                        -self.settled.balance
                    ));
                }
                if let Some(since_ms) = since_ms.filter(|since_ms| *since_ms <= PASSBACK_MS) {
                    return Some(format!("let in {since_ms} ms after it went in here"));
                }
                match self.fares {
                    Some((from_ms, hold)) if from_ms <= self.at_ms && hold == self.hold => None,
                    Some((from_ms, hold)) => Some(format!(
                        "{} is held by a version in force since {from_ms}, whose highest fare is {hold}",
                        self.hold
                    )),
                    None => Some("let in by a fare version that nobody published".to_owned()),
                }
            }
            Reason::DupIn => {
                let held = self.before.open.map(|open| open.hold);
                let is_repeat = since_ms.is_some_and(|since_ms| since_ms <= REPEAT_MS);
                (!is_repeat || held != Some(self.hold)).then(|| {
                    format!(
                        "taken for a repeat with {} held, {since_ms:?} ms after {held:?}",
                        self.hold
                    )
                })
            }
            Reason::Blocked => self.unless_known(CardStatus::Blocked),
            Reason::Suspended => self.unless_known(CardStatus::Suspended),
            Reason::Closed => self.unless_known(CardStatus::Closed),
            _ => None,
        }
    }

    fn unless_known(&self, status: CardStatus) -> Option<String> {
        (self.before.status != status)
            .then(|| format!("turned away as {status:?}, known to be {:?}", self.before.status))
    }

    /// How long ago the journey under way began at this terminal.
    fn since_entry_here_ms(&self) -> Option<i64> {
        let open = self
            .before
            .open
            .filter(|open| open.entry.terminal == self.terminal)?;
        Some((self.at_ms - open.entry.at_ms).max(0))
    }
}

/// The check at the end of a run.
#[must_use]
pub fn check(decisions: &Decisions) -> Check {
    let detail = format!(
        "{} entries let in with their hold, {} repeats, {} turned away or in free flow",
        decisions.opened, decisions.repeats, decisions.denied
    );
    let name = "decisions keep the table";
    decisions.violations.clone().into_check(name, detail)
}

#[cfg(test)]
mod tests {
    use sync_protocol::id::FactId;
    use sync_protocol::journey::{Endpoint, OpenJourney};

    use super::super::sample::terminal;
    use super::*;

    fn broken(change: impl Fn(&mut Entry)) -> String {
        let hold = Money::rupiah(12_000);
        let mut entry = Entry {
            reason: Reason::Accepted,
            at_ms: 60 * MINUTE_MS,
            terminal: terminal("A"),
            hold,
            before: CardView::default(),
            settled: Settled::default(),
            fares: Some((0, hold)),
        };
        change(&mut entry);
        entry.broken().unwrap_or_default()
    }

    fn open(since_ms: i64) -> Option<OpenJourney> {
        Some(OpenJourney {
            entry: Endpoint {
                tap: FactId::default(),
                terminal: terminal("A"),
                at_ms: 60 * MINUTE_MS - since_ms,
            },
            hold: Money::rupiah(12_000),
            closed: false,
        })
    }

    #[test]
    fn an_entry_by_the_table_passes() {
        assert_eq!(broken(|_| ()), "");
        assert_eq!(broken(|entry| entry.before.open = open(PASSBACK_MS + 1)), "");
        let repeat = |entry: &mut Entry| (entry.reason, entry.before.open) = (Reason::DupIn, open(REPEAT_MS));
        assert_eq!(broken(repeat), "");
    }

    #[test]
    fn a_block_a_debt_a_passback_and_a_wrong_hold_are_noticed() {
        let told = [
            broken(|entry| entry.before.status = CardStatus::Blocked),
            broken(|entry| entry.settled.balance = Money::rupiah(-1)),
            broken(|entry| entry.before.open = open(PASSBACK_MS)),
            broken(|entry| entry.hold = Money::ZERO),
            broken(|entry| entry.fares = None),
            broken(|entry| entry.fares = Some((61 * MINUTE_MS, entry.hold))),
            broken(|entry| (entry.reason, entry.before.open) = (Reason::DupIn, open(REPEAT_MS + 1))),
            broken(|entry| entry.reason = Reason::Suspended),
        ];
        let words = [
            "Blocked",
            "owe 1.00",
            "300000 ms after",
            "0.00 is held",
            "nobody published",
            "in force since",
        ];
        let words = words
            .into_iter()
            .chain(["taken for a repeat", "turned away as Suspended"]);
        for (told, word) in told.iter().zip(words) {
            assert!(told.contains(word), "{told:?} without {word:?}");
        }
    }
}
