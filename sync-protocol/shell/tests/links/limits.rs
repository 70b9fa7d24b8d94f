//! What peers may not do, and what happens when they are slow.

use std::time::Duration;

use quinn::{Connection, SendStream, VarInt};
use sync_protocol::id::NodeId;
use sync_protocol::wire::{FRAME_BYTES_MAX, Frame, WireError};
use sync_shell::links::LinkEvent;
use sync_shell::links::limits::{CONNECTION_WINDOW_BYTES, QUEUE_BYTES_MAX, SEND_WINDOW_BYTES};

use super::raw::RawPeer;
use super::support::{Installation, LIMIT, Node, any_port, changesets, digest, everybody, until};

async fn write(stream: &mut SendStream, frame: &[u8]) {
    stream
        .write_all(&u32::try_from(frame.len()).unwrap().to_le_bytes())
        .await
        .unwrap();
    stream.write_all(frame).await.unwrap();
}

async fn told_why(connection: &Connection) -> String {
    tokio::time::timeout(LIMIT, connection.closed())
        .await
        .unwrap()
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_cannot_be_read_are_handed_over_as_errors_and_the_link_stands() {
    let installation = Installation::new(9);
    let mut node = installation.node(1);
    let mut peer = RawPeer::link(&installation, 2, node.address()).await;
    assert_eq!(node.connected().await.node, NodeId(2));
    write(&mut peer.live, &[]).await;
    write(&mut peer.live, &[9, 9]).await;
    write(&mut peer.live, &[1, 200]).await;
    write(&mut peer.bulk, &digest(1).encode()).await;
    let mut errors = Vec::new();
    let mut frames = 0;
    while errors.len() + frames < 4 {
        match node.next().await {
            LinkEvent::Frame { frame: Ok(_), .. } => frames += 1,
            LinkEvent::Frame {
                frame: Err(error), ..
            } => errors.push(error),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        errors,
        [
            WireError::Empty,
            WireError::Version(9),
            WireError::UnknownKind(200)
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_longer_than_any_may_be_closes_the_link() {
    let installation = Installation::new(9);
    let mut node = installation.node(1);
    let mut peer = RawPeer::link(&installation, 2, node.address()).await;
    node.connected().await;
    let length = u32::try_from(FRAME_BYTES_MAX).unwrap() + 1;
    peer.live.write_all(&length.to_le_bytes()).await.unwrap();
    let (_, reason) = node.disconnected().await;
    assert!(
        reason.contains("a frame of 1048577 bytes: at most 1048576"),
        "{reason}"
    );
    assert!(
        told_why(&peer.connection)
            .await
            .contains("a frame of 1048577 bytes")
    );
    assert_eq!(node.links.refusals().faults, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_given_up_or_cut_short_closes_the_link() {
    let installation = Installation::new(9);
    for fault in 0..4 {
        let mut node = installation.node(1);
        let mut peer = RawPeer::link(&installation, 2, node.address()).await;
        node.connected().await;
        match fault {
            0 => peer.live.reset(VarInt::from_u32(7)).unwrap(),
            1 => peer.incoming_live.stop(VarInt::from_u32(7)).unwrap(),
            2 => {
                peer.bulk.write_all(&[10, 0, 0, 0, 1, 2]).await.unwrap();
                peer.bulk.finish().unwrap();
            }
            _ => peer.bulk.finish().unwrap(),
        }
        node.links.send(&[NodeId(2)], &digest(1));
        let (_, reason) = node.disconnected().await;
        assert!(reason.contains("stream"), "{fault}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_do_not_begin_as_they_must_make_no_link() {
    let installation = Installation::new(9);
    let mut node = installation.node(3);
    let beginnings: [[u8; 17]; 3] = [[0; 17], [2; 17], [0xff; 17]];
    for (number, beginning) in (1..).zip(beginnings) {
        let peer = RawPeer::connect(&installation, 2, node.address()).await;
        let mut stream = peer.open_uni().await.unwrap();
        stream.write_all(&beginning).await.unwrap();
        stream.finish().unwrap();
        assert!(
            told_why(&peer)
                .await
                .contains("a stream does not begin as it must")
        );
        until("it is counted", || node.links.refusals().faults == number).await;
    }
    node.assert_quiet();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_begins_is_closed() {
    let installation = Installation::new(9);
    let mut node = installation.node(3);
    let peer = RawPeer::connect(&installation, 2, node.address()).await;
    assert!(told_why(&peer).await.contains("no link within 5 s"));
    node.assert_quiet();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_may_not_open_more_streams() {
    let installation = Installation::new(9);
    let mut node = installation.node(1);
    let peer = RawPeer::link(&installation, 2, node.address()).await;
    node.connected().await;
    for _ in 0..2 {
        let opened = tokio::time::timeout(Duration::from_millis(200), peer.connection.open_uni()).await;
        assert!(opened.is_err(), "a third stream");
    }
    let opened = tokio::time::timeout(Duration::from_millis(200), peer.connection.open_bi()).await;
    assert!(opened.is_err(), "a stream both ways");
    assert!(peer.connection.max_datagram_size().is_none(), "datagrams");
    node.assert_quiet();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_gets_a_bounded_queue_and_the_rest_is_dropped_and_counted() {
    const FRAMES: u64 = 64;
    let installation = Installation::new(9);
    let mut node = installation.node(1);
    let peer = RawPeer::link(&installation, 2, node.address()).await;
    node.connected().await;
    let frame = changesets(500_000);
    for _ in 0..FRAMES {
        node.links.send(&[NodeId(2)], &frame);
    }
    let stats = || node.links.stats().remove(0);
    assert!(stats().bytes_queued <= QUEUE_BYTES_MAX);
    assert!(stats().frames_dropped > 0);
    // At most what is queued and what QUIC holds for the peer was not dropped.
    let kept_max = (QUEUE_BYTES_MAX as u64 + SEND_WINDOW_BYTES) / 500_000 + 1;
    assert!(stats().frames_dropped >= FRAMES - kept_max, "{:?}", stats());
    // What is small still gets through.
    let before = stats();
    node.links.send(&[NodeId(2)], &digest(1));
    until("the small frame went out", || {
        stats().frames_out > before.frames_out
    })
    .await;
    assert_eq!(stats().frames_dropped, before.frames_dropped);
    drop(peer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_does_not_take_its_events_makes_the_peer_wait() {
    let installation = Installation::new(9);
    let mut slow = Node::start_with_events(installation.keys(1), any_port(), everybody(), 1);
    let mut fast = installation.node(2);
    fast.dial(&[slow.address()]);
    fast.connected().await;
    slow.connected().await;
    let frame = changesets(100_000);
    let mut accepted = 0;
    until("the sender drops", || {
        fast.links.send(&[NodeId(1)], &frame);
        accepted += 1;
        fast.links
            .stats()
            .first()
            .is_some_and(|link| link.frames_dropped > 0)
    })
    .await;
    let frame_bytes = frame.encode().len() as u64;
    let received = slow.links.stats()[0].bytes_in;
    let in_memory_max = u64::from(CONNECTION_WINDOW_BYTES) + 3 * frame_bytes;
    assert!(
        received <= in_memory_max,
        "{received} bytes were taken in without a consumer"
    );
    // It was alive all the while, and takes everything that was not dropped.
    let sent = accepted - fast.links.stats()[0].frames_dropped;
    for _ in 0..sent {
        assert!(matches!(slow.frame().await, (NodeId(2), Frame::Changesets(_))));
    }
    fast.links.send(&[NodeId(1)], &digest(3));
    assert_eq!(slow.frame().await, (NodeId(2), digest(3)));
}
