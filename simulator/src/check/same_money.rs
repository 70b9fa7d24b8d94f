//! Everybody shows the same money (I1): an independent fold of the whole history, written a second time for this
//! check only, equals the hub's projection byte for byte, and every gate shows that balance and hold.

use sync_protocol::journey::history::CardProjection;

use super::{Check, Violations, reference};
use crate::world::World;

/// Folds everything that was ever committed, and compares.
///
/// # Errors
/// A store cannot be read.
pub fn check(world: &World) -> anyhow::Result<Check> {
    let mut violations = Violations::default();
    let mut cards = 0_u64;
    for (card, facts) in world.oracle.cards() {
        cards += 1;
        let truth = reference::fold(card, facts, world.oracle.fare_versions());
        match world.hub.projection(card) {
            None => violations.note(format!("{card}: the hub does not know the card")),
            Some(hub) if hub.to_bytes() != truth.to_bytes() => violations.note(difference(&truth, &hub)),
            Some(_) => {}
        }
        for gate in world.gates.values() {
            let view = gate.card_view(card)?;
            if (view.balance, view.held) != (truth.balance, truth.held) {
                violations.note(format!(
                    "{card}: gate {} shows {} with {} held, it ought to be {} with {} held",
                    gate.code(),
                    view.balance,
                    view.held,
                    truth.balance,
                    truth.held
                ));
            }
        }
    }
    let facts = world.oracle.card_facts();
    let detail = format!(
        "{cards} cards with {facts} facts: hub and all {} gates agree",
        world.gates.len()
    );
    Ok(violations.into_check("independent fold equals hub and gates", detail))
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
