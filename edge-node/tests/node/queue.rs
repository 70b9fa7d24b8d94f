//! A flood of taps: bounded, refused with a reason, and nobody who was taken is forgotten.

use std::sync::mpsc::{Receiver, sync_channel};

use edge_node::answer::Answer;
use edge_node::barrier::Barrier;
use edge_node::run::{Gate, Surroundings, TapRefusal};
use edge_node::writer::TAP_QUEUE_MAX;
use sync_protocol::fact::Direction;

use crate::support::{Town, card, wait_for};

/// A barrier that holds the writer up until it is let go.
struct Stuck {
    go: Receiver<()>,
    held: bool,
}

impl Barrier for Stuck {
    fn tell(&mut self, _: &Answer) {
        if self.held {
            self.go.recv().unwrap();
            self.held = false;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taps_beyond_the_queue_are_turned_away_and_all_others_answered() {
    let mut town = Town::new();
    let config = town.config(1, &[]);
    town.stock(&config);
    let (let_go, go) = sync_channel(1);
    let barrier = Box::new(Stuck { go, held: true });
    let gate = Gate::start_in(config, Surroundings::system().with_barrier(barrier))
        .await
        .unwrap();
    let tap = |number: u32| {
        let taps = gate.taps().clone();
        tokio::spawn(async move { taps.tap(card(number), Some(Direction::Exit)).await })
    };
    let first = tap(0);
    // The writer has taken the first tap, and stands at the barrier.
    wait_for(
        "the writer takes the tap",
        || async { gate.taps().waiting() },
        |waiting| *waiting == 0,
    )
    .await;
    let asked: Vec<_> = (0..TAP_QUEUE_MAX as u32 + 500).map(tap).collect();
    let is_full = |waiting: &usize| *waiting == TAP_QUEUE_MAX;
    wait_for("a full queue", || async { gate.taps().waiting() }, is_full).await;
    let mut others = Vec::new();
    let mut busy = 0;
    for tap in asked {
        if tap.is_finished() {
            assert_eq!(tap.await.unwrap().unwrap_err(), TapRefusal::Busy);
            busy += 1;
        } else {
            others.push(tap);
        }
    }
    let_go.send(()).unwrap();
    assert!(first.await.unwrap().unwrap().fact.is_some());
    let mut answered = 0;
    for tap in others {
        match tap.await.unwrap() {
            Ok(answer) => answered += u32::from(answer.opens),
            Err(refusal) => {
                assert_eq!(refusal, TapRefusal::Busy);
                busy += 1;
            }
        }
    }
    assert!(
        answered as usize >= TAP_QUEUE_MAX,
        "{answered} answered, {busy} turned away"
    );
    assert!(busy > 0);
    gate.stop().await.unwrap();
}
