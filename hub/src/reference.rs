//! Transaction references: what a person reads aloud to name a tap or a payment.
//!
//! No number can be allocated offline (D-14), so the reference follows from the fact's id: 100 bits of its hash in
//! base32 without the digits that look like others. Anybody who has the fact can tell its reference.

use std::fmt::Write;

use sync_protocol::id::FactId;

/// Base32 after Crockford: no I, L, O, U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Digits of a reference, five bits each: 2^100 references, so that two facts share none.
const DIGITS_COUNT: usize = 20;
/// Digits between two dashes.
const DIGITS_PER_GROUP: usize = 5;

/// The reference of a fact, such as `TXN-7Q2MX-0B5KD-9RT3V-W41GH`.
#[must_use]
pub fn of(fact: FactId) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 transaction reference");
    hasher.update(&fact.site.0);
    hasher.update(&fact.seq.0.to_le_bytes());
    hasher.update(&fact.index.to_le_bytes());
    let hash = hasher.finalize();
    let (head, _) = hash
        .as_bytes()
        .split_first_chunk::<16>()
        .expect("BUG: a hash has 32 bytes");
    let mut bits = u128::from_le_bytes(*head);
    let mut reference = String::from("TXN");
    for place in 0..DIGITS_COUNT {
        if place % DIGITS_PER_GROUP == 0 {
            reference.push('-');
        }
        let digit = DIGITS[(bits & 31) as usize];
        reference
            .write_char(char::from(digit))
            .expect("BUG: a string takes every character");
        bits >>= 5;
    }
    reference
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sync_protocol::id::{Seq, SiteId};

    use super::*;

    fn fact(site: u8, seq: u64, index: u16) -> FactId {
        FactId {
            site: SiteId([site; 16]),
            seq: Seq(seq),
            index,
        }
    }

    #[test]
    fn a_reference_follows_from_the_fact_and_stays() {
        assert_eq!(of(fact(1, 2, 3)), "TXN-GW6M3-X8KS1-PY6PK-P0XPW");
        let reference = of(fact(7, u64::MAX, u16::MAX));
        assert_eq!(reference.len(), 27);
        assert!(
            reference
                .bytes()
                .all(|byte| byte == b'-' || DIGITS.contains(&byte) || byte.is_ascii_uppercase())
        );
    }

    #[test]
    fn facts_have_references_of_their_own() {
        let facts = (0..10_u8)
            .flat_map(|site| (1..50).flat_map(move |seq| (0..4).map(move |at| fact(site, seq, at))));
        let facts: Vec<FactId> = facts.collect();
        let references: BTreeSet<String> = facts.iter().map(|fact| of(*fact)).collect();
        assert_eq!(references.len(), facts.len());
    }
}
