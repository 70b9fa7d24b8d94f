//! The pieces of a chart as SVG text: axes with units and local time, faults as shades. Whole units only: a chart is
//! wide enough that a unit is less than a point of its series.

use std::fmt::Write as _;

use sync_protocol::time::{MINUTE_MS, SECOND_MS};

use super::escaped;

/// Width of a chart.
pub(super) const WIDTH: i64 = 960;
/// Where the plotted area begins and ends.
pub(super) const LEFT: i64 = 84;
pub(super) const RIGHT: i64 = WIDTH - 16;
/// Width of a character of a label, about.
pub(super) const CHARACTER: i64 = 7;
/// Most marks on an axis of time.
const TIME_MARKS_MAX: i64 = 9;
/// Distances between marks of time.
const TIME_STEPS_MS: [i64; 17] = [
    SECOND_MS,
    5 * SECOND_MS,
    10 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    60 * MINUTE_MS,
    120 * MINUTE_MS,
    180 * MINUTE_MS,
    360 * MINUTE_MS,
    720 * MINUTE_MS,
    1_440 * MINUTE_MS,
    2_880 * MINUTE_MS,
];
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// The time that a chart shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Local time of day at the start of the run, milliseconds since midnight; the day before when negative.
    pub(super) starts_ms: i64,
    /// How long the run took.
    pub(super) length_ms: i64,
}

impl Span {
    /// Where a moment of the run stands, milliseconds after its start.
    pub(super) fn x(self, at_ms: i64) -> i64 {
        LEFT + at_ms.clamp(0, self.length_ms) * (RIGHT - LEFT) / self.length_ms.max(1)
    }

    fn step_ms(self) -> i64 {
        let fits = |step_ms: &&i64| self.length_ms / **step_ms < TIME_MARKS_MAX;
        TIME_STEPS_MS
            .iter()
            .find(fits)
            .copied()
            .unwrap_or(self.length_ms.max(1))
    }

    /// The axis of time at this height, with its marks, labels and unit.
    pub(super) fn axis(self, bottom: i64) -> String {
        let step_ms = self.step_ms();
        let mut svg = format!("<path class=\"axis\" d=\"M{LEFT} {bottom}H{RIGHT}\"/>");
        let mut at_ms = (-self.starts_ms).rem_euclid(step_ms);
        while at_ms <= self.length_ms {
            let x = self.x(at_ms);
            let _ = write!(
                svg,
                "<path class=\"axis\" d=\"M{x} {bottom}v5\"/><text x=\"{x}\" y=\"{}\" class=\"mid\">{}</text>",
                bottom + 19,
                self.clock(at_ms, step_ms)
            );
            at_ms += step_ms;
        }
        let _ = write!(
            svg,
            "<text x=\"{RIGHT}\" y=\"{}\" class=\"end unit\">local time of day</text>",
            bottom + 37
        );
        svg
    }

    /// The local time of day; days after the first are counted.
    fn clock(self, at_ms: i64, step_ms: i64) -> String {
        let local_ms = self.starts_ms + at_ms;
        let (day, in_day_s) = (local_ms.div_euclid(DAY_MS), local_ms.rem_euclid(DAY_MS) / 1_000);
        let mut text = format!("{:02}:{:02}", in_day_s / 3_600, in_day_s / 60 % 60);
        if step_ms < MINUTE_MS {
            let _ = write!(text, ":{:02}", in_day_s % 60);
        }
        if day > 0 {
            let _ = write!(text, " +{day} d");
        }
        text
    }
}

/// An axis of values from 0 up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    pub(super) top: i64,
    pub(super) bottom: i64,
    highest: i64,
    step: i64,
}

impl Values {
    /// An axis that reaches at least as high as this value.
    pub(super) fn up_to(value: i64, top: i64, bottom: i64) -> Values {
        let step = round_step((value.max(1) + 3).div_euclid(4));
        let marks = value.max(1).div_euclid(step) + i64::from(value.max(1) % step > 0);
        Values {
            top,
            bottom,
            highest: step * marks,
            step,
        }
    }

    /// Where a value stands.
    pub(super) fn y(self, value: i64) -> i64 {
        let height = i128::from(self.bottom - self.top);
        let up = i128::from(value.clamp(0, self.highest)) * height / i128::from(self.highest);
        self.bottom - i64::try_from(up).unwrap_or(0)
    }

    /// The axis with its lines, labels and unit.
    pub(super) fn axis(self, unit: &str) -> String {
        let mut svg = format!(
            "<text x=\"{LEFT}\" y=\"{}\" class=\"unit\">{unit}</text>",
            self.top - 8
        );
        let mut value = 0;
        while value <= self.highest {
            let y = self.y(value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y}H{RIGHT}\"/><text x=\"{}\" y=\"{}\" class=\"end\">{}</text>",
                LEFT - 8,
                y + 4,
                grouped(value)
            );
            value += self.step;
        }
        svg
    }
}

/// The lowest of 1, 2, 5, 10, 20, … that is not below a number.
fn round_step(number: i64) -> i64 {
    let mut decade = 1_i64;
    loop {
        for factor in [1, 2, 5] {
            if decade.saturating_mul(factor) >= number {
                return decade.saturating_mul(factor);
            }
        }
        decade = decade.saturating_mul(10);
    }
}

/// A number with a comma between thousands.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// Squares with words, in one row at the top.
pub(super) fn legend(entries: impl Iterator<Item = (&'static str, String)>) -> String {
    let mut svg = String::new();
    let mut x = LEFT + 130;
    for (class, word) in entries {
        let _ = write!(
            svg,
            "<rect class=\"{class} key\" x=\"{x}\" y=\"10\" width=\"12\" height=\"12\"/>\
             <text x=\"{}\" y=\"21\">{}</text>",
            x + 17,
            escaped(&word)
        );
        x += 34 + CHARACTER * i64::try_from(word.chars().count()).unwrap_or(0);
    }
    svg
}

/// A whole chart as a figure: its title and description are read out by screen readers.
pub(super) fn figure(id: &str, title: &str, description: &str, height: i64, inside: &str) -> String {
    format!(
        "<figure>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
         <title id=\"{id}-title\">{title}</title><desc id=\"{id}-desc\">{description}</desc>{inside}</svg>\n</figure>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_reach_the_highest_value_in_round_steps() {
        for (value, highest, step) in [
            (0, 1, 1),
            (3, 3, 1),
            (7, 8, 2),
            (101, 150, 50),
            (640_000, 800_000, 200_000),
        ] {
            let values = Values::up_to(value, 0, 100);
            assert_eq!((values.highest, values.step), (highest, step), "{value}");
            assert_eq!(values.y(highest), 0);
            assert_eq!(values.y(0), 100);
        }
    }

    #[test]
    fn marks_of_time_are_local_and_few() {
        let span = Span {
            starts_ms: 23 * 3_600_000 + 50 * MINUTE_MS - 15_000,
            length_ms: 20 * MINUTE_MS,
        };
        let axis = span.axis(100);
        assert!(
            axis.contains(">23:55<") && axis.contains(">00:00 +1 d<"),
            "{axis}"
        );
        assert!(axis.matches("<text").count() <= 10, "{axis}");
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(-12_000), "-12,000");
        assert_eq!(grouped(999), "999");
    }
}
