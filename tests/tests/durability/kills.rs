//! `kill -9` at any moment.

use tests::durability::kills::{self, Plan};
use tests::harness::scratch::Scratch;

/// How often, unless `DURABILITY_KILLS` says otherwise.
const KILLS: u64 = 200;

#[test]
fn no_kill_loses_an_acknowledged_tap() {
    let folder = Scratch::new("kills").unwrap();
    let asked = std::env::var("DURABILITY_KILLS");
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_durability").into(),
        folder: folder.path().to_path_buf(),
        kills: asked.map_or(KILLS, |kills| kills.parse().unwrap()),
        seed: 1,
    };
    let counts = kills::kill(&plan, |_| {}).unwrap();
    println!("{counts:?}");
    assert_eq!(counts.kills, plan.kills);
    assert!(
        counts.amid_taps > plan.kills / 4,
        "few were killed at work: {counts:?}"
    );
    assert!(counts.while_opening > 0 && counts.replayed > 0, "{counts:?}");
}

/// The look at the file is what everything rests on: it must notice each of these.
#[test]
fn a_lost_or_changed_row_is_noticed() {
    let damages = [
        (
            "LOST",
            "DELETE FROM journal WHERE site = ?1; DELETE FROM facts_by_card WHERE site = ?1;
             DELETE FROM sites WHERE ordinal = ?1",
        ),
        (
            "journal ends at",
            "DELETE FROM journal WHERE site = ?1 AND seq = (SELECT max(seq) FROM journal WHERE site = ?1)",
        ),
        (
            "signature at 2",
            "UPDATE journal SET body = zeroblob(length(body)) WHERE site = ?1 AND seq = 2",
        ),
        ("follows", "DELETE FROM journal WHERE site = ?1 AND seq = 2"),
        (
            "wrong",
            "UPDATE journal SET signature = zeroblob(64) WHERE site = ?1 AND signature IS NOT NULL",
        ),
        (
            "facts_by_card",
            "DELETE FROM facts_by_card WHERE arrival = (SELECT max(arrival) FROM facts_by_card)",
        ),
        (
            "derived tables",
            "UPDATE cards SET balance = balance + 1, state = zeroblob(4)",
        ),
    ];
    let folder = Scratch::new("damage").unwrap();
    for (number, (complaint, sql)) in (0..).zip(damages) {
        let folder = folder.path().join(number.to_string());
        let complaints = kills::look_at_damaged(&folder, sql).unwrap();
        assert!(complaints.contains(complaint), "{sql}: {complaints}");
    }
}
