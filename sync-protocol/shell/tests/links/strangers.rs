//! Whoever does not prove an admitted certificate gets nothing: no event, no frame.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sync_protocol::id::NodeId;
use sync_protocol::time::DAY_MS;
use sync_shell::identity::{COMMON_NAME, Identity};
use sync_shell::links::{Admits, LinkError, Refusals};

use super::support::{Installation, Node, any_port, digest, everybody, linked_pair, until};

/// Lets `stranger` dial `host`, then `host` the `stranger`, until one of them has counted the refusal. Neither hears
/// anything.
async fn assert_refused(mut host: Node, mut stranger: Node, counted: impl Fn(Refusals) -> u64) {
    let count = || counted(host.links.refusals()) + counted(stranger.links.refusals());
    stranger.dial(&[host.address()]);
    until("the stranger is refused", || count() > 0).await;
    stranger.dial(&[]);
    let before = count();
    host.dial(&[stranger.address()]);
    until("the stranger is refused when dialled", || count() > before).await;
    host.links.send(&[NodeId(1), NodeId(2)], &digest(1));
    stranger.links.send(&[NodeId(1), NodeId(2)], &digest(2));
    assert!(host.links.stats().is_empty() && stranger.links.stats().is_empty());
    host.assert_quiet();
    stranger.assert_quiet();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_authority_is_refused() {
    let [here, elsewhere] = [Installation::new(9), Installation::new(8)];
    assert_refused(here.node(1), elsewhere.node(2), |refusals| refusals.certificates).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_refused() {
    let installation = Installation::new(9);
    let stranger = Node::start(
        installation.keys_valid(2, -2 * DAY_MS, -DAY_MS),
        any_port(),
        everybody(),
    );
    assert_refused(installation.node(1), stranger, |refusals| refusals.certificates).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_valid_yet_is_refused() {
    let installation = Installation::new(9);
    let stranger = Node::start(
        installation.keys_valid(2, DAY_MS, 2 * DAY_MS),
        any_port(),
        everybody(),
    );
    assert_refused(installation.node(1), stranger, |refusals| refusals.certificates).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_the_roster_does_not_admit_is_refused() {
    let installation = Installation::new(9);
    let only_three: Admits = Arc::new(|peer: &Identity| peer.node == NodeId(3));
    let host = Node::start(installation.keys(1), any_port(), only_three);
    assert_refused(host, installation.node(2), |refusals| refusals.not_admitted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_this_nodes_own_number_is_refused() {
    let installation = Installation::new(9);
    let [one, twin] = [installation.node(1), installation.node(1)];
    assert_refused(one, twin, |refusals| refusals.own_number).await;
}

/// A client without certificate, which trusts the authority.
fn anonymous(installation: &Installation) -> Endpoint {
    let pem = std::fs::read(installation.folder().join("ca/ca.crt")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"gatesync/1".to_vec()];
    let mut endpoint = Endpoint::client(any_port()).unwrap();
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(
        QuicClientConfig::try_from(tls).unwrap(),
    )));
    endpoint
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_certificate_is_refused() {
    let installation = Installation::new(9);
    let mut host = installation.node(1);
    let client = anonymous(&installation);
    let connection = client.connect(host.address(), COMMON_NAME).unwrap().await;
    if let Ok(connection) = connection {
        // The client's side of the handshake is done before the host has asked for the certificate in vain.
        let error = connection.closed().await;
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    until("it is counted", || host.links.refusals().certificates == 1).await;
    host.assert_quiet();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_on_the_port_changes_nothing() {
    let installation = Installation::new(9);
    let (one, mut other) = linked_pair(&installation).await;
    let socket = UdpSocket::bind(any_port()).unwrap();
    for length in 0..1_400 {
        let noise: Vec<u8> = (0..length)
            .map(|byte: u32| (byte * 37 + length) as u8 | 0xc0)
            .collect();
        socket.send_to(&noise, other.address()).unwrap();
    }
    one.links.send(&[NodeId(2)], &digest(1));
    assert_eq!(other.frame().await, (NodeId(1), digest(1)));
    other.assert_quiet();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_refused_later_is_not_linked_again() {
    let installation = Installation::new(9);
    let revoked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asked = Arc::clone(&revoked);
    let admits: Admits = Arc::new(move |_: &Identity| !asked.load(std::sync::atomic::Ordering::SeqCst));
    let mut host = Node::start(installation.keys(1), any_port(), admits);
    let mut gate = installation.node(2);
    gate.dial(&[host.address()]);
    host.connected().await;
    gate.connected().await;
    revoked.store(true, std::sync::atomic::Ordering::SeqCst);
    host.links.close(NodeId(2), "revoked");
    host.disconnected().await;
    assert!(gate.disconnected().await.1.contains("revoked"));
    until("it came again and was refused", || {
        host.links.refusals().not_admitted > 0
    })
    .await;
    host.assert_quiet();
    gate.assert_quiet();
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let installation = Installation::new(9);
    let socket = UdpSocket::bind(any_port()).unwrap();
    let listen: SocketAddr = socket.local_addr().unwrap();
    let config = sync_shell::links::LinksConfig {
        listen,
        keys: installation.keys(1),
        admits: everybody(),
        seed: 1,
    };
    let (events, _receiver) = tokio::sync::mpsc::channel(1);
    let error = sync_shell::links::Links::start(config, events).err().unwrap();
    assert!(matches!(error, LinkError::Taken { address } if address == listen));
    assert!(
        error.to_string().contains("is taken: another node listens there"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_cannot_be_reached_or_resolved_is_tried_on_and_hurts_nobody() {
    let installation = Installation::new(9);
    let [mut one, mut other] = [installation.node(1), installation.node(2)];
    let targets = ["no-such-host.invalid:1", "nonsense", "[::1]:9", "127.0.0.1:9"];
    let targets = targets
        .map(str::to_owned)
        .into_iter()
        .chain([other.address().to_string()]);
    one.links.set_targets(targets.collect());
    assert_eq!(one.connected().await.node, NodeId(2));
    assert_eq!(other.connected().await.node, NodeId(1));
    let stopped = tokio::time::timeout(Duration::from_secs(2), one.links.shutdown()).await;
    assert!(stopped.is_ok());
}
