//! The charts of a report: faults over time, taps, backlog and exposure. All share one axis of time; faults are
//! shaded in each.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sync_protocol::id::TerminalCode;
use sync_protocol::time::{MINUTE_MS, SECOND_MS};

use super::chart::{CHARACTER, LEFT, RIGHT, Span, Values, figure, grouped, legend};
use super::escaped;
use super::words::{Trouble, subject, trouble, what};
use crate::scenario::Fault;
use crate::series::{Point, Series};
use crate::world::{WARM_UP_MS, World};

/// Height of the plotted area of a chart of values.
const PLOT_HEIGHT: i64 = 200;
/// Where it begins.
const TOP: i64 = 34;
/// Height of a fault's row.
const ROW: i64 = 22;
/// Most bars in the chart of taps.
const BARS_MAX: i64 = 120;
/// Most terminals with a line of their own; the others are one line.
const LINES_MAX: usize = 7;

/// What the charts show.
#[derive(Clone, Debug)]
pub struct Charts {
    span: Span,
    faults: Vec<Fault>,
    series: Series,
}

impl Charts {
    /// The charts of a run that has come to its end.
    pub(super) fn new(world: &World) -> Charts {
        let scenario = &world.scenario;
        let last_ms = world.series.points().last().map_or(0, |point| point.at_ms);
        Charts {
            span: Span {
                starts_ms: scenario.starts_at.minutes() * MINUTE_MS - WARM_UP_MS,
                length_ms: last_ms.max(WARM_UP_MS + scenario.healed_at_s() * SECOND_MS),
            },
            faults: scenario.faults.clone(),
            series: world.series.clone(),
        }
    }

    /// All of them, with their captions.
    pub(super) fn html(&self) -> String {
        let mut html = String::new();
        let mut chart = |heading: &str, figure: String| {
            let _ = write!(html, "<h3>{heading}</h3>\n{figure}");
        };
        if !self.faults.is_empty() {
            chart("Who was cut off, down or paused", self.timeline());
        }
        chart("Taps per minute", self.taps());
        chart("Taps that the hub does not have yet, by terminal", self.backlog());
        chart(
            "Money held at entries that the hub does not know of",
            self.exposure(),
        );
        html
    }

    fn times_ms(fault: &Fault) -> (i64, i64) {
        let begins_ms = WARM_UP_MS + fault.at_s * SECOND_MS;
        (begins_ms, begins_ms + fault.for_s * SECOND_MS)
    }

    /// The faults as shades behind a chart.
    fn shades(&self, top: i64, bottom: i64) -> String {
        self.faults.iter().fold(String::new(), |mut svg, fault| {
            let (begins_ms, ends_ms) = Charts::times_ms(fault);
            let (x, end) = (self.span.x(begins_ms), self.span.x(ends_ms));
            let _ = write!(
                svg,
                "<rect class=\"shade\" x=\"{x}\" y=\"{top}\" width=\"{}\" height=\"{}\"/>",
                (end - x).max(1),
                bottom - top
            );
            svg
        })
    }

    fn timeline(&self) -> String {
        let bottom = TOP + ROW * i64::try_from(self.faults.len()).unwrap_or(0);
        let mut svg = self.shades(TOP, bottom);
        let shown = Trouble::ALL
            .into_iter()
            .filter(|kind| self.faults.iter().any(|fault| trouble(&fault.kind) == *kind));
        svg.push_str(&legend(shown.map(|kind| (kind.class(), kind.word().to_owned()))));
        let mut rows: Vec<&Fault> = self.faults.iter().collect();
        rows.sort_by_key(|fault| (fault.at_s, fault.ends_s()));
        for (fault, row) in rows.into_iter().zip(0..) {
            svg.push_str(&self.bar(fault, TOP + ROW * row));
        }
        svg.push_str(&self.span.axis(bottom + 4));
        figure(
            "timeline",
            "Faults over time",
            "One bar for each fault, from when it begins to when it ends, with who was struck and what happened.",
            bottom + 46,
            &svg,
        )
    }

    /// A fault's bar with its label inside, or beside where it does not fit.
    fn bar(&self, fault: &Fault, y: i64) -> String {
        let (begins_ms, ends_ms) = Charts::times_ms(fault);
        let (x, end) = (self.span.x(begins_ms), self.span.x(ends_ms));
        let width = (end - x).max(2);
        let label = format!("{}: {}", subject(&fault.kind), what(&fault.kind));
        let wide = CHARACTER * i64::try_from(label.chars().count()).unwrap_or(0);
        let (text_x, class) = if wide + 8 < width {
            (x + 6, "inside")
        } else if end + 6 + wide < RIGHT {
            (end + 6, "")
        } else if x - 6 - wide > 0 {
            (x - 6, "end")
        } else {
            (LEFT, "")
        };
        format!(
            "<rect class=\"{}\" x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{}\" rx=\"2\"/>\
             <text x=\"{text_x}\" y=\"{}\" class=\"{class}\">{}</text>",
            trouble(&fault.kind).class(),
            y + 2,
            ROW - 4,
            y + 15,
            escaped(&label)
        )
    }

    /// Accepted, accepted alone and refused taps in bars of whole minutes.
    fn taps(&self) -> String {
        let bar_ms = (self.span.length_ms / BARS_MAX / MINUTE_MS + 1) * MINUTE_MS;
        let mut bars: BTreeMap<i64, [i64; 3]> = BTreeMap::new();
        for point in self.series.points() {
            let bar = bars.entry((point.at_ms - 1).max(0) / bar_ms).or_default();
            let counts = [point.accepted - point.alone, point.alone, point.refused];
            for (sum, count) in bar.iter_mut().zip(counts) {
                *sum += i64::try_from(count).unwrap_or(0);
            }
        }
        let minutes = bar_ms / MINUTE_MS;
        let highest = bars
            .values()
            .map(|bar| bar.iter().sum::<i64>())
            .max()
            .unwrap_or(0);
        let values = Values::up_to((highest + minutes - 1) / minutes, TOP, TOP + PLOT_HEIGHT);
        let classes = ["accepted", "alone", "refused"];
        let words = ["accepted", "accepted alone (provisional)", "refused"];
        let mut svg = self.shades(values.top, values.bottom);
        svg.push_str(&values.axis("taps per minute"));
        svg.push_str(&legend(classes.into_iter().zip(words.map(str::to_owned))));
        for (number, bar) in &bars {
            let x = self.span.x(number * bar_ms);
            let width = (self.span.x((number + 1) * bar_ms) - x - 1).max(1);
            let mut below = 0;
            for (count, class) in bar.iter().zip(classes) {
                let (from, to) = (values.y(below / minutes), values.y((below + count) / minutes));
                below += count;
                if from > to {
                    let _ = write!(
                        svg,
                        "<rect class=\"{class}\" x=\"{x}\" y=\"{to}\" width=\"{width}\" height=\"{}\"/>",
                        from - to
                    );
                }
            }
        }
        svg.push_str(&self.span.axis(values.bottom));
        let description = "Bars: taps accepted, taps accepted by gates that had not heard the hub for one and a half heartbeats, \
                           taps refused. Faults are shaded.";
        figure("taps", "Taps per minute", description, values.bottom + 42, &svg)
    }

    fn backlog(&self) -> String {
        let points = self.series.points();
        let lines = busiest(points);
        let count = |point: &Point, terminals: &[TerminalCode]| -> i64 {
            let backlog = terminals
                .iter()
                .filter_map(|terminal| point.backlog.get(terminal));
            i64::try_from(backlog.sum::<u64>()).unwrap_or(i64::MAX)
        };
        let highest = lines
            .iter()
            .flat_map(|(_, terminals)| points.iter().map(|point| count(point, terminals)))
            .max();
        let values = Values::up_to(highest.unwrap_or(0), TOP, TOP + PLOT_HEIGHT);
        let mut svg = self.shades(values.top, values.bottom);
        svg.push_str(&values.axis("taps"));
        let names = lines.iter().map(|(name, _)| name.clone());
        svg.push_str(&legend(LINE_CLASSES.into_iter().zip(names)));
        for ((_, terminals), class) in lines.iter().zip(LINE_CLASSES) {
            let path = self.steps(values, |point| count(point, terminals));
            let _ = write!(svg, "<path class=\"line {class}\" d=\"{path}\"/>");
        }
        svg.push_str(&self.span.axis(values.bottom));
        let most = grouped(highest.unwrap_or(0));
        let description = format!(
            "One line for each terminal: taps committed there that had not reached the hub. The most was {most}. \
             Faults are shaded."
        );
        figure(
            "backlog",
            "Backlog by terminal",
            &description,
            values.bottom + 42,
            &svg,
        )
    }

    fn exposure(&self) -> String {
        let rupiah = |point: &Point| point.exposure.as_hundredths() / 100;
        let highest = self.series.points().iter().map(rupiah).max().unwrap_or(0);
        let values = Values::up_to(highest, TOP, TOP + PLOT_HEIGHT);
        let path = self.steps(values, rupiah);
        let mut svg = self.shades(values.top, values.bottom);
        svg.push_str(&values.axis("Rp"));
        if !path.is_empty() {
            let end = self.span.x(self.span.length_ms);
            let _ = write!(
                svg,
                "<path class=\"area\" d=\"{path}H{end}V{bottom}H{LEFT}Z\"/><path class=\"line l0\" d=\"{path}\"/>",
                bottom = values.bottom
            );
        }
        svg.push_str(&self.span.axis(values.bottom));
        let description = format!(
            "Holds of entries let in that the hub did not know of. The most was Rp {}. Faults are shaded.",
            grouped(highest)
        );
        figure(
            "exposure",
            "Exposure over time",
            &description,
            values.bottom + 42,
            &svg,
        )
    }

    /// The path of a value that stays as it is until the next point.
    fn steps(&self, values: Values, value: impl Fn(&Point) -> i64) -> String {
        let mut path = String::new();
        let mut last = None;
        for point in self.series.points() {
            let (x, y) = (self.span.x(point.at_ms), values.y(value(point)));
            match last {
                None => {
                    let _ = write!(path, "M{LEFT} {y}H{x}");
                }
                // What does not change needs no mark: the next change draws the line up to itself.
                Some(before) if before == y => continue,
                Some(_) => {
                    let _ = write!(path, "H{x}V{y}");
                }
            }
            last = Some(y);
        }
        if let Some(point) = self.series.points().last() {
            let _ = write!(path, "H{}", self.span.x(point.at_ms));
        }
        path
    }
}

/// Classes of the lines in the chart of backlogs.
const LINE_CLASSES: [&str; LINES_MAX + 1] = ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7"];

/// The terminals with the highest backlogs, each by itself, and the others together.
fn busiest(points: &[Point]) -> Vec<(String, Vec<TerminalCode>)> {
    let mut highest: BTreeMap<TerminalCode, u64> = BTreeMap::new();
    for (terminal, count) in points.iter().flat_map(|point| &point.backlog) {
        let most = highest.entry(*terminal).or_default();
        *most = (*most).max(*count);
    }
    let mut terminals: Vec<(TerminalCode, u64)> = highest.into_iter().collect();
    terminals.sort_by_key(|(_, most)| std::cmp::Reverse(*most));
    let others: Vec<TerminalCode> = terminals
        .iter()
        .skip(LINES_MAX)
        .map(|(terminal, _)| *terminal)
        .collect();
    terminals.truncate(LINES_MAX);
    terminals.sort_by_key(|(terminal, _)| *terminal);
    let own = terminals
        .into_iter()
        .map(|(terminal, _)| (format!("terminal {terminal}"), vec![terminal]));
    let rest = (!others.is_empty()).then(|| (format!("{} others together", others.len()), others));
    own.chain(rest).collect()
}
