//! A link on which only one direction works.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sync_protocol::id::NodeId;
use tokio::net::UdpSocket;

use super::support::{Installation, any_port, digest};

/// Carries datagrams between whoever dials it and a node, each direction as long as it is switched on.
struct Relay {
    address: SocketAddr,
    towards: Arc<AtomicBool>,
    back: Arc<AtomicBool>,
}

impl Relay {
    async fn to(node: SocketAddr) -> Relay {
        let front = Arc::new(UdpSocket::bind(any_port()).await.unwrap());
        let rear = Arc::new(UdpSocket::bind(any_port()).await.unwrap());
        rear.connect(node).await.unwrap();
        let [towards, back] = [(); 2].map(|()| Arc::new(AtomicBool::new(true)));
        let address = front.local_addr().unwrap();
        tokio::spawn(carry(
            Arc::clone(&front),
            Arc::clone(&rear),
            Arc::clone(&towards),
            Arc::clone(&back),
        ));
        Relay {
            address,
            towards,
            back,
        }
    }
}

async fn carry(front: Arc<UdpSocket>, rear: Arc<UdpSocket>, towards: Arc<AtomicBool>, back: Arc<AtomicBool>) {
    let [mut there, mut here] = [[0; 2_048]; 2];
    let mut dialler = None;
    loop {
        // A datagram that cannot be passed on is a lost one.
        tokio::select! {
            Ok((length, from)) = front.recv_from(&mut there) => {
                dialler = Some(from);
                if towards.load(Ordering::SeqCst) {
                    let _ = rear.send(&there[..length]).await;
                }
            }
            Ok(length) = rear.recv(&mut here) => {
                if let Some(dialler) = dialler.filter(|_| back.load(Ordering::SeqCst)) {
                    let _ = front.send_to(&here[..length], dialler).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_works_one_way_only_is_cut_at_both_ends_within_five_seconds_and_comes_back() {
    for dialler_is_deaf in [true, false] {
        let installation = Installation::new(9);
        let [mut one, mut other] = [installation.node(1), installation.node(2)];
        let relay = Relay::to(other.address()).await;
        one.dial(&[relay.address]);
        one.connected().await;
        other.connected().await;
        let direction = if dialler_is_deaf {
            &relay.back
        } else {
            &relay.towards
        };
        direction.store(false, Ordering::SeqCst);
        let cut = async {
            let [a, b] = [one.disconnected().await.1, other.disconnected().await.1];
            assert!(
                a.contains("nothing heard") && b.contains("nothing heard"),
                "{a}; {b}"
            );
        };
        tokio::time::timeout(Duration::from_millis(6_000), cut)
            .await
            .unwrap();
        direction.store(true, Ordering::SeqCst);
        assert_eq!(one.connected().await.node, NodeId(2));
        assert_eq!(other.connected().await.node, NodeId(1));
        other.links.send(&[NodeId(1)], &digest(5));
        assert_eq!(one.frame().await, (NodeId(2), digest(5)));
    }
}
