//! `[traffic]`: what passengers and the hub's staff do.

mod day_curve;
mod pairs;

use serde::Deserialize;
use sync_protocol::fare::OrphanPolicy;

pub use day_curve::DayCurve;
pub use pairs::{Pair, Pairs};

use super::number::zero;
use super::{PerMille, Within};

/// Most of anything that happens so often an hour.
const PER_HOUR_MAX: i64 = 1_000_000;
/// Longest ride that is not a long trip, seconds: three and a half hours.
const RIDE_S_MAX: i64 = 12_600;

/// How often something happens in an hour.
pub type PerHour = Within<0, PER_HOUR_MAX>;

/// What passengers and the hub's staff do. What is left out does not happen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Cards in use.
    pub cards: Within<1, 9_999_999>,
    /// Trips that begin per hour when the rush is highest; other hours follow the day's curve.
    pub trips_per_hour_at_peak: Within<1, PER_HOUR_MAX>,
    /// How the hours of the day share the trips. Default `working_day`.
    #[serde(default)]
    pub day_curve: DayCurve,
    /// From where to where. Default `uniform`.
    #[serde(default)]
    pub pairs: Pairs,
    /// Shortest ride, seconds. Default 360.
    #[serde(default = "ride_min")]
    pub ride_min_s: Within<10, RIDE_S_MAX>,
    /// Longest ride, seconds. Default 1,500.
    #[serde(default = "ride_max")]
    pub ride_max_s: Within<10, RIDE_S_MAX>,
    /// Trips whose passenger leaves without tapping out (T-17).
    #[serde(default = "zero")]
    pub missing_exit_per_mille: PerMille,
    /// Trips whose passenger taps out without having tapped in (T-10).
    #[serde(default = "zero")]
    pub missing_entry_per_mille: PerMille,
    /// Entries presented twice within two seconds (T-05).
    #[serde(default = "zero")]
    pub repeated_tap_per_mille: PerMille,
    /// Cards handed back to a second person, who enters the same terminal within five minutes (T-06).
    #[serde(default = "zero")]
    pub pass_back_per_mille: PerMille,
    /// Cards presented at an exit of the same terminal again, most of them within five minutes (T-14).
    #[serde(default = "zero")]
    pub second_exit_per_mille: PerMille,
    /// Trips with a tap at a gate that works the other way (T-42).
    #[serde(default = "zero")]
    pub wrong_way_per_mille: PerMille,
    /// Trips that end where they began, half of them within five minutes (T-12, T-13).
    #[serde(default = "zero")]
    pub same_station_per_mille: PerMille,
    /// Trips longer than four hours (T-15).
    #[serde(default = "zero")]
    pub long_trip_per_mille: PerMille,
    /// Trips longer than 24 hours (T-16).
    #[serde(default = "zero")]
    pub overday_trip_per_mille: PerMille,
    /// Trips during which a copy of the card travels from another terminal (T-08).
    #[serde(default = "zero")]
    pub clone_per_mille: PerMille,
    /// Trips with a card that was never issued (T-41).
    #[serde(default = "zero")]
    pub unknown_card_per_mille: PerMille,
    /// Cards that start with too little money for the longest trip.
    #[serde(default = "zero")]
    pub poor_card_per_mille: PerMille,
    /// Online top-ups per hour (T-28).
    #[serde(default = "zero")]
    pub top_ups_per_hour: PerHour,
    /// Top-ups that their channel delivers twice (T-30).
    #[serde(default = "zero")]
    pub repeated_top_up_per_mille: PerMille,
    /// Cards blocked, suspended or closed by the hub per hour (T-23 to T-25).
    #[serde(default = "zero")]
    pub blocks_per_hour: PerHour,
    /// Cards made active again per hour (T-26).
    #[serde(default = "zero")]
    pub unblocks_per_hour: PerHour,
    /// Refunds per hour (T-32).
    #[serde(default = "zero")]
    pub refunds_per_hour: PerHour,
    /// Adjustments per hour, half of them negative (T-31, T-32).
    #[serde(default = "zero")]
    pub adjustments_per_hour: PerHour,
    /// Write-offs per hour.
    #[serde(default = "zero")]
    pub write_offs_per_hour: PerHour,
    /// Journeys and exits without entry closed by the hub's staff per hour, finished ones among them (T-17 to T-19).
    #[serde(default = "zero")]
    pub closes_per_hour: PerHour,
    /// What an unfinished journey costs; `[policy]` may say it instead.
    pub orphan_policy: Option<OrphanPolicy>,
}

impl Traffic {
    /// Whether its keys go together; else which does not, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.ride_min_s > self.ride_max_s {
            let (low, high) = (self.ride_min_s.get(), self.ride_max_s.get());
            let message = format!(
                "ride_min_s is {low}, ride_max_s {high}: the shortest ride is no longer than the longest"
            );
            return Err(("ride_min_s", message));
        }
        Ok(())
    }
}

const fn ride_min() -> Within<10, RIDE_S_MAX> {
    Within::new(6 * 60)
}

const fn ride_max() -> Within<10, RIDE_S_MAX> {
    Within::new(25 * 60)
}
