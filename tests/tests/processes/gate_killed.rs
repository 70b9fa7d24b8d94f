//! `kill -9` of a gate: what it answered is on its disk.

use tests::harness::gate::{A_ENTRY, A_EXIT};
use tests::harness::network::{Databases, HUB, SOON, case};

use crate::load::{self, Load};

#[test]
fn a_gate_killed_straight_after_its_answer_still_tells_the_hub() {
    case("gate-killed", Databases::Shared, |network| {
        // Nothing leaves the gate before it dies: its disk alone has the tap.
        network.cut(A_ENTRY.id, HUB);
        network.cut(A_ENTRY.id, A_EXIT.id);
        let mut facts = Vec::new();
        for number in 0..5 {
            let tapped = network.gate(A_ENTRY).tap(&format!("TESTCARD000{number}"))?;
            network.gate_mut(A_ENTRY).kill()?;
            facts.push(tapped.fact()?.to_owned());
            network.gate_mut(A_ENTRY).start()?;
        }
        for fact in &facts {
            assert!(!network.has_fact(fact)?, "the cut let something through");
        }
        network.heal();
        for fact in &facts {
            network.wait_for_fact(fact, SOON)?;
        }
        network.level()?;
        let taps = network.taps_at_hub()?;
        facts.sort();
        assert_eq!(
            taps.into_iter().collect::<Vec<_>>(),
            facts,
            "each once, and nothing else"
        );
        Ok(())
    });
}

#[test]
fn a_gate_killed_in_the_rush_loses_nothing_it_answered() {
    case("gate-killed-in-load", Databases::Shared, |network| {
        let load = Load::start(network)?;
        for _ in 0..3 {
            load.more(100)?;
            network.gate_mut(A_ENTRY).kill()?;
            network.gate_mut(A_ENTRY).start()?;
        }
        load.more(100)?;
        let answers = load.finish()?;
        load::check(network, &answers).map(drop)
    });
}
