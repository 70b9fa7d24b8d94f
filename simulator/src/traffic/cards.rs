//! The cards of a run and what each starts with.

use sync_protocol::id::CardId;
use sync_protocol::money::Money;

use crate::random::Stream;
use crate::scenario::Scenario;
use crate::topology::Topology;

/// Channels sell whole thousands of rupiah.
const SOLD_RUPIAH: i64 = 1_000;
/// What most cards start with, in highest fares of the network.
const FARES: (i64, i64) = (2, 12);

/// The cards of a run, numbered from 0. Numbers from [`Cards::count`] on are cards that were never issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cards {
    /// What each starts with, in thousands of rupiah.
    thousands: Vec<u16>,
}

impl Cards {
    /// Draws what each card starts with.
    pub(super) fn draw(scenario: &Scenario, network: &Topology, stream: &mut Stream) -> Cards {
        let highest = network.highest_fare().as_hundredths() / 100;
        let draw = |_| {
            let poor = stream.chance(scenario.traffic.poor_card_per_mille.share());
            let (low, high) = if poor {
                (0, highest)
            } else {
                (FARES.0 * highest, FARES.1 * highest)
            };
            u16::try_from(stream.between(low, high) / SOLD_RUPIAH).unwrap_or(u16::MAX)
        };
        Cards {
            thousands: (0..scenario.traffic.cards.get()).map(draw).collect(),
        }
    }

    /// How many were issued.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.thousands.len()
    }

    /// The card of a number, issued or not.
    ///
    /// # Panics
    /// Never below ten thousand million.
    #[must_use]
    pub fn id(&self, number: u32) -> CardId {
        let issued = (number as usize) < self.thousands.len();
        let (word, number) = if issued {
            ("CARD", u64::from(number) + 1)
        } else {
            ("STRAY", u64::from(number) + 1 - self.thousands.len() as u64)
        };
        format!("{word}{number:04}")
            .parse()
            .expect("BUG: a word and four to ten digits are a card")
    }

    /// What the issued card of a number starts with; nothing for others.
    #[must_use]
    pub fn balance(&self, number: u32) -> Money {
        let thousands = self.thousands.get(number as usize).copied().unwrap_or(0);
        Money::rupiah(i64::from(thousands) * SOLD_RUPIAH)
    }

    /// Every issued card and what it starts with.
    pub fn iter(&self) -> impl Iterator<Item = (CardId, Money)> + '_ {
        (0..)
            .take(self.count())
            .map(|number| (self.id(number), self.balance(number)))
    }
}
