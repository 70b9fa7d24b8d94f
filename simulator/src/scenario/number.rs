//! Whole numbers within bounds.

use serde::Deserialize;

/// A whole number within fixed bounds; anything else is refused where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "i64")]
pub struct Within<const LOW: i64, const HIGH: i64>(i64);

impl<const LOW: i64, const HIGH: i64> Within<LOW, HIGH> {
    /// The number, which must lie within the bounds.
    ///
    /// # Panics
    /// When it does not, at compile time where it is a constant.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        assert!(
            LOW <= number && number <= HIGH,
            "BUG: a default lies within its bounds"
        );
        Within(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl<const LOW: i64, const HIGH: i64> TryFrom<i64> for Within<LOW, HIGH> {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        if (LOW..=HIGH).contains(&number) {
            Ok(Within(number))
        } else {
            Err(format!("{number} is out of range: {LOW} to {HIGH} are allowed"))
        }
    }
}

/// Zero, where a key is left out.
pub(super) const fn zero<const LOW: i64, const HIGH: i64>() -> Within<LOW, HIGH> {
    Within::new(0)
}

/// A share in thousandths.
pub type PerMille = Within<0, 1_000>;

impl<const LOW: i64, const HIGH: i64> Within<LOW, HIGH> {
    /// A share in thousandths as a number that streams take.
    #[must_use]
    pub fn share(self) -> u32 {
        u32::try_from(self.0).unwrap_or(0)
    }
}
