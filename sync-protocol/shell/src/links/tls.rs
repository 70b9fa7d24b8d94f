//! QUIC and TLS as links use them: mutual TLS 1.3 by the installation's authority, nothing else.

use std::sync::Arc;
use std::time::SystemTime;

use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{
    AckFrequencyConfig, ClientConfig, ConnectionId, ConnectionIdGenerator, EndpointConfig, IdleTimeout,
    ServerConfig, TransportConfig, VarInt,
};
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;

use super::LinkError;
use super::limits::{
    ACK_DELAY_MAX, CONNECTION_WINDOW_BYTES, HANDSHAKES_MAX, IDLE_MAX, INCOMING_BYTES_MAX, INITIAL_RTT,
    KEEP_ALIVE, RESET_SPACING, SEND_WINDOW_BYTES, STREAM_WINDOW_BYTES,
};
use super::link::is_certificate_code;
use crate::certify::{self, AnyKey};
use crate::identity::NodeKeys;

/// The application protocol, by ALPN.
const PROTOCOL: &[u8] = b"gatesync/1";
/// Streams one end opens: live and bulk.
const STREAMS: u32 = 2;
/// Bytes of a connection id.
const CONNECTION_ID_BYTES: usize = 8;

/// How this node answers those who dial it. One that certifies lets everybody through the handshake who holds a key,
/// and asks [`Admission`] about the certificate afterwards.
pub(super) fn server(keys: &NodeKeys, certifies: bool) -> Result<ServerConfig, LinkError> {
    let provider = provider();
    let verifier: Arc<dyn ClientCertVerifier> = match certifies {
        true => Arc::new(AnyKey::new()),
        false => linkable(keys)?,
    };
    let mut chain = vec![keys.tls_certificate()];
    if certifies {
        chain.push(keys.tls_authority());
    }
    let mut tls = rustls::ServerConfig::builder_with_details(provider, Arc::new(SystemTimeOrNone))
        .with_protocol_versions(&[&TLS13])
        .map_err(refused)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, keys.tls_key().into())
        .map_err(refused)?;
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    if certifies {
        tls.alpn_protocols.push(certify::PROTOCOL.to_vec());
    }
    // No resumption: every link proves both certificates anew.
    tls.send_tls13_tickets = 0;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).map_err(refused)?));
    config
        .transport_config(Arc::new(transport()))
        .max_incoming(HANDSHAKES_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_MAX * HANDSHAKES_MAX as u64);
    Ok(config)
}

pub(super) fn client(keys: &NodeKeys) -> Result<ClientConfig, LinkError> {
    let mut tls = rustls::ClientConfig::builder_with_details(provider(), Arc::new(SystemTimeOrNone))
        .with_protocol_versions(&[&TLS13])
        .map_err(refused)?
        .with_root_certificates(roots(keys)?)
        .with_client_auth_cert(vec![keys.tls_certificate()], keys.tls_key().into())
        .map_err(refused)?;
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    tls.resumption = Resumption::disabled();
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).map_err(refused)?));
    config.transport_config(Arc::new(transport()));
    Ok(config)
}

/// Whose certificates open links: valid now, of the authority.
fn linkable(keys: &NodeKeys) -> Result<Arc<dyn ClientCertVerifier>, LinkError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(keys)?, provider());
    verifier.build().map_err(refused)
}

/// Asks about a certificate after the handshake what a strict handshake asks about it.
pub(super) struct Admission(Arc<dyn ClientCertVerifier>);

impl Admission {
    pub(super) fn new(keys: &NodeKeys) -> Result<Admission, LinkError> {
        Ok(Admission(linkable(keys)?))
    }

    /// Refuses what opens no link.
    pub(super) fn check(&self, chain: &[CertificateDer<'static>]) -> Result<(), String> {
        let (own, others) = chain.split_first().ok_or("it shows no certificate")?;
        let now = SystemTimeOrNone.current_time();
        let now = now.ok_or("this machine's clock was never set")?;
        let checked = self.0.verify_client_cert(own, others, now);
        checked
            .map(drop)
            .map_err(|error| format!("its certificate is refused: {error}"))
    }
}

/// Whether the other end of a connection wants a certificate, not a link.
pub(super) fn wants_certificate(connection: &quinn::Connection) -> bool {
    let agreed = connection.handshake_data();
    let agreed = agreed.and_then(|agreed| agreed.downcast::<HandshakeData>().ok());
    agreed.is_some_and(|agreed| agreed.protocol.as_deref() == Some(certify::PROTOCOL))
}

/// Whether a connection failed because one end does not take the other's certificate.
pub(crate) fn is_certificate_error(error: &quinn::ConnectionError) -> bool {
    matches!(error, quinn::ConnectionError::TransportError(error) if is_certificate_code(error.code.into()))
}

/// An endpoint that knows the connections of this node's earlier starts, and so can reset them.
pub(super) fn endpoint(keys: &NodeKeys, seed: u64) -> EndpointConfig {
    let reset_key = ResetKey(keys.derive("gate sync 2026 stateless reset"));
    let id_key = blake3::derive_key("gate sync 2026 connection ids", &seed.to_le_bytes());
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config
        .min_reset_interval(RESET_SPACING)
        .cid_generator(move || Box::new(ConnectionIds { key: id_key, made: 0 }));
    config
}

pub(crate) fn transport() -> TransportConfig {
    let mut acks = AckFrequencyConfig::default();
    acks.max_ack_delay(Some(ACK_DELAY_MAX));
    let idle = IdleTimeout::try_from(IDLE_MAX).expect("BUG: the idle time fits QUIC");
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(INITIAL_RTT)
        .ack_frequency_config(Some(acks));
    config
}

/// The system's time for the validity of certificates; none before 1970, when a dead clock shows it in local time.
/// Then no link stands, and the node goes on alone; rustls's own provider would panic.
#[derive(Debug)]
pub(crate) struct SystemTimeOrNone;

impl TimeProvider for SystemTimeOrNone {
    fn current_time(&self) -> Option<UnixTime> {
        #[expect(
            clippy::disallowed_methods,
            reason = "TLS asks for the time in the middle of a handshake; nothing else depends on it"
        )]
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since_1970.ok().map(UnixTime::since_unix_epoch)
    }
}

/// Passed explicitly everywhere: nothing is installed for the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(keys: &NodeKeys) -> Result<Arc<RootCertStore>, LinkError> {
    let mut roots = RootCertStore::empty();
    roots.add(keys.tls_authority()).map_err(refused)?;
    Ok(Arc::new(roots))
}

fn refused(error: impl std::fmt::Display) -> LinkError {
    LinkError::Tls(error.to_string())
}

/// Makes and checks reset tokens; the same at every start of a node.
struct ResetKey([u8; 32]);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(data).finalize_xof().fill(signature_out);
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let expected = blake3::keyed_hash(&self.0, data);
        // Constant-time in blake3.
        if expected == *signature {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }
}

/// Connection ids that cannot be told from random ones, and differ between starts. Unlike quinn's own they are not
/// checked for being this process's: that would keep it from resetting connections of an earlier one.
struct ConnectionIds {
    key: [u8; 32],
    made: u64,
}

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        self.made += 1;
        let id = blake3::keyed_hash(&self.key, &self.made.to_le_bytes());
        ConnectionId::new(&id.as_bytes()[..CONNECTION_ID_BYTES])
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}
