//! Gates that exchange logs in any order, any pieces and any number of times end up equal.

use edge_node::store::{IngestError, Store};
use proptest::prelude::*;
use sync_protocol::changeset::{Run, RunError};
use sync_protocol::decide::Mode;
use sync_protocol::fact::Direction;
use sync_protocol::have::Range;
use sync_protocol::id::{GateId, Seq};
use sync_protocol::time::MINUTE_MS;

use crate::support::*;

#[derive(Clone, Debug)]
enum Step {
    Tap {
        gate: usize,
        card: u32,
        entry: bool,
    },
    Mode {
        gate: usize,
        of: u32,
        mode: u8,
    },
    Config {
        gate: usize,
        key: u8,
        value: u8,
    },
    Deny {
        gate: usize,
        card: u32,
    },
    TopUp {
        card: u32,
    },
    Settle,
    Restart {
        gate: usize,
    },
    Exchange {
        from: usize,
        to: usize,
        bytes: usize,
        slice: usize,
    },
    Hear {
        gate: usize,
    },
}

fn step(gates: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..gates, 1..4_u32, any::<bool>()).prop_map(|(gate, card, entry)| Step::Tap { gate, card, entry }),
        1 => (0..gates, 1..4_u32, 0..3_u8).prop_map(|(gate, of, mode)| Step::Mode { gate, of, mode }),
        1 => (0..gates, 0..2_u8, 0..3_u8).prop_map(|(gate, key, value)| Step::Config { gate, key, value }),
        1 => (0..gates, 1..4_u32).prop_map(|(gate, card)| Step::Deny { gate, card }),
        1 => (1..4_u32).prop_map(|card| Step::TopUp { card }),
        1 => Just(Step::Settle),
        1 => (0..gates).prop_map(|gate| Step::Restart { gate }),
        4 => (0..gates, 0..gates, 1..2_000_usize, 1..10_usize)
            .prop_map(|(from, to, bytes, slice)| Step::Exchange { from, to, bytes, slice }),
        2 => (0..gates).prop_map(|gate| Step::Hear { gate }),
    ]
}

struct World {
    town: Town,
    hub: Hub,
    gates: Vec<Option<Store>>,
    now_ms: i64,
}

impl World {
    fn new(count: usize) -> World {
        let (mut town, mut hub) = (Town::new(), Hub::new());
        let gates = (1..=count as u32)
            .map(|number| Some(town.stocked_gate(number, "A", &mut hub)))
            .collect();
        World {
            town,
            hub,
            gates,
            now_ms: T0,
        }
    }

    fn gate(&mut self, gate: usize) -> &mut Store {
        self.gates[gate].as_mut().unwrap()
    }

    fn step(&mut self, step: &Step) {
        self.now_ms += MINUTE_MS;
        let now_ms = self.now_ms;
        match *step {
            Step::Tap { gate, card, entry } => {
                let direction = if entry { Direction::Entry } else { Direction::Exit };
                self.gate(gate).tap(&at(card, direction, now_ms), 0).unwrap();
            }
            Step::Mode { gate, of, mode } => {
                let mode = [Mode::Normal, Mode::Closed, Mode::FreeFlow][usize::from(mode)];
                self.gate(gate).set_gate_mode(GateId(of), mode, now_ms).unwrap();
            }
            Step::Config { gate, key, value } => {
                let (key, value) = (format!("key{key}"), format!("value{value}"));
                self.gate(gate).set_config(&key, &value, now_ms).unwrap();
            }
            Step::Deny { gate, card: number } => {
                self.gate(gate).deny_card(card(number), "", now_ms).unwrap();
            }
            Step::TopUp { card } => {
                self.hub
                    .state(now_ms, [top_up(card, 10_000, &now_ms.to_string())]);
            }
            Step::Settle => self.settle(),
            Step::Restart { gate } => {
                self.gates[gate] = None;
                self.gates[gate] = Some(self.town.gate(gate as u32 + 1, "A"));
            }
            Step::Exchange {
                from,
                to,
                bytes,
                slice,
            } => self.exchange(from, to, bytes, slice),
            Step::Hear { gate } => self.hear(gate),
        }
    }

    /// The hub reads all taps of all gates and publishes.
    fn settle(&mut self) {
        let mut covered = Vec::new();
        for gate in 0..self.gates.len() {
            for run in self.everything(gate) {
                let is_gate = run.site != self.hub.decisions.site && run.site != self.hub.settled.site;
                if is_gate && !covered.iter().any(|(site, _)| *site == run.site) {
                    covered.push((run.site, run.last()));
                    self.hub.read(&run);
                }
            }
        }
        let now_ms = self.now_ms;
        self.hub.settle(now_ms, covered);
    }

    fn everything(&mut self, gate: usize) -> Vec<Run> {
        let store = self.gate(gate);
        let sites: Vec<_> = store.have().wanted_by(None).map(|(site, _)| site).collect();
        let range = |site| Range {
            site,
            first: Seq(1),
            last: Seq(u64::MAX),
        };
        sites
            .into_iter()
            .flat_map(|site| store.serve(range(site), usize::MAX).unwrap())
            .collect()
    }

    fn exchange(&mut self, from: usize, to: usize, bytes: usize, slice: usize) {
        let theirs: Vec<_> = self
            .gate(from)
            .have()
            .wanted_by(None)
            .map(|(site, have)| (site, *have))
            .collect();
        for (site, have) in theirs {
            let Some(range) = self.gate(to).have().missing(site, &have) else {
                continue;
            };
            for run in self.gate(from).serve(range, bytes).unwrap() {
                let trust = Authority::new();
                let store = self.gate(to);
                let verified = store.verify(&run, &trust).unwrap();
                store.ingest_slice(&verified, slice).unwrap();
            }
        }
    }

    fn hear(&mut self, gate: usize) {
        for run in [self.hub.settled.whole(), self.hub.decisions.whole()] {
            let trust = Authority::new();
            match self.gate(gate).ingest(&run, &trust) {
                Ok(_) | Err(IngestError::Run(RunError::Duplicate)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn level(&mut self) {
        let count = self.gates.len();
        for gate in 0..count {
            self.hear(gate);
        }
        for _ in 0..count {
            for from in 0..count {
                for to in 0..count {
                    self.exchange(from, to, usize::MAX, usize::MAX);
                }
            }
        }
    }

    fn check(&mut self) {
        let first = self.gates[0].as_ref().unwrap();
        for gate in self.gates.iter().flatten() {
            assert_eq!(gate.have(), first.have());
            assert_eq!(gate.digest().unwrap(), first.digest().unwrap());
            assert_eq!(gate.set_aside().unwrap(), (0, 0));
            assert_eq!(gate.counters().divergences, 0);
        }
        // Once the hub covers everything, every gate sees what the hub sees.
        self.settle();
        self.level();
        for number in 1..3 {
            let balance = self.hub.balance(card(number));
            for gate in self.gates.iter().flatten() {
                let view = gate.card(card(number)).unwrap();
                assert_eq!(view.view.balance, balance);
                assert_eq!(view.uncovered_entries, 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_gates_converge(steps in prop::collection::vec(step(2), 1..40)) {
        let mut world = World::new(2);
        steps.iter().for_each(|step| world.step(step));
        world.level();
        world.check();
    }

    #[test]
    fn three_gates_converge(steps in prop::collection::vec(step(3), 1..60)) {
        let mut world = World::new(3);
        steps.iter().for_each(|step| world.step(step));
        world.level();
        world.check();
    }
}
