//! What a node believes from others: what the authority certified and what is signed with the key it certified.

use std::sync::Arc;

use sync_protocol::changeset::{PublicKey, Signature, SiteOpen, SiteRole, Trust};
use sync_protocol::ed25519;
use sync_protocol::id::NodeId;
use sync_protocol::wire::Heartbeat;

use super::Identity;
use super::certificate::AuthorityCertificate;

/// Trust by certificates. Asks no clock: what was admitted once stays so, or a journal could not be read again after
/// the certificates in it expired.
#[derive(Clone, Debug)]
pub struct CertificateTrust {
    authority: Arc<AuthorityCertificate>,
}

impl CertificateTrust {
    pub(super) fn new(authority: AuthorityCertificate) -> CertificateTrust {
        CertificateTrust {
            authority: Arc::new(authority),
        }
    }

    /// Whether a heartbeat is its node's: signed with its key, and `knows_key` says that the beat's node holds that
    /// key (the beat brings no certificate: the node's sites did).
    pub fn is_genuine(&self, beat: &Heartbeat, knows_key: impl Fn(NodeId) -> bool) -> bool {
        knows_key(beat.node) && ed25519::verifies(&beat.key, &beat.signed_message(), &beat.signature)
    }
}

impl Trust for CertificateTrust {
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        ed25519::verifies(key, message, signature)
    }

    fn admits(&self, open: &SiteOpen) -> bool {
        let Ok(identity) = Identity::from_certificate(&open.certificate) else {
            return false;
        };
        let terminal = match open.role {
            SiteRole::Gate(terminal) => Some(terminal),
            SiteRole::Decisions | SiteRole::Settled => None,
        };
        identity.node == open.node
            && identity.terminal == terminal
            && identity.key == open.public_key
            && open.role_fits_node()
            && self.authority.issued(&open.certificate)
    }
}
