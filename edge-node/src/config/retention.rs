//! `[retention]`: how long a gate keeps logs that the hub has.

use std::ops::RangeInclusive;

use serde::Deserialize;
use sync_protocol::time::{HOUR_MS, MINUTE_MS};

use super::ConfigError;
use crate::store::Retention;

/// Days that logs of gates and the hub's decisions may be kept. The hub takes decisions that it lost back from gates.
const LOGS_DAYS: RangeInclusive<u32> = 1..=400;
/// Minutes that the hub's settled states may be kept for neighbours.
const SETTLED_MINUTES: RangeInclusive<u32> = 1..=1_440;
/// MiB that each log of settled states may have.
const SETTLED_MIB: RangeInclusive<u32> = 1..=4_096;

/// How long a gate keeps logs that the hub has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Logs of gates and the hub's decisions, days after they came; what the hub has not settled stays longer.
    pub logs_days: u32,
    /// The hub's settled states, minutes after they were applied.
    pub settled_minutes: u32,
    /// The most of them, MiB.
    pub settled_mib: u32,
}

impl Default for RetentionConfig {
    fn default() -> RetentionConfig {
        RetentionConfig {
            logs_days: 14,
            settled_minutes: 15,
            settled_mib: 64,
        }
    }
}

impl RetentionConfig {
    /// As the store wants it.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            logs_ms: i64::from(self.logs_days) * 24 * HOUR_MS,
            settled_ms: i64::from(self.settled_minutes) * MINUTE_MS,
            settled_bytes: u64::from(self.settled_mib) << 20,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let settings = [
            ("retention.logs_days", self.logs_days, LOGS_DAYS),
            ("retention.settled_minutes", self.settled_minutes, SETTLED_MINUTES),
            ("retention.settled_mib", self.settled_mib, SETTLED_MIB),
        ];
        for (key, value, allowed) in settings {
            if !allowed.contains(&value) {
                let (least, most) = allowed.into_inner();
                return Err(ConfigError::Retention {
                    key,
                    value,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_settings_are_those_of_the_design_and_extreme_ones_are_refused() {
        let usual = RetentionConfig::default();
        assert_eq!(usual.retention(), Retention::default());
        assert!(usual.check().is_ok());
        let nothing = RetentionConfig {
            logs_days: 0,
            ..usual
        };
        let told = nothing.check().unwrap_err().to_string();
        assert!(told.contains("retention.logs_days is 0: 1 to 400"), "{told}");
        let much = RetentionConfig {
            settled_mib: 4_097,
            ..usual
        };
        assert!(much.check().is_err());
    }
}
