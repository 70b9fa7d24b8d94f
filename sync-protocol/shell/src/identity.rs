//! Who a node is: its key, its certificate, and whom it believes.
//!
//! One Ed25519 key per node signs its changesets and its TLS handshakes. A certificate of the installation's authority
//! says which node holds the key: its first name is the same for all ([`COMMON_NAME`], what everybody dials), its
//! second one says who (`hub.sync.internal`, `gate-3.terminal-a.sync.internal`).
//!
//! Files of a node: `node.key` (PKCS#8 PEM, mode 0600), `node.crt`, `ca.crt`. Of the authority: `ca.key` (0600),
//! `ca.crt`. Nothing here reads a clock or draws randomness: secrets and times are arguments.
//!
//! Invariant: what is read strictly is also what is believed: a certificate that [`Identity::from_certificate`]
//! refuses neither opens a link nor a site (`tests/identity.rs`, `tests/links/strangers.rs`).

mod authority;
mod certificate;
mod error;
mod files;
mod fingerprint;
mod keys;
mod newcomer;
mod trust;
mod validity;

use std::fmt;

use sync_protocol::changeset::PublicKey;
use sync_protocol::id::{NodeId, TerminalCode};

pub use authority::{AUTHORITY_VALID_MS, Authority, Certified, Issued};
pub use error::{CertificateError, IdentityError};
pub use fingerprint::{Fingerprint, hexadecimal};
pub use keys::NodeKeys;
pub use newcomer::Newcomer;
pub use trust::CertificateTrust;
pub use validity::{Life, Validity};

/// The name every certificate carries, and the TLS server name everybody dials.
pub const COMMON_NAME: &str = "node.sync.internal";
/// The hub's name.
const HUB_NAME: &str = "hub.sync.internal";
/// What ends every identity's name.
const DOMAIN: &str = ".sync.internal";

/// Who is at the other end: what a certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The node.
    pub node: NodeId,
    /// The terminal it stands in; `None` for the hub.
    pub terminal: Option<TerminalCode>,
    /// Its key.
    pub key: PublicKey,
}

impl Identity {
    /// What a certificate (DER) says. Whether its signature is the authority's is another question: see
    /// [`CertificateTrust`].
    ///
    /// # Errors
    /// It is no certificate of a node, read strictly: see [`CertificateError`].
    pub fn from_certificate(der: &[u8]) -> Result<Identity, IdentityError> {
        Ok(certificate::read_node(der)?.identity)
    }

    /// The key in a certificate (DER) that may be anybody's, such as a newcomer's own.
    ///
    /// # Errors
    /// It is no certificate with an Ed25519 key and signature.
    pub fn key_in(der: &[u8]) -> Result<PublicKey, IdentityError> {
        Ok(certificate::key_of(der)?)
    }

    /// The name that says who: `hub.sync.internal`, or such as `gate-3.terminal-a.sync.internal`.
    #[must_use]
    pub fn name(&self) -> String {
        identity_name(self.node, self.terminal)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.terminal {
            Some(terminal) => write!(f, "{} of terminal {terminal}", self.node),
            None => write!(f, "{}", self.node),
        }
    }
}

fn identity_name(node: NodeId, terminal: Option<TerminalCode>) -> String {
    match terminal {
        Some(terminal) => {
            let terminal = terminal.as_str().to_ascii_lowercase();
            format!("gate-{}.terminal-{terminal}{DOMAIN}", node.0)
        }
        None => HUB_NAME.to_owned(),
    }
}

/// Reads an identity's name; `None` unless it is exactly what [`identity_name`] makes.
fn parse_identity_name(name: &str) -> Option<(NodeId, Option<TerminalCode>)> {
    if name == HUB_NAME {
        return Some((NodeId::HUB, None));
    }
    let (gate, terminal) = name.strip_suffix(DOMAIN)?.split_once('.')?;
    let node = NodeId(gate.strip_prefix("gate-")?.parse().ok()?);
    let terminal = terminal.strip_prefix("terminal-")?.to_ascii_uppercase();
    let terminal = Some(terminal.parse().ok()?);
    let is_exact = !node.is_hub() && identity_name(node, terminal) == name;
    is_exact.then_some((node, terminal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_exactly_as_they_are_made() {
        let a: TerminalCode = "AB".parse().unwrap();
        for (node, terminal) in [
            (NodeId::HUB, None),
            (NodeId(3), Some(a)),
            (NodeId(u32::MAX), Some(a)),
        ] {
            let name = identity_name(node, terminal);
            assert_eq!(parse_identity_name(&name), Some((node, terminal)), "{name}");
        }
        for wrong in [
            "",
            "hub",
            "HUB.sync.internal",
            "gate-0.terminal-a.sync.internal",
            "gate-03.terminal-a.sync.internal",
            "gate-+3.terminal-a.sync.internal",
            "gate-3.terminal-A.sync.internal",
            "gate-3.terminal-abcd.sync.internal",
            "gate-3.terminal-.sync.internal",
            "gate-3.sync.internal",
            "gate-4294967296.terminal-a.sync.internal",
            "gate-3.terminal-a.sync.internal.",
            "gate-3.terminal-a.x.sync.internal",
        ] {
            assert_eq!(parse_identity_name(wrong), None, "{wrong}");
        }
    }
}
