//! Balance holds: one for each journey that began with an entry, told by the outbox and by the card's settled state.
//!
//! Pure. Events say what a journey went through and what the ledger took for it; the settled state says which of a
//! card's journeys is under way. The second is needed because a transition is told once: a journey that a late fact
//! takes apart again, or gives back, tells nothing new but money.
//!
//! Invariant: an event that a hold has seen (`position`) changes it no more, so replays do not add up twice.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use sync_protocol::id::{CardId, FactId, Seq, SiteId, TerminalCode};
use sync_protocol::money::Money;

use super::ProjectError;
use super::source::{BALANCE_UPDATED, Event, JOURNEY};
use crate::reference;

/// The most text that is a fact: `site:seq:index`.
const FACT_PARTS: usize = 3;

/// One hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) reference: String,
    /// The entry's fact as text.
    pub(super) entry: String,
    pub(super) card: CardId,
    pub(super) terminal: TerminalCode,
    pub(super) hold: Money,
    /// What the ledger took for the completed journey, above the hold too (D-28).
    pub(super) captured: Money,
    /// What the ledger took for the journey without an exit.
    pub(super) forfeited: Money,
    pub(super) completed: bool,
    pub(super) open: bool,
    pub(super) created_ms: i64,
    pub(super) released_ms: Option<i64>,
    pub(super) updated_ms: i64,
    /// The last event seen.
    pub(super) position: i64,
}

/// How a hold shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) status: &'static str,
    pub(super) final_amount: Option<Money>,
    pub(super) released_ms: Option<i64>,
}

impl Hold {
    /// Held: neither a final amount nor an end. Charged: both. Released: an end only.
    pub(super) fn shown(&self) -> Shown {
        let ended_ms = Some(self.released_ms.unwrap_or(self.updated_ms));
        let (status, final_amount, released_ms) = if self.open {
            ("held", None, None)
        } else if self.completed || self.captured > Money::ZERO {
            ("charged", Some(self.captured.max(Money::ZERO)), ended_ms)
        } else if self.forfeited > Money::ZERO {
            ("charged", Some(self.forfeited), ended_ms)
        } else {
            ("released", None, ended_ms)
        };
        Shown {
            status,
            final_amount,
            released_ms,
        }
    }

    fn end(&mut self, at_ms: i64) {
        self.open = false;
        self.released_ms = Some(at_ms);
    }

    fn reopen(&mut self) {
        self.open = true;
        self.completed = false;
        self.released_ms = None;
    }
}

/// What an event says about a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) reference: String,
    position: i64,
    booked_ms: i64,
    said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Started(Box<Hold>),
    Completed {
        begun: Box<Hold>,
        exit_ms: i64,
    },
    /// Left without an exit, or closed by the hub.
    Ended(Box<Hold>),
    Captured(Money),
    Forfeited(Money),
}

/// What an event says about a hold, if it says anything.
pub(super) fn note(event: &Event) -> Result<Option<Note>, ProjectError> {
    let (reference, said) = if event.name.starts_with(JOURNEY) {
        let Some(begun) = begun(event)? else {
            return Ok(None);
        };
        let begun = Box::new(begun);
        let reference = begun.reference.clone();
        let said = match (event.name.as_str(), event.payload.get("exit")) {
            ("journey.started", _) => Said::Started(begun),
            ("journey.completed", Some(Json::Object(exit))) => {
                let exit_ms = exit
                    .get("at_ms")
                    .and_then(Json::as_i64)
                    .unwrap_or(event.created_ms);
                Said::Completed { begun, exit_ms }
            }
            // A journey that was closed before it was completed is told closed too; its end is the exit.
            ("journey.closed", Some(Json::Object(_))) => return Ok(None),
            ("journey.incomplete" | "journey.closed", _) => Said::Ended(begun),
            _ => return Ok(None),
        };
        (reference, said)
    } else if event.name == BALANCE_UPDATED {
        let taken = -event.required("amount", |amount| amount.as_str()?.parse::<Money>().ok())?;
        let said = match event.required("kind", Json::as_str)? {
            "CAPTURE" | "LATE_FARE" | "OVER_HOLD" => Said::Captured(taken),
            "INCOMPLETE" => Said::Forfeited(taken),
            _ => return Ok(None),
        };
        (reference::of(event.required("fact", fact)?), said)
    } else {
        return Ok(None);
    };
    Ok(Some(Note {
        reference,
        position: event.position,
        booked_ms: event.created_ms,
        said,
    }))
}

/// The hold that a journey's entry made; `None` for an exit without entry.
fn begun(event: &Event) -> Result<Option<Hold>, ProjectError> {
    let entry = match event.payload.get("entry") {
        Some(Json::Object(entry)) => entry,
        Some(Json::Null) => return Ok(None),
        _ => return Err(event.damaged("a journey says nothing of its entry")),
    };
    let fact = entry.get("fact").and_then(fact);
    let terminal = entry.get("terminal").and_then(|code| code.as_str()?.parse().ok());
    let at_ms = entry.get("at_ms").and_then(Json::as_i64);
    let (Some(fact), Some(terminal), Some(at_ms), Some(card)) = (fact, terminal, at_ms, event.card) else {
        return Err(event.damaged("a journey's entry cannot be read"));
    };
    Ok(Some(Hold {
        reference: reference::of(fact),
        entry: fact.to_string(),
        card,
        terminal,
        hold: event.required("hold", |hold| hold.as_str()?.parse().ok())?,
        captured: Money::ZERO,
        forfeited: Money::ZERO,
        completed: false,
        open: false,
        created_ms: at_ms,
        released_ms: None,
        updated_ms: event.created_ms,
        position: 0,
    }))
}

/// A fact as text: `site:seq:index`.
fn fact(text: &Json) -> Option<FactId> {
    let parts: Vec<&str> = text.as_str()?.splitn(FACT_PARTS + 1, ':').collect();
    let [site, seq, index] = parts.as_slice() else {
        return None;
    };
    let site = u128::from_str_radix(site, 16).ok().filter(|_| site.len() == 32)?;
    Some(FactId {
        site: SiteId(site.to_be_bytes()),
        seq: Seq(seq.parse().ok()?),
        index: index.parse().ok()?,
    })
}

/// Which journey of a card is under way, as it is settled.
#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    pub(super) card: CardId,
    /// The entry.
    pub(super) entry: Option<FactId>,
    /// When the last event of the card was booked.
    pub(super) booked_ms: i64,
}

/// Applies notes, in order, and then what is known to be under way. `holds` are the ones the notes and the settled
/// states name, and those shown as open, by reference. Returns the references of those that changed.
pub(super) fn apply(
    holds: &mut BTreeMap<String, Hold>,
    notes: &[Note],
    under_way: &[UnderWay],
) -> BTreeSet<String> {
    let mut changed = BTreeSet::new();
    // Within a revision the outbox tells money before journeys, but a journey makes the hold.
    for note in notes {
        if let Said::Started(begun) | Said::Completed { begun, .. } | Said::Ended(begun) = &note.said {
            holds
                .entry(note.reference.clone())
                .or_insert_with(|| (**begun).clone());
        }
    }
    for note in notes {
        match holds.get_mut(&note.reference) {
            Some(hold) if note.position > hold.position => {
                see(hold, note);
                changed.insert(note.reference.clone());
            }
            Some(_) => {}
            None => tracing::warn!(
                reference = note.reference,
                position = note.position,
                "money was booked for a journey that was never told: it shows in no balance hold"
            ),
        }
    }
    for known in under_way {
        let open = known.entry.map(reference::of);
        for (reference, hold) in holds.iter_mut().filter(|(_, hold)| hold.card == known.card) {
            let is_open = open.as_ref() == Some(reference);
            if hold.open == is_open {
                continue;
            }
            if is_open {
                hold.reopen();
            } else {
                hold.end(known.booked_ms);
            }
            hold.updated_ms = hold.updated_ms.max(known.booked_ms);
            changed.insert(reference.clone());
        }
    }
    changed
}

fn see(hold: &mut Hold, note: &Note) {
    match &note.said {
        Said::Started(_) => hold.reopen(),
        Said::Completed { exit_ms, .. } => {
            hold.end(*exit_ms);
            hold.completed = true;
        }
        Said::Ended(_) => {
            hold.end(note.booked_ms);
            hold.completed = false;
        }
        Said::Captured(taken) => hold.captured += *taken,
        Said::Forfeited(taken) => hold.forfeited += *taken,
    }
    hold.updated_ms = note.booked_ms;
    hold.position = note.position;
}
