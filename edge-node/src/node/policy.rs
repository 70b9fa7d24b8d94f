//! The limits of deciding alone follow the fares: S is twice and F once the highest fare known, unless configured.

use sync_protocol::changeset::Trust;
use sync_protocol::fare::FareBook;
use sync_protocol::money::Money;

use super::Node;

impl<T: Trust> Node<T> {
    /// Makes the limits anew when fare versions arrived.
    pub(super) fn recompute_policy(&mut self) {
        let known = self.store.fares().iter().count();
        if known == self.fares_known {
            return;
        }
        self.fares_known = known;
        self.store
            .set_policy(self.policy.policy(highest(self.store.fares())));
    }
}

/// The highest fare of any version.
fn highest(fares: &FareBook) -> Money {
    let prices = fares.iter().flat_map(|table| table.fact().fares());
    prices.map(|(_, _, price)| price).max().unwrap_or_default()
}
