//! `[policy]`: the limits of deciding alone, and what an unfinished journey costs (domain 4.5 and 7).

use serde::Deserialize;
use sync_protocol::decide::{BeyondAutonomy, Policy};
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::money::Money;
use sync_protocol::time::SECOND_MS;

use super::Within;

/// Most of a limit that is counted in fares.
const FARES_MAX: i64 = 100;
/// Longest age, seconds: 30 days.
const AGE_S_MAX: i64 = 30 * 86_400;

/// The limits of deciding alone. What is left out is as recommended (domain 7).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyTable {
    /// S, how much of what it believes a card has one group may spend, in highest fares of the network. Default 2.
    pub spend_max_fares: Within<0, FARES_MAX>,
    /// F, how much one group may let a card spend without security, in highest fares of the network. Default 1.
    pub allowance_fares: Within<0, FARES_MAX>,
    /// Knowledge up to this old is fresh, seconds. Default 900.
    pub fresh_s: Within<1, AGE_S_MAX>,
    /// F and unknown cards are possible up to this age, seconds. Default 86,400.
    pub allowance_until_s: Within<1, AGE_S_MAX>,
    /// Entries are decided as usual up to this age, seconds. Default 259,200.
    pub autonomy_s: Within<1, AGE_S_MAX>,
    /// What happens beyond it: `closed` (the default) or `free_flow`.
    pub beyond_autonomy: BeyondAutonomy,
    /// Most offline entries of one card at one group. Default 2.
    pub offline_entries_max: Within<0, 1_000>,
    /// What an unfinished journey costs: `release` (the default), `charge_max` or `charge_min`.
    pub orphan_policy: OrphanPolicy,
}

impl Default for PolicyTable {
    fn default() -> PolicyTable {
        PolicyTable {
            spend_max_fares: Within::new(2),
            allowance_fares: Within::new(1),
            fresh_s: Within::new(15 * 60),
            allowance_until_s: Within::new(24 * 3_600),
            autonomy_s: Within::new(72 * 3_600),
            beyond_autonomy: BeyondAutonomy::Closed,
            offline_entries_max: Within::new(2),
            orphan_policy: OrphanPolicy::Release,
        }
    }
}

impl PolicyTable {
    /// The limits as gates take them, in a network whose highest fare is `highest`.
    #[must_use]
    pub fn for_highest_fare(&self, highest: Money) -> Policy {
        let fares = |count: i64| Money::hundredths(highest.as_hundredths().saturating_mul(count));
        Policy {
            spend_max: fares(self.spend_max_fares.get()),
            allowance: fares(self.allowance_fares.get()),
            fresh_ms: self.fresh_s.get() * SECOND_MS,
            allowance_until_ms: self.allowance_until_s.get() * SECOND_MS,
            autonomy_ms: self.autonomy_s.get() * SECOND_MS,
            offline_entries_max: u32::try_from(self.offline_entries_max.get()).unwrap_or(u32::MAX),
            beyond_autonomy: self.beyond_autonomy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_as_recommended() {
        let highest = Money::rupiah(12_000);
        assert_eq!(
            PolicyTable::default().for_highest_fare(highest),
            Policy::recommended(highest)
        );
    }
}
