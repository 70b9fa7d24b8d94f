//! The page of a report: whole, by itself, and with its charts.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use simulator::report::html;
use simulator::run::play;
use simulator::scenario::Scenario;

const TEXT: &str = r#"title = "A <b>bold</b> island & a lost disk"
network = "sample"
starts_at = "07:00"
duration_s = 300
converge_within_s = 60
[traffic]
cards = 30
trips_per_hour_at_peak = 900
[engine]
signatures = "keyed_hash"
[[fault]]
at_s = 30
for_s = 200
kind = "island"
terminal = "C"
[[fault]]
at_s = 100
for_s = 60
kind = "wiped_disk"
gate = "C-ENTRY-01"
"#;

fn page() -> String {
    let scenario = Scenario::parse("t", "t.toml", TEXT).unwrap();
    html::page(&play(scenario, 3).unwrap().0)
}

#[test]
fn the_page_stands_by_itself() {
    let page = page();
    for outside in ["http:", "https:", "src=", "<script", "<link", "url(", "@import"] {
        assert!(!page.contains(outside), "the page refers to {outside}");
    }
    assert!(page.contains("A &lt;b&gt;bold&lt;/b&gt; island &amp; a lost disk"));
    for (opened, closed) in [
        ("<svg", "</svg>"),
        ("<table", "</table>"),
        ("<figure", "</figure>"),
    ] {
        assert_eq!(
            page.matches(opened).count(),
            page.matches(closed).count(),
            "{opened}"
        );
    }
}

#[test]
fn the_page_says_everything_that_people_ask_for() {
    let page = page();
    for words in [
        "promises held",
        "at most 60 s",
        "simulator run t --seed 3",
        "<title id=\"timeline-title\">",
        "<title id=\"taps-title\">",
        "<title id=\"backlog-title\">",
        "<title id=\"exposure-title\">",
        "<desc id=\"exposure-desc\">",
        "terminal C: cut off from everybody",
        "gate C-ENTRY-01: disk lost",
        "local time of day",
        ">07:00<",
        "gate C-ENTRY-01 lost its disk",
        "signatures are keyed hashes",
        "Faults that cannot be simulated yet",
    ] {
        assert!(page.contains(words), "the page does not say {words:?}");
    }
}
