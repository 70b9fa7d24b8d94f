//! Values as they stand in JSON: amounts as decimal strings, times as RFC 3339 or milliseconds.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use sync_protocol::money::Money;
use utoipa::ToSchema;

/// An amount. A number is refused, whatever its value: it may have been a float on its way here (D-20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, example = "50000.00")]
pub struct Amount(pub Money);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an amount as a string, such as \"50000.00\" (numbers are not taken: they may be floats)",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                text.parse().map(Amount).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// A moment: RFC 3339 text, or milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub ms: i64,
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Moment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"2026-01-01T03:00:00+07:00\", or milliseconds since 1970")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
                parse(text).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, ms: i64) -> Result<Moment, E> {
                in_range(ms).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, ms: u64) -> Result<Moment, E> {
                in_range(i64::try_from(ms).unwrap_or(i64::MAX)).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// Why a text or number is not a moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    /// Not RFC 3339 with an offset.
    #[error("{0:?} is not a time: write it with its offset, such as \"2026-01-01T03:00:00+07:00\"")]
    Malformed(String),
    /// Not between the years 1970 and 9999.
    #[error("{0} ms after 1970 is out of range: a time lies between the years 1970 and 9999")]
    Range(i64),
}

/// Reads RFC 3339.
///
/// # Errors
/// It is none, or out of range.
pub fn parse(text: &str) -> Result<Moment, MomentError> {
    let timestamp: jiff::Timestamp = text
        .parse()
        .map_err(|_| MomentError::Malformed(text.chars().take(40).collect()))?;
    in_range(timestamp.as_millisecond())
}

fn in_range(ms: i64) -> Result<Moment, MomentError> {
    const YEAR_10000_MS: i64 = 253_402_300_800_000;
    match (0..YEAR_10000_MS).contains(&ms) {
        true => Ok(Moment { ms }),
        false => Err(MomentError::Range(ms)),
    }
}

/// Milliseconds since 1970 as RFC 3339 in UTC; a stamp from a dead clock beyond the calendar as its number.
#[must_use]
pub fn spoken(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(timestamp) => timestamp.to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(json: &str) -> Result<Amount, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn amounts_are_strings_and_numbers_are_refused_with_a_reason() {
        assert_eq!(amount("\"50000.00\""), Ok(Amount(Money::rupiah(50_000))));
        for number in ["50000", "50000.0", "5e4", "-1", "null", "true"] {
            let said = amount(number).unwrap_err();
            assert!(said.contains("an amount as a string"), "{number}: {said}");
        }
        let said = amount("\"5.001\"").unwrap_err();
        assert!(said.contains("is not an amount"), "{said}");
        assert_eq!(
            serde_json::to_string(&Amount(Money::rupiah(7))).unwrap(),
            "\"7.00\""
        );
    }

    #[test]
    fn moments_are_rfc_3339_with_an_offset_or_milliseconds() {
        let moment = |json: &str| serde_json::from_str::<Moment>(json).map_err(|error| error.to_string());
        let expected = Ok(Moment {
            ms: 1_767_211_200_000,
        });
        assert_eq!(moment("\"2026-01-01T03:00:00+07:00\""), expected);
        assert_eq!(moment("\"2025-12-31T20:00:00Z\""), expected);
        assert_eq!(moment("1767211200000"), expected);
        for wrong in [
            "\"2026-01-01\"",
            "\"2026-01-01T03:00:00\"",
            "1.5",
            "-1",
            "99999999999999999",
            "\"\"",
        ] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
        assert_eq!(spoken(1_767_211_200_000), "2025-12-31T20:00:00Z");
        assert_eq!(spoken(i64::MAX), format!("{} ms", i64::MAX));
    }
}
