//! The writer: the one thread that owns a gate's database and sync engine, and the queues that lead to it.
//!
//! It waits on a tokio runtime of its own without I/O, which parks the thread on a condition variable, and takes the
//! bounded tokio channels that links and HTTP speak anyway. A mailbox of its own under a `Condvar` gains nothing: there
//! and back between this thread and a task of HTTP took 45.2 us (p50) by tokio's channels and 44.6 us by a mailbox, on
//! two cores; both are the price of waking two threads.
//!
//! Each turn: the taps that wait, one commit for all and their answers; then what came over the links; then one piece
//! of other work. So a tap waits for one piece of work at most, and a flood of taps starves nobody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sync_protocol::changeset::Trust;
use sync_protocol::id::{Seq, SiteId};
use sync_shell::links::{LinkEvent, Links};
use tokio::sync::{mpsc, oneshot, watch};

use crate::answer::Answer;
use crate::barrier::Barrier;
use crate::clock::{Clock, Moment};
use crate::metrics::Metrics;
use crate::node::quiet::Quiet;
use crate::node::{Effect, Input, Node, Snapshot, Tapped};
use crate::store::{GROUP_TAPS_MAX, Retried, StoreError};

/// Most taps in the queue; further ones are turned away.
pub const TAP_QUEUE_MAX: usize = 1_024;
/// Most link events in the queue; links wait behind it, which slows their peers down. A frame is 1 MiB at most.
pub const EVENT_QUEUE_MAX: usize = 64;
/// Most questions in the queue.
pub const CONTROL_QUEUE_MAX: usize = 16;
/// Most lines a minute about links that come and go.
const LINK_LINES_MAX: u32 = 120;
/// Most link events taken between two looks at the taps.
const EVENTS_PER_TURN_MAX: usize = 16;

/// Up to where other nodes' logs are durable here.
pub type Heads = BTreeMap<SiteId, Seq>;

/// A tap on its way to the writer.
#[derive(Debug)]
pub struct TapRequest {
    /// The card.
    pub tapped: Tapped,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Answer>,
}

/// A question or an order.
#[derive(Debug)]
pub enum Control {
    /// How does the node stand?
    Snapshot(oneshot::Sender<Snapshot>),
    /// Try so many changes of the quarantine again.
    RetryQuarantine(usize, oneshot::Sender<Result<Retried, StoreError>>),
    /// Take no more taps, answer those in the queue, make everything durable, and end.
    Stop,
}

/// What the writer takes from others.
pub struct Queues {
    /// Cards presented.
    pub taps: mpsc::Receiver<TapRequest>,
    /// What happened on the links.
    pub events: mpsc::Receiver<LinkEvent>,
    /// Questions and orders.
    pub controls: mpsc::Receiver<Control>,
}

/// The writer's thread.
pub struct Writer<T> {
    node: Node<T>,
    clock: Clock,
    queues: Queues,
    links: Links,
    barrier: Box<dyn Barrier>,
    metrics: Arc<Metrics>,
    heads: watch::Sender<Heads>,
    waiting: VecDeque<TapRequest>,
    effects: Vec<Effect>,
    quiet: Quiet,
    stopping: bool,
}

impl<T: Trust> Writer<T> {
    /// A writer that has not begun.
    pub fn new(
        node: Node<T>,
        clock: Clock,
        queues: Queues,
        links: Links,
        barrier: Box<dyn Barrier>,
        metrics: Arc<Metrics>,
        heads: watch::Sender<Heads>,
    ) -> Writer<T> {
        Writer {
            node,
            clock,
            queues,
            links,
            barrier,
            metrics,
            heads,
            waiting: VecDeque::new(),
            effects: Vec::new(),
            quiet: Quiet::of(LINK_LINES_MAX),
            stopping: false,
        }
    }

    /// Works until it is told to stop, or until the disk fails to confirm a commit: then the file must be opened anew,
    /// by a new process. On the calling thread.
    ///
    /// # Errors
    /// The disk failed, or the database could not be closed in order. Every answered tap is durable nevertheless.
    ///
    /// # Panics
    /// The system gives no runtime without I/O, which needs nothing from it.
    pub fn run(mut self) -> Result<(), StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime without I/O needs nothing from the system");
        runtime.block_on(async {
            while !self.stopping && !self.node.store().is_unsynced() {
                if !self.turn() {
                    self.wait().await;
                }
            }
        });
        self.end()
    }

    /// One turn. Returns whether there was something to do.
    fn turn(&mut self) -> bool {
        self.take_taps(GROUP_TAPS_MAX);
        let tapped = self.decide();
        let now = self.clock.now();
        if self.node.is_beat_due(now) {
            // A heartbeat promises that everything before it is stated: what waits must be known.
            self.take_taps(TAP_QUEUE_MAX);
        }
        let oldest_ms = self.waiting.iter().map(|request| request.tapped.at_ms).min();
        let beaten = self.node.beat(now, oldest_ms, &mut self.effects);
        let heard = self.take_events(now);
        let worked = self.node.step(now, &mut self.effects);
        self.carry_out(now);
        let asked = match self.queues.controls.try_recv() {
            Ok(control) => {
                self.control(now, control);
                true
            }
            Err(_) => false,
        };
        tapped || beaten || heard || worked || asked
    }

    fn take_taps(&mut self, count_max: usize) {
        while self.waiting.len() < count_max
            && let Ok(request) = self.queues.taps.try_recv()
        {
            self.waiting.push_back(request);
        }
    }

    /// Decides and commits one group, then tells barriers and askers.
    fn decide(&mut self) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let count = self.waiting.len().min(GROUP_TAPS_MAX);
        let group: Vec<TapRequest> = self.waiting.drain(..count).collect();
        let tapped: Vec<Tapped> = group.iter().map(|request| request.tapped).collect();
        let begun = self.clock.now();
        let answers = self.node.taps(begun, &tapped);
        for (request, answer) in group.into_iter().zip(&answers) {
            self.barrier.tell(answer);
            // Whoever asked may have gone; the tap stands all the same.
            let _ = request.answer.send(*answer);
        }
        let took_us = self.clock.now().monotonic_us - begun.monotonic_us;
        self.metrics.committed(&answers, took_us);
        true
    }

    fn take_events(&mut self, now: Moment) -> bool {
        let mut any = false;
        for _ in 0..EVENTS_PER_TURN_MAX {
            let Ok(event) = self.queues.events.try_recv() else {
                break;
            };
            any = true;
            self.event(now, event);
        }
        any
    }

    fn event(&mut self, now: Moment, event: LinkEvent) {
        self.tell_link(now, &event);
        let input = match event {
            LinkEvent::Connected { peer, .. } => Input::Connected {
                peer: peer.node,
                key: peer.key,
            },
            LinkEvent::Disconnected { peer, .. } => Input::Disconnected { peer },
            LinkEvent::Frame { peer, frame, .. } => Input::Frame { peer, frame },
        };
        self.node.handle(now, input, &mut self.effects);
    }

    /// Writes to the log that a link came or went.
    fn tell_link(&mut self, now: Moment, event: &LinkEvent) {
        if matches!(event, LinkEvent::Frame { .. }) || !self.quiet.may_speak(now.monotonic_ms()) {
            return;
        }
        match event {
            LinkEvent::Connected { peer, address } => tracing::info!(%peer, %address, "linked"),
            LinkEvent::Disconnected { peer, reason } => tracing::info!(%peer, reason, "link lost"),
            LinkEvent::Frame { .. } => {}
        }
    }

    fn control(&mut self, now: Moment, control: Control) {
        match control {
            Control::Snapshot(answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(self.node.snapshot(now));
            }
            Control::RetryQuarantine(count_max, answer) => {
                let _ = answer.send(self.node.retry_quarantine(now, count_max));
            }
            Control::Stop => self.stopping = true,
        }
    }

    /// Does what the node put out.
    fn carry_out(&mut self, now: Moment) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send { to, frame } => self.links.send(&to, &frame),
                Effect::Close { peer, reason } => {
                    if self.quiet.may_speak(now.monotonic_ms()) {
                        tracing::warn!(%peer, %reason, "link closed");
                    }
                    self.links.close(peer, &reason.to_string());
                }
                Effect::Targets(targets) => self.links.set_targets(targets),
                Effect::Copied { took_us } => self.metrics.copied(took_us),
                Effect::Revoked(keys) => self.links.set_revoked(keys),
                Effect::Advanced { site, head } => {
                    self.heads.send_modify(|heads| {
                        heads.insert(site, head.seq);
                    });
                }
            }
        }
    }

    /// Waits until something comes or is due.
    async fn wait(&mut self) {
        let now_us = self.clock.now().monotonic_us;
        let due_us = self.node.poll_timeout().saturating_mul(1_000);
        let wait_us = u64::try_from(due_us.saturating_sub(now_us)).unwrap_or(0);
        let Queues {
            taps,
            events,
            controls,
        } = &mut self.queues;
        tokio::select! {
            biased;
            Some(request) = taps.recv() => self.waiting.push_back(request),
            Some(event) = events.recv() => {
                let now = self.clock.now();
                self.event(now, event);
            }
            control = controls.recv() => match control {
                Some(control) => {
                    let now = self.clock.now();
                    self.control(now, control);
                }
                // Nobody is left who could ask or tap.
                None => self.stopping = true,
            },
            () = tokio::time::sleep(Duration::from_micros(wait_us)) => {}
        }
    }

    /// Answers what is in the queue, and lets the database go.
    fn end(mut self) -> Result<(), StoreError> {
        self.queues.taps.close();
        loop {
            self.take_taps(GROUP_TAPS_MAX);
            if !self.decide() {
                break;
            }
        }
        let now = self.clock.now();
        let mut effects = std::mem::take(&mut self.effects);
        let closed = self.node.close(now, &mut effects);
        for effect in effects {
            if let Effect::Send { to, frame } = effect {
                self.links.send(&to, &frame);
            }
        }
        closed
    }
}
