//! Why an identity is refused: which file, what is wrong with it, what to do.

use std::io;
use std::path::PathBuf;

use super::COMMON_NAME;

/// What is wrong with a certificate as such.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate (X.509 version 3 in DER), or more bytes than a node's certificate may have.
    #[error("not an X.509 certificate: {0}")]
    Malformed(String),
    /// Another kind of key or signature than Ed25519.
    #[error("its {0} is not Ed25519")]
    Algorithm(&'static str),
    /// It lacks [`COMMON_NAME`].
    #[error("it does not carry the name {COMMON_NAME}")]
    CommonName,
    /// It names nobody.
    #[error("it does not say whose it is: one name such as gate-3.terminal-a.sync.internal is needed")]
    NoIdentity,
    /// A name that is not known.
    #[error(
        "it carries the name {0:?}, which is no node's: hub.sync.internal or such as gate-3.terminal-a.sync.internal is"
    )]
    UnknownName(String),
    /// Two identities, or one name twice.
    #[error("it carries more than one identity: {0:?} besides another")]
    SeveralIdentities(String),
    /// A node's certificate that may sign others, or an authority's that may not.
    #[error("{0}")]
    Role(&'static str),
}

/// Why a node's or the authority's files are refused, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A certificate that came from elsewhere than a file.
    #[error("the certificate is refused: {0}")]
    Certificate(#[from] CertificateError),
    /// A certificate in a file.
    #[error("the certificate {path} is refused: {reason}; have the authority issue another one", path = .path.display())]
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: CertificateError,
    },
    /// A file that is not there.
    #[error("{path} is missing: {advice}", path = .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
    },
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write {path}: {source}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that would have been overwritten.
    #[error("{path} exists already and is not overwritten: move it away first, or ask for it to be replaced", path = .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A private key that others can read.
    #[error("the private key {path} is open to others (mode {mode:04o}): run chmod 600 {path}", path = .path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not the PEM file that was expected.
    #[error("{path} does not hold {expected} in PEM: {reason}", path = .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// Why it does not.
        reason: String,
    },
    /// Not an Ed25519 key.
    #[error("{path} is not an Ed25519 private key (PKCS#8, as `hub ca issue` writes it)", path = .path.display())]
    KeyKind {
        /// The file.
        path: PathBuf,
    },
    /// A key and a certificate that do not belong together.
    #[error("{key} is not the key of {certificate}: put the two files that were issued together side by side", key = .key.display(), certificate = .certificate.display())]
    KeyMismatch {
        /// The key.
        key: PathBuf,
        /// The certificate.
        certificate: PathBuf,
    },
    /// A node's certificate that another authority issued.
    #[error("{certificate} was not issued by the authority of {authority}: use the ca.crt of the authority that issued it", certificate = .certificate.display(), authority = .authority.display())]
    OtherAuthority {
        /// The node's certificate.
        certificate: PathBuf,
        /// The authority's.
        authority: PathBuf,
    },
    /// A folder that holds the certificate of another authority.
    #[error("{path} is the certificate of another authority: the folder belongs to another installation", path = .path.display())]
    OtherInstallation {
        /// The file.
        path: PathBuf,
    },
    /// A period that no certificate can state.
    #[error(
        "a certificate cannot be valid from {not_before_ms} ms to {not_after_ms} ms since 1970: check this machine's clock"
    )]
    Validity {
        /// From.
        not_before_ms: i64,
        /// To.
        not_after_ms: i64,
    },
    /// A gate without terminal, or the hub with one.
    #[error("a gate must name its terminal and the hub must not")]
    Terminal,
    /// The certificate could not be made.
    #[error("the certificate could not be made: {0}")]
    Issue(String),
}
