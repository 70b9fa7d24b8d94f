//! From when to when a certificate is valid, and when the next one is due. Pure: times are arguments.

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// Its successor is not due.
    Good,
    /// Half of its life is over: its successor is due.
    Due,
    /// Three quarters of its life are over, and no successor has come: an alarm.
    Late,
    /// It has ended, and opens no link.
    Ended,
}

/// When a certificate begins and ends, milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From.
    pub from_ms: i64,
    /// To, not included; no later than the authority's own end.
    pub to_ms: i64,
}

impl Validity {
    /// How the certificate stands at a time. `spread` tells nodes apart, so that those who enrolled together do not
    /// all renew together: their successors are due between 45 % and 50 % of the life.
    #[must_use]
    pub fn life(self, now_ms: i64, spread: u8) -> Life {
        let length_ms = i128::from(self.to_ms.saturating_sub(self.from_ms).max(0));
        let (from_ms, now_ms) = (i128::from(self.from_ms), i128::from(now_ms));
        let half_ms = from_ms + length_ms / 2 - length_ms * i128::from(spread) / (255 * 20);
        if now_ms >= i128::from(self.to_ms) {
            Life::Ended
        } else if now_ms >= from_ms + length_ms * 3 / 4 {
            Life::Late
        } else if now_ms >= half_ms {
            Life::Due
        } else {
            Life::Good
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_has_four_parts() {
        let validity = Validity {
            from_ms: 1_000,
            to_ms: 2_000,
        };
        let lives = [0, 1_499, 1_500, 1_749, 1_750, 1_999, 2_000].map(|now_ms| validity.life(now_ms, 0));
        let expected = [
            Life::Good,
            Life::Good,
            Life::Due,
            Life::Due,
            Life::Late,
            Life::Late,
            Life::Ended,
        ];
        assert_eq!(lives, expected);
    }

    #[test]
    fn nodes_renew_at_different_times_before_the_half() {
        let validity = Validity {
            from_ms: 0,
            to_ms: 1_000_000,
        };
        let due = |spread| (0..).find(|now_ms| validity.life(*now_ms, spread) == Life::Due);
        assert_eq!((due(0), due(255)), (Some(500_000), Some(450_000)));
        assert!(due(100) > due(101));
    }

    #[test]
    fn no_times_break_it() {
        for from_ms in [i64::MIN, 0, i64::MAX] {
            for to_ms in [i64::MIN, 0, i64::MAX] {
                for now_ms in [i64::MIN, 0, i64::MAX] {
                    let _ = Validity { from_ms, to_ms }.life(now_ms, 255);
                }
            }
        }
    }
}
