//! Changesets made by hand: of a newer program, of a key in wrong hands, of a hub that publishes bad reference data.

use sync_protocol::id::NodeId;

use super::{Played, played};

fn byzantine(seed: u64, what: &str) -> Played {
    played(
        seed,
        &[&format!(
            "at_s = 60; for_s = 60; kind = \"byzantine\"; gate = \"B-ENTRY-01\"; what = \"{what}\""
        )],
    )
}

fn poison(seed: u64, what: &str) -> Played {
    played(
        seed,
        &[&format!(
            "at_s = 60; for_s = 60; kind = \"poison\"; what = \"{what}\""
        )],
    )
}

#[test]
fn changes_of_unknown_kinds_are_relayed_and_kept() {
    let run = played(
        1,
        &["at_s = 60; for_s = 60; kind = \"newer_gate\"; gate = \"B-ENTRY-01\""],
    );
    run.holds();
    let oracle = run.world.oracle();
    assert_eq!(oracle.opaque.len(), 6);
    let site = oracle.opaque[0].id.site;
    for code in ["B-ENTRY-01", "B-EXIT-01"] {
        let gate = run.world.gate(code.parse().unwrap()).unwrap();
        assert_eq!(gate.head(site), run.world.hub().head(site));
        assert_eq!(gate.set_aside().unwrap().1, 6, "kept for a later version");
    }
}

#[test]
fn nobody_believes_what_is_signed_with_the_wrong_key() {
    for what in ["other_site", "broken_chain"] {
        let run = byzantine(2, what);
        run.holds();
        let forged = &run.world.oracle().forged;
        let refused = forged.iter().filter(|forged| !forged.refused_by.is_empty());
        assert!(refused.count() > 0, "{what}: {forged:?}");
    }
}

#[test]
fn hostile_rows_are_put_aside_and_harm_nobody() {
    let run = byzantine(3, "hostile_rows");
    run.holds();
    let neighbour = run.world.gate("B-EXIT-01".parse().unwrap()).unwrap();
    let (quarantined, kept) = neighbour.set_aside().unwrap();
    assert_eq!(quarantined.len() as u64 + kept, 18, "{quarantined:?}");
}

#[test]
fn taps_of_the_far_future_are_facts_for_everybody() {
    byzantine(4, "far_future").holds();
}

#[test]
fn bad_reference_data_leaves_every_gate_on_the_version_before() {
    for what in ["truncated", "wrong_hash", "oversized"] {
        let run = poison(5, what);
        run.holds();
        for forged in &run.world.oracle().forged {
            assert_eq!(forged.node, NodeId::HUB);
        }
        let gate = run.world.gate("A-ENTRY-01".parse().unwrap()).unwrap();
        assert!(!gate.set_aside().unwrap().0.is_empty(), "{what}: quarantined");
    }
}

#[test]
fn reference_data_of_every_size_at_an_edge_arrives_everywhere() {
    let run = poison(6, "edge_sizes");
    run.holds();
    for forged in &run.world.oracle().forged {
        assert_eq!(
            run.world.hub().head(forged.site).seq,
            forged.seqs.1,
            "{}",
            forged.what
        );
        assert!(forged.seqs.1.0 >= 3, "{}", forged.what);
    }
}

#[test]
fn a_log_that_is_signed_in_two_ways_is_proven_and_everybody_takes_the_branch_that_counts() {
    let run = played(
        6,
        &["at_s = 60; for_s = 60; kind = \"equivocation\"; gate = \"B-ENTRY-01\""],
    );
    run.holds();
    let proven: Vec<_> = run.world.hub().forks().collect();
    assert!(!proven.is_empty());
    let neighbour = run.world.gate("B-EXIT-01".parse().unwrap()).unwrap();
    assert_eq!(neighbour.counters().reverted, 1, "it had taken the other branch");
    assert_eq!(neighbour.head(proven[0]), run.world.hub().head(proven[0]));
}
