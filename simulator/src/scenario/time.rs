//! Times of day.

use serde::Deserialize;

/// A local time of day, `HH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay {
    minutes: i64,
}

impl TimeOfDay {
    /// Minutes since midnight.
    #[must_use]
    pub const fn minutes(self) -> i64 {
        self.minutes
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |part: &str, below: i64| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<i64>()
                .ok()
                .filter(|number| digits && *number < below)
        };
        let parts = text
            .split_once(':')
            .and_then(|(hour, minute)| Some((number(hour, 24)?, number(minute, 60)?)));
        let (hours, minutes) =
            parts.ok_or_else(|| format!("{text:?} is not a time of day: write HH:MM, such as \"06:30\""))?;
        Ok(TimeOfDay {
            minutes: hours * 60 + minutes,
        })
    }
}
