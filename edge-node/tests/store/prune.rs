//! Cutting logs at the front: what must stay stays, and nobody can tell a gate that cut from one that did not.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use edge_node::store::{Pruned, Retention, SCHEMA_VERSION, Store};
use proptest::prelude::*;
use sync_protocol::changeset::{Change, Head, PublicKey, Run, SiteRole, Trust as _};
use sync_protocol::decide::GateType;
use sync_protocol::decide::Presentation;
use sync_protocol::fact::{CardStatus, Fact, Tap};
use sync_protocol::have::Range;
use sync_protocol::id::{GateId, NodeId, Seq, SiteId};
use sync_protocol::time::{HOUR_MS, MINUTE_MS};

use crate::support::*;

const DAY_MS: i64 = 24 * HOUR_MS;

/// Cuts until nothing is left to cut; how many changesets went.
fn prune(store: &mut Store, hub_ms: i64, retention: &Retention) -> u64 {
    let mut gone = 0;
    loop {
        let pruned = store.prune(hub_ms, retention).unwrap();
        let Some((site, have)) = pruned.cut else {
            assert_eq!(pruned, Pruned::default());
            return gone;
        };
        assert!(pruned.changesets > 0);
        assert_eq!(store.have().get(site), Some(&have));
        assert_eq!(store.floor(site).seq, have.floor);
        gone += pruned.changesets;
    }
}

/// All that a gate holds of a log, from its floor on.
fn rest(store: &Store, site: SiteId) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut next = store.floor(site).seq.next();
    while next <= store.head(site).seq {
        let range = Range {
            site,
            first: next,
            last: Seq(u64::MAX),
        };
        let run = store.serve(range, 1 << 20).unwrap().pop().unwrap();
        next = run.last().next();
        runs.push(run);
    }
    runs
}

/// What is left leads from the chain at the floor to the head, and its signatures verify.
fn verify_from_floor(store: &Store, site: SiteId, key: &PublicKey) {
    let mut head = store.floor(site);
    for run in rest(store, site) {
        assert_eq!(run.first, head.seq.next());
        for body in &run.bodies {
            head = head.then(body);
        }
        let message = head.signed_message(site);
        assert!(Authority::new().verifies(key, &message, &run.signature));
    }
    assert_eq!(head, store.head(site));
}

fn count(store: &Store, query: &str) -> i64 {
    store.connection().query_row(query, [], |row| row.get(0)).unwrap()
}

/// A morning of one gate that the hub has settled, but for the last tap.
fn morning(town: &mut Town, hub: &mut Hub) -> Store {
    let mut store = town.stocked_gate(1, "A", hub);
    for turn in 0..6 {
        let at_ms = T0 + turn * HOUR_MS;
        let tap = if turn % 2 == 0 {
            entry(1, at_ms)
        } else {
            exit(1, at_ms)
        };
        let run = store.tap(&tap, 0).unwrap().run;
        if turn < 5 {
            hub.read(&run);
        }
    }
    let settled = hub.settle(
        T0 + 6 * HOUR_MS,
        vec![(store.site(), Seq(5)), (hub.decisions.site, Seq(1))],
    );
    store.ingest(&settled, &town.trust).unwrap();
    store
}

#[test]
fn settled_states_go_after_minutes_and_covered_logs_after_days() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = morning(&mut town, &mut hub);
    let retention = Retention::default();
    let (own, now) = (store.site(), T0 + 6 * HOUR_MS);
    let (before, digest) = (store.card(card(1)).unwrap(), store.digest().unwrap());
    let kept = store.kept();
    assert_eq!((kept.changesets, kept.pruned), (9, 0));

    assert_eq!(prune(&mut store, now, &retention), 0);
    assert_eq!(prune(&mut store, now + 15 * MINUTE_MS - 1, &retention), 0);
    assert_eq!(prune(&mut store, now + 15 * MINUTE_MS, &retention), 1);
    let settled = store.head(hub.settled.site).seq;
    assert_eq!(
        store.floor(hub.settled.site).seq.next(),
        settled,
        "the last one stays"
    );
    assert_eq!(prune(&mut store, now + 14 * DAY_MS - 1, &retention), 0);
    assert_eq!(prune(&mut store, now + 14 * DAY_MS, &retention), 5);
    assert_eq!(store.floor(hub.decisions.site).seq, Seq(0), "the last one stays");
    assert_eq!(store.floor(own).seq, Seq(5), "the last tap is not covered");
    assert_eq!(store.counters().pruned, 6);

    // The balance, the digests and what is pending are as before.
    assert_eq!(store.card(card(1)).unwrap(), before);
    assert_eq!(store.digest().unwrap(), digest);
    assert_eq!(count(&store, "SELECT count(*) FROM offline_tasks"), 1);
    assert_eq!(
        count(&store, "SELECT count(*) FROM facts_by_card WHERE kind = 0"),
        1
    );
    assert!(
        count(
            &store,
            "SELECT registered_at FROM users WHERE card_id = 'CARD0001'"
        ) > 0
    );
    assert_eq!(store.recent_taps(10).unwrap().len(), 1);

    // And after the next start.
    verify_from_floor(&store, own, &public_key(1));
    let have = store.have().clone();
    store.close().unwrap();
    let reopened = town.gate(1, "A");
    assert_eq!(*reopened.have(), have);
    assert_eq!(reopened.card(card(1)).unwrap(), before);
    verify_from_floor(&reopened, own, &public_key(1));
}

#[test]
fn a_log_that_was_cut_goes_on_and_serves_what_is_left_of_it() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = morning(&mut town, &mut hub);
    let own = store.site();
    let whole: Vec<Bytes> = rest(&store, own).into_iter().flat_map(|run| run.bodies).collect();
    prune(&mut store, T0, &Retention::default());
    assert_eq!(prune(&mut store, T0 + 15 * DAY_MS, &Retention::default()), 6);

    let below = Range {
        site: own,
        first: Seq(3),
        last: Seq(6),
    };
    assert!(store.serve(below, 1 << 20).unwrap().is_empty());
    let head = store
        .tap(&entry(1, T0 + 15 * DAY_MS), 0)
        .unwrap()
        .decided
        .fact
        .seq;
    assert_eq!(head, Seq(7));
    store.file().unwrap();
    assert_eq!(store.floor(own).seq, Seq(5));
    // A new gate, which has the beginning from the hub, gets the rest from this one.
    let mut new = town.gate(2, "A");
    new.ingest(&hub.decisions.whole(), &town.trust).unwrap();
    new.ingest(&hub.settled.whole(), &town.trust).unwrap();
    let first_five = Run {
        site: own,
        first: Seq(1),
        bodies: whole[..5].to_vec(),
        signature: store_signature(&whole[..5], own),
    };
    new.ingest(&first_five, &town.trust).unwrap();
    for run in rest(&store, own) {
        new.ingest(&run, &town.trust).unwrap();
    }
    assert_eq!(new.head(own), store.head(own));
    assert_eq!(new.card(card(1)).unwrap().view, store.card(card(1)).unwrap().view);
}

/// The hub has every signature; this is the one of gate 1 over so much of its log.
fn store_signature(bodies: &[Bytes], site: SiteId) -> sync_protocol::changeset::Signature {
    let head = bodies
        .iter()
        .fold(Head::empty(site), |head, body| head.then(body));
    let opening = opening(1, "A", GateType::Bidirectional, 0);
    opening.signer.sign(&head.signed_message(site))
}

#[test]
fn what_is_set_aside_outlives_its_log() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut pen = Pen::new(NodeId(2), SiteRole::Gate(terminal("A")), 2, 9);
    let later = Change {
        at: None,
        content: Bytes::from_static(&[77]),
    };
    store.ingest(&pen.changes(T0, [later]), &town.trust).unwrap();
    // A gate that states a top-up: verified, and refused.
    store
        .ingest(&pen.facts(T0 + 1, [top_up(1, 1, "mine")]), &town.trust)
        .unwrap();
    let fine = by_neighbour(&store, &entry(1, T0 + 2));
    store.ingest(&pen.facts(T0 + 2, [fine]), &town.trust).unwrap();
    assert_eq!(store.set_aside().unwrap(), (1, 1));
    let last = by_neighbour(&store, &exit(1, T0 + 3));
    store.ingest(&pen.facts(T0 + 3, [last]), &town.trust).unwrap();
    let settled = hub.settle(T0 + HOUR_MS, vec![(pen.site, Seq(3))]);
    store.ingest(&settled, &town.trust).unwrap();
    prune(&mut store, T0, &Retention::default());
    prune(&mut store, T0 + 15 * DAY_MS, &Retention::default());
    assert_eq!(store.floor(pen.site).seq, Seq(3));
    assert_eq!(store.set_aside().unwrap(), (1, 1));
    let bodies = format!(
        "SELECT count(*) FROM kept_bodies JOIN sites ON ordinal = kept_bodies.site WHERE sites.site = x'{}'",
        pen.site
    );
    assert_eq!(count(&store, &bodies), 2);
    store.close().unwrap();
    // A start tries again what was for a later version: its body is there.
    let reopened = town.gate(1, "A");
    assert_eq!(reopened.set_aside().unwrap(), (1, 1));
}

#[test]
fn too_many_settled_states_go_at_once() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = morning(&mut town, &mut hub);
    let retention = Retention {
        settled_bytes: 1,
        ..Retention::default()
    };
    assert_eq!(prune(&mut store, T0, &retention), 1);
    let next = hub.settle(T0 + 7 * HOUR_MS, Vec::new());
    store.ingest(&next, &town.trust).unwrap();
    assert_eq!(store.counters().divergences, 0);
}

#[test]
fn a_database_of_the_first_schema_learns_its_bytes() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let store = morning(&mut town, &mut hub);
    let kept = store.kept();
    store.close().unwrap();
    let connection = rusqlite::Connection::open(town.path(1)).unwrap();
    connection
        .execute_batch(
            "DROP VIEW users; ALTER TABLE sites DROP COLUMN floor_chain; ALTER TABLE sites DROP COLUMN journal_bytes;
             ALTER TABLE cards DROP COLUMN registered_ms; ALTER TABLE quarantine DROP COLUMN attempts;
             DROP TABLE held_marks; DROP TABLE kept_bodies; DROP TABLE fork_decisions;
             ALTER TABLE sites DROP COLUMN opening;
             DROP TABLE snapshot; DROP TABLE snapshot_parts; DROP TABLE snapshot_cards;
             PRAGMA user_version = 1",
        )
        .unwrap();
    connection.close().unwrap();
    let reopened = town.gate(1, "A");
    assert_eq!(SCHEMA_VERSION, 4);
    assert_eq!(reopened.kept(), kept);
}

/// What gate 2, which knows as much, would have decided and stated.
fn by_neighbour(store: &Store, tap: &Presentation) -> Fact {
    let tap = store.decide_only(tap, 0).decision.tap;
    Fact::Tap(Tap {
        gate: GateId(2),
        ..tap
    })
}

/// What happens to a gate.
#[derive(Clone, Debug)]
enum Event {
    Tap {
        card: u32,
        enters: bool,
    },
    Neighbour {
        card: u32,
        enters: bool,
    },
    File,
    Status {
        card: u32,
        blocked: bool,
    },
    /// The hub settles a share of what it may have by now, in quarters.
    Settle {
        quarters: u64,
    },
    /// The hub's time goes on.
    Later {
        hours: i64,
    },
    Prune {
        slices: u32,
    },
    Restart,
    Crash,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1..3_u32, any::<bool>()).prop_map(|(card, enters)| Event::Tap { card, enters }),
        3 => (1..3_u32, any::<bool>()).prop_map(|(card, enters)| Event::Neighbour { card, enters }),
        2 => Just(Event::File),
        1 => (1..3_u32, any::<bool>()).prop_map(|(card, blocked)| Event::Status { card, blocked }),
        4 => (0..5_u64).prop_map(|quarters| Event::Settle { quarters }),
        4 => (1..8_i64).prop_map(|hours| Event::Later { hours }),
        6 => (1..4_u32).prop_map(|slices| Event::Prune { slices }),
        1 => Just(Event::Restart),
        1 => Just(Event::Crash),
    ]
}

/// Two databases of one gate that hear and see the same; one of them is cut.
struct Twins {
    towns: [Town; 2],
    stores: [Option<Store>; 2],
    /// Where the databases are.
    files: [PathBuf; 2],
    hub: Hub,
    neighbour: Pen,
    /// Own sites with their bodies, and how much of each the hub has read.
    logs: Vec<(SiteId, Vec<Bytes>, u64)>,
    neighbour_read: u64,
    at_ms: i64,
    version: u64,
    crashes: u32,
}

/// Short, so that much is cut: hours for logs, minutes for settled states.
const SHORT: Retention = Retention {
    logs_ms: 12 * HOUR_MS,
    settled_ms: HOUR_MS,
    settled_bytes: 4_096,
};

impl Twins {
    fn new() -> Twins {
        let mut hub = Hub::new();
        let mut towns = [Town::new(), Town::new()];
        let stores = [0, 1].map(|twin: usize| Some(towns[twin].stocked_gate(1, "A", &mut hub)));
        let mut neighbour = Pen::new(NodeId(2), SiteRole::Gate(terminal("A")), 2, 9);
        neighbour.facts(T0, []);
        let files = [0, 1].map(|twin: usize| towns[twin].path(1));
        let mut twins = Twins {
            towns,
            stores,
            files,
            hub,
            neighbour,
            logs: Vec::new(),
            neighbour_read: 0,
            at_ms: T0,
            version: 0,
            crashes: 0,
        };
        let run = twins.neighbour.whole();
        twins.ingest(&run);
        twins
    }

    fn both(&mut self) -> impl Iterator<Item = &mut Store> {
        self.stores.iter_mut().flatten()
    }

    fn ingest(&mut self, run: &Run) {
        for store in self.both() {
            store.ingest(run, &Authority::new()).unwrap();
        }
    }

    fn happen(&mut self, event: &Event) {
        self.at_ms += MINUTE_MS;
        let at_ms = self.at_ms;
        match *event {
            Event::Tap { card, enters } => {
                let tap = if enters {
                    entry(card, at_ms)
                } else {
                    exit(card, at_ms)
                };
                let runs: Vec<Run> = self.both().map(|store| store.tap(&tap, 0).unwrap().run).collect();
                assert_eq!(runs[0], runs[1]);
                match self.logs.last_mut().filter(|log| log.0 == runs[0].site) {
                    Some(log) => log.1.extend(runs[0].bodies.clone()),
                    None => self.logs.push((runs[0].site, runs[0].bodies.clone(), 0)),
                }
            }
            Event::Neighbour { card, enters } => {
                // What a gate of the terminal stated, said by another one's pen.
                let tap = if enters {
                    entry(card, at_ms)
                } else {
                    exit(card, at_ms)
                };
                let fact = by_neighbour(self.stores[0].as_ref().unwrap(), &tap);
                let run = self.neighbour.facts(at_ms, [fact]);
                self.ingest(&run);
            }
            Event::File => self.both().for_each(|store| store.file().unwrap()),
            Event::Status { card, blocked } => {
                self.version += 1;
                let to = if blocked {
                    CardStatus::Blocked
                } else {
                    CardStatus::Active
                };
                let run = self.hub.state(at_ms, [status(card, self.version, to)]);
                self.ingest(&run);
            }
            Event::Settle { quarters } => self.settle(quarters),
            Event::Later { hours } => self.at_ms += hours * HOUR_MS,
            Event::Prune { slices } => {
                for _ in 0..slices {
                    self.stores[0].as_mut().unwrap().prune(at_ms, &SHORT).unwrap();
                }
            }
            Event::Restart => {
                for (twin, slot) in self.stores.iter_mut().enumerate() {
                    slot.take().unwrap().close().unwrap();
                    let opening = self.towns[twin].opening(1, "A", GateType::Bidirectional);
                    *slot = Some(Store::open(&self.files[twin], opening).unwrap());
                }
            }
            Event::Crash => self.crash(),
        }
    }

    /// The process ends as it stands; the files are as SQLite left them.
    fn crash(&mut self) {
        self.crashes += 1;
        for (twin, slot) in self.stores.iter_mut().enumerate() {
            let town = &mut self.towns[twin];
            let aside = town.folder.path().join(format!("crash-{}", self.crashes));
            fs::create_dir(&aside).unwrap();
            for suffix in ["", "-wal"] {
                let file = format!("{}{suffix}", self.files[twin].display());
                fs::copy(&file, aside.join(format!("gate.db{suffix}"))).unwrap();
            }
            self.files[twin] = aside.join("gate.db");
            let opening = town.opening(1, "A", GateType::Bidirectional);
            *slot = Some(Store::open(&self.files[twin], opening).unwrap());
        }
    }

    /// The hub reads some of what was stated and publishes what it makes of it.
    fn settle(&mut self, quarters: u64) {
        let mut covered = vec![(self.hub.decisions.site, self.hub.decisions.head.seq)];
        for (site, bodies, read) in &mut self.logs {
            let upto = *read + (bodies.len() as u64 - *read) * quarters / 4;
            if upto > *read {
                self.hub.read(&part(*site, bodies, *read, upto));
                *read = upto;
            }
            covered.push((*site, Seq(*read)));
        }
        let held = self.neighbour.bodies.len() as u64;
        let upto = self.neighbour_read + (held - self.neighbour_read) * quarters / 4;
        if upto > self.neighbour_read {
            self.hub.read(&part(
                self.neighbour.site,
                &self.neighbour.bodies,
                self.neighbour_read,
                upto,
            ));
            self.neighbour_read = upto;
        }
        covered.push((self.neighbour.site, Seq(upto)));
        covered.retain(|(_, seq)| *seq > Seq(0));
        let run = self.hub.settle(self.at_ms, covered);
        self.ingest(&run);
    }

    /// The cut one shows what the other shows, and holds what it must.
    fn compare(&self) {
        let [cut, whole] = [0, 1].map(|twin: usize| self.stores[twin].as_ref().unwrap());
        for number in 1..3 {
            assert_eq!(cut.card(card(number)).unwrap(), whole.card(card(number)).unwrap());
        }
        assert_eq!(cut.digest().unwrap(), whole.digest().unwrap());
        assert_eq!(cut.counters().divergences, 0);
        assert_eq!(cut.set_aside().unwrap(), (0, 0));
        for (site, have) in whole.have().wanted_by(Some(terminal("A"))) {
            let (held, floor) = (cut.head(site), cut.floor(site));
            assert_eq!(held, have.head);
            if have.role != SiteRole::Settled {
                assert!(
                    floor.seq <= cut.covered(site),
                    "{site} is cut beyond what is covered"
                );
            }
            let expected: Vec<Bytes> = rest(whole, site).into_iter().flat_map(|run| run.bodies).collect();
            let left: Vec<Bytes> = rest(cut, site).into_iter().flat_map(|run| run.bodies).collect();
            assert_eq!(left, expected[floor.seq.0 as usize..]);
            let (gone, _) = expected.split_at(floor.seq.0 as usize);
            let chain = gone.iter().fold(Head::empty(site), |head, body| head.then(body));
            assert_eq!(chain, floor);
        }
        assert_eq!(cut.kept().journal_bytes as i64, count(cut, JOURNAL_BYTES));
        // The views lag behind where taps wait to be filed.
        if cut.is_filed() && whole.is_filed() {
            let pending = "SELECT count(*) FROM offline_tasks WHERE status = 'pending'";
            assert_eq!(count(cut, pending), count(whole, pending));
            let users = "SELECT sum(registered_at * 10 + length(balance)) FROM users";
            assert_eq!(count(cut, users), count(whole, users));
        }
    }
}

const JOURNAL_BYTES: &str = "SELECT coalesce(sum(length(body)), 0) FROM journal";

fn part(site: SiteId, bodies: &[Bytes], from: u64, to: u64) -> Run {
    Run {
        site,
        first: Seq(from + 1),
        bodies: bodies[from as usize..to as usize].to_vec(),
        signature: sync_protocol::changeset::Signature([0; 64]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order, crashes included: nothing that must stay is cut, and a gate that cuts its
    /// logs shows what one shows that does not.
    #[test]
    fn nobody_can_tell_a_gate_that_cuts_its_logs(events in prop::collection::vec(event(), 10..60)) {
        let mut twins = Twins::new();
        for event in &events {
            twins.happen(event);
            twins.compare();
        }
    }
}

#[test]
fn a_signature_replaces_the_one_before_it_and_every_range_still_verifies() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let signatures = |store: &Store, site: SiteId| {
        let query = format!(
            "SELECT count(signature) FROM journal JOIN sites ON ordinal = journal.site WHERE sites.site = x'{site}'"
        );
        count(store, &query)
    };
    for turn in 0..5 {
        let run = hub.state(T0 + turn, [top_up(1, 1, &turn.to_string())]);
        store.ingest(&run, &town.trust).unwrap();
        store.tap(&exit(1, T0 + turn * MINUTE_MS), 0).unwrap();
        store.file().unwrap();
    }
    let own = store.site();
    assert_eq!(signatures(&store, own), 1);
    assert_eq!(signatures(&store, hub.decisions.site), 1);
    verify_from_floor(&store, own, &public_key(1));
    let inner = Range {
        site: own,
        first: Seq(2),
        last: Seq(3),
    };
    let served = store.serve(inner, 1).unwrap().pop().unwrap();
    assert_eq!(
        (served.first, served.last()),
        (Seq(2), Seq(5)),
        "up to the signature"
    );
    store.close().unwrap();
    // What an earlier start signed stays.
    let mut store = town.gate(1, "A");
    let run = hub.state(T0 + 9, [top_up(1, 1, "later")]);
    store.ingest(&run, &town.trust).unwrap();
    assert_eq!(signatures(&store, hub.decisions.site), 2);
}
