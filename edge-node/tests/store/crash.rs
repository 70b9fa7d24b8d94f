//! The end of the process at any point between a tap's commit, its sealing and its filing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use edge_node::store::{GateStatus, Store};
use rusqlite::types::Value as Sql;
use sync_protocol::changeset::{Body, Content, site_open};
use sync_protocol::decide::GateType;
use sync_protocol::fact::{CardStatus, Fact};
use sync_protocol::have::Range;
use sync_protocol::id::{GateId, Seq, SiteId};
use sync_protocol::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

use crate::support::*;

/// What a crash leaves of gate 1: database and WAL as they are. Opened by a new start of the same gate.
fn after_crash(town: &mut Town, number: u32) -> Store {
    for suffix in ["", "-wal"] {
        let name = |number| format!("{}{suffix}", town.path(number).display());
        fs::copy(name(1), name(number)).unwrap();
    }
    let opening = town.opening(1, "A", GateType::Bidirectional);
    Store::open(town.path(number), opening).unwrap()
}

fn everything(store: &Store, site: SiteId) -> Vec<sync_protocol::changeset::Run> {
    let range = Range {
        site,
        first: Seq(1),
        last: Seq(u64::MAX),
    };
    store.serve(range, usize::MAX).unwrap()
}

/// All rows of the tables that taps write, signatures aside: where they stand depends on when was sealed.
fn rows(store: &Store) -> Vec<String> {
    let queries = [
        "SELECT * FROM sites ORDER BY ordinal",
        "SELECT site, seq, body FROM journal ORDER BY site, seq",
        "SELECT * FROM facts_by_card ORDER BY card, arrival",
        "SELECT * FROM users ORDER BY id",
        "SELECT * FROM offline_tasks ORDER BY id",
        "SELECT * FROM local_transactions ORDER BY id",
    ];
    let mut rows = Vec::new();
    for query in queries {
        let mut statement = store.connection().prepare(query).unwrap();
        let columns = statement.column_count();
        let read = statement.query_map([], |row| {
            let values = (0..columns).map(|column| row.get_unwrap::<_, Sql>(column));
            Ok(format!("{query}: {:?}", values.collect::<Vec<_>>()))
        });
        rows.extend(read.unwrap().map(Result::unwrap));
    }
    rows
}

type Step = fn(&mut Store, &mut Hub, &Authority);

/// A morning at a gate, with everything between which a process can end.
const MORNING: &[Step] = &[
    |store, _, _| drop(store.taps(&[entry(1, T0)], 0).unwrap()),
    |store, _, _| drop(store.seal().unwrap()),
    |store, _, _| {
        drop(
            store
                .taps(&[entry(2, T0 + 1), exit(1, T0 + 6 * MINUTE_MS)], 0)
                .unwrap(),
        )
    },
    |store, _, _| drop(store.taps(&[entry(1, T0 + HOUR_MS)], 0).unwrap()),
    |store, _, _| drop(store.seal().unwrap()),
    |store, _, _| store.file().unwrap(),
    |store, _, _| drop(store.taps(&[exit(1, T0 + 2 * HOUR_MS)], 0).unwrap()),
    |store, _, _| {
        drop(
            store
                .set_gate_status(GateId(1), GateStatus::Maintenance, T0 + 3 * HOUR_MS)
                .unwrap(),
        )
    },
    |store, _, _| drop(store.taps(&[exit(2, T0 + 3 * HOUR_MS)], 0).unwrap()),
    |store, hub, trust| {
        let run = hub.state(
            T0 + 3 * HOUR_MS,
            [status(2, 1, CardStatus::Suspended), top_up(1, 7_000, "noon")],
        );
        store.ingest(&run, trust).unwrap();
    },
    |store, _, _| {
        drop(
            store
                .taps(&[entry(1, T0 + 4 * HOUR_MS), entry(2, T0 + 4 * HOUR_MS)], 0)
                .unwrap(),
        )
    },
    |store, _, _| drop(store.taps(&[exit(1, T0 + 5 * HOUR_MS)], 0).unwrap()),
    |store, hub, trust| {
        let site = store.site();
        store.seal().unwrap();
        for run in everything(store, site) {
            hub.read(&run);
        }
        let run = hub.settle(T0 + 6 * HOUR_MS, vec![(site, store.head(site).seq)]);
        store.ingest(&run, trust).unwrap();
        assert_eq!(store.counters().divergences, 0);
    },
    |store, _, _| drop(store.taps(&[entry(1, T0 + 7 * HOUR_MS)], 0).unwrap()),
    |store, _, _| drop(store.taps(&[entry(1, T0 + 7 * HOUR_MS + SECOND_MS)], 0).unwrap()),
];

#[test]
fn whatever_step_a_crash_follows_the_tables_are_those_of_a_gate_that_files_at_once() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut lazy = town.stocked_gate(1, "A", &mut hub);
    let (mut other_town, mut other_hub) = (Town::new(), Hub::new());
    let mut prompt = other_town.stocked_gate(1, "A", &mut other_hub);
    assert_eq!(lazy.site(), prompt.site());
    for (step, number) in MORNING.iter().zip(10..) {
        step(&mut lazy, &mut hub, &town.trust);
        step(&mut prompt, &mut other_hub, &other_town.trust);
        prompt.seal().unwrap();
        prompt.file().unwrap();

        let copy = after_crash(&mut town, number);
        assert_eq!(rows(&copy), rows(&prompt), "step {number}");
        assert_eq!(copy.have(), prompt.have(), "step {number}");
        assert_eq!(copy.digest().unwrap(), prompt.digest().unwrap());
        assert_eq!(copy.recent_taps(100).unwrap(), prompt.recent_taps(100).unwrap());
        assert_eq!(copy.last_stamp(), prompt.last_stamp());
        for card in [card(1), card(2)] {
            assert_eq!(copy.card(card).unwrap(), prompt.card(card).unwrap());
            assert_eq!(lazy.card(card).unwrap(), prompt.card(card).unwrap());
        }
        assert_eq!(lazy.recent_taps(100).unwrap(), prompt.recent_taps(100).unwrap());
    }
    lazy.close().unwrap();
    assert_eq!(
        rows(&town.gate(1, "A")),
        rows(&prompt),
        "and so after an orderly end"
    );
}

#[test]
fn an_unsealed_tail_is_served_after_the_crash_and_believed() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut neighbour = town.stocked_gate(2, "A", &mut hub);
    let site = store.site();
    let sealed = store.tap(&entry(1, T0), 0).unwrap().run;
    neighbour.ingest(&sealed, &town.trust).unwrap();
    store.taps(&[exit(1, T0 + HOUR_MS)], 0).unwrap();
    store.taps(&[entry(1, T0 + 2 * HOUR_MS)], 0).unwrap();
    assert_eq!(
        store.head(site).seq,
        Seq(1),
        "nobody is told of what cannot be served"
    );
    assert!(!store.is_sealed());
    assert_eq!(everything(&store, site)[0].last(), Seq(1));

    let mut copy = after_crash(&mut town, 3);
    assert_eq!(copy.counters().replayed, 3);
    assert_eq!(copy.head(site).seq, Seq(3));
    let run = everything(&copy, site).remove(0);
    assert_eq!(run.last(), Seq(3));
    neighbour.ingest(&run, &town.trust).unwrap();
    assert_eq!(neighbour.card(card(1)).unwrap(), copy.card(card(1)).unwrap());
    let next = copy.tap(&exit(1, T0 + 3 * HOUR_MS), 0).unwrap().run;
    let open = site_open(&next.bodies[0]).unwrap();
    assert_eq!(open.previous, Some((site, copy.head(site))));
    neighbour.ingest(&next, &town.trust).unwrap();
    assert_eq!(neighbour.have(), copy.have());
}

#[test]
fn one_signature_seals_all_taps_since_the_last() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut neighbour = town.stocked_gate(2, "A", &mut hub);
    assert!(store.seal().unwrap().is_none(), "nothing to seal");
    for tap in 0..5 {
        store.taps(&[entry(1, T0 + tap * HOUR_MS)], 0).unwrap();
    }
    store.file().unwrap();
    store.taps(&[exit(1, T0 + 6 * HOUR_MS)], 0).unwrap();
    assert!(store.is_filed() == store.is_sealed());
    let run = store.seal().unwrap().unwrap();
    assert_eq!(
        (run.first, run.last()),
        (Seq(1), Seq(6)),
        "filing hands nothing out"
    );
    assert!(store.seal().unwrap().is_none());
    assert_eq!(neighbour.ingest(&run, &town.trust).unwrap().changesets, 6);
    assert!(store.knows_key(GateId(1).node(), &public_key(1)));
    assert!(neighbour.knows_key(GateId(1).node(), &public_key(1)));
    assert!(!neighbour.knows_key(GateId(2).node(), &public_key(1)));
    assert!(
        !neighbour.knows_key(GateId(2).node(), &public_key(2)),
        "it has written nothing yet"
    );

    // An edit takes along what was not sealed.
    store.taps(&[entry(1, T0 + 7 * HOUR_MS)], 0).unwrap();
    let run = store
        .set_config("language", "en", T0 + 7 * HOUR_MS)
        .unwrap()
        .unwrap();
    assert_eq!((run.first, run.last()), (Seq(7), Seq(8)));
    neighbour.ingest(&run, &town.trust).unwrap();
    assert_eq!(neighbour.have(), store.have());
    assert!(store.seal().unwrap().is_none());
}

#[test]
fn taps_that_nobody_seals_or_files_stay_bounded_and_known() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    for group in 0..100_u32 {
        let taps: Vec<_> = (0..64)
            .map(|tap| entry(1_000 + group * 64 + tap, T0 + HOUR_MS))
            .collect();
        store.taps(&taps, HOUR_MS).unwrap();
        if group == 31 {
            // From here on the cards in memory are both such that wait and such that do not.
            store.file().unwrap();
        }
        let some_that_wait = 1_000 + 40 * 64;
        if group == 80 {
            let view = store.card(card(some_that_wait)).unwrap().view;
            assert!(view.open.is_some(), "the card was forgotten while its tap waits");
        }
    }
    let filed: i64 = store
        .connection()
        .query_row("SELECT count(*) FROM facts_by_card WHERE kind = 0", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert!((2_000..6_400).contains(&filed), "{filed} are filed");
    for number in 1_000..7_400 {
        assert!(
            store.card(card(number)).unwrap().view.open.is_some(),
            "card {number}"
        );
    }
    let run = store.seal().unwrap().unwrap();
    assert!(run.body_bytes() <= 256 << 10, "a frame holds what is handed out");
    assert_eq!(run.last(), Seq(100));
    let mut neighbour = town.stocked_gate(2, "A", &mut hub);
    let mut pieces = 0;
    while neighbour.head(store.site()) != store.head(store.site()) {
        let range = Range {
            site: store.site(),
            first: neighbour.head(store.site()).seq.next(),
            last: Seq(u64::MAX),
        };
        let piece = store.serve(range, 1).unwrap().remove(0);
        assert!(piece.body_bytes() <= 160 << 10, "and so the pieces served");
        neighbour.ingest(&piece, &town.trust).unwrap();
        pieces += 1;
    }
    assert!(pieces > 1);
}

#[test]
fn with_another_key_the_tail_waits_for_the_old_one_or_a_peer() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let site = store.site();
    store.tap(&entry(1, T0), 0).unwrap();
    store.file().unwrap();
    let sent = store.tap(&exit(1, T0 + HOUR_MS), 0).unwrap().run;
    store.taps(&[entry(1, T0 + 2 * HOUR_MS)], 0).unwrap();
    let mut restored = after_crash(&mut town, 3);
    assert_eq!(restored.head(site).seq, Seq(3));
    assert_eq!(
        restored.tap(&exit(1, T0 + 3 * HOUR_MS), 0).unwrap().run.first,
        Seq(1)
    );

    let replaced = town.path(4);
    for suffix in ["", "-wal"] {
        let name = |path: &std::path::Path| format!("{}{suffix}", path.display());
        fs::copy(name(&town.path(1)), name(&replaced)).unwrap();
    }
    // The gate's number, another key.
    let mut opening = town.opening(4, "A", GateType::Bidirectional);
    opening.gate.id = GateId(1);
    let mut other = Store::open(&replaced, opening).unwrap();
    assert_eq!((other.counters().unsigned, other.counters().replayed), (2, 0));
    assert_eq!(other.head(site).seq, Seq(1), "what is signed is kept");
    assert_eq!(everything(&other, site)[0].last(), Seq(1));
    assert_eq!(other.recent_taps(9).unwrap().len(), 3, "nothing is thrown away");
    assert!(other.card(card(1)).unwrap().view.open.is_some());

    assert!(everything(&other, site).len() == 1 && other.quarantine().unwrap().is_empty());

    // A peer that got the tail before the crash brings it back.
    assert_eq!(other.ingest(&sent, &town.trust).unwrap().changesets, 1);
    assert!(other.card(card(1)).unwrap().view.open.is_none());
    drop(other);
    let opening = town.opening(1, "A", GateType::Bidirectional);
    let store = Store::open(&replaced, opening).unwrap();
    assert_eq!((store.counters().unsigned, store.counters().replayed), (0, 1));
    assert_eq!(store.head(site), restored.head(site));
    assert!(store.card(card(1)).unwrap().view.open.is_some());
}

/// The taps of all gates, as a peer would get them.
fn taps_served(store: &Store) -> BTreeSet<String> {
    let sites: Vec<_> = store
        .have()
        .wanted_by(Some(terminal("A")))
        .map(|(site, _)| site)
        .collect();
    let mut taps = BTreeSet::new();
    for run in sites.into_iter().flat_map(|site| everything(store, site)) {
        for (position, body) in (run.first.0..).zip(&run.bodies) {
            let body = Body::decode(body).unwrap();
            for (index, change) in body.changes.iter().enumerate() {
                if let Ok(Some(Content::Fact(Fact::Tap(_)))) = change.read() {
                    taps.insert(body.order_key(run.site, Seq(position), index).id.to_string());
                }
            }
        }
    }
    taps
}

#[test]
fn a_site_of_which_nothing_is_signed_is_told_to_nobody() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let before = store.have().clone();
    store.taps(&[entry(1, T0)], 0).unwrap();
    assert_eq!(*store.have(), before);
    for suffix in ["", "-wal"] {
        let name = |number| format!("{}{suffix}", town.path(number).display());
        fs::copy(name(1), name(5)).unwrap();
    }
    let mut other = town.gate(5, "A");
    assert_eq!(other.counters().unsigned, 1);
    assert_eq!(*other.have(), before);
    let run = other.tap(&exit(1, T0 + HOUR_MS), 0).unwrap().run;
    assert_eq!(site_open(&run.bodies[0]).unwrap().previous, None);
}

const CHILD: &str = "STORE_CRASH_CHILD";
const ROUNDS: u8 = 50;
/// Random byte of the first child; those of the test itself are lower.
const FIRST_CHILD: u8 = 200;

/// Not a test of its own: the process that [`no_acknowledged_tap_is_lost_when_the_process_is_killed`] kills.
#[test]
fn child_that_taps_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    let (folder, round) = path.rsplit_once(':').unwrap();
    let round: i64 = round.parse().unwrap();
    let random = FIRST_CHILD + u8::try_from(round).unwrap();
    let opening = opening(1, "A", GateType::Bidirectional, random);
    let mut store = Store::open(format!("{folder}/gate-1.db"), opening).unwrap();
    let mut out = std::io::stdout();
    for tap in 0.. {
        let at_ms = T0 + round * HOUR_MS + tap * SECOND_MS;
        let number = |offset: i64| 1 + u32::try_from((tap + offset) % 40).unwrap();
        let taps = [entry(number(0), at_ms), exit(number(7), at_ms)];
        let group = 1 + usize::from(tap % 3 == 0);
        for decided in store.taps(&taps[..group], 0).unwrap() {
            writeln!(out, "{}", decided.fact).unwrap();
        }
        out.flush().unwrap();
        if tap % 2 == 0 {
            store.seal().unwrap();
        }
        if tap % 7 == round % 7 {
            store.file().unwrap();
        }
    }
}

#[test]
fn no_acknowledged_tap_is_lost_when_the_process_is_killed() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    drop(town.stocked_gate(1, "A", &mut hub));
    let mut neighbour = town.stocked_gate(2, "A", &mut hub);
    let mut acknowledged: Vec<String> = Vec::new();
    let mut replayed = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "crash::child_that_taps_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, format!("{}:{round}", town.folder.path().display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = 3 + usize::from(round) * 7 % 30;
        let mut read = 0;
        for line in lines {
            let line = line.unwrap();
            // What the test harness says is not a fact; the last line may be torn.
            if line.matches(':').count() == 2 && line.len() > 34 && !line.contains(' ') {
                acknowledged.push(line);
                read += 1;
            }
            if read == wanted {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(read >= wanted, "the child ended by itself");

        let store = town.gate(1, "A");
        replayed += store.counters().replayed;
        let held = taps_served(&store);
        for fact in &acknowledged {
            assert!(held.contains(fact), "round {round}: {fact} is lost");
        }
        let filed: i64 = store
            .connection()
            .query_row("SELECT count(*) FROM facts_by_card WHERE kind = 0", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(filed, held.len() as i64, "nothing twice, nothing missing");
        let sites: Vec<_> = store
            .have()
            .wanted_by(None)
            .map(|(site, have)| (site, *have))
            .collect();
        for (site, have) in sites {
            if let Some(range) = neighbour.have().missing(site, &have) {
                for run in store.serve(range, usize::MAX).unwrap() {
                    neighbour.ingest(&run, &town.trust).unwrap();
                }
            }
        }
        assert_eq!(
            neighbour.have(),
            store.have(),
            "all of it can be served and verified"
        );
    }
    assert!(
        replayed > u64::from(ROUNDS),
        "only {replayed} changesets were replayed"
    );
}
