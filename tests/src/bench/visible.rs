//! How long after its answer a tap is durable at another gate, and how long after the card was presented.
#![expect(clippy::float_arithmetic, reason = "figures are measurements, not money")]

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use edge_node::run::Gate;
use rusqlite::Connection;
use tokio::runtime::Runtime;

use super::Figure;
use super::clock::{percentile_us, timed, timed_async};
use super::gates::{self, bare_database, card};

const TAPS: usize = 4_000;
/// Taps before it counts: the link comes up, and everybody warms up.
const WARM_UP: usize = 200;
/// Bytes of a tap's changeset.
const ROW_BYTES: usize = 100;
/// A tap that is not visible by then is not going to be.
const VISIBLE_LIMIT: Duration = Duration::from_secs(30);

/// `visible_p50_ms` and `visible_p99_ms`: two gates over real QUIC on the loopback address; from the answer at one,
/// when the tap is durable there, until it is durable at the other. One tap at a time.
///
/// Floor of both: as many bytes in a bare UDP datagram to another thread, which commits them as one row with
/// synchronous=FULL; from sending until that commit is known of. No encryption, no signature, no journal. Taken in turn
/// with the taps.
///
/// `second_copy_p99_ms`: the same from the moment when the card was presented: until then the loss of one disk loses the
/// tap. Floor: two commits of such a row, one after the other, with the datagram between them.
///
/// # Errors
/// A gate did not start, or did not hear of a tap.
pub fn visible() -> anyhow::Result<Vec<Figure>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut taken = take(&runtime, &gates::make(2)?)?;
    let mut figure = |name, percentile| {
        Figure::new(
            name,
            "ms",
            percentile_us(&mut taken.taps, percentile) / 1e3,
            percentile_us(&mut taken.floor, percentile) / 1e3,
        )
    };
    let visible = [figure("visible_p50_ms", 50), figure("visible_p99_ms", 99)];
    let second_copy = Figure::new(
        "second_copy_p99_ms",
        "ms",
        percentile_us(&mut taken.copied, 99) / 1e3,
        percentile_us(&mut taken.floor_of_copies, 99) / 1e3,
    );
    Ok(visible.into_iter().chain([second_copy]).collect())
}

/// What was taken in turn, so that a slow moment of the disk falls on both alike.
#[derive(Default)]
struct Taken {
    taps: Vec<Duration>,
    floor: Vec<Duration>,
    copied: Vec<Duration>,
    floor_of_copies: Vec<Duration>,
}

fn take(runtime: &Runtime, made: &gates::Gates) -> anyhow::Result<Taken> {
    let [near, far] = made.gates.as_slice() else {
        anyhow::bail!("two gates were made");
    };
    let (near, far) = (gates::config(near)?, gates::config(far)?);
    let mut bare = Bare::start(made.scratch.path())?;
    let folder = tempfile::tempdir_in(made.scratch.path())?;
    let own = bare_database(folder.path())?;
    let mut taken = Taken::default();
    runtime.block_on(async {
        let (near, far) = (Gate::start(near).await?, Gate::start(far).await?);
        let mut heads = far.heads();
        for number in 0..WARM_UP + TAPS {
            let (answer, answered) = timed_async(near.tap(card(number)?, None)).await;
            let answer = answer?;
            let fact = answer.fact.context("a tap that is not durable")?;
            let (seen, took) = timed_async(tokio::time::timeout(
                VISIBLE_LIMIT,
                heads.wait_for(|heads| heads.get(&fact.site).is_some_and(|seq| *seq >= fact.seq)),
            ))
            .await;
            seen.with_context(|| format!("tap {number} never came to the other gate"))??;
            let floor = bare.once()?;
            let (written, here) = timed(|| commit(&own, &[0x5a; ROW_BYTES]));
            written?;
            if number >= WARM_UP {
                taken.taps.push(took);
                taken.floor.push(floor);
                taken.copied.push(answered + took);
                taken.floor_of_copies.push(here + floor);
            }
        }
        near.stop().await?;
        far.stop().await?;
        Ok::<_, anyhow::Error>(())
    })?;
    bare.end()?;
    Ok(taken)
}

/// The same with nothing but a datagram and a commit.
struct Bare {
    near: UdpSocket,
    known: Receiver<()>,
    other: JoinHandle<anyhow::Result<()>>,
}

impl Bare {
    fn start(folder: &Path) -> anyhow::Result<Bare> {
        let (near, far) = (
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
        );
        near.connect(far.local_addr()?)?;
        far.set_read_timeout(Some(VISIBLE_LIMIT))?;
        let (committed, known) = sync_channel(1);
        let database = bare_database(folder)?;
        let other = std::thread::spawn(move || commit_each(&far, &database, &committed));
        Ok(Bare { near, known, other })
    }

    fn once(&mut self) -> anyhow::Result<Duration> {
        let (seen, took) = timed(|| {
            self.near.send(&[0x5a; ROW_BYTES])?;
            self.known.recv_timeout(VISIBLE_LIMIT)?;
            Ok::<_, anyhow::Error>(())
        });
        seen.map(|()| took)
    }

    /// An empty datagram ends the other thread.
    fn end(self) -> anyhow::Result<()> {
        self.near.send(&[])?;
        let ended = self.other.join();
        ended.map_err(|_| anyhow::anyhow!("the other thread panicked"))?
    }
}

fn commit_each(far: &UdpSocket, database: &Connection, committed: &SyncSender<()>) -> anyhow::Result<()> {
    let mut row = [0; ROW_BYTES];
    loop {
        let length = far.recv(&mut row)?;
        if length == 0 {
            return Ok(());
        }
        commit(database, row.get(..length).unwrap_or_default())?;
        committed.send(())?;
    }
}

fn commit(database: &Connection, row: &[u8]) -> rusqlite::Result<usize> {
    database
        .prepare_cached("INSERT INTO t (bytes) VALUES (?1)")?
        .execute([row])
}
