//! The gate's end of one request.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sync_protocol::codec;

use super::tls::HubOf;
use super::{ANSWER_BYTES_MAX, ASK_MAX, Answer, Certificates, PROTOCOL, Refused, Request};
use crate::identity::{COMMON_NAME, Fingerprint, Newcomer, NodeKeys};
use crate::links::limits::ADDRESSES_PER_TARGET_MAX;
use crate::links::tls::{SystemTimeOrNone, is_certificate_error, provider, transport};

/// Who asks, and whom it believes.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// A node without certificate, that was told the authority's fingerprint.
    Newcomer(&'a Newcomer, Fingerprint),
    /// A node with a certificate, valid or not any more.
    Node(&'a NodeKeys),
}

/// Why there is no answer, or not the one hoped for.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The hub says no.
    #[error("{0}")]
    Refused(String),
    /// The hub cannot say yes now.
    #[error("the hub cannot issue certificates now: {0}")]
    NotNow(String),
    /// Somebody else is there.
    #[error(
        "{hub} is not the hub of the expected authority (fingerprint {authority}), or a clock is wrong: {reason}. Nothing \
         was said to it. Compare the token with the hub's, the address, and this machine's date"
    )]
    Stranger {
        /// Where.
        hub: String,
        /// Whom it should be certified by.
        authority: Fingerprint,
        /// What TLS says.
        reason: String,
    },
    /// Nobody is there.
    #[error(
        "the hub at {hub} cannot be reached: {reason}. See that it runs and that UDP to it is open, and try again"
    )]
    Unreachable {
        /// Where.
        hub: String,
        /// Why.
        reason: String,
    },
    /// The key or certificate does not serve for TLS.
    #[error("the node's key does not serve for TLS: {0}")]
    Tls(String),
}

/// Asks the hub at `hub` (`host:port`) for a certificate. Inside a tokio runtime; at most [`ASK_MAX`].
///
/// # Errors
/// See [`AskError`].
pub async fn ask(hub: &str, who: Who<'_>, request: &Request) -> Result<Certificates, AskError> {
    let unreachable = |reason: String| AskError::Unreachable {
        hub: hub.to_owned(),
        reason,
    };
    let asked = tokio::time::timeout(ASK_MAX, ask_in_turn(hub, who, request)).await;
    let answer = asked.map_err(|_| unreachable(format!("no answer within {} s", ASK_MAX.as_secs())))??;
    answer.map_err(|refused| match refused {
        Refused::Finally(reason) => AskError::Refused(readable(&reason)),
        Refused::ForNow(reason) => AskError::NotNow(readable(&reason)),
    })
}

/// Tries the hub's addresses in turn until one answers.
async fn ask_in_turn(hub: &str, who: Who<'_>, request: &Request) -> Result<Answer, AskError> {
    let unreachable = |reason: String| AskError::Unreachable {
        hub: hub.to_owned(),
        reason,
    };
    let config = client(who)?;
    let addresses = tokio::net::lookup_host(hub).await;
    let addresses = addresses.map_err(|error| unreachable(error.to_string()))?;
    let mut last = unreachable("the name has no address".to_owned());
    for address in addresses.take(ADDRESSES_PER_TARGET_MAX) {
        match exchange(address, config.clone(), request).await {
            Ok(answer) => return Ok(answer),
            Err(Failed::Stranger(reason)) => {
                last = AskError::Stranger {
                    hub: hub.to_owned(),
                    authority: believed(who),
                    reason,
                };
            }
            Err(Failed::Lost(reason)) => last = unreachable(reason),
        }
    }
    Err(last)
}

/// Why one address gave no answer.
enum Failed {
    Stranger(String),
    Lost(String),
}

impl From<ConnectionError> for Failed {
    fn from(error: ConnectionError) -> Failed {
        if is_certificate_error(&error) {
            Failed::Stranger(error.to_string())
        } else {
            Failed::Lost(error.to_string())
        }
    }
}

async fn exchange(address: SocketAddr, config: ClientConfig, request: &Request) -> Result<Answer, Failed> {
    let lost = |error: &dyn std::fmt::Display| Failed::Lost(error.to_string());
    let local: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let endpoint = Endpoint::client(local).map_err(|error| lost(&error))?;
    let connecting = endpoint.connect_with(config, address, COMMON_NAME);
    let connection = connecting.map_err(|error| lost(&error))?.await?;
    let answer = say(&connection, request).await;
    connection.close(0_u32.into(), b"done");
    endpoint.wait_idle().await;
    answer
}

async fn say(connection: &Connection, request: &Request) -> Result<Answer, Failed> {
    let lost = |error: &dyn std::fmt::Display| Failed::Lost(error.to_string());
    let mut outgoing = connection.open_uni().await?;
    let said = outgoing.write_all(&codec::encode(request)).await;
    said.map_err(|error| lost(&error))?;
    outgoing.finish().map_err(|error| lost(&error))?;
    let mut incoming = connection.accept_uni().await?;
    let bytes = incoming.read_to_end(ANSWER_BYTES_MAX).await;
    let bytes = bytes.map_err(|error| lost(&error))?;
    codec::decode(&bytes).map_err(|error| Failed::Lost(format!("the answer is malformed: {error}")))
}

fn client(who: Who<'_>) -> Result<ClientConfig, AskError> {
    let refused = |error: &dyn std::fmt::Display| AskError::Tls(error.to_string());
    let (certificate, key): (CertificateDer<'static>, PrivatePkcs8KeyDer<'static>) = match who {
        Who::Newcomer(newcomer, _) => (newcomer.tls_certificate(), newcomer.tls_key()),
        Who::Node(keys) => (keys.tls_certificate(), keys.tls_key()),
    };
    let verifier = HubOf {
        authority: believed(who),
        algorithms: provider().signature_verification_algorithms,
    };
    let mut tls = rustls::ClientConfig::builder_with_details(provider(), Arc::new(SystemTimeOrNone))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| refused(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(vec![certificate], key.into())
        .map_err(|error| refused(&error))?;
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    let crypto = QuicClientConfig::try_from(tls).map_err(|error| refused(&error))?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport()));
    Ok(config)
}

fn believed(who: Who<'_>) -> Fingerprint {
    match who {
        Who::Newcomer(_, authority) => authority,
        Who::Node(keys) => keys.authority_fingerprint(),
    }
}

/// A reason as it can be shown: no control characters.
fn readable(reason: &str) -> String {
    reason.replace(char::is_control, " ")
}
