//! Snapshots between stores: what was cut off everywhere comes back, and nothing false is taken.

use edge_node::store::{Retention, Store};
use sync_protocol::decide::GateType;
use sync_protocol::fact::CardStatus;
use sync_protocol::have::Scope;
use sync_protocol::id::{NodeId, Seq};
use sync_protocol::peer::PageTaken;
use sync_protocol::snapshot::{Need, Page, Part, Place};
use sync_protocol::time::{HOUR_MS, MINUTE_MS};

use crate::support::*;

const DAY_MS: i64 = 24 * HOUR_MS;
const SERVER: NodeId = NodeId(1);
/// Pages until a snapshot has to be complete.
const PAGES_MAX: u32 = 64;

/// A gate with a day behind it that the hub has settled, cut as far as it may be, and one tap since.
fn old_gate(town: &mut Town, hub: &mut Hub) -> Store {
    let mut store = town.stocked_gate(1, "A", hub);
    for number in 3..40 {
        let run = hub.state(
            T0 + i64::from(number),
            [top_up(number, 20_000, &number.to_string())],
        );
        store.ingest(&run, &town.trust).unwrap();
    }
    for turn in 0..5 {
        let at_ms = T0 + turn * HOUR_MS;
        let tap = if turn % 2 == 0 {
            entry(1, at_ms)
        } else {
            exit(1, at_ms)
        };
        let run = store.tap(&tap, 0).unwrap().run;
        hub.read(&run);
    }
    settle(&mut store, town, hub, 5);
    // So that what is left of the log holds no card.
    let run = hub.settle_nothing(T0 + 6 * HOUR_MS + 1);
    store.ingest(&run, &town.trust).unwrap();
    let run = hub.state(T0 + 7 * HOUR_MS, [status(2, 1, CardStatus::Blocked)]);
    store.ingest(&run, &town.trust).unwrap();
    store.tap(&entry(3, T0 + 7 * HOUR_MS), 0).unwrap();
    store.file().unwrap();
    for hub_ms in [T0, T0 + 15 * DAY_MS] {
        while store.prune(hub_ms, &Retention::default()).unwrap().cut.is_some() {}
    }
    for site in [store.site(), hub.decisions.site, hub.settled.site] {
        assert!(store.floor(site).seq > Seq(0), "{site}");
    }
    store
}

fn settle(store: &mut Store, town: &Town, hub: &mut Hub, taps: u64) {
    let at_ms = T0 + 6 * HOUR_MS;
    let covered = vec![
        (store.site(), Seq(taps)),
        (hub.decisions.site, hub.decisions.head.seq),
    ];
    let run = hub.settle(at_ms, covered);
    store.ingest(&run, &town.trust).unwrap();
}

fn scope() -> Scope {
    Scope::Terminal(terminal("A"))
}

/// Gathers until there is a verdict. `meddle` may change a page on the way.
fn gather(server: &Store, client: &mut Store, town: &Town, mut meddle: impl FnMut(&mut Page)) -> PageTaken {
    let (peer, mut need) = client.begin_snapshot(&[SERVER]).unwrap().unwrap();
    assert_eq!(peer, SERVER);
    for _ in 0..PAGES_MAX {
        let mut page = server.serve_page(scope(), &need).unwrap().unwrap();
        meddle(&mut page);
        match take(client, town, page) {
            PageTaken::More(next) => need = next,
            verdict => return verdict,
        }
    }
    panic!("no verdict");
}

fn take(client: &mut Store, town: &Town, page: Page) -> PageTaken {
    let mut work = match client.check_page(SERVER, page, &town.trust).unwrap() {
        Ok(work) => work,
        Err(taken) => return taken,
    };
    loop {
        if let Some(taken) = client.take_page(&mut work, 3).unwrap() {
            return taken;
        }
    }
}

fn install(client: &mut Store) {
    while !client.install_snapshot(5).unwrap().complete {}
}

/// What is left of all logs comes from the server.
fn follow(server: &Store, client: &mut Store, town: &Town) {
    let theirs: Vec<_> = server
        .have()
        .wanted_by(scope())
        .map(|(site, have)| (site, *have))
        .collect();
    for (site, have) in theirs {
        while let Some(range) = client.have().missing(site, &have) {
            let run = server.serve(range, 1 << 20).unwrap().pop().unwrap();
            client.ingest(&run, &town.trust).unwrap();
        }
    }
}

fn assert_level(server: &Store, client: &Store) {
    for number in 1..40 {
        let (theirs, ours) = (
            server.card(card(number)).unwrap(),
            client.card(card(number)).unwrap(),
        );
        assert_eq!(theirs, ours, "card {number}");
    }
    assert_eq!(server.digest().unwrap(), client.digest().unwrap());
    for (site, have) in server.have().wanted_by(scope()) {
        assert_eq!(client.head(site), have.head);
        assert_eq!(client.covered(site), server.covered(site));
    }
}

#[test]
fn a_new_gate_gets_from_a_snapshot_what_its_neighbour_has_cut_off() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let server = old_gate(&mut town, &mut hub);
    let mut client = town.gate(2, "A");
    assert_eq!(gather(&server, &mut client, &town, |_| {}), PageTaken::Complete);
    assert!(client.serve_page(scope(), &start()).unwrap().is_none(), "not yet");
    install(&mut client);
    assert_eq!(client.counters().snapshots, 1);
    follow(&server, &mut client, &town);
    assert_level(&server, &client);
    assert_eq!(client.counters().divergences, 0);
    // And it serves one itself.
    let mut third = town.gate(3, "A");
    assert_eq!(gather(&client, &mut third, &town, |_| {}), PageTaken::Complete);
    install(&mut third);
    follow(&client, &mut third, &town);
    assert_level(&client, &third);
}

fn start() -> Need {
    Need {
        place: Place::START,
        tail: None,
    }
}

#[test]
fn a_gate_that_was_away_keeps_its_taps_and_goes_on_from_the_snapshot() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut client = town.stocked_gate(2, "A", &mut hub);
    client.tap(&entry(2, T0 - MINUTE_MS), 0).unwrap();
    client.tap(&entry(1, T0 - MINUTE_MS), 0).unwrap();
    let own = client.recent_taps(9).unwrap();
    client.file().unwrap();
    let server = old_gate(&mut town, &mut hub);
    let before = client.head(client.site());
    assert_eq!(gather(&server, &mut client, &town, |_| {}), PageTaken::Complete);
    // A tap while it is taken over.
    client.install_snapshot(5).unwrap();
    client.tap(&entry(5, T0 + 8 * HOUR_MS), 0).unwrap();
    install(&mut client);
    follow(&server, &mut client, &town);
    assert_eq!(client.recent_taps(9).unwrap()[1..], own);
    assert_eq!(client.head(client.site()).seq, before.seq.next());
    for site in [hub.decisions.site, hub.settled.site] {
        assert_eq!(client.head(site), server.head(site));
    }
    // Its own taps are on top of the settled state, which says the card is in a journey.
    assert!(client.card(card(1)).unwrap().view.open.is_some());
    let site = client.site();
    client.close().unwrap();
    let reopened = town.gate(2, "A");
    assert_eq!(reopened.head(site).seq, before.seq.next());
    assert_eq!(reopened.head(hub.settled.site), server.head(hub.settled.site));
}

#[test]
fn what_the_hub_settles_meanwhile_is_in_it() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut server = old_gate(&mut town, &mut hub);
    let mut client = town.gate(2, "A");
    let (_, mut need) = client.begin_snapshot(&[SERVER]).unwrap().unwrap();
    let mut taken = PageTaken::NotNow;
    for turn in 0..PAGES_MAX {
        let mut page = server.serve_page(scope(), &need).unwrap().unwrap();
        if turn == 2 {
            // Between two pages: cards that came before are other ones now.
            let run = hub.state(T0 + 8 * HOUR_MS, [top_up(1, 9_000, "meanwhile")]);
            server.ingest(&run, &town.trust).unwrap();
            settle(&mut server, &town, &mut hub, 5);
            page = server.serve_page(scope(), &need).unwrap().unwrap();
        }
        taken = take(&mut client, &town, page);
        match &taken {
            PageTaken::More(next) => need = next.clone(),
            _ => break,
        }
    }
    assert_eq!(taken, PageTaken::Complete);
    install(&mut client);
    follow(&server, &mut client, &town);
    assert_level(&server, &client);
}

#[test]
fn it_goes_on_after_a_restart_and_a_crash_while_it_is_taken_over() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let server = old_gate(&mut town, &mut hub);
    let mut client = town.gate(2, "A");
    let (_, need) = client.begin_snapshot(&[SERVER]).unwrap().unwrap();
    let page = server.serve_page(scope(), &need).unwrap().unwrap();
    let PageTaken::More(next) = take(&mut client, &town, page) else {
        panic!("there is more");
    };
    drop(client);
    let mut client = town.gate(2, "A");
    let begun = client.begin_snapshot(&[NodeId(9), SERVER]).unwrap();
    assert_eq!(begun, Some((SERVER, next)), "where it was");
    assert_eq!(gather(&server, &mut client, &town, |_| {}), PageTaken::Complete);
    drop(client);
    let mut client = town.gate(2, "A");
    assert!(client.is_installing());
    client.install_snapshot(5).unwrap();
    client.install_snapshot(5).unwrap();
    drop(client);
    let mut client = town.gate(2, "A");
    assert_eq!(
        client.begin_snapshot(&[SERVER]).unwrap(),
        None,
        "one is taken over"
    );
    install(&mut client);
    follow(&server, &mut client, &town);
    assert_level(&server, &client);
    // Whoever else serves begins anew.
    let need = client.begin_snapshot(&[NodeId(9)]).unwrap().unwrap();
    assert_eq!(need, (NodeId(9), start()));
}

#[test]
fn whatever_is_forged_or_left_out_the_snapshot_is_refused_as_a_whole() {
    type Meddle = fn(&mut Page);
    let meddlers: [(&str, Meddle); 7] = [
        ("a higher revision", |page| {
            if let Part::Cards(cards) = &mut page.part {
                cards[0].revision += 1;
            }
        }),
        ("another state", |page| {
            if let Part::Cards(cards) = &mut page.part {
                let other = cards[1].state.clone();
                cards[0].state = other;
            }
        }),
        ("a card left out", |page| {
            if let Part::Cards(cards) = &mut page.part {
                cards.remove(0);
            }
        }),
        ("more coverage", |page| {
            if let Part::Coverage(covered) = &mut page.part {
                covered[0].1 = Seq(99);
            }
        }),
        ("no fares", |page| {
            if let Part::Fares(fares) = &mut page.part {
                fares.clear();
            }
        }),
        ("another head", |page| {
            if let Part::Bases(bases) = &mut page.part {
                bases[0].floor.chain.0[0] ^= 1;
            }
        }),
        ("cards out of order", |page| {
            if let Part::Cards(cards) = &mut page.part {
                cards.swap(0, 1);
            }
        }),
    ];
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let server = old_gate(&mut town, &mut hub);
    let mut client = town.gate(2, "A");
    let before = client.digest().unwrap();
    for (index, (what, meddle)) in meddlers.into_iter().enumerate() {
        assert_eq!(
            gather(&server, &mut client, &town, meddle),
            PageTaken::Refused,
            "{what}"
        );
        assert_eq!(client.counters().snapshots_refused, index as u64 + 1);
        assert!(!client.is_installing());
        assert_eq!(client.digest().unwrap(), before, "{what}: nothing of it is taken");
    }
    assert_eq!(gather(&server, &mut client, &town, |_| {}), PageTaken::Complete);
}

#[test]
fn a_gate_hands_on_no_row_that_it_could_not_have_stated() {
    use sync_protocol::rows::{RowChange, Value, key};
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let server = old_gate(&mut town, &mut hub);
    let mut client = town.gate(2, "A");
    let row = |table: &str, key: Value, column: &str| RowChange {
        table: table.to_owned(),
        key: key::pack(&[key]).unwrap(),
        column: column.to_owned(),
        value: Value::Text("forged".to_owned()),
        col_version: 5,
        causal_length: 1,
        seq: 0,
    };
    let forge = |page: &mut Page| {
        if let Part::Rows(rows) = &mut page.part {
            *rows = vec![
                row("gates", Value::Integer(7), "address"),
                row("system_config", Value::Text("revoked.00".to_owned()), "value"),
            ];
        }
    };
    assert_eq!(gather(&server, &mut client, &town, forge), PageTaken::Complete);
    install(&mut client);
    let count = |query: &str| -> i64 {
        client
            .connection()
            .query_row(query, [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(
        count("SELECT count(*) FROM gates WHERE id = 7"),
        1,
        "any gate may state this"
    );
    assert_eq!(count("SELECT count(*) FROM system_config"), 0);
}

#[test]
fn a_gate_without_settled_states_serves_none() {
    let mut town = Town::new();
    let opening = town.opening(1, "A", GateType::Bidirectional);
    let store = Store::open(town.path(1), opening).unwrap();
    assert!(store.serve_page(scope(), &start()).unwrap().is_none());
}
