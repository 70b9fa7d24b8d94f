//! Whole runs of small scenarios: what overlapping faults, and runs in which nothing happens, come to.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use simulator::report::{Report, Verdict};
use simulator::run::play;
use simulator::scenario::Scenario;

const TINY: &str = include_str!("data/tiny.toml");

fn run(text: &str) -> (Report, String) {
    let scenario = Scenario::parse("t", "t.toml", text).unwrap();
    play(scenario, 1).unwrap()
}

fn with_faults(duration_s: u32, faults: &[(u32, u32, &str)]) -> String {
    let mut text = TINY.replace("duration_s = 60", &format!("duration_s = {duration_s}"));
    for (at_s, for_s, kind) in faults {
        text.push_str(&format!("[[fault]]\nat_s = {at_s}\nfor_s = {for_s}\n{kind}\n"));
    }
    text
}

#[test]
fn a_fault_that_ends_while_another_lasts_is_not_asked_to_be_level() {
    // 70 s of the hub's absence follow the end of the island: more than the 30 s that everybody has to be level.
    let island = "kind = \"island\"\nterminal = \"A\"";
    let (report, summary) = run(&with_faults(
        120,
        &[(5, 40, island), (20, 95, "kind = \"hub_away\"")],
    ));
    assert_eq!(report.verdict, Verdict::Pass, "{summary}");
    assert!(report.faults[0].level_after_ms.unwrap() > 70_000, "{summary}");
    assert!(report.converged_after_ms.unwrap() < 30_000, "{summary}");
}

#[test]
fn a_lossy_fault_lasts_until_its_own_end() {
    let lossy = "kind = \"lossy\"\nloss_per_mille = 300\nduplicate_per_mille = 0";
    let calm = "kind = \"lossy\"\nloss_per_mille = 1\nduplicate_per_mille = 0";
    let (alone, _) = run(&with_faults(60, &[(0, 60, lossy)]));
    let (both, summary) = run(&with_faults(60, &[(0, 60, lossy), (5, 5, calm)]));
    assert!(
        both.faults[0].frames > alone.faults[0].frames / 2,
        "{} alone, then: {summary}",
        alone.faults[0].frames
    );
    assert!(both.faults[0].taps > 0, "every gate is touched: {summary}");
}

#[test]
fn a_run_without_a_tap_shows_nothing() {
    let night = TINY.replace("07:00", "02:00").replace("= 600", "= 1");
    let (report, summary) = run(&night);
    assert_eq!((report.taps, report.verdict), (0, Verdict::Vacuous));
    assert!(summary.contains("Nobody tapped"), "{summary}");
}

#[test]
fn a_fault_that_follows_another_at_once_is_not_vacuous() {
    // Nobody sends on links that are down already, so the second fault takes no frame.
    let away = "kind = \"hub_away\"";
    let (report, summary) = run(&with_faults(120, &[(5, 50, away), (55, 50, away)]));
    assert!(report.faults[1].taps > 0, "{summary}");
    assert_eq!(report.verdict, Verdict::Pass, "{summary}");
}

#[test]
fn a_fault_that_takes_nothing_is_vacuous() {
    let nothing = "kind = \"lossy\"\nloss_per_mille = 0\nduplicate_per_mille = 0";
    let (report, summary) = run(&with_faults(60, &[(5, 50, nothing)]));
    assert_eq!(report.verdict, Verdict::Vacuous, "{summary}");
    assert!(summary.contains("Nothing met this fault"), "{summary}");
}
