//! The power goes at any moment.

use tests::durability::power::{self, Plan};
use tests::harness::scratch::Scratch;

/// How often, unless `DURABILITY_CUTS` says otherwise.
const CUTS: u64 = 20;

#[test]
fn no_power_cut_loses_an_acknowledged_tap_and_a_laxer_writer_loses_some() {
    let folder = Scratch::new("power").unwrap();
    let asked = std::env::var("DURABILITY_CUTS");
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_durability").into(),
        folder: folder.path().to_path_buf(),
        cuts: asked.map_or(CUTS, |cuts| cuts.parse().unwrap()),
        seed: 1,
    };
    let counts = match power::cut(&plan, |_| {}).unwrap() {
        Ok(counts) => counts,
        Err(reason) => return println!("skipped: no power can be cut here: {reason}"),
    };
    println!("{counts:?}");
    assert_eq!(counts.cuts, plan.cuts);
    assert!(counts.taps > plan.cuts, "too little was at stake: {counts:?}");
    assert!(
        counts.control_losses > 0,
        "the cuts cost nobody anything, so they prove nothing: {counts:?}"
    );
}
