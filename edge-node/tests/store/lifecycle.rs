//! Opening, closing, crashing, and files that are not what they should be.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use edge_node::store::{Fault, SCHEMA_VERSION, Store};
use rusqlite::Connection;
use sync_protocol::changeset::{Body, Content, site_open};
use sync_protocol::decide::GateType;
use sync_protocol::fact::Fact;
use sync_protocol::have::Range;
use sync_protocol::id::Seq;
use sync_protocol::time::HOUR_MS;

use crate::support::*;

fn refusal(town: &mut Town, number: u32) -> Fault {
    let opening = town.opening(number, "A", GateType::Bidirectional);
    match Store::open(town.path(number), opening) {
        Ok(_) => panic!("opened"),
        Err(error) => {
            assert!(error.to_string().starts_with(town.path(number).to_str().unwrap()));
            error.fault
        }
    }
}

#[test]
fn every_start_opens_a_site_that_names_the_one_before() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let first = store.site();
    store.tap(&entry(1, T0), 0).unwrap();
    let head = store.head(first);
    drop(store);
    // A start without a commit leaves no trace.
    let idle = town.gate(1, "A").site();
    let mut store = town.gate(1, "A");
    assert!(![first, idle].contains(&store.site()));
    let run = store.tap(&exit(1, T0 + HOUR_MS), 0).unwrap().run;
    let open = site_open(&run.bodies[0]).unwrap();
    assert_eq!(open.previous, Some((first, head)));
    assert_eq!(open.site(), store.site());
    assert!(store.have().get(idle).is_none());
}

#[test]
fn an_edit_can_open_the_site_too() {
    let mut town = Town::new();
    let mut store = town.gate(1, "A");
    let run = store.set_config("language", "en", T0).unwrap().unwrap();
    let body = Body::decode(&run.bodies[0]).unwrap();
    assert!(matches!(body.changes[0].read(), Ok(Some(Content::SiteOpen(_)))));
    assert!(matches!(body.changes[1].read(), Ok(Some(Content::Row(_)))));
    assert!(
        store.set_config("language", "en", T0).unwrap().is_none(),
        "no change, no changeset"
    );
    let mut other = town.gate(2, "A");
    other.ingest(&run, &town.trust).unwrap();
    assert_eq!(other.digest().unwrap(), store.digest().unwrap());

    // A failed edit leaves nothing.
    let failed = store.edit(T0, |transaction| {
        transaction.execute("UPDATE system_config SET value = 'fr'", [])?;
        transaction
            .execute("UPDATE no_such_table SET value = 1", [])
            .map(|_| ())
    });
    assert!(failed.is_err());
    assert_eq!(other.digest().unwrap(), store.digest().unwrap());
    assert_eq!(store.head(store.site()).seq, Seq(1));
    assert!(store.set_config("language", "fr", T0).unwrap().is_some());
}

#[test]
fn a_copy_taken_at_any_moment_holds_whole_transactions() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let site = store.site();
    for tap in 0..5 {
        store.tap(&entry(1, T0 + tap * HOUR_MS), 0).unwrap();
        // What a crash leaves: database and WAL as they are, without a close.
        let number = 10 + tap as u32;
        for suffix in ["", "-wal"] {
            let name = |number| format!("{}{suffix}", town.path(number).display());
            fs::copy(name(1), name(number)).unwrap();
        }
        if tap == 4 {
            let wal = format!("{}-wal", town.path(number).display());
            let length = fs::metadata(&wal).unwrap().len();
            fs::OpenOptions::new()
                .write(true)
                .open(&wal)
                .unwrap()
                .set_len(length - 100)
                .unwrap();
        }
        let opening = town.opening(1, "A", GateType::Bidirectional);
        let copy = Store::open(town.path(number), opening).unwrap();
        let seq = copy.head(site).seq;
        let torn = u64::from(tap == 4);
        assert_eq!(
            seq,
            Seq(tap as u64 + 1 - torn),
            "a torn last transaction is gone as a whole"
        );
        let range = Range {
            site,
            first: Seq(1),
            last: Seq(9),
        };
        let run = copy.serve(range, 1 << 20).unwrap().remove(0);
        assert_eq!(run.last(), seq);
        let taps = run
            .bodies
            .iter()
            .flat_map(|body| Body::decode(body).unwrap().changes);
        let taps = taps.filter(|change| matches!(change.read(), Ok(Some(Content::Fact(Fact::Tap(_))))));
        let filed: i64 = copy
            .connection()
            .query_row("SELECT count(*) FROM facts_by_card WHERE kind = 0", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(taps.count() as i64, filed);
    }
}

#[test]
fn a_restored_file_takes_its_lost_tail_back() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let mut neighbour = town.stocked_gate(2, "A", &mut hub);
    let first = store.tap(&entry(1, T0), 0).unwrap().run;
    store.checkpoint().unwrap();
    let backup = town.path(9);
    fs::copy(town.path(1), &backup).unwrap();
    let second = store.tap(&exit(1, T0 + HOUR_MS), 0).unwrap().run;
    for run in [&first, &second] {
        neighbour.ingest(run, &town.trust).unwrap();
    }
    let site = store.site();
    store.close().unwrap();
    fs::copy(&backup, town.path(1)).unwrap();

    let mut store = town.gate(1, "A");
    assert_eq!(store.head(site).seq, Seq(1));
    store.ingest(&second, &town.trust).unwrap();
    assert_eq!(store.card(card(1)).unwrap(), neighbour.card(card(1)).unwrap());
}

#[test]
fn a_commit_waits_for_the_disk() {
    let store = Town::new().gate(1, "A");
    let pragma = |name: &str| -> String {
        let value = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
        let value = store.connection().pragma_query_value(None, name, value).unwrap();
        format!("{value:?}")
    };
    assert_eq!(pragma("synchronous"), "Integer(2)", "FULL");
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    assert_eq!(pragma("wal_autocheckpoint"), "Integer(0)");
}

#[test]
fn one_process_at_a_time() {
    let mut town = Town::new();
    let store = town.gate(1, "A");
    assert!(matches!(refusal(&mut town, 1), Fault::InUse));
    drop(store);
    town.gate(1, "A");
}

#[test]
fn files_that_are_no_gate_database_are_refused_as_they_are() {
    let mut town = Town::new();
    fs::write(town.path(1), vec![7; 10_000]).unwrap();
    assert!(matches!(refusal(&mut town, 1), Fault::Damaged(_)));
    assert_eq!(fs::read(town.path(1)).unwrap(), vec![7; 10_000]);

    let connection = Connection::open(town.path(2)).unwrap();
    connection
        .execute_batch("CREATE TABLE recipes (name TEXT)")
        .unwrap();
    drop(connection);
    assert!(matches!(refusal(&mut town, 2), Fault::Foreign(0)));

    drop(town.gate(3, "A"));
    let connection = Connection::open(town.path(3)).unwrap();
    connection
        .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .unwrap();
    drop(connection);
    let fault = refusal(&mut town, 3);
    assert!(matches!(fault, Fault::SchemaNewer { .. }));
    assert!(
        fault.to_string().contains("start the newer version again"),
        "{fault}"
    );

    let path = town.folder.path().join("nowhere/gate.db");
    let opening = town.opening(4, "A", GateType::Bidirectional);
    let error = Store::open(path, opening).err().unwrap();
    assert!(matches!(error.fault, Fault::NoFolder));
    fs::create_dir(town.path(5)).unwrap();
    assert!(matches!(refusal(&mut town, 5), Fault::CannotOpen(_)));
}

#[test]
fn a_damaged_page_is_an_error_and_not_a_decision() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    store.tap(&entry(1, T0), 0).unwrap();
    store.close().unwrap();
    let mut bytes = fs::read(town.path(1)).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page[..64].fill(0xFF);
    }
    fs::write(town.path(1), bytes).unwrap();
    assert!(matches!(
        refusal(&mut town, 1),
        Fault::Damaged(_) | Fault::Content(_)
    ));
}

#[test]
fn a_full_database_refuses_whole_and_goes_on_when_there_is_room() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let pages: i64 = store
        .connection()
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    let limit = |store: &Store, pages: i64| {
        store
            .connection()
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    };
    limit(&store, pages + 1);
    let mut committed = 0_u64;
    let error = loop {
        match store.tap(&entry(1, T0 + committed as i64 * HOUR_MS), 0) {
            Ok(_) => committed += 1,
            Err(error) => break error,
        }
        assert!(committed < 10_000);
    };
    assert!(matches!(error.fault, Fault::Full), "{error}");
    assert_eq!(store.head(store.site()).seq, Seq(committed));
    limit(&store, 1 << 30);
    store.tap(&entry(1, T0), 0).unwrap();
    assert_eq!(store.head(store.site()).seq, Seq(committed + 1));
    assert_eq!(
        store.recent_taps(10_000).unwrap().len() as u64,
        (committed + 1).min(1_000)
    );
}

#[test]
fn a_read_only_file_is_told() {
    let mut town = Town::new();
    drop(town.gate(1, "A"));
    let mut permissions = fs::metadata(town.path(1)).unwrap().permissions();
    permissions.set_mode(0o444);
    fs::set_permissions(town.path(1), permissions).unwrap();
    if fs::OpenOptions::new().write(true).open(town.path(1)).is_ok() {
        return; // the super-user may write whatever the mode says
    }
    assert!(matches!(refusal(&mut town, 1), Fault::ReadOnly));
}

#[test]
fn a_group_is_all_or_nothing_when_the_process_dies_before_the_commit() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = town.stocked_gate(1, "A", &mut hub);
    let before = store.have().clone();
    // What the store does inside its transaction, cut off by the end of the process.
    store
        .connection()
        .execute_batch(
            "BEGIN IMMEDIATE;
             INSERT INTO journal (site, seq, body) VALUES (1, 99, x'00');
             UPDATE sites SET head_seq = 99;
             UPDATE system_config SET value = 'x';",
        )
        .unwrap();
    assert!(store.tap(&entry(1, T0), 0).is_err(), "a transaction is under way");
    drop(store);
    let store = town.gate(1, "A");
    assert_eq!(*store.have(), before);
}
