//! `report.html`: the report as one self-contained page, for people who were not there.

use std::fmt::Write as _;

use super::Report;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2733}\
h1{font-size:1.5rem}.verdict{display:inline-block;padding:.1rem .7rem;border-radius:.4rem;color:#fff}\
.pass{background:#1b7a43}.fail{background:#b3261e}.vacuous{background:#7a5b00}\
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;\
border-bottom:1px solid #d5dde5}th{background:#f1f5f9}td.n{text-align:right;font-variant-numeric:tabular-nums}\
code{background:#f1f5f9;padding:.1rem .3rem;border-radius:.2rem;overflow-wrap:anywhere}";

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let verdict = report.verdict.word();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}: {verdict}</title><style>{STYLE}</style>\n\
         <h1>{title}</h1>\n<p>Verdict: <strong class=\"verdict {verdict}\">{verdict}</strong></p>\n",
        title = escaped(&report.title),
    );
    let converged = report
        .converged_after_ms
        .map_or("not in time".to_owned(), |took_ms| format!("{took_ms} ms"));
    let figures = [
        ("Entries let in", report.entries.to_string()),
        ("Exits let out", report.exits.to_string()),
        (
            "Taps turned away",
            report.turned_away.values().sum::<u64>().to_string(),
        ),
        (
            "Taps decided while the hub could not be heard",
            report.decided_alone.to_string(),
        ),
        (
            "Entries on the offline allowance",
            report.on_allowance.to_string(),
        ),
        (
            "Most money one fault left unseen by the hub, Rp",
            report.exposure.to_string(),
        ),
        (
            "Cards below zero at the end, together, Rp",
            report.overdraft.to_string(),
        ),
        ("Longest time until everybody was level", converged),
    ];
    let rows = figures
        .iter()
        .map(|(name, value)| vec![(*name).to_owned(), value.clone()]);
    table(&mut page, "What happened", &["", ""], rows);
    let rows = report.checks.iter().map(|check| {
        let word = if check.passed { "held" } else { "BROKEN" };
        vec![check.name.to_owned(), word.to_owned(), check.detail.clone()]
    });
    table(
        &mut page,
        "What was promised",
        &["Promise", "", "What was seen"],
        rows,
    );
    if !report.faults.is_empty() {
        let rows = report.faults.iter().map(|fault| {
            let level = fault
                .level_after_ms
                .map_or("not in time".to_owned(), |took_ms| format!("{took_ms} ms"));
            let numbers = [fault.taps, fault.frames, fault.unseen_entries].map(|number| number.to_string());
            [
                vec![fault.fault.clone()],
                numbers.to_vec(),
                vec![fault.exposure.to_string(), level],
            ]
            .concat()
        });
        let heads = [
            "Fault",
            "Taps there",
            "Frames lost or repeated",
            "Entries unseen",
            "Held by them, Rp",
            "Level after",
        ];
        table(&mut page, "What went wrong", &heads, rows);
    }
    let _ = writeln!(
        page,
        "<p>Run it again: <code>simulator run {} --seed {}</code><br>Trace <code>{}</code>, scenario <code>{}</code></p></html>",
        escaped(&report.scenario),
        report.seed,
        report.trace_hash,
        report.scenario_hash
    );
    page
}

fn table(page: &mut String, title: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = write!(page, "<h2>{title}</h2>\n<table>");
    if heads.iter().any(|head| !head.is_empty()) {
        let heads: String = heads
            .iter()
            .map(|head| format!("<th>{}</th>", escaped(head)))
            .collect();
        let _ = write!(page, "<tr>{heads}</tr>");
    }
    for row in rows {
        let cells: String = row.iter().map(|cell| cell_of(cell)).collect();
        let _ = write!(page, "\n<tr>{cells}</tr>");
    }
    page.push_str("</table>\n");
}

fn cell_of(text: &str) -> String {
    let is_number = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
    format!(
        "<td{}>{}</td>",
        if is_number { " class=\"n\"" } else { "" },
        escaped(text)
    )
}

/// Text as HTML shows it literally. A scenario's title comes from outside.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        assert_eq!(escaped("<script>\"&"), "&lt;script&gt;&quot;&amp;");
        assert_eq!(cell_of("12.50"), "<td class=\"n\">12.50</td>");
        assert_eq!(cell_of("12 ms"), "<td>12 ms</td>");
    }
}
