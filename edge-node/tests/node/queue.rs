//! A flood of taps: bounded, refused with a reason, and nobody who was taken is forgotten.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use edge_node::answer::Answer;
use edge_node::barrier::Barrier;
use edge_node::run::{Gate, Surroundings, TapRefusal};
use edge_node::writer::TAP_QUEUE_MAX;
use sync_protocol::fact::Direction;

use crate::support::{LIMIT, Town, card, wait_for};

/// Taps beyond the room there is.
const BEYOND: u32 = 500;

/// A barrier that holds the writer up until it is let go.
struct Stuck {
    reached: Option<SyncSender<()>>,
    go: Receiver<()>,
}

impl Barrier for Stuck {
    fn tell(&mut self, _: &Answer) {
        if let Some(reached) = self.reached.take() {
            reached.send(()).unwrap();
            self.go.recv().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taps_beyond_the_queue_are_turned_away_and_all_others_answered() {
    let mut town = Town::new();
    let config = town.config(1, &[]);
    town.stock(&config);
    let (let_go, go) = sync_channel(1);
    let (reached, at_barrier) = sync_channel(1);
    let reached = Some(reached);
    let barrier = Box::new(Stuck { reached, go });
    let gate = Gate::start_in(config, Surroundings::system().with_barrier(barrier))
        .await
        .unwrap();
    let tap = |number: u32| {
        let taps = gate.taps().clone();
        tokio::spawn(async move { taps.tap(card(number), Some(Direction::Exit)).await })
    };
    let first = tap(0);
    tokio::task::spawn_blocking(move || at_barrier.recv_timeout(LIMIT))
        .await
        .unwrap()
        .unwrap();
    let asked: Vec<_> = (0..TAP_QUEUE_MAX as u32 + BEYOND).map(tap).collect();
    let turned_away = || {
        let ended = asked.iter().filter(|tap| tap.is_finished()).count();
        std::future::ready(ended)
    };
    wait_for("those beyond are turned away", turned_away, |ended| {
        *ended == BEYOND as usize
    })
    .await;
    assert_eq!(gate.taps().waiting(), TAP_QUEUE_MAX);
    let_go.send(()).unwrap();
    assert!(first.await.unwrap().unwrap().fact.is_some());
    let (mut answered, mut busy) = (0, 0);
    for tap in asked {
        match tap.await.unwrap() {
            Ok(answer) => answered += usize::from(answer.opens && answer.fact.is_some()),
            Err(refusal) => {
                assert_eq!(refusal, TapRefusal::Busy);
                busy += 1;
            }
        }
    }
    assert_eq!((answered, busy), (TAP_QUEUE_MAX, BEYOND as usize));
    gate.stop().await.unwrap();
}
