//! A whole network in one process: the event loop over virtual time.
//!
//! Everything that happens is an event; carrying one out may plan others. The same seed gives the same events in
//! the same order, which the trace hash shows.

mod carry_out;
mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use sync_protocol::fact::Direction;
use sync_protocol::id::{GateId, NodeId};
use sync_protocol::peer::Input;
use sync_protocol::time::{MINUTE_MS, SECOND_MS};

pub use faults::Touched;
pub(crate) use faults::is_carried_out;

use crate::check::Steps;
use crate::network::{Link, Network, RECONNECT_MS};
use crate::node::Shell;
use crate::node::gate::GateNode;
use crate::node::hub::HubNode;
use crate::oracle::{Answered, Oracle};
use crate::random::Stream;
use crate::scenario::Scenario;
use crate::series::Series;
use crate::topology::Topology;
use crate::trace::Trace;
use crate::traffic::{Step, Traffic};
use crate::trust::Authority;

/// Gates send a sign of life this often (domain 7).
const GATE_BEAT_MS: i64 = 5 * SECOND_MS;
/// The hub sends one this often.
const HUB_BEAT_MS: i64 = 10 * SECOND_MS;
/// The hub settles what came in at most this long after it came.
const SETTLE_MS: i64 = 20;
/// How often the world looks whether everybody is level once nothing more happens.
const LEVEL_STEP_MS: i64 = 100;
/// Local midnight, Asia/Jakarta, of the simulated day: 16 December 2024.
const MIDNIGHT_MS: i64 = 1_734_282_000_000;
/// The network runs this long before the first passenger comes: nodes connect and learn the cards.
pub const WARM_UP_MS: i64 = 15 * SECOND_MS;

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A frame arrives, if the connection it was sent on still stands.
    Frame {
        from: NodeId,
        to: NodeId,
        bytes: Arc<[u8]>,
        connection: u64,
    },
    /// A link is connected, if it is up.
    Connect(Link),
    /// A cut link is noticed, if it is still cut.
    Lost(Link),
    /// A node's sync engine wants to be woken.
    Timer(NodeId),
    /// A node's sign of life is due.
    Beat(NodeId),
    /// The hub settles.
    Settle,
    /// The first tap of a trip.
    Trip(usize),
    /// A later one.
    Step(usize, Step),
    /// The hub's staff or a channel decides something.
    Decide(usize),
    /// A fault begins.
    FaultBegins(usize),
    /// A fault is over.
    FaultEnds(usize),
    /// Has everybody got what was committed before a fault ended?
    Look(usize),
}

/// The network and everything that goes on in it.
pub struct World {
    pub(crate) scenario: Scenario,
    pub(crate) gates: BTreeMap<NodeId, GateNode>,
    pub(crate) hub: HubNode,
    pub(crate) oracle: Oracle,
    pub(crate) steps: Steps,
    pub(crate) touched: Vec<Touched>,
    pub(crate) trace: Trace,
    pub(crate) series: Series,
    topology: Arc<Topology>,
    schedule: crate::schedule::Schedule<Event>,
    network: Network,
    authority: Rc<Authority>,
    traffic: Traffic,
    cut_links: Vec<BTreeSet<Link>>,
    /// The faults that last at present.
    under_way: BTreeSet<usize>,
    /// Since when there is none.
    calm_since_ms: i64,
    /// Number of the present connection of every connected link.
    connections: BTreeMap<Link, u64>,
    connections_made: u64,
    timers: BTreeMap<NodeId, i64>,
    settle_planned: bool,
    stream: Stream,
    lost_before: Vec<u64>,
}

impl World {
    /// Builds the network of a scenario with its stores in `folder`, and lets it warm up.
    ///
    /// # Errors
    /// The scenario does not fit its network, or a store cannot be made.
    pub fn build(scenario: Scenario, seed: u64, folder: &Path) -> anyhow::Result<World> {
        let topology = scenario.topology();
        if let Some(fault) = scenario
            .faults
            .iter()
            .find(|fault| !faults::is_carried_out(&fault.kind))
        {
            anyhow::bail!("this fault is not carried out yet: {:?}", fault.kind);
        }
        let links_cut = scenario
            .faults
            .iter()
            .map(|fault| topology.links_cut_by(&fault.kind));
        let cut_links: Result<Vec<_>, String> = links_cut.collect();
        let cut_links = cut_links.map_err(anyhow::Error::msg)?;
        let traffic = Traffic::draw(&scenario, &topology, seed);
        let mut authority = Authority::new(&mut Stream::new(seed, "authority"));
        let wall_ms = MIDNIGHT_MS + scenario.starts_at.minutes() * MINUTE_MS - WARM_UP_MS;
        let hub = HubNode::new(&mut authority, seed, wall_ms);
        let policy = scenario.policy.for_highest_fare(topology.highest_fare());
        let mut gates = BTreeMap::new();
        for (gate, site) in topology.deciding_gates() {
            let path = folder.join(format!("{}.db", site.code));
            let node = GateNode::open(&path, gate, site.code, policy, &mut authority, seed, wall_ms)
                .with_context(|| format!("gate {}", site.code))?;
            gates.insert(gate.id.node(), node);
        }
        let authority = Rc::new(authority);
        for gate in gates.values_mut() {
            gate.trust(Rc::clone(&authority));
        }
        let ends = topology
            .deciding_gates()
            .map(|(gate, _)| (gate.id.node(), gate.terminal));
        let network = Network::new(ends, Stream::new(seed, "network"));
        let scenario_length_ms = scenario.duration_s * SECOND_MS;
        let mut world = World {
            touched: vec![Touched::default(); scenario.faults.len()],
            lost_before: vec![0; scenario.faults.len()],
            scenario,
            gates,
            hub,
            oracle: Oracle::default(),
            steps: Steps::default(),
            trace: Trace::default(),
            series: Series::new(WARM_UP_MS + scenario_length_ms),
            topology,
            schedule: crate::schedule::Schedule::default(),
            network,
            authority: Rc::clone(&authority),
            traffic,
            cut_links,
            under_way: BTreeSet::new(),
            calm_since_ms: 0,
            connections: BTreeMap::new(),
            connections_made: 0,
            timers: BTreeMap::new(),
            settle_planned: false,
            stream: Stream::new(seed, "world"),
        };
        world.hub.trust(authority);
        world.plan();
        world.found()?;
        Ok(world)
    }

    /// Plans everything that is known beforehand.
    fn plan(&mut self) {
        let links: Vec<Link> = self.network.links().collect();
        for link in links {
            let delay_ms = self.stream.between(0, RECONNECT_MS);
            self.schedule.at(delay_ms, Event::Connect(link));
        }
        for node in self.gates.keys().copied().chain([NodeId::HUB]) {
            let period_ms = if node.is_hub() { HUB_BEAT_MS } else { GATE_BEAT_MS };
            let first_ms = self.stream.between(1_000, period_ms.min(5_000));
            self.schedule.at(first_ms, Event::Beat(node));
        }
        self.plan_trip(0);
        for (index, (at_ms, _)) in self.traffic.decisions.iter().enumerate() {
            self.schedule.at(WARM_UP_MS + at_ms, Event::Decide(index));
        }
        for (index, fault) in self.scenario.faults.iter().enumerate() {
            let begins_ms = WARM_UP_MS + fault.at_s * SECOND_MS;
            self.schedule.at(begins_ms, Event::FaultBegins(index));
            self.schedule
                .at(begins_ms + fault.for_s * SECOND_MS, Event::FaultEnds(index));
        }
    }

    /// The hub publishes the fares, enters the gates' status, issues the cards and takes their first money.
    fn found(&mut self) -> anyhow::Result<()> {
        let policy = self.scenario.policy.orphan_policy;
        let fares = self
            .topology
            .fare_version(1, 0, policy)
            .context("the network's fares")?;
        let gates: Vec<_> = self
            .topology
            .deciding_gates()
            .map(|(gate, site)| (gate.id, site.status.name()))
            .collect();
        let runs = self.hub.found(fares, &gates, &self.traffic.cards)?;
        self.publish(runs);
        self.settle_soon();
        Ok(())
    }

    /// Lets passengers travel, faults strike and heal. Calls `progress` with the virtual time as it passes.
    ///
    /// # Errors
    /// A node failed in a way that no fault explains.
    pub fn run(&mut self, mut progress: impl FnMut(i64)) -> anyhow::Result<()> {
        let until_ms = self.traffic_ends_ms();
        while let Some(event) = self.schedule.next(until_ms) {
            self.happen(event)?;
            progress(self.schedule.now_ms());
        }
        Ok(())
    }

    /// When the last passenger has left and the last fault is over, milliseconds after the start.
    #[must_use]
    pub fn traffic_ends_ms(&self) -> i64 {
        let healed_ms = self.scenario.healed_at_s() * SECOND_MS;
        WARM_UP_MS + self.traffic.ends_ms().max(healed_ms)
    }

    /// Lets the network come to rest. Returns how long it took until everybody was level, or `None` when that took
    /// longer than the scenario allows.
    ///
    /// # Errors
    /// A node failed.
    pub fn come_to_rest(&mut self) -> anyhow::Result<Option<i64>> {
        let start_ms = self.schedule.now_ms().max(self.traffic_ends_ms());
        for step in 0..=self.scenario.converge_within_s * SECOND_MS / LEVEL_STEP_MS {
            if crate::check::level::find(self)?.is_empty() {
                // Nothing happens any more, planned looks included.
                for index in 0..self.touched.len() {
                    if self.touched[index].looking {
                        self.look(index);
                    }
                }
                return Ok(Some(step * LEVEL_STEP_MS));
            }
            while let Some(event) = self.schedule.next(start_ms + step * LEVEL_STEP_MS) {
                self.happen(event)?;
            }
        }
        Ok(None)
    }

    fn happen(&mut self, event: Event) -> anyhow::Result<()> {
        let now_ms = self.schedule.now_ms();
        if self.series.is_due(now_ms) {
            self.series.sample(now_ms, |site| self.hub.head(site).seq);
        }
        self.trace.note(now_ms, &event);
        match event {
            Event::Frame {
                from,
                to,
                bytes,
                connection,
            } => self.arrive(from, to, &bytes, connection),
            Event::Connect(link) => self.connect(link),
            Event::Lost(link) => self.lose(link),
            Event::Timer(node) => self.wake(node),
            Event::Beat(node) => self.send_beat(node),
            Event::Settle => self.settle()?,
            Event::Trip(trip) => {
                self.plan_trip(trip + 1);
                self.step(trip, self.traffic.trips[trip].first())?;
            }
            Event::Step(trip, step) => self.step(trip, step)?,
            Event::Decide(index) => self.decide(index)?,
            Event::FaultBegins(index) => self.begin_fault(index),
            Event::FaultEnds(index) => self.end_fault(index),
            Event::Look(index) => self.look(index),
        }
        Ok(())
    }

    /// Plans the first tap of a trip; the trips are in order of time, so one at a time is enough.
    fn plan_trip(&mut self, trip: usize) {
        if let Some(planned) = self.traffic.trips.get(trip) {
            self.schedule
                .at(WARM_UP_MS + planned.begins_ms(), Event::Trip(trip));
        }
    }

    /// A tap of a trip, and what its passenger does next.
    fn step(&mut self, trip: usize, step: Step) -> anyhow::Result<()> {
        let tap = self.traffic.tap(trip, step);
        let opened = self.tap(tap.gate, tap.card, tap.direction)?;
        for (after_ms, step) in self.traffic.after(trip, step, opened) {
            self.schedule.after(after_ms, Event::Step(trip, step));
        }
        Ok(())
    }

    /// A card at a gate. Returns whether the barrier opened.
    fn tap(
        &mut self,
        gate: GateId,
        card: sync_protocol::id::CardId,
        direction: Direction,
    ) -> anyhow::Result<bool> {
        let (node, now_ms) = (gate.node(), self.schedule.now_ms());
        let gate = self
            .gates
            .get_mut(&node)
            .context("BUG: traffic uses gates of the network")?;
        let age_ms = gate.age_ms(now_ms);
        let committed = gate.tap(now_ms, card, direction)?;
        self.oracle.note(&committed.run);
        let answered = Answered {
            gate: node,
            at_ms: now_ms,
            age_ms,
            decision: committed.decided.decision,
            changeset: (committed.run.site, committed.run.last()),
        };
        self.series.tapped(gate.terminal(), &answered);
        self.oracle.answered.push(answered);
        let have = gate.site_have(committed.run.site);
        let accepted = committed.decided.decision.tap.accepted;
        self.tell(
            node,
            Input::Committed {
                run: committed.run,
                have,
            },
        );
        Ok(accepted)
    }

    fn decide(&mut self, index: usize) -> anyhow::Result<()> {
        let (_, decision) = self.traffic.decisions[index];
        let now_ms = self.schedule.now_ms();
        let runs = self
            .hub
            .carry_out(now_ms, decision, &self.traffic.cards, &self.scenario)?;
        self.publish(runs);
        self.settle_soon();
        Ok(())
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        self.settle_planned = false;
        let runs = self.hub.settle(self.schedule.now_ms())?;
        self.steps.after_settle(&mut self.hub);
        self.publish(runs);
        if self.hub.has_unsettled() {
            self.settle_soon();
        }
        Ok(())
    }

    fn settle_soon(&mut self) {
        if !self.settle_planned {
            self.settle_planned = true;
            self.schedule.after(SETTLE_MS, Event::Settle);
        }
    }
}

impl World {
    /// Gives an input to a node's engine and carries out what comes of it.
    pub(crate) fn tell(&mut self, node: NodeId, input: Input) {
        let now_ms = self.schedule.now_ms();
        self.shell(node).peer().handle(now_ms, input);
        self.carry_out(node);
    }

    pub(crate) fn shell(&mut self, node: NodeId) -> &mut dyn Shell {
        if node.is_hub() {
            return &mut self.hub;
        }
        self.gates
            .get_mut(&node)
            .expect("BUG: events name nodes of the network")
    }
}
