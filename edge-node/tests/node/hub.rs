//! A gate and what comes from the hub's side of a link: heartbeats believed and not believed, facts applied.

use sync_protocol::changeset::{Signature, Signer as _};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::fact::Direction;
use sync_protocol::id::NodeId;
use sync_protocol::time::Stamp;
use sync_protocol::wire::{Frame, Heartbeat, Hello};
use sync_shell::links::{LinkEvent, Links, LinksConfig};
use tokio::sync::mpsc;

use edge_node::run::Gate;

use crate::support::{LIMIT, Town, card, secret, shared, until, wait_for};

/// The hub's end of links, worked by hand.
struct HubEnd {
    links: Links,
    events: mpsc::Receiver<LinkEvent>,
}

impl HubEnd {
    fn new(town: &Town) -> HubEnd {
        let (events, heard) = mpsc::channel(64);
        let config = LinksConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            keys: shared(town.keys(NodeId::HUB, None)),
            admits: std::sync::Arc::new(|_| true),
            seed: 1,
        };
        HubEnd {
            links: Links::start(config, events).unwrap(),
            events: heard,
        }
    }

    /// Waits for a gate and says Hello to it.
    async fn meet(&mut self) -> NodeId {
        let met = async {
            loop {
                if let Some(LinkEvent::Connected { peer, .. }) = self.events.recv().await {
                    return peer.node;
                }
            }
        };
        let gate = tokio::time::timeout(LIMIT, met).await.unwrap();
        let hello = Hello {
            node: NodeId::HUB,
            terminal: None,
            schema_version: 1,
            schema_hash: [0; 32],
        };
        self.links.send(&[gate], &Frame::Hello(hello));
        gate
    }
}

fn beat(t_ms: i64, secret: &[u8; 32]) -> Heartbeat {
    let signer = Ed25519Signer::from_secret(secret);
    let mut beat = Heartbeat {
        node: NodeId::HUB,
        key: signer.public_key(),
        sites: Vec::new(),
        t: Stamp::at_ms(t_ms),
        signature: Signature([0; 64]),
    };
    beat.signature = signer.sign(&beat.signed_message());
    beat
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_hubs_own_heartbeat_makes_knowledge_fresh() {
    let town = Town::new();
    let mut hub = HubEnd::new(&town);
    let mut config = town.config(1, &[]);
    config.sync.hub = Some(hub.links.local_address().to_string());
    let gate = Gate::start(config).await.unwrap();
    assert!(
        gate.snapshot().await.unwrap().age_ms > 24 * 3_600_000,
        "unknown after a start"
    );
    let peer = hub.meet().await;

    let forged = beat(town.now_ms, &[66; 32]);
    let mut tampered = beat(town.now_ms, &secret(NodeId::HUB));
    tampered.t = Stamp::at_ms(town.now_ms + 1_000);
    hub.links
        .send(&[peer], &Frame::Heartbeats(vec![forged, tampered]));
    let refused = |snapshot: &Option<edge_node::node::Snapshot>| {
        snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.mishaps.beats_refused == 2)
    };
    let snapshot = wait_for("both are refused", || gate.snapshot(), refused)
        .await
        .unwrap();
    assert!(snapshot.age_ms > 24 * 3_600_000);
    assert_eq!(snapshot.hub_heard_ms, None);

    // The key is known from the link's certificate: no site of the hub has been seen.
    let genuine = beat(town.now_ms, &secret(NodeId::HUB));
    hub.links.send(&[peer], &Frame::Heartbeats(vec![genuine]));
    let heard = |snapshot: &Option<edge_node::node::Snapshot>| {
        snapshot
            .as_ref()
            .is_some_and(|snapshot| snapshot.hub_heard_ms.is_some())
    };
    let snapshot = wait_for("the hub is heard", || gate.snapshot(), heard)
        .await
        .unwrap();
    assert!(snapshot.age_ms < 5_000, "{}", snapshot.age_ms);
    assert_eq!(snapshot.hub_ms, Some(town.now_ms));
    gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_hub_states_is_applied_and_limits_follow_the_fares() {
    let town = Town::new();
    let mut hub = HubEnd::new(&town);
    let mut config = town.config(1, &[]);
    config.sync.hub = Some(hub.links.local_address().to_string());
    let gate = Gate::start(config).await.unwrap();
    let denied = gate.tap(card(1), Some(Direction::Entry)).await.unwrap();
    assert_eq!(denied.reason(), "NO_FARE");
    let peer = hub.meet().await;
    let [decided, settled] = town.stated();
    let (site, settled_site) = (decided.site, settled.site);
    hub.links
        .send(&[peer], &Frame::Changesets(vec![decided, settled]));
    until(&mut gate.heads(), |heads| {
        heads.contains_key(&site) && heads.contains_key(&settled_site)
    })
    .await;
    let answer = gate.tap(card(1), Some(Direction::Entry)).await.unwrap();
    assert!(answer.opens, "{answer:?}");
    assert_eq!(answer.hold.to_string(), "12000.00");
    assert_eq!(answer.balance.unwrap().to_string(), "50000.00");
    gate.stop().await.unwrap();
}
