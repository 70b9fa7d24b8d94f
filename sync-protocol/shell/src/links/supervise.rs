//! A link's life: tell that it stands, carry frames, notice its end, tell that.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use quinn::SendStream;
use sync_protocol::wire::Frame;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::establish::{Established, Outgoing};
use super::lane::{self, LaneFault, Lanes, Reader};
use super::limits::{BATCH_FRAMES_MAX, ENDING_LOOKS_MAX, ESTABLISH_MAX, LOOK_EVERY, SILENT_LOOKS_MAX};
use super::link::{Link, Queues, code};
use super::{LinkEvent, Shared};

/// Runs a link from its Connected to its Disconnected.
pub(super) async fn run(shared: Arc<Shared>, established: Established) {
    let Established {
        entered,
        outgoing,
        incoming,
    } = established;
    let link = entered.link;
    let outgoing = open(&link, outgoing).await;
    if let Some(replaced) = entered.replaced {
        replaced.close(code::REPLACED, "a newer connection of the two nodes counts");
        replaced.wait_over().await;
    }
    // One that was replaced while it waited is never told of.
    if let Some(outgoing) = outgoing
        && link.is_up()
    {
        carry(&shared, &link, entered.queues, outgoing, incoming).await;
    }
    shared.registry.remove(&link);
}

/// The streams towards the other end; `None` if it does not let them be opened: then the link is closed.
async fn open(link: &Link, outgoing: Outgoing) -> Option<Lanes<SendStream>> {
    let beginning = match outgoing {
        Outgoing::Open(lanes) => return Some(lanes),
        Outgoing::ToOpen(beginning) => beginning,
    };
    let opened = tokio::time::timeout(ESTABLISH_MAX, lane::open(&link.connection, beginning)).await;
    match opened {
        Ok(Ok(lanes)) => Some(lanes),
        Ok(Err(_)) | Err(_) => {
            link.close(code::FAULT, "it does not let streams be opened");
            None
        }
    }
}

async fn carry(
    shared: &Arc<Shared>,
    link: &Arc<Link>,
    queues: Queues,
    outgoing: Lanes<SendStream>,
    incoming: Lanes<Reader>,
) {
    let connected = LinkEvent::Connected {
        peer: link.peer,
        address: link.address,
    };
    if shared.events.send(connected).await.is_err() {
        return link.close(code::STOPPING, "the node stops");
    }
    let mut writers = JoinSet::new();
    for (stream, queue) in [(outgoing.live, queues.live), (outgoing.bulk, queues.bulk)] {
        let writer = Writer {
            link: Arc::clone(link),
            stream,
            queue,
        };
        writers.spawn(writer.run(shared.stopping.subscribe()));
    }
    let mut readers = JoinSet::new();
    for reader in [incoming.live, incoming.bulk] {
        readers.spawn(read(Arc::clone(link), reader, shared.events.clone()));
    }
    let reason = attend(shared, link, &mut readers).await;
    writers.abort_all();
    // A reader may hold a frame that the consumer has not taken yet.
    while readers.join_next().await.is_some() {}
    let disconnected = LinkEvent::Disconnected {
        peer: link.peer.node,
        reason,
    };
    // Without a consumer nobody needs to know.
    let _ = shared.events.send(disconnected).await;
}

/// Waits for the connection's end, or brings it about. Returns why.
async fn attend(shared: &Shared, link: &Link, readers: &mut JoinSet<Result<(), LaneFault>>) -> String {
    let connection = &link.connection;
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut silence = Silence::default();
    let mut ended = 0;
    let mut ending_looks = 0;
    loop {
        tokio::select! {
            biased;
            error = connection.closed() => return link.end_reason(&error),
            Some(read) = readers.join_next() => match read {
                Ok(Ok(())) => {
                    ended += 1;
                    if ended == 2 {
                        link.close(code::STOPPING, "the other end stops");
                    }
                }
                // The connection itself tells why, above.
                Ok(Err(LaneFault::Lost(_))) => {}
                Ok(Err(fault)) => {
                    shared.refusals.faults.add(1);
                    link.close(code::FAULT, &fault.to_string());
                }
                Err(panic) => link.close(code::FAULT, &format!("BUG: a reader failed: {panic}")),
            },
            _ = looks.tick() => {
                let datagrams = connection.stats().udp_rx.datagrams;
                if silence.looks_without_news(datagrams) >= SILENT_LOOKS_MAX {
                    link.close(code::SILENT, "nothing heard for 4 s");
                }
                if ended == 1 {
                    ending_looks += 1;
                }
                if ending_looks > ENDING_LOOKS_MAX {
                    link.close(code::FAULT, "one stream ended without the other");
                }
            }
        }
    }
}

/// How long nothing has come.
#[derive(Default)]
struct Silence {
    datagrams: u64,
    looks: u32,
}

impl Silence {
    fn looks_without_news(&mut self, datagrams: u64) -> u32 {
        if datagrams == self.datagrams {
            self.looks += 1;
        } else {
            self.datagrams = datagrams;
            self.looks = 0;
        }
        self.looks
    }
}

/// Decodes frames and hands them over. Waits for the consumer: then QUIC's flow control makes the peer wait.
async fn read(link: Arc<Link>, mut reader: Reader, events: mpsc::Sender<LinkEvent>) -> Result<(), LaneFault> {
    while let Some(bytes) = reader.next().await? {
        link.counters.frames_in.add(1);
        link.counters.bytes_in.add(bytes.len());
        let event = LinkEvent::Frame {
            peer: link.peer.node,
            frame: Frame::decode(&bytes),
            bytes: bytes.len(),
        };
        if events.send(event).await.is_err() {
            link.close(code::STOPPING, "the node stops");
            return Ok(());
        }
    }
    Ok(())
}

/// Writes what is queued for one stream.
struct Writer {
    link: Arc<Link>,
    stream: SendStream,
    queue: mpsc::Receiver<Bytes>,
}

impl Writer {
    async fn run(mut self, stopping: watch::Receiver<bool>) {
        let mut stopped = pin!(self.stream.stopped());
        let written = tokio::select! {
            biased;
            written = self.write_all(stopping) => written,
            stopped = &mut stopped => match stopped {
                Ok(_) => Err(LaneFault::GivenUp),
                Err(_) => return,
            },
        };
        match written {
            // The stream must live until its end arrived.
            Ok(()) => drop(stopped.await),
            // The connection itself tells why.
            Err(LaneFault::Lost(_)) => {}
            Err(fault) => self.link.close(code::FAULT, &fault.to_string()),
        }
    }

    /// Writes at once; what queued up meanwhile goes together. At the node's stop writes what is left and ends the
    /// stream.
    async fn write_all(&mut self, mut stopping: watch::Receiver<bool>) -> Result<(), LaneFault> {
        let mut batch = Vec::with_capacity(BATCH_FRAMES_MAX);
        loop {
            let taken = tokio::select! {
                biased;
                taken = self.queue.recv_many(&mut batch, BATCH_FRAMES_MAX) => taken,
                () = stop(&mut stopping) => {
                    self.queue.close();
                    self.queue.recv_many(&mut batch, BATCH_FRAMES_MAX).await
                }
            };
            if taken == 0 {
                break;
            }
            self.write(&mut batch).await?;
        }
        self.stream.finish().map_err(|_| LaneFault::GivenUp)
    }

    async fn write(&mut self, batch: &mut Vec<Bytes>) -> Result<(), LaneFault> {
        let frames = batch.len();
        let bytes: usize = batch.iter().map(Bytes::len).sum();
        let frame_bytes: usize = batch.iter().map(lane::frame_bytes).sum();
        let written = self.stream.write_all_chunks(batch).await;
        batch.clear();
        self.link.unqueued(bytes);
        written?;
        self.link.counters.frames_out.add(frames);
        self.link.counters.bytes_out.add(frame_bytes);
        Ok(())
    }
}

async fn stop(stopping: &mut watch::Receiver<bool>) {
    // The sender lives as long as the links do.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
