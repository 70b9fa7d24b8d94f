//! The facts of one card as the oracle keeps them: encoded one after the other, because a city's day has millions.

use sync_protocol::codec;
use sync_protocol::fact::{Fact, OrderedFact};
use sync_protocol::id::OrderKey;

/// Facts in the order in which they were noted.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptFacts {
    encoded: Vec<u8>,
    count: usize,
}

impl KeptFacts {
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn push(&mut self, fact: &OrderedFact) {
        let encoded = codec::encode(&(fact.key, &fact.fact));
        if self.encoded.capacity() < self.encoded.len() + encoded.len() {
            // A quarter more, not twice as much: there are many cards.
            self.encoded.reserve_exact(encoded.len() + self.encoded.len() / 4);
        }
        self.encoded.extend_from_slice(&encoded);
        self.count += 1;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = OrderedFact> {
        let mut rest = self.encoded.as_slice();
        (0..self.count).map(move |_| {
            let ((key, fact), after): ((OrderKey, Fact), _) =
                codec::decode_first(rest).expect("BUG: what was encoded here can be decoded");
            rest = after;
            OrderedFact { key, fact }
        })
    }

    /// Takes out the facts that are meant.
    pub(super) fn extract(&mut self, is_meant: impl Fn(&OrderedFact) -> bool) -> Vec<OrderedFact> {
        let (meant, others): (Vec<_>, Vec<_>) = self.iter().partition(is_meant);
        if !meant.is_empty() {
            *self = KeptFacts::default();
            others.iter().for_each(|fact| self.push(fact));
        }
        meant
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::id::{FactId, Seq, SiteId};
    use sync_protocol::money::Money;
    use sync_protocol::time::Stamp;

    use super::*;

    fn top_up(number: u8) -> OrderedFact {
        let id = FactId {
            site: SiteId([number % 2; 16]),
            seq: Seq(u64::from(number)),
            index: u16::from(number),
        };
        OrderedFact {
            key: OrderKey {
                at: Stamp::at_ms(1_000 * i64::from(number)),
                id,
            },
            fact: Fact::TopUp {
                card: "CARD0001".parse().unwrap(),
                amount: Money::rupiah(i64::from(number)),
                reference: "r".repeat(usize::from(number)),
            },
        }
    }

    #[test]
    fn facts_come_back_as_they_were_noted_and_those_taken_out_do_not() {
        let facts: Vec<OrderedFact> = (1..9).map(top_up).collect();
        let mut kept = KeptFacts::default();
        facts.iter().for_each(|fact| kept.push(fact));
        assert!(kept.len() > 3 && kept.iter().eq(facts.iter().cloned()));
        let site = facts[0].key.id.site;
        let taken = kept.extract(|fact| fact.key.id.site == site);
        let of = |own: bool| facts.iter().filter(move |fact| (fact.key.id.site == site) == own);
        assert!(!taken.is_empty() && taken.iter().eq(of(true)));
        assert!(!kept.is_empty() && kept.iter().eq(of(false).cloned()));
        assert_eq!(kept.len() + taken.len(), facts.len());
    }
}
