//! The installation's authority: it says which node holds which key.

use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
    date_time_ymd,
};
use sync_protocol::changeset::{PublicKey, Signer};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::id::{NodeId, TerminalCode};
use sync_protocol::time::DAY_MS;

use super::certificate::AuthorityCertificate;
use super::files::{self, Existing};
use super::{COMMON_NAME, Fingerprint, Identity, IdentityError, identity_name};

/// How long an authority's certificate is valid, in milliseconds: about twenty years.
pub const AUTHORITY_VALID_MS: i64 = 20 * 365 * DAY_MS;
/// An authority is valid from this long before it was made, so that a node whose clock is behind believes it.
const AUTHORITY_EARLY_MS: i64 = 2 * DAY_MS;
/// The last moment a certificate can state: the end of the year 9999, in milliseconds since 1970.
const VALIDITY_MS_MAX: i64 = 253_402_300_799_000;
/// The authority's name in certificates.
const AUTHORITY_NAME: &str = "gate sync authority";

pub(super) const AUTHORITY_KEY: &str = "ca.key";
pub(super) const AUTHORITY_CERTIFICATE: &str = "ca.crt";
pub(super) const NODE_KEY: &str = "node.key";
pub(super) const NODE_CERTIFICATE: &str = "node.crt";
const ADVICE: &str = "name the folder of the authority, or make one with `hub ca init`";

/// The authority: its key and its certificate.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: AuthorityCertificate,
    certificate_pem: String,
}

impl Authority {
    /// Makes an authority from 32 secret random bytes and writes `ca.key` and `ca.crt` into `folder`, which is made
    /// when missing. It is valid for [`AUTHORITY_VALID_MS`] from `now_ms` (milliseconds since 1970).
    ///
    /// # Errors
    /// One of the files exists already or cannot be written.
    pub fn init(folder: &Path, secret: &[u8; 32], now_ms: i64) -> Result<Authority, IdentityError> {
        files::refuse_existing(folder, &[AUTHORITY_KEY, AUTHORITY_CERTIFICATE])?;
        let key = key_pair(secret)?;
        let mut params = authority_params();
        let not_before_ms = now_ms.saturating_sub(AUTHORITY_EARLY_MS);
        set_validity(
            &mut params,
            not_before_ms,
            now_ms.saturating_add(AUTHORITY_VALID_MS),
        )?;
        params.serial_number = Some(serial(&public_key(secret), not_before_ms));
        let certificate = params.self_signed(&key).map_err(issue_failed)?;
        files::make_folder(folder)?;
        files::write_private(&folder.join(AUTHORITY_KEY), &key.serialize_pem(), Existing::Keep)?;
        files::write_public(
            &folder.join(AUTHORITY_CERTIFICATE),
            &certificate.pem(),
            Existing::Keep,
        )?;
        Ok(Authority {
            issuer: Issuer::new(params, key),
            certificate: AuthorityCertificate::read(certificate.der())?,
            certificate_pem: certificate.pem(),
        })
    }

    /// Reads an authority from the folder that [`Authority::init`] wrote.
    ///
    /// # Errors
    /// A file is missing, open to others, malformed, or of another authority.
    pub fn load(folder: &Path) -> Result<Authority, IdentityError> {
        let key_path = folder.join(AUTHORITY_KEY);
        let path = folder.join(AUTHORITY_CERTIFICATE);
        let secret = files::read_secret(&key_path, ADVICE)?;
        let file = files::read_certificate(&path, ADVICE)?;
        let certificate =
            AuthorityCertificate::read(&file.der).map_err(|reason| IdentityError::CertificateFile {
                path: path.clone(),
                reason,
            })?;
        if certificate.key != public_key(&secret) {
            return Err(IdentityError::KeyMismatch {
                key: key_path,
                certificate: path,
            });
        }
        Ok(Authority {
            issuer: Issuer::new(authority_params(), key_pair(&secret)?),
            certificate,
            certificate_pem: file.pem,
        })
    }

    /// Certifies that `node`, standing in `terminal` (`None` for the hub), holds the key made from `secret`: 32 random
    /// bytes drawn by the caller. Valid from `not_before_ms` to `not_after_ms`, milliseconds since 1970, to the second.
    ///
    /// # Errors
    /// A gate without terminal or a hub with one, or a period that no certificate can state.
    pub fn issue(
        &self,
        node: NodeId,
        terminal: Option<TerminalCode>,
        secret: &[u8; 32],
        not_before_ms: i64,
        not_after_ms: i64,
    ) -> Result<Issued, IdentityError> {
        let certified = self.certify(node, terminal, &public_key(secret), not_before_ms, not_after_ms)?;
        Ok(Issued {
            identity: certified.identity,
            key_pem: key_pair(secret)?.serialize_pem(),
            certificate_pem: certified.pem,
            authority_pem: self.certificate_pem.clone(),
            authority: self.certificate.clone(),
        })
    }

    /// Certifies a key whose secret the node keeps to itself. Whoever calls has seen proof that the node holds it.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn certify(
        &self,
        node: NodeId,
        terminal: Option<TerminalCode>,
        key: &PublicKey,
        not_before_ms: i64,
        not_after_ms: i64,
    ) -> Result<Certified, IdentityError> {
        if node.is_hub() != terminal.is_none() {
            return Err(IdentityError::Terminal);
        }
        let name = identity_name(node, terminal);
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&name);
        for name in [COMMON_NAME, &name] {
            let name = name.try_into().map_err(issue_failed)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        set_validity(&mut params, not_before_ms, not_after_ms)?;
        params.serial_number = Some(serial(key, not_before_ms));
        let certificate = params
            .signed_by(&NodeKey(*key), &self.issuer)
            .map_err(issue_failed)?;
        Ok(Certified {
            identity: Identity::from_certificate(certificate.der())?,
            pem: certificate.pem(),
        })
    }

    /// Its certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Whether a certificate (DER) is its own. Asks no clock.
    #[must_use]
    pub fn issued(&self, der: &[u8]) -> bool {
        self.certificate.issued(der)
    }

    /// What names this authority: see [`Fingerprint`].
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint()
    }
}

/// A certificate that an authority issued for a key it was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// Whose it is.
    pub identity: Identity,
    /// The certificate, PEM.
    pub pem: String,
}

/// A node's public key, as certificates state it.
struct NodeKey(PublicKey);

impl PublicKeyData for NodeKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

/// A node's files, as an authority issued them.
pub struct Issued {
    /// Whose they are.
    pub identity: Identity,
    key_pem: String,
    certificate_pem: String,
    authority_pem: String,
    authority: AuthorityCertificate,
}

impl Issued {
    /// Writes `node.key`, `node.crt` and `ca.crt` into `folder`, which is made when missing.
    ///
    /// # Errors
    /// The folder holds a node's key or certificate already, or another authority's certificate; or cannot be
    /// written.
    pub fn write(&self, folder: &Path) -> Result<(), IdentityError> {
        files::refuse_existing(folder, &[NODE_KEY, NODE_CERTIFICATE])?;
        self.write_all(folder, Existing::Keep)
    }

    /// As [`Issued::write`], but replaces a key and certificate that are there: on the operator's word only, for the
    /// old key is gone then.
    ///
    /// # Errors
    /// The folder holds another authority's certificate, or cannot be written.
    pub fn replace(&self, folder: &Path) -> Result<(), IdentityError> {
        self.write_all(folder, Existing::Replace)
    }

    fn write_all(&self, folder: &Path, existing: Existing) -> Result<(), IdentityError> {
        write_authority(folder, &self.authority, &self.authority_pem)?;
        files::write_private(&folder.join(NODE_KEY), &self.key_pem, existing)?;
        files::write_public(&folder.join(NODE_CERTIFICATE), &self.certificate_pem, existing)
    }
}

/// Puts the authority's certificate into a node's folder, unless it is there.
pub(super) fn write_authority(
    folder: &Path,
    authority: &AuthorityCertificate,
    pem: &str,
) -> Result<(), IdentityError> {
    let path = folder.join(AUTHORITY_CERTIFICATE);
    match files::read_certificate(&path, "") {
        Ok(there) if there.der != authority.der => Err(IdentityError::OtherInstallation { path }),
        Ok(_) => Ok(()),
        Err(IdentityError::Missing { .. }) => {
            files::make_folder(folder)?;
            files::write_public(&path, pem, Existing::Keep)
        }
        Err(error) => Err(error),
    }
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(AUTHORITY_NAME);
    // It signs nodes only, no further authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(super) fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

pub(super) fn set_validity(
    params: &mut CertificateParams,
    not_before_ms: i64,
    not_after_ms: i64,
) -> Result<(), IdentityError> {
    let impossible = IdentityError::Validity {
        not_before_ms,
        not_after_ms,
    };
    if not_before_ms >= not_after_ms || not_after_ms > VALIDITY_MS_MAX {
        return Err(impossible);
    }
    let (Ok(from_ms), Ok(to_ms)) = (u64::try_from(not_before_ms), u64::try_from(not_after_ms)) else {
        return Err(impossible);
    };
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(from_ms / 1_000);
    params.not_after = epoch + Duration::from_secs(to_ms / 1_000);
    Ok(())
}

/// Differs between keys, and between two certificates of one key issued at different times.
fn serial(key: &PublicKey, not_before_ms: i64) -> SerialNumber {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&key.0[..8]);
    bytes[8..].copy_from_slice(&not_before_ms.to_be_bytes());
    // A serial number is positive.
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

pub(super) fn key_pair(secret: &[u8; 32]) -> Result<KeyPair, IdentityError> {
    KeyPair::from_pkcs8_der_and_sign_algo(&files::pkcs8(secret), &PKCS_ED25519).map_err(issue_failed)
}

pub(super) fn public_key(secret: &[u8; 32]) -> PublicKey {
    Ed25519Signer::from_secret(secret).public_key()
}

pub(super) fn issue_failed(error: rcgen::Error) -> IdentityError {
    IdentityError::Issue(error.to_string())
}
