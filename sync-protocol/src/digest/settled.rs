//! One digest over all that the hub has settled: cards, coverage and fare versions, whatever way they came.
//!
//! LtHash (Bellare and Micciancio; Lewi et al., "Securing Update Propagation with Homomorphic Hashing", 2019): every
//! entry is hashed to 1,024 lanes of 16 bits, and the digest is the sum of the entries, lane by lane. So an entry is
//! added or taken away at the price of one hash, in any order, and two sums are equal only for equal sets: to find
//! another set with the same sum is as hard as a lattice problem in 16,384 bits.
//!
//! The hub keeps the sum and states its hash at the end of each settling transaction ([`Fact::SettledDigest`]), in
//! its signed log. Invariant: whoever has applied a log of settled states up to that changeset, and what it follows,
//! has the same sum. So rows that came by a snapshot from anybody can be held against it.
//!
//! [`Fact::SettledDigest`]: crate::fact::Fact::SettledDigest

use crate::fact::CardSettled;
use crate::id::{CardId, Seq, SiteId};
use crate::{codec, fact};

/// Lanes of 16 bits.
const LANES: usize = 1_024;
/// Bytes of all lanes.
pub const LANE_BYTES: usize = 2 * LANES;

/// A sum over entries.
#[derive(Clone, PartialEq, Eq)]
pub struct SettledDigest {
    lanes: Box<[u16; LANES]>,
    cards: u64,
}

impl Default for SettledDigest {
    fn default() -> SettledDigest {
        SettledDigest {
            lanes: Box::new([0; LANES]),
            cards: 0,
        }
    }
}

impl std::fmt::Debug for SettledDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hash = self.hash();
        write!(
            f,
            "SettledDigest({} cards, {:02x}{:02x}{:02x}{:02x}…)",
            self.cards, hash[0], hash[1], hash[2], hash[3]
        )
    }
}

/// A settled card as it counts: what a gate keeps of [`CardSettled`], the state as it travels.
#[derive(Clone, Copy, Debug)]
pub struct CardEntry<'a> {
    /// The card.
    pub card: CardId,
    /// Counts its settled states, from 1.
    pub revision: u64,
    /// How many facts the state covers.
    pub facts: u64,
    /// Sum of their hashes.
    pub facts_hash: u128,
    /// The encoded state.
    pub state: &'a [u8],
}

impl SettledDigest {
    /// The sum from its stored form; `None` for bytes of another length.
    #[must_use]
    pub fn restored(cards: u64, lanes: &[u8]) -> Option<SettledDigest> {
        if lanes.len() != LANE_BYTES {
            return None;
        }
        let mut digest = SettledDigest {
            cards,
            ..SettledDigest::default()
        };
        for (lane, bytes) in digest.lanes.iter_mut().zip(lanes.chunks_exact(2)) {
            *lane = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        Some(digest)
    }

    /// The lanes, to be stored: [`LANE_BYTES`] bytes.
    #[must_use]
    pub fn lanes(&self) -> Vec<u8> {
        self.lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// How many cards are in it.
    #[must_use]
    pub const fn cards(&self) -> u64 {
        self.cards
    }

    /// What is stated of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 settled digest");
        hasher.update(&self.cards.to_le_bytes());
        hasher.update(&self.lanes());
        *hasher.finalize().as_bytes()
    }

    /// Adds a card.
    pub fn add_card(&mut self, card: &CardEntry<'_>) {
        self.cards = self.cards.wrapping_add(1);
        self.sum(&card.hasher(), u16::wrapping_add);
    }

    /// Takes away a card that was added.
    pub fn take_card(&mut self, card: &CardEntry<'_>) {
        self.cards = self.cards.wrapping_sub(1);
        self.sum(&card.hasher(), u16::wrapping_sub);
    }

    /// Replaces a settled state of a card by the next one; none before its first.
    pub fn settle(&mut self, before: Option<&CardSettled>, after: Option<&CardSettled>) {
        for (settled, is_new) in [(before, false), (after, true)] {
            let Some(settled) = settled else { continue };
            let state = codec::encode(&settled.state);
            let entry = CardEntry::of(settled, &state);
            if is_new {
                self.add_card(&entry);
            } else {
                self.take_card(&entry);
            }
        }
    }

    /// Moves the coverage of a site; 0 is nothing.
    pub fn cover(&mut self, site: SiteId, from: Seq, to: Seq) {
        if from > Seq::NONE {
            self.sum(&coverage(site, from), u16::wrapping_sub);
        }
        if to > Seq::NONE {
            self.sum(&coverage(site, to), u16::wrapping_add);
        }
    }

    /// Adds a fare version, by the hash of its table.
    pub fn add_fares(&mut self, version: u32, table: &[u8; 32]) {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 settled digest fares");
        hasher.update(&version.to_le_bytes());
        hasher.update(table);
        self.sum(&hasher, u16::wrapping_add);
    }

    fn sum(&mut self, entry: &blake3::Hasher, combine: fn(u16, u16) -> u16) {
        let mut bytes = [0; LANE_BYTES];
        entry.finalize_xof().fill(&mut bytes);
        for (lane, bytes) in self.lanes.iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = combine(*lane, u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }
}

impl CardEntry<'_> {
    /// How a settled state counts, beside its encoded state.
    #[must_use]
    pub const fn of<'a>(settled: &fact::CardSettled, state: &'a [u8]) -> CardEntry<'a> {
        CardEntry {
            card: settled.card,
            revision: settled.revision,
            facts: settled.facts,
            facts_hash: settled.facts_hash,
            state,
        }
    }

    fn hasher(&self) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 settled digest card");
        hasher.update(&(self.card.as_str().len() as u64).to_le_bytes());
        hasher.update(self.card.as_str().as_bytes());
        hasher.update(&self.revision.to_le_bytes());
        hasher.update(&self.facts.to_le_bytes());
        hasher.update(&self.facts_hash.to_le_bytes());
        hasher.update(self.state);
        hasher
    }
}

fn coverage(site: SiteId, seq: Seq) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 settled digest coverage");
    hasher.update(&site.0);
    hasher.update(&seq.0.to_le_bytes());
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(card: &str, revision: u64) -> CardEntry<'static> {
        CardEntry {
            card: card.parse().unwrap(),
            revision,
            facts: 3,
            facts_hash: 7,
            state: b"state",
        }
    }

    #[test]
    fn the_sum_does_not_depend_on_the_order_and_what_was_taken_away_leaves_nothing() {
        let (one, two) = (entry("AAAAAAAA", 1), entry("BBBBBBBB", 1));
        let mut there = SettledDigest::default();
        there.add_card(&one);
        there.cover(SiteId([1; 16]), Seq::NONE, Seq(4));
        there.add_card(&two);
        there.add_fares(1, &[9; 32]);
        let mut back = SettledDigest::default();
        back.add_fares(1, &[9; 32]);
        back.add_card(&two);
        back.add_card(&entry("AAAAAAAA", 9));
        back.take_card(&entry("AAAAAAAA", 9));
        back.cover(SiteId([1; 16]), Seq::NONE, Seq(2));
        back.cover(SiteId([1; 16]), Seq(2), Seq(4));
        back.add_card(&one);
        assert_eq!(there, back);
        assert_eq!(there.hash(), back.hash());
    }

    #[test]
    fn every_field_counts() {
        let hash = |entry: CardEntry<'_>| {
            let mut digest = SettledDigest::default();
            digest.add_card(&entry);
            digest.hash()
        };
        let card = entry("AAAAAAAA", 1);
        let others = [
            entry("AAAAAAAB", 1),
            entry("AAAAAAAA", 2),
            CardEntry { facts: 4, ..card },
            CardEntry {
                facts_hash: 8,
                ..card
            },
            CardEntry {
                state: b"statf",
                ..card
            },
        ];
        for other in others {
            assert_ne!(hash(card), hash(other), "{other:?}");
        }
        let mut covered = SettledDigest::default();
        covered.cover(SiteId([1; 16]), Seq::NONE, Seq(1));
        assert_ne!(covered.hash(), SettledDigest::default().hash());
    }

    #[test]
    fn it_is_stored_and_restored() {
        let mut digest = SettledDigest::default();
        digest.add_card(&entry("AAAAAAAA", 1));
        let restored = SettledDigest::restored(digest.cards(), &digest.lanes()).unwrap();
        assert_eq!(restored, digest);
        assert!(SettledDigest::restored(0, &[0; 7]).is_none());
    }
}
