//! Money in hundredths of a rupiah.
//!
//! Invariant: no floating point anywhere. On paper and in JSON an amount is a decimal string with two places.
//! The range of one amount is that of NUMERIC(15,2): below ten trillion rupiah either way (D-20).

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount in hundredths of a rupiah.
///
/// Arithmetic saturates: a sum of honest amounts cannot reach the limits of `i64` (it takes more than nine thousand
/// times the largest amount on one card), and a hostile one must not stop a gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not of the form `-?digits(.d{1,2})?`.
    #[error("{0:?} is not an amount: write digits with up to two decimals, such as \"5000.00\"")]
    Malformed(String),
    /// Beyond NUMERIC(15,2).
    #[error("{0:?} is out of range: an amount lies between -9999999999999.99 and 9999999999999.99")]
    OutOfRange(String),
}

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
    /// The largest amount a fact may state: 9,999,999,999,999.99.
    pub const AMOUNT_MAX: Money = Money(999_999_999_999_999);

    /// An amount from whole rupiah, saturating.
    #[must_use]
    pub const fn rupiah(rupiah: i64) -> Money {
        Money(rupiah.saturating_mul(100))
    }

    /// An amount from hundredths of a rupiah.
    #[must_use]
    pub const fn hundredths(hundredths: i64) -> Money {
        Money(hundredths)
    }

    /// The amount in hundredths of a rupiah.
    #[must_use]
    pub const fn as_hundredths(self) -> i64 {
        self.0
    }

    /// Whether a fact may state this amount: within NUMERIC(15,2).
    #[must_use]
    pub const fn is_amount(self) -> bool {
        self.0.saturating_abs() <= Self::AMOUNT_MAX.0
    }

    /// Whether a fact may state this amount as a price, hold or top-up: an amount, and not negative.
    #[must_use]
    pub const fn is_price(self) -> bool {
        self.0 >= 0 && self.is_amount()
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Money) {
        *self = *self - other;
    }
}

impl Neg for Money {
    type Output = Money;
    fn neg(self) -> Money {
        Money(self.0.saturating_neg())
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", magnitude / 100, magnitude % 100)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Money, MoneyError> {
        let malformed = || MoneyError::Malformed(text.chars().take(40).collect());
        let out_of_range = || MoneyError::OutOfRange(text.chars().take(40).collect());
        let digits_only = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());

        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        if !digits_only(whole) || !digits_only(decimals) || decimals.len() > 2 {
            return Err(malformed());
        }
        let whole: i64 = whole.parse().map_err(|_| out_of_range())?;
        let mut hundredths: i64 = decimals.parse().map_err(|_| malformed())?;
        if decimals.len() == 1 {
            hundredths *= 10;
        }
        let magnitude = whole
            .checked_mul(100)
            .and_then(|amount| amount.checked_add(hundredths));
        let magnitude = Money(magnitude.ok_or_else(out_of_range)?);
        if !magnitude.is_amount() {
            return Err(out_of_range());
        }
        Ok(if negative { -magnitude } else { magnitude })
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Money)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_and_print_as_decimal_strings() {
        for (text, hundredths) in [
            ("5000.00", 500_000),
            ("5000", 500_000),
            ("5000.5", 500_050),
            ("-0.01", -1),
            ("0.00", 0),
            ("9999999999999.99", 999_999_999_999_999),
        ] {
            assert_eq!(
                text.parse::<Money>().unwrap().as_hundredths(),
                hundredths,
                "{text}"
            );
        }
        assert_eq!(Money::hundredths(-1).to_string(), "-0.01");
        assert_eq!(Money::rupiah(12_000).to_string(), "12000.00");
    }

    #[test]
    fn what_is_not_an_amount_is_refused_with_a_reason() {
        for text in [
            "", "-", ".5", "5.", "1e3", "5.001", "+5", " 5", "5 ", "--5", "5.0.0", "٥", "NaN", "5,00",
        ] {
            assert!(
                matches!(text.parse::<Money>(), Err(MoneyError::Malformed(_))),
                "{text:?}"
            );
        }
        for text in ["10000000000000.00", "99999999999999999999999", "-10000000000000"] {
            assert!(
                matches!(text.parse::<Money>(), Err(MoneyError::OutOfRange(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn json_refuses_floats_and_numbers() {
        assert!(serde_json::from_str::<Money>("5000.0").is_err());
        assert!(serde_json::from_str::<Money>("5000").is_err());
        assert_eq!(
            serde_json::from_str::<Money>("\"5000.00\"").unwrap(),
            Money::rupiah(5000)
        );
        assert_eq!(
            serde_json::to_string(&Money::rupiah(5000)).unwrap(),
            "\"5000.00\""
        );
    }

    #[test]
    fn hostile_sums_saturate_instead_of_stopping_a_gate() {
        assert_eq!(Money(i64::MAX) + Money(1), Money(i64::MAX));
        assert_eq!(-Money(i64::MIN), Money(i64::MAX));
        assert!(!Money(i64::MIN).is_amount());
    }
}
