//! What a large terminal costs each of its gates: bytes when nothing happens, and processor time for a neighbour's tap.
#![expect(clippy::float_arithmetic, reason = "figures are measurements, not money")]

use std::time::Duration;

use anyhow::Context as _;
use edge_node::clock::Moment;
use edge_node::node::{Input, Node};
use edge_node::run::{Gate, Surroundings, load_keys, node_parts, open_store};
use sync_protocol::changeset::Run;
use sync_protocol::id::NodeId;
use sync_protocol::wire::{Frame, Hello};
use sync_shell::identity::{CertificateTrust, NodeKeys};

use super::Figure;
use super::filled::{Workshop, taps_one_by_one};
use super::gates::{self, Gates};

/// Gates of the largest terminal that is promised anything.
const GATES: u32 = 60;
/// Gates of a small one.
const FEW_GATES: u32 = 4;
/// Everybody has found everybody by then.
const LINKED_LIMIT: Duration = Duration::from_secs(180);
/// After that everything has been said.
const QUIET: Duration = Duration::from_secs(15);
/// So long the bytes are counted.
const COUNTED: Duration = Duration::from_secs(30);
/// Taps that a gate receives, from all its neighbours together.
const TAPS: usize = 6_000;

/// `idle_gossip_per_gate_bytes_s`: sixty gates, each linked with all others over real QUIC on the loopback address, and
/// nothing happens: what the loopback device carries in a second, IP and Ethernet headers included, for each of them.
///
/// Floor: what the frames in it have, without QUIC's packets and acknowledgements.
///
/// # Errors
/// A gate did not start, or did not find all others.
pub fn idle() -> anyhow::Result<Vec<Figure>> {
    let made = gates::make(GATES)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (carried, framed) = runtime.block_on(async {
        let mut running = Vec::new();
        for gate in &made.gates {
            running.push(Gate::start(gates::config(gate)?).await?);
        }
        tokio::time::timeout(LINKED_LIMIT, all_linked(&running))
            .await
            .context("not every gate found all others")?;
        tokio::time::sleep(QUIET).await;
        let before = (loopback_bytes()?, sent_bytes(&running).await?);
        tokio::time::sleep(COUNTED).await;
        let after = (loopback_bytes()?, sent_bytes(&running).await?);
        for gate in running {
            gate.stop().await?;
        }
        Ok::<_, anyhow::Error>((after.0 - before.0, after.1 - before.1))
    })?;
    let per_gate = |bytes: u64| bytes as f64 / COUNTED.as_secs_f64() / f64::from(GATES);
    Ok(vec![Figure::new(
        "idle_gossip_per_gate_bytes_s",
        "B/s",
        per_gate(carried),
        per_gate(framed),
    )])
}

async fn all_linked(running: &[Gate]) {
    for gate in running {
        loop {
            let linked = gate.snapshot().await.map_or(0, |snapshot| snapshot.live.len());
            if linked + 1 == running.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Bytes of frames that all gates have handed to QUIC.
async fn sent_bytes(running: &[Gate]) -> anyhow::Result<u64> {
    let mut sum = 0;
    for gate in running {
        sum += gate
            .links()
            .stats()
            .iter()
            .map(|link| link.bytes_out)
            .sum::<u64>();
    }
    Ok(sum)
}

/// Bytes that the loopback device has carried.
fn loopback_bytes() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/net/dev").context("cannot read /proc/net/dev")?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    let received = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    received.context("/proc/net/dev does not tell of the loopback device")
}

/// `received_tap_cpu_us`: processor time of a gate in a terminal of sixty for one tap that a neighbour pushes: frame,
/// signature, journal, card, and the answer. Floor: the same in a terminal of four; a ratio of one is flat.
///
/// # Errors
/// A gate cannot be made, or does not take what its neighbours push.
pub fn received() -> anyhow::Result<Vec<Figure>> {
    let few = received_in(FEW_GATES)?;
    let many = received_in(GATES)?;
    Ok(vec![Figure::new("received_tap_cpu_us", "us", many, few)])
}

/// Processor time of a tap received in a terminal of so many gates, microseconds.
fn received_in(count: u32) -> anyhow::Result<f64> {
    let made = gates::make(count)?;
    let pushed = pushes(&made)?;
    let receiver = made.gates.first().context("gates were made")?;
    let config = gates::config(receiver)?;
    let keys = load_keys(&config)?;
    let surroundings = Surroundings::system();
    let store = open_store(&config, &keys, &surroundings)?;
    let parts = node_parts(&config, &keys, store, &surroundings)?;
    let mut now = Moment {
        wall_ms: (surroundings.clock).now().wall_ms,
        monotonic_us: 0,
    };
    let mut node = Node::new(parts, now)?;
    for neighbour in made.gates.iter().skip(1) {
        introduce(&mut node, now, neighbour)?;
    }
    let taps: usize = pushed.iter().map(|(_, runs)| runs.len()).sum();
    let before = cpu_ns()?;
    let longest = pushed.iter().map(|(_, runs)| runs.len()).max().unwrap_or(0);
    for turn in 0..longest {
        for (peer, runs) in &pushed {
            if let Some(run) = runs.get(turn) {
                now.monotonic_us += 1_000;
                now.wall_ms += 1;
                let frame = Ok(Frame::Changesets(vec![run.clone()]));
                step(&mut node, now, Input::Frame { peer: *peer, frame });
            }
        }
    }
    let took = cpu_ns()? - before;
    for (_, runs) in &pushed {
        let last = runs.last().context("a neighbour without taps")?;
        let held = node.store().head(last.site).seq;
        anyhow::ensure!(held == last.last(), "of {} only {held} was taken", last.last());
    }
    Ok(took as f64 / 1e3 / taps as f64)
}

/// What every neighbour pushes, one tap at a time.
fn pushes(made: &Gates) -> anyhow::Result<Vec<(NodeId, Vec<Run>)>> {
    let each = TAPS / (made.gates.len() - 1);
    let mut pushed = Vec::new();
    for (random, gate) in (40_u8..).zip(made.gates.iter().skip(1)) {
        let workshop = Workshop::new()?;
        let mut store = workshop.open(&gates::config(gate)?, random)?;
        pushed.push((NodeId(gate.name.id), taps_one_by_one(&mut store, each)?));
    }
    Ok(pushed)
}

fn introduce(
    node: &mut Node<CertificateTrust>,
    now: Moment,
    gate: &crate::harness::gate::Gate,
) -> anyhow::Result<()> {
    let peer = NodeId(gate.name.id);
    let key = NodeKeys::load(&gates::config(gate)?.keys_dir())?.identity().key;
    step(node, now, Input::Connected { peer, key });
    let hello = Hello {
        node: peer,
        terminal: Some(gate.name.terminal.parse()?),
        schema_version: edge_node::store::SCHEMA_VERSION,
        schema_hash: edge_node::store::schema_hash(),
    };
    let frame = Ok(Frame::Hello(hello));
    step(node, now, Input::Frame { peer, frame });
    Ok(())
}

/// Tells the node, and lets it do all that follows; what it would send goes nowhere.
fn step(node: &mut Node<CertificateTrust>, now: Moment, input: Input) {
    let mut effects = Vec::new();
    node.handle(now, input, &mut effects);
    while node.step(now, &mut effects) {
        effects.clear();
    }
}

/// Processor time of this thread, nanoseconds.
fn cpu_ns() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")
        .context("cannot read /proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().and_then(|text| text.parse().ok());
    first.context("/proc/thread-self/schedstat tells no time")
}
