//! Certificates on request, over real QUIC: who is answered, who is believed, and what opens links.

use std::sync::{Arc, Mutex};

use super::support::{Installation, Node, any_port, digest, everybody, now_ms, until};
use sync_protocol::id::NodeId;
use sync_protocol::time::DAY_MS;
use sync_shell::certify::{
    Answering, Applicant, AskError, Certificates, Certifier, Enrolment, Refused, Request, Who, ask,
};
use sync_shell::identity::{Authority, Fingerprint, Newcomer, NodeKeys};
use sync_shell::links::{Links, LinksConfig};
use tokio::sync::mpsc;

type Asked = Arc<Mutex<Vec<(Applicant, Request)>>>;

/// A hub that certifies whoever asks as gate 2 of terminal A, and keeps what it was asked.
fn hub(installation: &Installation) -> (Node, Asked, Arc<Authority>) {
    let authority = Arc::new(Authority::load(&installation.folder().join("ca")).unwrap());
    let asked = Asked::default();
    let (issuing, keeping) = (Arc::clone(&authority), Arc::clone(&asked));
    let certifier: Certifier = Arc::new(move |applicant: Applicant, request| -> Answering {
        let now_ms = now_ms();
        let terminal = Some("A".parse().unwrap());
        let certified = issuing.certify(
            NodeId(2),
            terminal,
            &applicant.key,
            now_ms - DAY_MS,
            now_ms + DAY_MS,
        );
        let certificates = Certificates {
            certificate: certified.unwrap().pem,
            authority: issuing.certificate_pem().to_owned(),
        };
        keeping.lock().unwrap().push((applicant, request));
        Box::pin(async move { Ok(certificates) })
    });
    let (sender, events) = mpsc::channel(1_024);
    let config = LinksConfig {
        listen: any_port(),
        keys: installation.keys(0),
        admits: everybody(),
        seed: 77,
    };
    let links = Links::start_certifying(config, certifier, sender).unwrap();
    (Node { links, events }, asked, authority)
}

fn enrolment() -> Request {
    let terminal = "A".parse().unwrap();
    Request::Enrol(Enrolment::new(
        [9; 32],
        NodeId(2),
        terminal,
        "A-EXIT-01".parse().unwrap(),
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_gets_a_certificate_for_its_key_and_links_with_it() {
    let installation = Installation::new(9);
    let (mut hub, asked, authority) = hub(&installation);
    let newcomer = Newcomer::new([5; 32], now_ms()).unwrap();
    let address = hub.address().to_string();
    let who = Who::Newcomer(&newcomer, authority.fingerprint());
    let certificates = ask(&address, who, &enrolment()).await.unwrap();
    {
        let asked = asked.lock().unwrap();
        assert_eq!(
            (asked[0].0.key, &asked[0].1),
            (newcomer.public_key(), &enrolment())
        );
    }
    let folder = installation.folder().join("new");
    let (certificate, of) = (&certificates.certificate, &certificates.authority);
    let strange = newcomer.settle(&folder, certificate, of, Fingerprint([0; 32]), false);
    assert!(strange.is_err() && !folder.exists());
    newcomer
        .settle(&folder, certificate, of, authority.fingerprint(), false)
        .unwrap();
    let gate = Node::start(
        Arc::new(NodeKeys::load(&folder).unwrap()),
        any_port(),
        everybody(),
    );
    gate.dial(&[hub.address()]);
    assert_eq!(hub.connected().await.key, newcomer.public_key());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_of_another_authority_is_told_nothing() {
    let [here, elsewhere] = [Installation::new(9), Installation::new(8)];
    let (hub, asked, _) = hub(&elsewhere);
    let expected = here.keys(1).authority_fingerprint();
    let newcomer = Newcomer::new([5; 32], now_ms()).unwrap();
    let who = Who::Newcomer(&newcomer, expected);
    let refused = ask(&hub.address().to_string(), who, &enrolment())
        .await
        .unwrap_err();
    assert!(matches!(refused, AskError::Stranger { .. }), "{refused}");
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_says_it_is_the_hub_is_told_nothing() {
    let installation = Installation::new(9);
    let gate = installation.node(1);
    let keys = installation.keys(2);
    let refused = ask(&gate.address().to_string(), Who::Node(&keys), &Request::Renew).await;
    // It does not even speak the protocol.
    assert!(refused.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_renews_and_opens_no_link() {
    let installation = Installation::new(9);
    let (mut hub, asked, _) = hub(&installation);
    let expired = installation.keys_valid(2, -2 * DAY_MS, -DAY_MS);
    let gate = Node::start(Arc::clone(&expired), any_port(), everybody());
    gate.dial(&[hub.address()]);
    until("the link is refused", || hub.links.refusals().certificates > 0).await;
    hub.assert_quiet();
    let address = hub.address().to_string();
    let certificates = ask(&address, Who::Node(&expired), &Request::Renew).await.unwrap();
    assert_eq!(asked.lock().unwrap()[0].0.certificate, expired.certificate());
    // The new one is used without a restart.
    let folder = installation.folder().join("2");
    let renewed = expired.renew(&folder, &certificates.certificate).unwrap();
    assert!(renewed.expires_at_ms() > now_ms());
    gate.links.reload(&renewed).unwrap();
    assert_eq!(hub.connected().await.node, NodeId(2));
    assert!(
        gate.links.reload(&installation.keys(1)).is_err(),
        "another node's certificate is used"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_drops_no_link() {
    let installation = Installation::new(9);
    let (mut hub, _, authority) = hub(&installation);
    let keys = installation.keys(2);
    let gate = Node::start(Arc::clone(&keys), any_port(), everybody());
    gate.dial(&[hub.address()]);
    hub.connected().await;
    let (from, to) = (now_ms() - DAY_MS, now_ms() + 9 * DAY_MS);
    let next = authority.certify(
        NodeId(2),
        Some("A".parse().unwrap()),
        &keys.identity().key,
        from,
        to,
    );
    let renewed = keys
        .renew(&installation.folder().join("2"), &next.unwrap().pem)
        .unwrap();
    gate.links.reload(&renewed).unwrap();
    gate.links.send(&[NodeId(0)], &digest(3));
    assert_eq!(hub.frame().await, (NodeId(2), digest(3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_told_in_its_words() {
    let installation = Installation::new(9);
    let certifier: Certifier = Arc::new(|_, request| -> Answering {
        Box::pin(async move {
            match request {
                Request::Renew => Err(Refused::ForNow("no\u{1b}key".to_owned())),
                Request::Enrol(_) => Err(Refused::Finally("used".to_owned())),
            }
        })
    });
    let (sender, _events) = mpsc::channel(16);
    let config = LinksConfig {
        listen: any_port(),
        keys: installation.keys(0),
        admits: everybody(),
        seed: 78,
    };
    let links = Links::start_certifying(config, certifier, sender).unwrap();
    let address = links.local_address().to_string();
    let keys = installation.keys(2);
    let renewed = ask(&address, Who::Node(&keys), &Request::Renew).await;
    assert!(matches!(renewed, Err(AskError::NotNow(reason)) if reason == "no key"));
    let enrolled = ask(&address, Who::Node(&keys), &enrolment()).await;
    assert!(matches!(enrolled, Err(AskError::Refused(reason)) if reason == "used"));
}
