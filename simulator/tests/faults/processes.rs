//! Processes that die, stand still, come and go.

use simulator::oracle::{Absence, Outcome};
use sync_protocol::id::NodeId;

use super::{A_ENTRY, B_ENTRY, D_BOTH, WARM_UP_MS, played};

#[test]
fn a_process_that_dies_before_the_commit_leaves_nothing_and_the_passenger_taps_elsewhere() {
    let run = played(
        1,
        &["at_s = 60; for_s = 120; kind = \"crash\"; gate = \"D-BI-01\"; moment = \"before_commit\""],
    );
    run.holds();
    assert_eq!(run.outcomes(D_BOTH, |outcome| *outcome == Outcome::DiedBefore), 1);
    assert_eq!(run.sites_of(D_BOTH).len(), 2, "a new process writes a new site");
    assert!(run.outcomes(D_BOTH, |outcome| *outcome == Outcome::GateDown) > 0);
    let down = run.downtime(NodeId(D_BOTH));
    assert!(down[0].until_ms == Some(WARM_UP_MS + 180_000), "{down:?}");
}

#[test]
fn a_tap_that_was_durable_but_never_answered_counts_once_it_spreads() {
    let run = played(
        2,
        &["at_s = 60; for_s = 120; kind = \"crash\"; gate = \"A-ENTRY-01\"; moment = \"after_commit\""],
    );
    run.holds();
    let presented = run.world.oracle().presented.iter();
    let died: Vec<_> = presented
        .filter_map(|presented| match presented.outcome {
            Outcome::DiedAfter { changeset } => Some(changeset),
            _ => None,
        })
        .collect();
    assert_eq!(died.len(), 1);
    let (site, seq) = died[0];
    assert!(
        run.world.hub().head(site).seq >= seq,
        "the restarted gate passed it on"
    );
    assert!(
        !run.world
            .oracle()
            .answered
            .iter()
            .any(|answered| answered.changeset == (site, seq))
    );
    assert_eq!(run.world.oracle().writer(site), Some(NodeId(A_ENTRY)));
}

#[test]
fn a_process_that_dies_in_the_middle_of_a_run_takes_the_rest_later() {
    let run = played(
        3,
        &["at_s = 60; for_s = 60; kind = \"crash\"; gate = \"B-ENTRY-01\"; moment = \"mid_apply\""],
    );
    run.holds();
    assert_eq!(run.world.touched()[0].restarts, 1);
    assert_eq!(run.sites_of(B_ENTRY).len(), 2);
}

#[test]
fn a_gate_that_stood_still_goes_on_where_it_was() {
    let run = played(
        4,
        &["at_s = 60; for_s = 90; kind = \"pause\"; node = \"B-ENTRY-01\""],
    );
    run.holds();
    assert_eq!(run.sites_of(B_ENTRY).len(), 1, "no new process, no new site");
    assert!(run.outcomes(B_ENTRY, |outcome| *outcome == Outcome::GateDown) > 0);
    assert_eq!(run.downtime(NodeId(B_ENTRY))[0].absence, Absence::Paused);
}

#[test]
fn a_short_pause_breaks_no_connection() {
    let run = played(5, &["at_s = 60; for_s = 2; kind = \"pause\"; node = \"hub\""]);
    run.holds();
    assert!(run.downtime(NodeId::HUB)[0].until_ms.is_some());
}

#[test]
fn a_hub_that_was_down_starts_from_its_ledger_with_a_new_term() {
    let run = played(6, &["at_s = 60; for_s = 180; kind = \"hub_down\""]);
    run.holds();
    assert_eq!(run.sites_of(0).len(), 4, "two sites of each term");
    assert!(run.world.touched()[0].unseen_entries > 0);
    assert!(run.world.oracle().passengers().decided_alone > 0);
}

#[test]
fn a_gate_that_comes_later_learns_everything() {
    let run = played(
        7,
        &["at_s = 0; for_s = 120; kind = \"gate_added\"; gate = \"C-ENTRY-01\""],
    );
    run.holds();
    assert_eq!(run.downtime(NodeId(6))[0].absence, Absence::NotYet);
    assert!(run.answered(6) > 0, "passengers use it once it is there");
}

#[test]
fn a_gate_that_is_removed_takes_only_what_nobody_else_had() {
    let run = played(
        8,
        &[
            "at_s = 30; for_s = 200; kind = \"alone\"; gate = \"B-ENTRY-01\"",
            "at_s = 200; for_s = 1; kind = \"gate_removed\"; gate = \"B-ENTRY-01\"",
        ],
    );
    assert!(run.recovered());
    assert!(!run.is_up("B-ENTRY-01"));
    let lost = &run.world.oracle().lost_disks[0];
    assert!(lost.taps() > 0, "the gate was alone: {lost:?}");
    let tail = lost.tails[0];
    assert_eq!(run.world.hub().head(tail.site).seq.0 + 1, tail.first.0);
    run.holds();
}
