//! Keys and certificates of a simulated network: the hub's authority signs (node, terminal, key), nothing more.
//! Production uses X.509 certificates of the same authority; what is signed with the keys is the same.
//!
//! Many nodes of one process ask about the same signature, where a real node asks once. So what one of them signs is
//! noted, and to verify exactly that is a look-up (`memo`); everything else is verified in earnest.

mod memo;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sync_protocol::changeset::{PublicKey, Signature, Signer, SiteOpen, SiteRole, Trust};
use sync_protocol::codec;
use sync_protocol::ed25519::{self, Ed25519Signer};
use sync_protocol::id::{NodeId, TerminalCode};
use sync_protocol::wire::Heartbeat;

use crate::random::Stream;
use crate::scenario::SignatureKind;
use memo::Memo;

/// What signs and verifies in one world, shared by its nodes.
type Known = Arc<Mutex<Memo>>;

/// The authority of a simulated network, and the keys it has admitted.
pub struct Authority {
    kind: SignatureKind,
    signer: NodeSigner,
    admitted: BTreeMap<NodeId, PublicKey>,
    /// Secrets of keyed hashes, by public key. Known to this process only, so nobody in it can forge.
    secrets: BTreeMap<PublicKey, [u8; 32]>,
    known: Known,
}

/// A node's secret key.
#[derive(Clone)]
pub struct NodeSigner {
    hand: Arc<Hand>,
    known: Known,
}

enum Hand {
    Ed25519(Ed25519Signer),
    KeyedHash { secret: [u8; 32], key: PublicKey },
}

impl Authority {
    /// An authority with a key drawn from `stream`, whose nodes sign as in production.
    #[must_use]
    pub fn new(stream: &mut Stream) -> Authority {
        Authority::signing_with(SignatureKind::Ed25519, stream)
    }

    /// An authority with a key drawn from `stream`, whose nodes sign in this way.
    #[must_use]
    pub fn signing_with(kind: SignatureKind, stream: &mut Stream) -> Authority {
        let known = Known::default();
        let secret = stream.bytes();
        let signer = NodeSigner::new(kind, &secret, &known);
        Authority {
            kind,
            admitted: BTreeMap::new(),
            secrets: BTreeMap::from([(signer.public_key(), secret)]),
            signer,
            known,
        }
    }

    /// The signer of a node with this secret. Everybody can verify what it signs, whether admitted or not.
    pub fn signer(&mut self, secret: &[u8; 32]) -> NodeSigner {
        let signer = NodeSigner::new(self.kind, secret, &self.known);
        self.secrets.insert(signer.public_key(), *secret);
        signer
    }

    /// Admits a node and returns its certificate: a gate's for its terminal, the hub's (`None`) for all it writes.
    pub fn admit(&mut self, node: NodeId, terminal: Option<TerminalCode>, key: PublicKey) -> Vec<u8> {
        self.admitted.insert(node, key);
        self.signer.sign(&statement(node, terminal, &key)).0.to_vec()
    }

    /// Whether a heartbeat is its node's own.
    #[must_use]
    pub fn is_genuine(&self, beat: &Heartbeat) -> bool {
        self.admitted.get(&beat.node) == Some(&beat.key)
            && self.verifies(&beat.key, &beat.signed_message(), &beat.signature)
    }

    fn verifies_anew(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        match self.kind {
            SignatureKind::Ed25519 => ed25519::verifies(key, message, signature),
            SignatureKind::KeyedHash => self
                .secrets
                .get(key)
                .is_some_and(|secret| keyed_hash(secret, message) == *signature),
        }
    }
}

impl Trust for Authority {
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        if self.kind == SignatureKind::KeyedHash {
            return self.verifies_anew(key, message, signature);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.holds(key, message, signature) {
            return true;
        }
        let verified = self.verifies_anew(key, message, signature);
        if verified {
            known.note(key, message, signature);
        }
        verified
    }

    fn admits(&self, open: &SiteOpen) -> bool {
        let terminal = match open.role {
            SiteRole::Gate(terminal) => Some(terminal),
            SiteRole::Decisions | SiteRole::Settled => None,
        };
        let Ok(signature) = open.certificate.as_slice().try_into() else {
            return false;
        };
        let statement = statement(open.node, terminal, &open.public_key);
        self.verifies(&self.signer.public_key(), &statement, &Signature(signature))
    }
}

impl NodeSigner {
    fn new(kind: SignatureKind, secret: &[u8; 32], known: &Known) -> NodeSigner {
        let hand = match kind {
            SignatureKind::Ed25519 => Hand::Ed25519(Ed25519Signer::from_secret(secret)),
            SignatureKind::KeyedHash => Hand::KeyedHash {
                secret: *secret,
                key: PublicKey(blake3::derive_key("gate sync 2026 simulator public key", secret)),
            },
        };
        NodeSigner {
            hand: Arc::new(hand),
            known: Arc::clone(known),
        }
    }
}

impl Signer for NodeSigner {
    fn public_key(&self) -> PublicKey {
        match &*self.hand {
            Hand::Ed25519(signer) => signer.public_key(),
            Hand::KeyedHash { key, .. } => *key,
        }
    }

    fn sign(&self, message: &[u8; 32]) -> Signature {
        match &*self.hand {
            Hand::Ed25519(signer) => {
                let signature = signer.sign(message);
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.note(&signer.public_key(), message, &signature);
                signature
            }
            Hand::KeyedHash { secret, .. } => keyed_hash(secret, message),
        }
    }
}

/// 32 bytes of hash and as many zeros: shaped like a signature, cheap, and nothing to rely on outside one process.
fn keyed_hash(secret: &[u8; 32], message: &[u8; 32]) -> Signature {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(blake3::keyed_hash(secret, message).as_bytes());
    Signature(signature)
}

fn statement(node: NodeId, terminal: Option<TerminalCode>, key: &PublicKey) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 simulated certificate");
    hasher.update(&codec::encode(&(node, terminal, key)));
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_signs_is_believed_and_what_it_did_not_sign_is_not() {
        for kind in [SignatureKind::Ed25519, SignatureKind::KeyedHash] {
            let mut authority = Authority::signing_with(kind, &mut Stream::new(1, "authority"));
            let (signer, other) = (authority.signer(&[1; 32]), authority.signer(&[2; 32]));
            let signature = signer.sign(&[3; 32]);
            let verifies = |key, message, signature| authority.verifies(&key, &message, &signature);
            assert!(verifies(signer.public_key(), [3; 32], signature), "{kind:?}");
            assert!(!verifies(signer.public_key(), [4; 32], signature), "{kind:?}");
            assert!(!verifies(other.public_key(), [3; 32], signature), "{kind:?}");
            let mut damaged = signature;
            damaged.0[0] ^= 1;
            assert!(!verifies(signer.public_key(), [3; 32], damaged), "{kind:?}");
            assert!(!verifies(signer.public_key(), [3; 32], damaged), "{kind:?}");
        }
    }

    #[test]
    fn a_certificate_admits_its_node_key_and_terminal_only() {
        let mut authority = Authority::new(&mut Stream::new(1, "authority"));
        let key = authority.signer(&[1; 32]).public_key();
        let terminal = |code: &str| code.parse().ok();
        let certificate = authority.admit(NodeId(7), terminal("A"), key);
        let open = |node, code: &str| SiteOpen {
            node: NodeId(node),
            role: SiteRole::Gate(code.parse().unwrap()),
            public_key: key,
            random: [0; 16],
            certificate: certificate.clone(),
            previous: None,
        };
        assert!(authority.admits(&open(7, "A")));
        assert!(!authority.admits(&open(8, "A")));
        assert!(!authority.admits(&open(7, "B")));
    }
}
