//! How the hours of a day share its trips.

use std::fmt;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use crate::scenario::PerMille;

const HOURS: usize = 24;
/// Two rushes and a quiet night.
const WORKING_DAY: [u32; HOURS] = [
    10, 5, 5, 10, 60, 350, 900, 1_000, 700, 400, 350, 350, 400, 400, 400, 500, 800, 1_000, 800, 450, 300,
    200, 100, 40,
];
/// People leave later, and not all at once.
const WEEKEND: [u32; HOURS] = [
    30, 20, 10, 10, 30, 100, 200, 350, 500, 700, 850, 950, 1_000, 1_000, 950, 900, 850, 800, 700, 600, 450,
    350, 200, 80,
];
/// The same all day and all night.
const FLAT: [u32; HOURS] = [1_000; HOURS];

/// Trips per hour of the day, as a share of the busiest, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayCurve([u32; HOURS]);

impl Default for DayCurve {
    fn default() -> DayCurve {
        DayCurve(WORKING_DAY)
    }
}

impl DayCurve {
    /// The share of an hour of the day; hours past midnight begin anew.
    #[must_use]
    pub fn share(&self, hour: i64) -> u32 {
        self.0[usize::try_from(hour.rem_euclid(24)).unwrap_or(0)]
    }
}

impl<'de> Deserialize<'de> for DayCurve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DayCurve, D::Error> {
        deserializer.deserialize_any(NameOrHours)
    }
}

struct NameOrHours;

impl<'de> Visitor<'de> for NameOrHours {
    type Value = DayCurve;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"working_day\", \"weekend\", \"flat\" or 24 numbers from 0 to 1000, one an hour")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<DayCurve, E> {
        match name {
            "working_day" => Ok(DayCurve(WORKING_DAY)),
            "weekend" => Ok(DayCurve(WEEKEND)),
            "flat" => Ok(DayCurve(FLAT)),
            other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, hours: A) -> Result<DayCurve, A::Error> {
        let hours: Vec<PerMille> = Deserialize::deserialize(SeqAccessDeserializer::new(hours))?;
        let shares: Vec<u32> = hours.iter().map(|share| share.share()).collect();
        let shares = <[u32; HOURS]>::try_from(shares)
            .map_err(|shares| de::Error::invalid_length(shares.len(), &self))?;
        if shares.iter().all(|share| *share == 0) {
            return Err(de::Error::custom(
                "a day without trips: at least one hour is above 0",
            ));
        }
        Ok(DayCurve(shares))
    }
}
