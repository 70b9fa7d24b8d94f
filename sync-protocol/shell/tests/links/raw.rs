//! A peer written by hand: it has the keys of a node, and does with the connection what a test wants.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sync_shell::identity::COMMON_NAME;

use super::support::{Installation, any_port};

/// A link's streams, seen from the other end.
pub(crate) struct RawPeer {
    pub(crate) connection: Connection,
    pub(crate) live: SendStream,
    pub(crate) bulk: SendStream,
    pub(crate) incoming_live: RecvStream,
    _incoming_bulk: RecvStream,
}

impl RawPeer {
    /// Connects as a node, and says nothing.
    pub(crate) async fn connect(installation: &Installation, node: u32, address: SocketAddr) -> Connection {
        let _ = installation.keys(node);
        let folder = installation.folder().join(node.to_string());
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&read("ca.crt")).unwrap())
            .unwrap();
        let certificate = CertificateDer::from_pem_slice(&read("node.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read("node.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)
            .unwrap();
        tls.alpn_protocols = vec![b"gatesync/1".to_vec()];
        let endpoint = Endpoint::client(any_port()).unwrap();
        let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        endpoint
            .connect_with(config, address, COMMON_NAME)
            .unwrap()
            .await
            .unwrap()
    }

    /// Links with a node of a lower number: so this end decides, and begins its streams with choice 1.
    pub(crate) async fn link(installation: &Installation, node: u32, address: SocketAddr) -> RawPeer {
        let connection = RawPeer::connect(installation, node, address).await;
        let mut incoming = Vec::new();
        for _ in 0..2 {
            let mut stream = connection.accept_uni().await.unwrap();
            stream.read_exact(&mut [0; 17]).await.unwrap();
            incoming.push(stream);
        }
        let mut outgoing = Vec::new();
        for kind in [1, 2] {
            let mut stream = connection.open_uni().await.unwrap();
            let mut beginning = [0; 17];
            beginning[0] = kind;
            beginning[9] = 1;
            stream.write_all(&beginning).await.unwrap();
            outgoing.push(stream);
        }
        let bulk = outgoing.pop().unwrap();
        let incoming_bulk = incoming.pop().unwrap();
        RawPeer {
            connection,
            live: outgoing.pop().unwrap(),
            bulk,
            incoming_live: incoming.pop().unwrap(),
            _incoming_bulk: incoming_bulk,
        }
    }
}
