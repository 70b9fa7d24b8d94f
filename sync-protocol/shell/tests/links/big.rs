//! Large frames arrive whole, and small ones do not wait behind them.

use sync_protocol::id::NodeId;
use sync_protocol::wire::{FRAME_BYTES_MAX, Frame};
use sync_shell::links::LinkEvent;

use super::support::{Installation, Node, any_port, changesets, digest, everybody, linked_pair, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_all_sizes_arrive_as_they_were_sent() {
    let installation = Installation::new(9);
    let (one, mut other) = linked_pair(&installation).await;
    let sizes = [0, 1, 1_000, 16 << 10, 17 << 10, 100_000, FRAME_BYTES_MAX - 1_000];
    for bytes in sizes {
        let frame = changesets(bytes);
        one.links.send(&[NodeId(2)], &frame);
        match other.next().await {
            LinkEvent::Frame {
                peer,
                frame: received,
                bytes,
            } => {
                assert_eq!((peer, received.unwrap()), (NodeId(1), frame.clone()));
                assert_eq!(bytes, frame.encode().len());
            }
            other => panic!("{other:?}"),
        }
    }
    let [sent, received] = [&one.links.stats()[0], &other.links.stats()[0]];
    assert_eq!(received.frames_in, sizes.len() as u64);
    assert_eq!(
        (sent.frames_out, sent.bytes_out),
        (received.frames_in, received.bytes_in)
    );
    assert_eq!(sent.bytes_queued, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_too_large_for_any_peer_is_not_sent() {
    let installation = Installation::new(9);
    let (one, mut other) = linked_pair(&installation).await;
    one.links.send(&[NodeId(2)], &changesets(FRAME_BYTES_MAX + 1));
    one.links.send(&[NodeId(2)], &digest(1));
    assert_eq!(other.frame().await, (NodeId(1), digest(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_frame_overtakes_a_backlog() {
    const BACKLOG: usize = 4;
    let installation = Installation::new(9);
    let mut one = installation.node(1);
    // Room for one event, and nobody takes any: one large frame fills it, the next one waits for room.
    let mut other = Node::start_with_events(installation.keys(2), any_port(), everybody(), 1);
    one.dial(&[other.address()]);
    other.connected().await;
    one.connected().await;
    let frames_in = |frames| {
        other
            .links
            .stats()
            .first()
            .is_some_and(|link| link.frames_in == frames)
    };
    for _ in 0..BACKLOG {
        one.links.send(&[NodeId(2)], &changesets(800_000));
    }
    until("the backlog is stuck", || frames_in(2)).await;
    one.links.send(&[NodeId(2)], &digest(1));
    until("the small frame has come", || frames_in(3)).await;
    let mut before = 0;
    while let (_, Frame::Changesets(_)) = other.frame().await {
        before += 1;
    }
    assert!(before <= 2, "{before} large frames came before the small one");
    for _ in before..BACKLOG {
        other.frame().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_frames_of_many_threads_all_arrive() {
    const THREADS: u32 = 4;
    const FRAMES: u32 = 500;
    let installation = Installation::new(9);
    let (one, mut other) = linked_pair(&installation).await;
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let links = one.links.clone();
            // Threads that know nothing of a runtime, as a gate's writer.
            std::thread::spawn(move || {
                for number in 0..FRAMES {
                    links.send(&[NodeId(2)], &digest(thread * FRAMES + number));
                }
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for _ in 0..THREADS * FRAMES {
        match other.frame().await {
            (_, Frame::HaveDigest(digest)) => {
                numbers.push(u32::from_le_bytes(digest[..4].try_into().unwrap()));
            }
            other => panic!("{other:?}"),
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for thread in 0..THREADS {
        let of_thread = numbers.iter().filter(|number| *number / FRAMES == thread);
        assert!(of_thread.is_sorted(), "one thread's frames keep their order");
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..THREADS * FRAMES));
    until("nothing is left", || one.links.stats()[0].bytes_queued == 0).await;
}
