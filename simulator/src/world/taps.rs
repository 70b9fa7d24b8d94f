//! Passengers at the gates: who taps where, what comes of it, and what a passenger does who gets no answer.

use anyhow::Context as _;
use sync_protocol::fact::Direction;
use sync_protocol::id::{CardId, GateId, NodeId};
use sync_protocol::mutation::{Mutation, is};
use sync_protocol::peer::Input;
use sync_protocol::time::SECOND_MS;

use super::{Event, WARM_UP_MS, World};
use crate::check::clocks::Stamped;
use crate::check::overdraft::Moment;
use crate::node::gate::Tapped;
use crate::oracle::{Absence, Answered, Outcome, Presented};
use crate::scenario::CrashMoment;
use crate::topology::GateService;
use crate::traffic::Step;

/// A passenger whom nobody answers tries again this much later.
const RETRY_MS: i64 = 30 * SECOND_MS;
/// Somebody whose gate died under the card tries again so soon, milliseconds, lowest and highest.
const RETAP_MS: (i64, i64) = (2 * SECOND_MS, 10 * SECOND_MS);
/// What asking the hub takes, which no gate does before it answers.
const ASKED_MS: i64 = 80;
/// How often a passenger tries again before giving up.
const RETRIES_MAX: u32 = 20;

/// A passenger with a card at a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    /// Whose trip.
    trip: usize,
    step: Step,
    /// The gate the passenger goes to first.
    pub(super) gate: GateId,
    card: CardId,
    direction: Direction,
    /// How often nobody answered.
    tries: u32,
    /// When the card was presented, if the gate has been busy since.
    presented_ms: Option<i64>,
}

impl Visit {
    /// For the trace: which trip, which step, which try.
    pub(super) const fn traced(&self) -> u64 {
        ((self.trip as u64) << 16) | ((self.tries as u64) << 4) | self.step as u64
    }

    /// Whether it belongs to the trip: who gets no answer to a second presentation lets it be.
    const fn matters(&self) -> bool {
        !matches!(self.step, Step::EnterAgain | Step::LeaveAgain)
    }
}

impl World {
    /// Plans the first tap of a trip; the trips are in order of time, so one at a time is enough.
    pub(super) fn plan_trip(&mut self, trip: usize) {
        if let Some(planned) = self.traffic.trips.get(trip) {
            self.schedule
                .at(WARM_UP_MS + planned.begins_ms(), Event::Trip(trip));
        }
    }

    pub(super) fn begin_trip(&mut self, trip: usize) -> anyhow::Result<()> {
        self.plan_trip(trip + 1);
        let visit = self.to_visit(trip, self.traffic.trips[trip].first());
        self.visit(visit)
    }

    fn to_visit(&self, trip: usize, step: Step) -> Visit {
        let tap = self.traffic.tap(trip, step);
        Visit {
            trip,
            step,
            gate: tap.gate,
            card: tap.card,
            direction: tap.direction,
            tries: 0,
            presented_ms: None,
        }
    }

    /// A passenger presents a card where somebody answers.
    pub(super) fn visit(&mut self, visit: Visit) -> anyhow::Result<()> {
        let now_ms = self.schedule.now_ms();
        if now_ms > self.traffic_ends_ms() {
            return Ok(()); // the day is over: whoever still travels goes on travelling
        }
        let Some(gate) = self.gate_for(&visit) else {
            self.try_again(visit, RETRY_MS);
            return Ok(());
        };
        let presented_ms = visit
            .presented_ms
            .filter(|_| gate == visit.gate)
            .unwrap_or(now_ms);
        let visit = Visit {
            gate,
            presented_ms: Some(presented_ms),
            ..visit
        };
        let busy_ms = self.presence(gate.node()).busy_until_ms - now_ms;
        if busy_ms > 0 {
            self.schedule.after(busy_ms, Event::Visit(visit));
            return Ok(());
        }
        self.tap(visit, presented_ms)
    }

    /// The gate that answers: the one gone to, or another of its terminal that lets people through this way.
    fn gate_for(&mut self, visit: &Visit) -> Option<GateId> {
        if self.runs(visit.gate.node()) {
            return Some(visit.gate);
        }
        self.note_outcome(visit.gate.node(), visit, Outcome::GateDown);
        if !visit.matters() {
            return None;
        }
        let gates = || self.topology.deciding_gates();
        let (first, _) = gates().find(|(gate, _)| gate.id == visit.gate)?;
        let others = gates().filter(|(gate, site)| {
            gate.terminal == first.terminal
                && site.status == GateService::Online
                && gate.kind.serves(visit.direction)
                && self.runs(gate.id.node())
        });
        let others: Vec<GateId> = others.map(|(gate, _)| gate.id).collect();
        self.stream.pick(&others).copied()
    }

    fn tap(&mut self, visit: Visit, presented_ms: i64) -> anyhow::Result<()> {
        let (node, now_ms) = (visit.gate.node(), self.schedule.now_ms());
        let armed = self.armed.get(&node).copied();
        if let Some((fault, CrashMoment::BeforeCommit)) = armed {
            self.die(node, fault);
            self.note_outcome(node, &visit, Outcome::DiedBefore);
            self.tap_again(visit);
            return Ok(());
        }
        let gate = self
            .gates
            .get_mut(&node)
            .context("BUG: a gate that runs is there")?;
        let (age_ms, clock_ms) = (gate.age_ms(now_ms), gate.earliest_stamp_ms(now_ms));
        let decided = match gate.tap(now_ms, visit.card, visit.direction)? {
            Tapped::Recorded(decided) => decided,
            Tapped::Unrecorded(decision) => {
                let unrecorded = Box::new(decision);
                self.note_outcome(node, &visit, Outcome::Unrecorded { decision: unrecorded });
                if decision.tap.accepted || decision.tap.direction == Direction::Exit {
                    self.go_on(&visit, decision.tap.accepted, 0);
                } else {
                    self.try_again(visit, RETRY_MS);
                }
                return Ok(());
            }
        };
        self.oracle.note_tap(node, &decided);
        self.steps.stamped(Stamped {
            gate: node,
            card: visit.card,
            at_ms: now_ms,
            wall_ms: clock_ms,
            stamp: decided.at,
        });
        let changeset = (decided.fact.site, decided.fact.seq);
        if let Some((fault, CrashMoment::AfterCommit)) = armed {
            self.die(node, fault);
            self.note_outcome(node, &visit, Outcome::DiedAfter { changeset });
            self.tap_again(visit);
            return Ok(());
        }
        let asked_ms = if is(Mutation::WaitForHub) { ASKED_MS } else { 0 };
        let latency_ms = now_ms - presented_ms + self.wait_for_disk(node) + asked_ms;
        let index = self.oracle.answered.len();
        let answered = Answered {
            gate: node,
            at_ms: presented_ms,
            latency_ms,
            age_ms,
            alone: age_ms * 2 >= self.beat_period_ms(NodeId::HUB) * 3,
            decision: decided.decision,
            changeset,
        };
        self.steps.after_tap(&Moment {
            now_ms,
            gate: &self.gates[&node],
            decided: &decided,
            age_ms,
            hub: &self.hub,
            oracle: &self.oracle,
        })?;
        self.series.tapped(self.gates[&node].terminal(), &answered);
        self.oracle.answered.push(answered);
        self.note_outcome(node, &visit, Outcome::Answered { index });
        self.go_on(&visit, decided.decision.tap.accepted, latency_ms);
        let generation = self.presence(node).generation;
        if latency_ms == 0 {
            return self.seal(node, generation);
        }
        self.schedule.after(latency_ms, Event::Seal { node, generation });
        Ok(())
    }

    /// After the answer: what was committed is signed and given to the engine.
    pub(super) fn seal(&mut self, node: NodeId, generation: u64) -> anyhow::Result<()> {
        if self.presence(node).generation != generation {
            return Ok(());
        }
        let Some(gate) = self.gates.get_mut(&node) else {
            return Ok(());
        };
        let run = gate.seal()?;
        self.wait_for_disk(node);
        if let Some(run) = run {
            self.steps.committed(node, &run, self.schedule.now_ms());
            let have = self.gates[&node].site_have(run.site);
            self.tell(node, Input::Committed { run, have });
        }
        Ok(())
    }

    /// What a passenger does after an answer.
    fn go_on(&mut self, visit: &Visit, opened: bool, latency_ms: i64) {
        let next: Vec<_> = self.traffic.after(visit.trip, visit.step, opened).collect();
        for (after_ms, step) in next {
            let next = self.to_visit(visit.trip, step);
            self.schedule.after(latency_ms + after_ms, Event::Visit(next));
        }
    }

    /// The gate died under the card: the passenger tries the next one, or this one again.
    fn tap_again(&mut self, visit: Visit) {
        let delay_ms = self.stream.between(RETAP_MS.0, RETAP_MS.1);
        self.try_again(visit, delay_ms);
    }

    fn try_again(&mut self, visit: Visit, delay_ms: i64) {
        if !visit.matters() {
            return;
        }
        if visit.tries >= RETRIES_MAX {
            self.oracle.gave_up += 1;
            return;
        }
        let again = Visit {
            tries: visit.tries + 1,
            presented_ms: None,
            ..visit
        };
        self.schedule.after(delay_ms, Event::Visit(again));
    }

    /// The moment has come at which a process was to die.
    pub(super) fn die(&mut self, node: NodeId, fault: usize) {
        self.armed.remove(&node);
        self.stop(node, fault, Absence::Down);
    }

    fn note_outcome(&mut self, gate: NodeId, visit: &Visit, outcome: Outcome) {
        let now_ms = self.schedule.now_ms();
        self.oracle.presented.push(Presented {
            gate,
            at_ms: visit.presented_ms.unwrap_or(now_ms),
            card: visit.card,
            direction: visit.direction,
            outcome,
        });
    }
}
