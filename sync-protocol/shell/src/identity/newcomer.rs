//! A node that has a key and no certificate yet.

use std::path::Path;

use rcgen::{CertificateParams, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sync_protocol::changeset::PublicKey;
use sync_protocol::time::DAY_MS;

use super::authority::{
    AUTHORITY_VALID_MS, NODE_CERTIFICATE, NODE_KEY, issue_failed, key_pair, named, public_key, set_validity,
    write_authority,
};
use super::certificate::{self, AuthorityCertificate};
use super::files::{self, Existing};
use super::{COMMON_NAME, CertificateError, Fingerprint, Identity, IdentityError};

/// A newcomer's own certificate is valid from this long before now, for clocks that disagree.
const EARLY_MS: i64 = 2 * DAY_MS;

/// A key that was just made. Its secret leaves this machine in no way; the certificate it shows for itself says
/// nothing but the key.
pub struct Newcomer {
    secret: [u8; 32],
    key_pem: String,
    certificate: CertificateDer<'static>,
}

impl Newcomer {
    /// A newcomer with the key made from `secret`: 32 random bytes drawn by the caller.
    ///
    /// # Errors
    /// The clock shows a time that no certificate can state.
    pub fn new(secret: [u8; 32], now_ms: i64) -> Result<Newcomer, IdentityError> {
        let key = key_pair(&secret)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named("newcomer");
        let name = COMMON_NAME.try_into().map_err(issue_failed)?;
        params.subject_alt_names.push(SanType::DnsName(name));
        let until_ms = now_ms.saturating_add(AUTHORITY_VALID_MS);
        set_validity(&mut params, now_ms.saturating_sub(EARLY_MS), until_ms)?;
        let certificate = params.self_signed(&key).map_err(issue_failed)?;
        Ok(Newcomer {
            secret,
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
        })
    }

    /// Its key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        public_key(&self.secret)
    }

    /// Writes the key, the certificate that an authority issued for it and the authority's own into `folder`. The key
    /// goes last but one and the certificate last: a folder without certificate is no node's.
    ///
    /// # Errors
    /// The certificates are not for this key or not of the expected authority; nothing is written then. Or the folder
    /// holds a node already and `replace` is not given, or cannot be written.
    pub fn settle(
        &self,
        folder: &Path,
        certificate_pem: &str,
        authority_pem: &str,
        expected: Fingerprint,
        replace: bool,
    ) -> Result<Identity, IdentityError> {
        let authority = AuthorityCertificate::read(&der(authority_pem)?)?;
        if authority.fingerprint() != expected {
            return Err(CertificateError::Role("it is not the authority that was expected").into());
        }
        let certificate = der(certificate_pem)?;
        let identity = certificate::read_node(&certificate)?.identity;
        if identity.key != self.public_key() || !authority.issued(&certificate) {
            return Err(
                CertificateError::Role("it is not for this node's key, or of another authority").into(),
            );
        }
        if !replace {
            files::refuse_existing(folder, &[NODE_KEY, NODE_CERTIFICATE])?;
        }
        let existing = if replace {
            Existing::Replace
        } else {
            Existing::Keep
        };
        write_authority(folder, &authority, authority_pem)?;
        files::write_private(&folder.join(NODE_KEY), &self.key_pem, existing)?;
        files::write_public(&folder.join(NODE_CERTIFICATE), certificate_pem, existing)?;
        files::sync_folder(folder)?;
        Ok(identity)
    }

    /// Refuses a folder that holds a node's key or certificate already.
    ///
    /// # Errors
    /// It does.
    pub fn check_folder(folder: &Path) -> Result<(), IdentityError> {
        files::refuse_existing(folder, &[NODE_KEY, NODE_CERTIFICATE])
    }

    pub(crate) fn tls_key(&self) -> PrivatePkcs8KeyDer<'static> {
        files::pkcs8(&self.secret)
    }

    pub(crate) fn tls_certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }
}

impl std::fmt::Debug for Newcomer {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Newcomer")
            .field("key", &self.public_key())
            .finish_non_exhaustive()
    }
}

/// The one certificate in a PEM text.
pub(super) fn der(pem: &str) -> Result<Vec<u8>, CertificateError> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
    let certificate = certificate.map_err(|error| CertificateError::Malformed(error.to_string()))?;
    Ok(certificate.to_vec())
}
