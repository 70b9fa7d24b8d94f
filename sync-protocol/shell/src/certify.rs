//! Certificates on request: how a gate gets its first one, and the next before that one ends.
//!
//! The hub answers on the port of the links, under a protocol of its own (ALPN `gatesync-certify/1`), so that a gate
//! needs one address:
//! ```text
//!  gate                                            hub
//!   │── TLS: its own key, in a certificate of ──────>│  the handshake proves that the gate holds the key
//!   │   its own making (first) or its last one       │
//!   │<─ TLS: the hub's certificate and the ──────────│  the gate knows the authority by its fingerprint:
//!   │   authority's                                  │  from the token, or from its own folder
//!   │── Request ────────────────────────────────────>│  the secret of a token, or nothing but the old certificate
//!   │<─ Answer ──────────────────────────────────────│  a certificate for the key, or why not
//! ```
//! Request and answer take one unidirectional stream each, encoded by [`sync_protocol::codec`].
//!
//! Invariants:
//! - The gate's secret key stays where it was made.
//! - A certificate that has ended opens no link; it is taken here and nowhere else, for a certificate to the same key.
//! - The gate says the token's secret only to a hub that the authority of the token certified (`tests/links/certify.rs`).

mod answer;
mod ask;
mod tls;
mod token;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sync_protocol::changeset::PublicKey;
use sync_protocol::id::{GateCode, NodeId, TerminalCode};

pub(crate) use answer::serve;
pub use ask::{AskError, Who, ask};
pub(crate) use tls::AnyKey;
pub use token::{EnrolToken, TokenFormError};

/// The application protocol, by ALPN.
pub(crate) const PROTOCOL: &[u8] = b"gatesync-certify/1";
/// Most bytes of a request.
pub const REQUEST_BYTES_MAX: usize = 4 << 10;
/// Most bytes of an answer: two certificates in PEM, or a reason.
pub const ANSWER_BYTES_MAX: usize = 32 << 10;
/// One connection is answered within this time, at the hub.
pub const ANSWER_MAX: Duration = Duration::from_secs(10);
/// One asking takes at most this long, at the gate.
pub const ASK_MAX: Duration = Duration::from_secs(15);

/// What a node asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A first certificate, by a token.
    Enrol(Enrolment),
    /// The next certificate for the same key, by the last one.
    Renew,
}

/// What a newcomer says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The token's secret.
    pub secret: [u8; 32],
    /// Its number by its own settings.
    pub gate: NodeId,
    /// Its terminal by its own settings.
    pub terminal: TerminalCode,
    /// Its code by its own settings, such as `A-ENTRY-01`.
    pub code: String,
}

impl Enrolment {
    /// Of a gate with these settings.
    #[must_use]
    pub fn new(secret: [u8; 32], gate: NodeId, terminal: TerminalCode, code: GateCode) -> Enrolment {
        Enrolment {
            secret,
            gate,
            terminal,
            code: code.to_string(),
        }
    }
}

/// What the hub answers.
pub type Answer = Result<Certificates, Refused>;

/// A certificate, and the one of the authority that issued it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificates {
    /// The node's, PEM.
    pub certificate: String,
    /// The authority's, PEM.
    pub authority: String,
}

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// By what was asked: asking again is of no use. What happened, and what to do.
    Finally(String),
    /// For now: the hub lacks something that may come back.
    ForNow(String),
}

/// Who asks: what the handshake proved.
#[derive(Clone, Debug)]
pub struct Applicant {
    /// The certificate it showed, DER: its own, one of this installation, or one of another.
    pub certificate: Vec<u8>,
    /// The key in it, which it holds.
    pub key: PublicKey,
    /// Where it is.
    pub address: SocketAddr,
}

/// An answer that is being worked out.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Works out answers. May be asked by 256 at a time.
pub type Certifier = Arc<dyn Fn(Applicant, Request) -> Answering + Send + Sync>;
