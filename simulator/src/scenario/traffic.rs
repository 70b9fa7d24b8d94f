//! `[traffic]`: what passengers and the hub's staff do.

use serde::Deserialize;
use sync_protocol::fare::OrphanPolicy;

use super::number::zero;
use super::{PerMille, Within};

/// What passengers and the hub's staff do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Cards in use.
    pub cards: Within<1, 9_999_999>,
    /// Trips that begin per hour when the rush is highest; other hours follow the day's curve.
    pub trips_per_hour_at_peak: Within<1, 1_000_000>,
    /// Trips whose passenger leaves without tapping out.
    #[serde(default = "zero")]
    pub missing_exit_per_mille: PerMille,
    /// Taps presented twice within two seconds.
    #[serde(default = "zero")]
    pub repeated_tap_per_mille: PerMille,
    /// Cards that start with too little money for the longest trip.
    #[serde(default = "zero")]
    pub poor_card_per_mille: PerMille,
    /// Online top-ups per hour.
    #[serde(default = "zero")]
    pub top_ups_per_hour: Within<0, 1_000_000>,
    /// Cards blocked by the hub per hour.
    #[serde(default = "zero")]
    pub blocks_per_hour: Within<0, 1_000_000>,
    /// What an unfinished journey costs; `[policy]` may say it instead.
    pub orphan_policy: Option<OrphanPolicy>,
}
