//! Reading certificates, strictly.

use ed25519_dalek::{Signature, VerifyingKey};
use sync_protocol::changeset::{CERTIFICATE_BYTES_MAX, PublicKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::OID_SIG_ED25519;
use x509_parser::parse_x509_certificate;
use x509_parser::x509::X509Version;

use super::{COMMON_NAME, CertificateError, Fingerprint, Identity, parse_identity_name};

/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;
/// What stands before it at the end of a certificate: the algorithm, and a bit string's head.
const ED25519_SIGNATURE_HEAD: [u8; 10] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x41, 0x00];

/// What a node's certificate says.
pub(super) struct NodeCertificate {
    pub(super) identity: Identity,
    pub(super) not_before_ms: i64,
    pub(super) not_after_ms: i64,
}

/// Reads a node's certificate.
pub(super) fn read_node(der: &[u8]) -> Result<NodeCertificate, CertificateError> {
    let certificate = parse(der)?;
    if certificate.is_ca() {
        return Err(CertificateError::Role("it is an authority's, not a node's"));
    }
    let key = ed25519_key(&certificate)?;
    let (node, terminal) = names(&certificate)?;
    Ok(NodeCertificate {
        identity: Identity { node, terminal, key },
        not_before_ms: seconds_as_ms(certificate.validity().not_before.timestamp()),
        not_after_ms: not_after_ms(&certificate),
    })
}

/// The certificate of the authority: whose signatures count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthorityCertificate {
    pub(super) der: Vec<u8>,
    pub(super) key: PublicKey,
    pub(super) not_after_ms: i64,
    /// Its subject, DER.
    subject: Vec<u8>,
}

impl AuthorityCertificate {
    /// Reads the authority's certificate: self-signed, allowed to sign others.
    pub(super) fn read(der: &[u8]) -> Result<AuthorityCertificate, CertificateError> {
        let certificate = parse(der)?;
        if !certificate.is_ca() {
            return Err(CertificateError::Role(
                "it is not an authority's: it may not sign others",
            ));
        }
        let authority = AuthorityCertificate {
            der: der.to_vec(),
            key: ed25519_key(&certificate)?,
            not_after_ms: not_after_ms(&certificate),
            subject: certificate.subject().as_raw().to_vec(),
        };
        if !authority.signed(&certificate) {
            return Err(CertificateError::Role("it is not self-signed"));
        }
        Ok(authority)
    }

    /// SHA-256 of the certificate: what `openssl x509 -fingerprint -sha256` shows.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.der)
    }

    /// Whether a certificate (DER) bears this authority's signature. Asks no clock.
    pub(super) fn issued(&self, der: &[u8]) -> bool {
        parse(der).is_ok_and(|certificate| self.signed(&certificate))
    }

    fn signed(&self, certificate: &X509Certificate<'_>) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.key.0) else {
            return false;
        };
        let Ok(signature) = Signature::from_slice(&certificate.signature_value.data) else {
            return false;
        };
        let is_own = certificate.issuer().as_raw() == self.subject.as_slice();
        is_own
            && key
                .verify_strict(certificate.tbs_certificate.as_ref(), &signature)
                .is_ok()
    }
}

/// A version 3 certificate whose signature is Ed25519, and nothing behind it.
fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        let reason = format!("{} bytes, at most {CERTIFICATE_BYTES_MAX} are allowed", der.len());
        return Err(CertificateError::Malformed(reason));
    }
    let (rest, certificate) =
        parse_x509_certificate(der).map_err(|error| CertificateError::Malformed(error.to_string()))?;
    if !rest.is_empty() || certificate.version() != X509Version::V3 {
        let reason = "another version than 3, or bytes behind it".to_owned();
        return Err(CertificateError::Malformed(reason));
    }
    let signatures = [
        &certificate.signature_algorithm,
        &certificate.tbs_certificate.signature,
    ];
    if signatures.iter().any(|used| used.algorithm != OID_SIG_ED25519) {
        return Err(CertificateError::Algorithm("signature"));
    }
    // Not covered by the signature, and the parser is lenient here: only the one exact form is taken.
    let end = der
        .len()
        .checked_sub(ED25519_SIGNATURE_HEAD.len() + SIGNATURE_BYTES);
    if !end.is_some_and(|end| der[end..].starts_with(&ED25519_SIGNATURE_HEAD)) {
        let reason = "it does not end with a signature in DER".to_owned();
        return Err(CertificateError::Malformed(reason));
    }
    Ok(certificate)
}

fn ed25519_key(certificate: &X509Certificate<'_>) -> Result<PublicKey, CertificateError> {
    let info = certificate.public_key();
    let bytes: Option<[u8; 32]> = info.subject_public_key.data.as_ref().try_into().ok();
    match bytes {
        Some(bytes) if info.algorithm.algorithm == OID_SIG_ED25519 => Ok(PublicKey(bytes)),
        _ => Err(CertificateError::Algorithm("key")),
    }
}

type Names = (sync_protocol::id::NodeId, Option<sync_protocol::id::TerminalCode>);

/// [`COMMON_NAME`] and one identity, each once, and no other name.
fn names(certificate: &X509Certificate<'_>) -> Result<Names, CertificateError> {
    let malformed = |error: x509_parser::error::X509Error| CertificateError::Malformed(error.to_string());
    let names = certificate.subject_alternative_name().map_err(malformed)?;
    let names = names.map(|extension| extension.value.general_names.as_slice());
    let mut common = false;
    let mut found = None;
    for name in names.unwrap_or_default() {
        let GeneralName::DNSName(name) = name else {
            return Err(CertificateError::UnknownName(format!("{name:?}")));
        };
        if *name == COMMON_NAME && !common {
            common = true;
            continue;
        }
        let named =
            parse_identity_name(name).ok_or_else(|| CertificateError::UnknownName((*name).to_owned()))?;
        if found.replace(named).is_some() {
            return Err(CertificateError::SeveralIdentities((*name).to_owned()));
        }
    }
    if !common {
        return Err(CertificateError::CommonName);
    }
    found.ok_or(CertificateError::NoIdentity)
}

fn not_after_ms(certificate: &X509Certificate<'_>) -> i64 {
    seconds_as_ms(certificate.validity().not_after.timestamp())
}

fn seconds_as_ms(seconds: i64) -> i64 {
    seconds.saturating_mul(sync_protocol::time::SECOND_MS)
}

/// The key in any certificate with an Ed25519 key and signature, whoever issued it and whomever it names: what a
/// node shows that has no certificate yet. That it holds the key is TLS's to prove.
pub(super) fn key_of(der: &[u8]) -> Result<PublicKey, CertificateError> {
    ed25519_key(&parse(der)?)
}
