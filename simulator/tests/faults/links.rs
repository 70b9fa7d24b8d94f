//! Links that are cut, slow, unreliable, or work one way only.

use sync_protocol::id::NodeId;

use super::{A_ENTRY, B_ENTRY, FIVE_MINUTES, played, played_text};

#[test]
fn what_one_way_loses_goes_round_through_the_neighbour() {
    for (from, to) in [("B-ENTRY-01", "hub"), ("hub", "B-ENTRY-01")] {
        let run = played(
            1,
            &[&format!(
                "at_s = 30; for_s = 240; kind = \"one_way\"; from = \"{from}\"; to = \"{to}\""
            )],
        );
        run.holds();
        assert!(run.world.touched()[0].frame_counts.lost > 0);
        assert!(run.world.touched()[0].unseen_entries <= 1, "{from} to {to}");
    }
}

#[test]
fn flapping_uplinks_slow_nobody_down_for_good() {
    for period_ms in [200, 2_000, 20_000] {
        let run = played(
            2,
            &[&format!(
                "at_s = 30; for_s = 240; kind = \"flapping\"; terminal = \"A\"; period_ms = {period_ms}"
            )],
        );
        run.holds();
        assert!(run.world.touched()[0].frame_counts.lost > 0);
    }
}

#[test]
fn a_bridge_carries_everything_for_its_terminal() {
    let run = played(
        3,
        &["at_s = 30; for_s = 240; kind = \"bridge\"; terminal = \"A\"; gate = \"A-EXIT-01\""],
    );
    run.holds();
    assert!(run.answered(A_ENTRY) > 0);
    assert!(run.world.touched()[0].unseen_entries <= 1);
}

#[test]
fn a_gate_that_hears_nobody_decides_alone() {
    let run = played(
        4,
        &["at_s = 30; for_s = 240; kind = \"alone\"; gate = \"B-ENTRY-01\""],
    );
    run.holds();
    let answered = run.world.oracle().answered.iter();
    let alone = answered.filter(|answered| answered.gate == NodeId(B_ENTRY) && answered.age_ms > 60_000);
    assert!(alone.count() > 0);
}

#[test]
fn everybody_alone_heals_in_one_millisecond() {
    let run = played(
        5,
        &["at_s = 30; for_s = 240; heal = \"at_once\"; kind = \"all_alone\""],
    );
    run.holds();
    assert!(run.world.touched()[0].unseen_entries > 0);
}

#[test]
fn frames_that_overtake_each_other_do_no_harm() {
    let run = played(
        6,
        &[
            "at_s = 20; for_s = 260; kind = \"lossy\"; loss_per_mille = 50; duplicate_per_mille = 200; reorder_per_mille = 400; terminal = \"A\"",
        ],
    );
    run.holds();
    assert!(run.world.touched()[0].frame_counts.reordered > 50);
}

#[test]
fn slow_links_drop_what_does_not_fit_and_carry_the_rest_in_time() {
    let run = played(
        7,
        &["at_s = 20; for_s = 260; kind = \"slow_links\"; bytes_per_s = 300; queue_bytes = 1000"],
    );
    run.holds();
    let counts = run.world.touched()[0].frame_counts;
    assert!(counts.slowed > 100 && counts.overflowed > 0, "{counts:?}");
}

#[test]
fn what_has_not_converged_says_who_lacks_what_and_why() {
    let text = FIVE_MINUTES
        .replace("converge_within_s = 60", "converge_within_s = 1")
        .replace("missing_exit_per_mille = 50", "missing_exit_per_mille = 1000");
    let alone = "[[fault]]\nat_s = 30\nfor_s = 270\nkind = \"all_alone\"\n";
    let run = played_text(8, &format!("{text}{alone}"));
    assert_eq!(run.rested_after_ms, None, "a second is too short");
    let pending = run.world.pending();
    let about_hub = pending
        .iter()
        .find(|line| line.starts_with("the hub lacks changesets"));
    assert!(
        about_hub.is_some_and(|line| line.contains("has them, is")),
        "{pending:?}"
    );
    let check = run
        .checks
        .iter()
        .find(|check| check.name == "converges in time")
        .unwrap();
    assert!(
        !check.passed && check.detail.contains("lacks changesets"),
        "{}",
        check.detail
    );
}
