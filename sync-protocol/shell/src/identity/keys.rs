//! What a node loads at its start.

use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sync_protocol::changeset::Signer;
use sync_protocol::ed25519::Ed25519Signer;

use super::authority::{AUTHORITY_CERTIFICATE, NODE_CERTIFICATE, NODE_KEY};
use super::certificate::{self, AuthorityCertificate};
use super::files::Existing;
use super::{
    CertificateError, CertificateTrust, Fingerprint, Identity, IdentityError, Validity, files, newcomer,
};

const ADVICE: &str = "enrol this node with `edge-node enroll`, or have the authority issue it with `hub ca issue` and copy the folder here";

/// A node's key and certificate, and the authority it believes.
pub struct NodeKeys {
    identity: Identity,
    secret: [u8; 32],
    certificate: Vec<u8>,
    valid_from_ms: i64,
    expires_at_ms: i64,
    authority: AuthorityCertificate,
}

impl NodeKeys {
    /// Reads `node.key`, `node.crt` and `ca.crt` from a folder. Whether the certificates are still valid is not asked
    /// here: see [`NodeKeys::expires_at_ms`].
    ///
    /// # Errors
    /// A file is missing or malformed, the key is open to others than its owner, or the three do not belong together.
    pub fn load(folder: &Path) -> Result<NodeKeys, IdentityError> {
        let key_path = folder.join(NODE_KEY);
        let path = folder.join(NODE_CERTIFICATE);
        let authority_path = folder.join(AUTHORITY_CERTIFICATE);
        let secret = files::read_secret(&key_path, ADVICE)?;
        let der = files::read_certificate(&path, ADVICE)?.der;
        let node = certificate::read_node(&der).map_err(|reason| IdentityError::CertificateFile {
            path: path.clone(),
            reason,
        })?;
        let authority = files::read_certificate(&authority_path, ADVICE)?;
        let authority =
            AuthorityCertificate::read(&authority.der).map_err(|reason| IdentityError::CertificateFile {
                path: authority_path.clone(),
                reason,
            })?;
        if node.identity.key != Ed25519Signer::from_secret(&secret).public_key() {
            return Err(IdentityError::KeyMismatch {
                key: key_path,
                certificate: path,
            });
        }
        if !authority.issued(&der) {
            return Err(IdentityError::OtherAuthority {
                certificate: path,
                authority: authority_path,
            });
        }
        Ok(NodeKeys {
            identity: node.identity,
            secret,
            certificate: der,
            valid_from_ms: node.not_before_ms,
            expires_at_ms: node.not_after_ms.min(authority.not_after_ms),
            authority,
        })
    }

    /// Puts a renewed certificate (PEM) in the place of the one in `folder`, durably, and gives the keys with it.
    ///
    /// # Errors
    /// It is not for this node and key, not of this authority, or cannot be written: then the old one stays.
    pub fn renew(&self, folder: &Path, certificate_pem: &str) -> Result<NodeKeys, IdentityError> {
        let der = newcomer::der(certificate_pem)?;
        let node = certificate::read_node(&der)?;
        if node.identity != self.identity || !self.authority.issued(&der) {
            let reason = "it is not for this node and its key, or of another authority";
            return Err(CertificateError::Role(reason).into());
        }
        files::write_public(&folder.join(NODE_CERTIFICATE), certificate_pem, Existing::Replace)?;
        files::sync_folder(folder)?;
        Ok(NodeKeys {
            identity: self.identity,
            secret: self.secret,
            certificate: der,
            valid_from_ms: node.not_before_ms,
            expires_at_ms: node.not_after_ms.min(self.authority.not_after_ms),
            authority: self.authority.clone(),
        })
    }

    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Signs on behalf of this node.
    #[must_use]
    pub fn signer(&self) -> Ed25519Signer {
        Ed25519Signer::from_secret(&self.secret)
    }

    /// This node's certificate (DER), as it goes into a SiteOpen.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Whom this node believes.
    #[must_use]
    pub fn trust(&self) -> CertificateTrust {
        CertificateTrust::new(self.authority.clone())
    }

    /// When the certificate, or the authority's, ends: milliseconds since 1970. No link is made from then on.
    #[must_use]
    pub fn expires_at_ms(&self) -> i64 {
        self.expires_at_ms
    }

    /// From when to when the certificate is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        Validity {
            from_ms: self.valid_from_ms,
            to_ms: self.expires_at_ms,
        }
    }

    /// What names the authority this node believes.
    #[must_use]
    pub fn authority_fingerprint(&self) -> Fingerprint {
        self.authority.fingerprint()
    }

    /// A key derived from this node's secret for one purpose: the same at every start.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.secret)
    }

    pub(crate) fn tls_key(&self) -> PrivatePkcs8KeyDer<'static> {
        files::pkcs8(&self.secret)
    }

    pub(crate) fn tls_certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.certificate.clone())
    }

    pub(crate) fn tls_authority(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.authority.der.clone())
    }
}

impl std::fmt::Debug for NodeKeys {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeKeys")
            .field("identity", &self.identity)
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}
