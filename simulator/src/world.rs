//! A whole network in one process: the event loop over virtual time.
//!
//! Everything that happens is an event; carrying one out may plan others. The same seed gives the same events in
//! the same order, which the trace hash shows.

mod carry_out;
mod event;
mod faults;
mod forging;
mod hub;
mod links;
mod packet;
mod pending;
mod plan;
mod presence;
mod reach;
mod taps;
mod touched;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use sync_protocol::changeset::Run;
use sync_protocol::id::{GateCode, NodeId};
use sync_protocol::peer::Input;
use sync_protocol::time::{MINUTE_MS, SECOND_MS};

pub(crate) use event::Event;
pub use touched::Touched;

use crate::check::Steps;
use crate::network::Network;
use crate::node::Shell;
use crate::node::gate::GateNode;
use crate::node::hub::HubNode;
use crate::node::hub::LedgerCopy;
use crate::node::keeping::Threads;
use crate::node::machine::{Backup, Machine};
use crate::node::map::NodeMap;
use crate::node::model::{Shared, SharedLog};
use crate::oracle::{Answered, Oracle};
use crate::random::Stream;
use crate::scenario::{CrashMoment, Engine, Fault, FaultKind, Scenario, StoreKind};
use crate::series::Series;
use crate::topology::Topology;
use crate::trace::Trace;
use crate::traffic::Traffic;
use crate::trust::Authority;
use forging::{HandMade, TwoBranches};
use presence::Presence;
use reach::Reach;

/// How often the world looks whether everybody is level once nothing more happens.
const LEVEL_STEP_MS: i64 = 100;
/// Local midnight, Asia/Jakarta, of the simulated day: 16 December 2024.
const MIDNIGHT_MS: i64 = 1_734_282_000_000;
/// The network runs this long before the first passenger comes: nodes connect and learn the cards.
pub const WARM_UP_MS: i64 = 15 * SECOND_MS;

/// The network and everything that goes on in it.
pub struct World {
    pub(crate) scenario: Scenario,
    /// The gates' processes, standing still or not. A gate that is down has none.
    pub(crate) gates: NodeMap<GateNode>,
    pub(crate) hub: HubNode,
    pub(crate) oracle: Oracle,
    pub(crate) steps: Steps,
    pub(crate) touched: Vec<Touched>,
    pub(crate) trace: Trace,
    pub(crate) series: Series,
    topology: Arc<Topology>,
    machines: NodeMap<Machine>,
    presences: NodeMap<Presence>,
    schedule: crate::schedule::Schedule<Event>,
    network: Network,
    authority: Arc<Authority>,
    /// Work stores off where gates take a while to ingest.
    threads: Threads,
    traffic: Traffic,
    /// What each fault reaches.
    reaches: Vec<Reach>,
    /// The faults that last at present.
    under_way: BTreeSet<usize>,
    /// Since when there is none.
    calm_since_ms: i64,
    connections_made: u64,
    /// Connections that a node still believes in although the other end has died: (who believes, who died).
    packets: packet::Packets,
    half_open: BTreeMap<(NodeId, NodeId), u64>,
    timers: NodeMap<i64>,
    /// Gates whose process dies at the next such moment, with the fault that says so.
    armed: NodeMap<(usize, CrashMoment)>,
    /// Flapping faults whose links are down at present.
    flapped: BTreeSet<usize>,
    /// Copies of disks that gates will be restored from, by fault.
    images: BTreeMap<usize, Backup>,
    /// Copies of the ledger that the hub will be restored from, by fault.
    ledgers: BTreeMap<usize, LedgerCopy>,
    hand_made: Vec<HandMade>,
    /// Logs that were signed in two ways.
    pub(crate) two_branches: Vec<TwoBranches>,
    settle_planned: bool,
    /// What the hub decided and sends when it settles next.
    unsent: Vec<Run>,
    /// Decisions that wait for the hub to start.
    waiting_decisions: Vec<usize>,
    stream: Stream,
}

impl World {
    /// Builds the network of a scenario, and lets it warm up.
    ///
    /// # Errors
    /// The scenario does not fit its network, or a store cannot be made.
    pub fn build(scenario: Scenario, seed: u64) -> anyhow::Result<World> {
        let threads = match scenario.engine.ingest_ms.get() {
            0 => Threads::default(),
            _ => Threads::start(),
        };
        World::build_helped(scenario, seed, threads)
    }

    /// As [`World::build`], with these threads to help.
    pub(crate) fn build_helped(scenario: Scenario, seed: u64, threads: Threads) -> anyhow::Result<World> {
        let topology = scenario.topology();
        let traffic = Traffic::draw(&scenario, &topology, seed);
        let engine = &scenario.engine;
        let mut authority = Authority::signing_with(engine.signatures, &mut Stream::new(seed, "authority"));
        let wall_ms = MIDNIGHT_MS + scenario.starts_at.minutes() * MINUTE_MS - WARM_UP_MS;
        let hub = HubNode::new(&mut authority, seed, wall_ms, engine.round_ms.get());
        let policy = scenario.policy.for_highest_fare(topology.highest_fare());
        let model = model_log(engine)?;
        let power_goes = |fault: &Fault| matches!(fault.kind, FaultKind::PowerLoss { .. });
        let keeps_power = !scenario.faults.iter().any(power_goes);
        let mut machines = NodeMap::default();
        for (gate, site) in topology.deciding_gates() {
            let mut machine = Machine::install(gate, site.code, policy, &mut authority, seed, wall_ms);
            machine.round_ms = engine.round_ms.get();
            machine.retention = engine.retention();
            if keeps_power {
                machine.keep_power();
            }
            if let Some(log) = &model {
                machine.use_model(Rc::clone(log));
            }
            machines.insert(gate.id.node(), machine);
        }
        let ends = topology
            .deciding_gates()
            .map(|(gate, _)| (gate.id.node(), gate.terminal));
        let network = Network::new(ends, Stream::new(seed, "network"));
        let reaches = scenario
            .faults
            .iter()
            .map(|fault| Reach::of(&fault.kind, &topology, &network));
        let reaches = reaches.collect::<anyhow::Result<_>>()?;
        let nodes = machines.keys().copied().chain([NodeId::HUB]);
        let mut world = World {
            touched: vec![Touched::default(); scenario.faults.len()],
            gates: NodeMap::default(),
            hub,
            oracle: Oracle::default(),
            steps: Steps::new(policy),
            trace: Trace::default(),
            series: Series::new(WARM_UP_MS + scenario.duration_s * SECOND_MS),
            topology,
            presences: nodes.map(|node| (node, Presence::default())).collect(),
            machines,
            schedule: crate::schedule::Schedule::default(),
            network,
            authority: Arc::new(authority),
            threads,
            reaches,
            under_way: BTreeSet::new(),
            calm_since_ms: 0,
            connections_made: 0,
            packets: packet::Packets::default(),
            half_open: BTreeMap::new(),
            timers: NodeMap::default(),
            armed: NodeMap::default(),
            flapped: BTreeSet::new(),
            images: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            hand_made: Vec::new(),
            two_branches: Vec::new(),
            settle_planned: false,
            unsent: Vec::new(),
            waiting_decisions: Vec::new(),
            stream: Stream::new(seed, "world"),
            traffic,
            scenario,
        };
        world.hub.trust(Arc::clone(&world.authority));
        if world.scenario.engine.stocked && model.is_none() {
            world.found_and_stock(seed)?;
            world.open()?;
            world.plan();
        } else {
            world.open()?;
            world.plan();
            world.found()?;
        }
        Ok(world)
    }

    /// Starts the processes of all gates that are there from the beginning.
    fn open(&mut self) -> anyhow::Result<()> {
        self.leave_out_gates_to_come();
        for (node, machine) in self.machines.iter_mut() {
            if self.presences.get(node).is_some_and(Presence::exists) {
                let code = machine.code;
                let gate = GateNode::start(machine, Arc::clone(&self.authority), 0);
                let gate = gate.with_context(|| format!("gate {code}"))?;
                self.steps.started(*node, &gate, 0);
                self.gates.insert(*node, gate);
            }
        }
        Ok(())
    }

    /// Lets passengers travel, faults strike and heal. Calls `progress` with the virtual time, once a
    /// second of it.
    ///
    /// # Errors
    /// A node failed in a way that no fault explains.
    pub fn run(&mut self, mut progress: impl FnMut(i64)) -> anyhow::Result<()> {
        let until_ms = self.traffic_ends_ms();
        let mut told_ms = i64::MIN;
        while let Some(event) = self.schedule.next(until_ms) {
            self.happen(event)?;
            let now_ms = self.schedule.now_ms();
            if now_ms / SECOND_MS != told_ms / SECOND_MS {
                told_ms = now_ms;
                progress(now_ms);
            }
        }
        Ok(())
    }

    /// The hash of everything that happened so far, in order.
    #[must_use]
    pub fn trace_hash(&self) -> String {
        self.trace.hash()
    }

    /// Every tap answered so far, in order of time.
    #[must_use]
    pub fn answered(&self) -> &[Answered] {
        &self.oracle.answered
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
            self.take_stores_back();
            if crate::check::level::is_reached(self)? {
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

    /// Looks at all nodes once more before the checks.
    pub(crate) fn last_look(&mut self) {
        let now_ms = self.schedule.now_ms();
        self.take_stores_back();
        self.steps.last_look(&self.gates, &self.hub, now_ms);
    }

    /// Whom everybody believes.
    pub(crate) fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.authority)
    }

    /// Adds a point to the time series of the report.
    pub(crate) fn sample(&mut self) {
        let now_ms = self.schedule.now_ms();
        self.series.sample(now_ms, |site| self.hub.held().seq(site));
    }

    /// What truly happened.
    #[must_use]
    pub const fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// What each fault touched, in the order of the scenario.
    #[must_use]
    pub fn touched(&self) -> &[Touched] {
        &self.touched
    }

    /// A gate's process, if there is one.
    #[must_use]
    pub fn gate(&self, code: GateCode) -> Option<&GateNode> {
        self.gates.values().find(|gate| gate.code() == code)
    }

    /// The hub.
    #[must_use]
    pub const fn hub(&self) -> &HubNode {
        &self.hub
    }

    fn happen(&mut self, event: Event) -> anyhow::Result<()> {
        let now_ms = self.schedule.now_ms();
        if self.series.is_due(now_ms) {
            self.sample();
        }
        let fault_begins_or_ends = matches!(event, Event::FaultBegins(_) | Event::FaultEnds(_));
        if !event.is_everyday() || self.steps.is_due(now_ms) {
            self.take_stores_back();
        }
        if fault_begins_or_ends || self.steps.is_due(now_ms) {
            self.steps.look(&self.gates, &self.hub, now_ms);
        }
        self.trace.note(now_ms, &event);
        if self.is_put_off(&event) {
            return Ok(());
        }
        match event {
            Event::Frame {
                from,
                to,
                packet,
                connection,
            } => self.arrive(from, to, &packet, connection),
            Event::Connect(link) => self.connect(link),
            Event::Lost { link, since_ms } => self.lose(link, since_ms),
            Event::Silent {
                node,
                peer,
                connection,
            } => self.fall_silent(node, peer, connection),
            Event::Unheard {
                node,
                peer,
                connection,
            } => self.notice_death(node, peer, connection),
            Event::Ingested {
                node,
                generation,
                from,
            } => self.end_ingest(node, generation, from),
            Event::Pruned { node, generation } => self.end_prune(node, generation)?,
            Event::Timer(node) => self.wake(node),
            Event::Beat { node, generation } => self.send_beat(node, generation)?,
            Event::Settle => self.settle()?,
            Event::Trip(trip) => self.begin_trip(trip)?,
            Event::Visit(visit) => self.visit(visit)?,
            Event::Seal { node, generation } => self.seal(node, generation)?,
            Event::Decide(index) => self.decide(index)?,
            Event::FaultBegins(index) => self.begin_fault(index)?,
            Event::FaultEnds(index) => self.end_fault(index)?,
            Event::TakeImage(index) => self.take_image(index)?,
            Event::FaultGoesOn(index) => self.go_on_with_fault(index),
            Event::Look(index) => self.look(index),
        }
        Ok(())
    }
}

impl World {
    /// Gives an input to a node's engine and carries out what comes of it. One that stands still gets it later, one
    /// that is down never.
    pub(crate) fn tell(&mut self, node: NodeId, input: Input) {
        let now_ms = self.schedule.now_ms();
        if let Some(input) = self.hold_input(node, input) {
            self.shell(node).peer().handle(now_ms, input);
            self.carry_out(node);
        }
    }

    /// Waits until every store has done what it was given.
    fn take_stores_back(&mut self) {
        for gate in self.gates.values_mut() {
            gate.take_store_back();
        }
    }

    pub(crate) fn shell(&mut self, node: NodeId) -> &mut dyn Shell {
        if node.is_hub() {
            return &mut self.hub;
        }
        self.gates
            .get_mut(&node)
            .expect("BUG: only nodes that run are asked for something")
    }

    fn machine(&mut self, node: NodeId) -> &mut Machine {
        self.machines
            .get_mut(&node)
            .expect("BUG: events name nodes of the network")
    }
}

/// The log that gates share where the scenario asks for the model store.
fn model_log(engine: &Engine) -> anyhow::Result<Option<Shared>> {
    Ok(match engine.store {
        StoreKind::Sqlite => None,
        StoreKind::Model => Some(Rc::new(RefCell::new(SharedLog::new()?))),
    })
}
