//! Everybody shows the same money (I1): an independent fold of the whole history, written a second time for this
//! check only, equals the hub's projection byte for byte, and every gate shows that balance and hold.
//!
//! Would fail if hub or gate lost, doubled or misread a fact, or priced one otherwise. Facts that went down with a
//! disk and turned up nowhere do not count; the check of acknowledged taps counts them.

use std::collections::BTreeSet;

use sync_protocol::journey::history::CardProjection;

use super::truth::Truth;
use super::{Check, Violations};
use crate::node::gate::GateNode;
use crate::world::World;

/// Most views of cards at gates that are looked at one by one.
const VIEWS_MAX: usize = 200_000;

/// Holds hub and gates against the independent fold.
///
/// # Errors
/// A store cannot be read.
pub fn check(world: &World, truth: &Truth) -> anyhow::Result<Check> {
    let mut violations = Violations::default();
    let gates = asked(world, truth.cards().len())?;
    for card in truth.cards() {
        let (card, expected) = (card.card, &card.projection);
        match world.hub.projection(card) {
            None => violations.note(format!("{card}: the hub does not know the card")),
            Some(hub) if hub != *expected => violations.note(difference(expected, &hub)),
            Some(_) => {}
        }
        for gate in &gates {
            let view = gate.card_view(card)?;
            if (view.balance, view.held) != (expected.balance, expected.held) {
                violations.note(format!(
                    "{card}: gate {} shows {} with {} held, it ought to be {} with {} held",
                    gate.code(),
                    view.balance,
                    view.held,
                    expected.balance,
                    expected.held
                ));
            }
        }
    }
    let facts: usize = truth.cards().iter().map(|card| card.facts.len()).sum();
    let detail = format!(
        "{} with {facts} facts: hub and all {} gates agree",
        truth.in_words(),
        world.gates.len()
    );
    Ok(violations.into_check("independent fold equals hub and gates", detail))
}

/// The gates whose cards are looked at: all; in a large network one of those that hold the same settled states and
/// fares and no uncovered tap, because these show the same by construction.
fn asked(world: &World, cards: usize) -> anyhow::Result<Vec<&GateNode>> {
    let gates = world.gates.values();
    if world.gates.len().saturating_mul(cards) <= VIEWS_MAX {
        return Ok(gates.collect());
    }
    let mut seen = BTreeSet::new();
    let mut asked = Vec::new();
    for gate in gates {
        let digest = gate.digest()?;
        if gate.uncovered() > 0 || seen.insert((digest.cards, digest.fares)) {
            asked.push(gate);
        }
    }
    Ok(asked)
}

fn difference(truth: &CardProjection, hub: &CardProjection) -> String {
    let count = |projection: &CardProjection| {
        (
            projection.journeys.len(),
            projection.flags.len(),
            projection.postings.len(),
        )
    };
    format!(
        "{}: the hub shows {} with {} held and (journeys, flags, postings) {:?}, it ought to be {} with {} held and {:?}",
        truth.card,
        hub.balance,
        hub.held,
        count(hub),
        truth.balance,
        truth.held,
        count(truth)
    )
}
