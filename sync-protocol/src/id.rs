//! Identifiers. Each is a type of its own, so that a card can never stand where a gate is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::time::Stamp;

/// A node of the network: a gate, by its gate id, or the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The hub. All hub processes of one installation speak as this node.
    pub const HUB: NodeId = NodeId(0);

    /// Whether this is the hub.
    #[must_use]
    pub const fn is_hub(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_hub() {
            f.write_str("hub")
        } else {
            write!(f, "gate {}", self.0)
        }
    }
}

/// One writer's log: the first 16 bytes of SHA-256(public key, 16 random bytes), drawn anew each time a node's writer
/// starts, so that no restored or cloned disk can reuse a number (D-14, T-35).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct SiteId(pub [u8; 16]);

impl SiteId {
    /// The site a writer opens with this key and these random bytes.
    #[must_use]
    pub fn derive(public_key: &[u8; 32], random: &[u8; 16]) -> SiteId {
        let hash = Sha256::new()
            .chain_update(public_key)
            .chain_update(random)
            .finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        SiteId(id)
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteId({self})")
    }
}

/// Position of a changeset in its site's log: 1, 2, 3… without gaps; 0 means "nothing yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first changeset.
    pub const NONE: Seq = Seq(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identity of a fact: the changeset that carries it and the fact's place inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FactId {
    /// The log.
    pub site: SiteId,
    /// The changeset in that log.
    pub seq: Seq,
    /// The change inside that changeset, from 0.
    pub index: u16,
}

impl fmt::Display for FactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.site, self.seq, self.index)
    }
}

/// The order in which the fold reads the facts of a card: (time, counter, site, seq, index), domain 4.8 point 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(not(feature = "mutations"), derive(PartialOrd, Ord))]
pub struct OrderKey {
    /// When the fact was stamped, corrected by clock offsets.
    pub at: Stamp,
    /// Which fact it is.
    pub id: FactId,
}

#[cfg(feature = "mutations")]
impl Ord for OrderKey {
    fn cmp(&self, other: &OrderKey) -> std::cmp::Ordering {
        use crate::mutation::{Mutation, is};

        if is(Mutation::CounterBeforeTime) {
            let key = |key: &OrderKey| (key.at.counter, key.at.ms, key.id);
            return key(self).cmp(&key(other));
        }
        if is(Mutation::SiteBeforeCounter) {
            let key = |key: &OrderKey| (key.at.ms, key.id.site, key.at.counter, key.id);
            return key(self).cmp(&key(other));
        }
        (self.at, self.id).cmp(&(other.at, other.id))
    }
}

#[cfg(feature = "mutations")]
impl PartialOrd for OrderKey {
    fn partial_cmp(&self, other: &OrderKey) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a text is not an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// See [`CardId`].
    #[error("{0:?} is not a card: 8 to 20 of A-Z and 0-9 are allowed")]
    Card(String),
    /// See [`TerminalCode`].
    #[error("{0:?} is not a terminal code: 1 to 3 of A-Z are allowed")]
    Terminal(String),
    /// See [`GateCode`].
    #[error("{0:?} is not a gate code: 1 to 20 of A-Z, 0-9 and - are allowed, such as A-ENTRY-01")]
    Gate(String),
}

/// Defines an identifier held inline: at most `$max` ASCII characters of a given alphabet.
macro_rules! inline_text_id {
    ($(#[$doc:meta])* $name:ident, $min:literal..=$max:literal, $allowed:expr, $error:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            bytes: [u8; $max],
            length: u8,
        }

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                let text = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
                std::str::from_utf8(text).expect("BUG: an identifier is ASCII by construction")
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<$name, IdError> {
                let allowed: fn(u8) -> bool = $allowed;
                let length = text.len();
                if !($min..=$max).contains(&length) || !text.bytes().all(allowed) {
                    return Err($error(text.chars().take(40).collect()));
                }
                let mut bytes = [0; $max];
                bytes[..length].copy_from_slice(text.as_bytes());
                Ok($name { bytes, length: length as u8 })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", stringify!($name)))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

inline_text_id! {
    /// An opaque card token: 8 to 20 of A-Z and 0-9 (R-10, D-03), never the number printed on the card.
    CardId, 8..=20, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit(), IdError::Card
}

inline_text_id! {
    /// A terminal's code: 1 to 3 capital letters.
    TerminalCode, 1..=3, |byte| byte.is_ascii_uppercase(), IdError::Terminal
}

inline_text_id! {
    /// A gate's code, such as `A-ENTRY-01`: 1 to 20 of A-Z, 0-9 and `-`.
    GateCode, 1..=20, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-', IdError::Gate
}

impl CardId {
    /// A card from a reader's line: trimmed and upper-cased first (D-03).
    ///
    /// # Errors
    /// What is left is not 8 to 20 of A-Z and 0-9.
    pub fn from_reader(line: &str) -> Result<CardId, IdError> {
        line.trim().to_ascii_uppercase().parse()
    }
}

impl TerminalCode {
    /// A dense number for tables indexed by terminal: A=0 … Z=25, AA=26 … ZZZ=18,277.
    #[must_use]
    pub fn ordinal(&self) -> usize {
        let letters = self.as_str().bytes();
        letters.fold(0, |number, letter| number * 26 + usize::from(letter - b'A') + 1) - 1
    }
}

/// A gate's number in the `gates` table; also its [`NodeId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GateId(pub u32);

impl GateId {
    /// The node that runs at this gate.
    #[must_use]
    pub const fn node(self) -> NodeId {
        NodeId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_keep_their_alphabet() {
        assert!("CARD0001".parse::<CardId>().is_ok());
        assert!("CARD001".parse::<CardId>().is_err(), "D-03: seven characters");
        assert!("ABCDEFGHIJ0123456789".parse::<CardId>().is_ok());
        assert!("ABCDEFGHIJ0123456789X".parse::<CardId>().is_err());
        assert!("card0001".parse::<CardId>().is_err());
        assert_eq!(CardId::from_reader(" card0001\r\n").unwrap().as_str(), "CARD0001");
        assert!("ABCD".parse::<TerminalCode>().is_err());
        assert!("".parse::<TerminalCode>().is_err());
        assert!("A-ENTRY-01".parse::<GateCode>().is_ok());
    }

    #[test]
    fn terminal_ordinals_are_dense_and_unique() {
        let ordinal = |text: &str| text.parse::<TerminalCode>().unwrap().ordinal();
        assert_eq!(
            [ordinal("A"), ordinal("Z"), ordinal("AA"), ordinal("ZZZ")],
            [0, 25, 26, 18_277]
        );
    }

    #[test]
    fn identifiers_order_as_text() {
        let [a, b]: [CardId; 2] = ["CARD0001", "CARD00010"].map(|text| text.parse().unwrap());
        assert!(a < b);
        let [a, b]: [CardId; 2] = ["CARD00019", "CARD0002"].map(|text| text.parse().unwrap());
        assert!(a < b);
    }
}
