//! Disks that lose power, fill up, slow down, or are lost.

use simulator::oracle::{DiskLoss, Outcome};
use sync_protocol::fact::Direction;

use super::{A_ENTRY, B_ENTRY, C_EXIT, played};

#[test]
fn a_power_loss_loses_nothing_that_was_answered() {
    for seed in [1, 2] {
        let run = played(
            seed,
            &["at_s = 120; for_s = 60; kind = \"power_loss\"; gate = \"B-ENTRY-01\""],
        );
        run.holds();
        assert_eq!(run.sites_of(B_ENTRY).len(), 2);
        assert_eq!(run.world.oracle().lost_changesets(), 0);
    }
}

#[test]
fn a_full_disk_lets_everybody_out_and_nobody_in() {
    let run = played(
        3,
        &[
            "at_s = 30; for_s = 260; kind = \"disk_full\"; gate = \"C-EXIT-01\"",
            "at_s = 30; for_s = 260; kind = \"disk_full\"; gate = \"A-ENTRY-01\"",
        ],
    );
    assert!(run.recovered());
    let denied = run.outcomes(A_ENTRY, |outcome| match outcome {
        Outcome::Unrecorded { decision } => !decision.tap.accepted,
        _ => false,
    });
    assert!(denied > 0);
    assert_eq!(
        run.outcomes(
            A_ENTRY,
            |outcome| matches!(outcome, Outcome::Unrecorded { decision } if decision.tap.accepted)
        ),
        0
    );
    let kept_in = run.outcomes(C_EXIT, |outcome| match outcome {
        Outcome::Unrecorded { decision } => {
            decision.tap.direction == Direction::Exit && !decision.tap.accepted
        }
        _ => false,
    });
    assert_eq!(kept_in, 0);
    run.holds();
}

#[test]
fn a_slow_disk_makes_its_own_passengers_wait_and_nobody_else() {
    let run = played(
        4,
        &["at_s = 30; for_s = 200; kind = \"slow_disk\"; gate = \"B-ENTRY-01\"; sync_ms = 700"],
    );
    let answered = &run.world.oracle().answered;
    let waited = answered.iter().filter(|answered| answered.latency_ms > 0);
    assert!(waited.clone().count() > 0);
    assert!(waited.clone().all(|answered| answered.gate.0 == B_ENTRY));
    assert!(waited.clone().all(|answered| answered.latency_ms >= 700));
    run.holds();
}

#[test]
fn what_only_a_wiped_disk_held_is_lost_and_counted() {
    let run = played(
        5,
        &[
            "at_s = 30; for_s = 200; kind = \"alone\"; gate = \"B-ENTRY-01\"",
            "at_s = 150; for_s = 60; kind = \"wiped_disk\"; gate = \"B-ENTRY-01\"",
        ],
    );
    assert!(run.recovered());
    let lost = &run.world.oracle().lost_disks[0];
    assert_eq!(lost.loss, DiskLoss::Wiped);
    assert!(lost.taps() > 0, "{lost:?}");
    assert_eq!(run.sites_of(B_ENTRY).len(), 2);
    run.holds();
}

#[test]
fn a_wiped_disk_gets_back_what_others_have() {
    let run = played(
        6,
        &["at_s = 150; for_s = 30; kind = \"wiped_disk\"; gate = \"B-ENTRY-01\""],
    );
    run.holds();
    assert_eq!(
        run.world.oracle().lost_disks[0].taps(),
        0,
        "its neighbour and the hub had them"
    );
}

#[test]
fn the_tail_of_a_restored_disk_comes_back_and_no_number_is_used_twice() {
    let run = played(
        7,
        &["at_s = 200; for_s = 30; kind = \"restored_disk\"; gate = \"B-ENTRY-01\"; age_s = 120"],
    );
    run.holds();
    let lost = &run.world.oracle().lost_disks[0];
    assert_eq!((lost.loss, lost.taps()), (DiskLoss::Restored, 0));
    let sites = run.sites_of(B_ENTRY);
    assert_eq!(sites.len(), 2);
    let gate = run.world.gate("B-ENTRY-01".parse().unwrap()).unwrap();
    for site in sites {
        assert_eq!(gate.head(site), run.world.hub().head(site));
    }
}
