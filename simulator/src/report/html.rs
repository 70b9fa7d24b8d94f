//! `report.html`: the report as one self-contained page, for people who were not there.

use std::fmt::Write as _;

use super::chart::grouped;
use super::style::STYLE;
use super::{Report, Verdict, escaped};
use crate::scenario::fault_catalogue;

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let verdict = report.verdict.word();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}: {verdict}</title><style>{STYLE}</style></head><body>\n\
         <h1>{title}</h1>\n<p class=\"verdict {verdict}\"><strong>{}</strong> {}</p>\n",
        capital(verdict),
        escaped(&verdict_in_words(report)),
        title = escaped(&report.title),
    );
    figures(&mut page, report);
    promises(&mut page, report);
    let _ = write!(page, "<h2>How it went</h2>\n{}", report.charts.html());
    faults(&mut page, report);
    list(
        &mut page,
        "What had not arrived at the end, and why",
        &report.pending,
    );
    list(&mut page, "Lost with a disk", &report.lost);
    list(
        &mut page,
        "Where this run differs from the real system",
        &report.departures,
    );
    not_yet(&mut page);
    let _ = writeln!(
        page,
        "<h2>Run it again</h2>\n<p><code>{}</code></p>\n\
         <p class=\"small\">Seed {}. Trace {}. Scenario {}.</p>\n</body></html>",
        escaped(&report.replay),
        report.seed,
        report.trace_hash,
        report.scenario_hash
    );
    page
}

fn verdict_in_words(report: &Report) -> String {
    let count = report.checks.len();
    match report.verdict {
        Verdict::Pass => format!(
            "All {count} promises held: {} taps, {} faults.",
            grouped(i64::try_from(report.taps).unwrap_or(i64::MAX)),
            report.faults.len()
        ),
        Verdict::Fail => {
            let broken: Vec<&str> = report
                .checks
                .iter()
                .filter(|check| !check.passed)
                .map(|check| check.name)
                .collect();
            format!(
                "{} of {count} promises were broken: {}.",
                broken.len(),
                broken.join("; ")
            )
        }
        Verdict::Vacuous if report.taps == 0 => {
            "Nobody tapped: every promise held, but the run shows nothing.".to_owned()
        }
        Verdict::Vacuous => {
            let idle: Vec<&str> = report
                .faults
                .iter()
                .filter(|fault| fault.touched_nothing)
                .map(|fault| fault.fault.as_str())
                .collect();
            format!(
                "Every promise held, but nothing met these faults, so the run shows nothing about them: {}.",
                idle.join("; ")
            )
        }
    }
}

fn figures(page: &mut String, report: &Report) {
    let rupiah = |money: sync_protocol::money::Money| format!("Rp {}", grouped(money.as_hundredths() / 100));
    let count = |number: u64| grouped(i64::try_from(number).unwrap_or(i64::MAX));
    let figures = [
        ("Entries let in", count(report.entries)),
        ("Exits let out", count(report.exits)),
        ("Taps turned away", count(report.turned_away.values().sum())),
        ("Taps tried at gates that were down", count(report.gate_down)),
        ("Taps that a full disk did not record", count(report.unrecorded)),
        (
            "Taps decided without hearing the hub",
            count(report.decided_alone),
        ),
        ("Entries on the offline allowance", count(report.on_allowance)),
        (
            "Most money one fault left unseen by the hub",
            rupiah(report.exposure),
        ),
        ("Cards below zero at the end, together", rupiah(report.overdraft)),
        (
            "Longest time until everybody was level",
            time(report.converged_after_ms),
        ),
    ];
    page.push_str("<dl>");
    for (name, value) in figures {
        let _ = write!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", escaped(&value));
    }
    page.push_str("</dl>\n");
}

fn time(took_ms: Option<i64>) -> String {
    took_ms.map_or("not in time".to_owned(), |took_ms| {
        format!("{} ms", grouped(took_ms))
    })
}

fn promises(page: &mut String, report: &Report) {
    page.push_str(
        "<h2>What was promised</h2>\n<div class=\"wide\"><table><tr><th>Promise</th><th></th><th>Measured</th>\
         <th>Allowed</th><th>What was seen</th></tr>",
    );
    for check in &report.checks {
        let (class, word) = if check.passed {
            ("held", "held")
        } else {
            ("broken", "BROKEN")
        };
        let cell = |of: &str, text: &Option<String>| match text {
            Some(text) => format!("<td data-of=\"{of}\">{}</td>", escaped(text)),
            None => "<td class=\"none\">–</td>".to_owned(),
        };
        let _ = write!(
            page,
            "\n<tr><td>{}</td><td class=\"{class}\">{word}</td>{}{}<td>{}</td></tr>",
            escaped(check.name),
            cell("measured", &check.value),
            cell("allowed", &check.threshold),
            escaped(&check.detail)
        );
    }
    page.push_str("</table></div>\n");
}

fn faults(page: &mut String, report: &Report) {
    if report.faults.is_empty() {
        return;
    }
    const HEADS: [&str; 6] = [
        "Fault",
        "Taps there",
        "Frames lost or repeated",
        "Entries unseen at its end",
        "Held by them, Rp",
        "Everybody level after",
    ];
    let heads = HEADS.map(|head| format!("<th>{head}</th>")).concat();
    let _ = write!(
        page,
        "<h2>What went wrong</h2>\n<div class=\"wide\"><table><tr>{heads}</tr>"
    );
    for fault in &report.faults {
        let numbers = [
            fault.taps.to_string(),
            fault.frames.to_string(),
            fault.unseen_entries.to_string(),
            grouped(fault.exposure.as_hundredths() / 100),
            time(fault.level_after_ms),
        ];
        let _ = write!(page, "\n<tr><td>{}</td>", escaped(&fault.fault));
        for (head, number) in HEADS.iter().skip(1).zip(numbers) {
            let _ = write!(page, "<td class=\"n\" data-of=\"{head}\">{number}</td>");
        }
        page.push_str("</tr>");
    }
    page.push_str("</table></div>\n");
}

fn list(page: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let items: String = lines
        .iter()
        .map(|line| format!("<li>{}</li>", escaped(line)))
        .collect();
    let _ = write!(page, "<h2>{heading}</h2>\n<ul>{items}</ul>\n");
}

/// What cannot be simulated yet, so that nobody takes this report for more than it is.
fn not_yet(page: &mut String) {
    let lines: Vec<String> = fault_catalogue()
        .iter()
        .filter_map(|entry| {
            let waits_for = entry.waits_for?;
            Some(format!("{} (waits for {waits_for})", entry.meaning))
        })
        .collect();
    list(page, "Faults that cannot be simulated yet", &lines);
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_ascii_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}
