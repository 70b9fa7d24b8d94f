//! Keys and certificates of a simulated network: the hub's authority signs (node, terminal, key), nothing more.
//! Production uses X.509 certificates of the same authority; what is signed with the keys is the same.

use std::cell::RefCell;
use std::collections::BTreeMap;

use sync_protocol::changeset::{PublicKey, Signature, Signer, SiteOpen, SiteRole, Trust};
use sync_protocol::codec;
use sync_protocol::ed25519::{self, Ed25519Signer};
use sync_protocol::id::{NodeId, TerminalCode};
use sync_protocol::wire::Heartbeat;

use crate::random::Stream;

/// The authority of a simulated network, and the keys it has admitted.
pub struct Authority {
    signer: Ed25519Signer,
    admitted: BTreeMap<NodeId, PublicKey>,
    /// Answers given before. Many nodes of one process ask about the same signature; a real node asks once.
    answered: RefCell<BTreeMap<[u8; 32], bool>>,
}

/// Most answers kept.
const ANSWERS_MAX: usize = 1 << 20;

impl Authority {
    /// An authority with a key drawn from `stream`.
    #[must_use]
    pub fn new(stream: &mut Stream) -> Authority {
        Authority {
            signer: Ed25519Signer::from_secret(&stream.bytes()),
            admitted: BTreeMap::new(),
            answered: RefCell::default(),
        }
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
}

impl Trust for Authority {
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        let mut question = blake3::Hasher::new_derive_key("gate sync 2026 simulator signature question");
        question.update(&key.0).update(message).update(&signature.0);
        let mut answered = self.answered.borrow_mut();
        if answered.len() >= ANSWERS_MAX {
            answered.clear();
        }
        *answered
            .entry(*question.finalize().as_bytes())
            .or_insert_with(|| ed25519::verifies(key, message, signature))
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
        ed25519::verifies(&self.signer.public_key(), &statement, &Signature(signature))
    }
}

fn statement(node: NodeId, terminal: Option<TerminalCode>, key: &PublicKey) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 simulated certificate");
    hasher.update(&codec::encode(&(node, terminal, key)));
    *hasher.finalize().as_bytes()
}
