//! Full disks, slow ones, ended processes, images.

use rusqlite::{Connection, ErrorCode};
use simulator::disk::{Disk, Lost};
use simulator::random::Stream;

use crate::commits::connect;

fn database(disk: &Disk) -> Connection {
    let connection = connect(disk).unwrap();
    connection
        .query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
        .unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection
        .execute_batch("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, bytes BLOB)")
        .unwrap();
    connection
}

fn insert(connection: &Connection, rows: u32) -> rusqlite::Result<usize> {
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
               INSERT INTO t(bytes) SELECT zeroblob(1000) FROM n";
    connection.execute(sql, [rows])
}

fn count(connection: &Connection) -> i64 {
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    connection
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_full_disk_refuses_growth_and_takes_it_again() {
    let disk = Disk::new();
    let connection = database(&disk);
    insert(&connection, 50).unwrap();
    disk.set_full(true);
    let error = insert(&connection, 1).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
    assert!(disk.counters().refused > 0);
    assert_eq!(count(&connection), 50);
    disk.set_full(false);
    insert(&connection, 1).unwrap();

    let quota = disk.image().bytes() + 100_000;
    disk.set_quota(Some(quota));
    let refused = (0..100).map(|_| insert(&connection, 10)).find(Result::is_err);
    assert_eq!(
        refused.unwrap().unwrap_err().sqlite_error_code(),
        Some(ErrorCode::DiskFull)
    );
    assert!(disk.image().bytes() <= quota);
    let rows = count(&connection);
    drop(connection);
    disk.set_quota(None);
    let connection = database(&disk);
    assert_eq!(count(&connection), rows);
    insert(&connection, 10).unwrap();
}

#[test]
fn an_image_and_its_original_go_their_own_ways() {
    let disk = Disk::new();
    let connection = database(&disk);
    insert(&connection, 100).unwrap();
    let image = disk.image();
    let before = (image.file("gate.db"), image.file("gate.db-wal"));
    connection.execute("UPDATE t SET bytes = NULL", []).unwrap();
    insert(&connection, 1).unwrap();
    let copies = [Disk::from_image(&image), Disk::from_image(&image.clone())];
    for (more, copy) in (1..).zip(&copies) {
        let connection = database(copy);
        insert(&connection, more).unwrap();
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        assert_eq!(count(&connection), 100 + i64::from(more));
    }
    assert_eq!(count(&connection), 101);
    assert_eq!((image.file("gate.db"), image.file("gate.db-wal")), before);
    assert_ne!(copies[0].path(), copies[1].path());
}

#[test]
fn a_disk_made_of_an_image_is_durable() {
    let disk = Disk::new();
    let connection = database(&disk);
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    insert(&connection, 100).unwrap();
    let copy = Disk::from_image(&disk.image());
    let mut stream = Stream::new(1, "copy");
    assert_eq!(copy.power_loss(&mut stream), Lost::default());
    assert_eq!(count(&database(&copy)), 100);
}

#[test]
fn an_ended_process_leaves_what_it_wrote_and_touches_nothing_more() {
    let disk = Disk::new();
    let connection = database(&disk);
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    insert(&connection, 100).unwrap();
    connection.execute_batch("BEGIN; DELETE FROM t").unwrap();
    disk.end_process();
    let written = disk.counters().writes;
    assert!(connection.execute_batch("COMMIT").is_err());
    drop(connection);
    assert_eq!(disk.counters().writes, written);
    assert!(disk.image().file("gate.db-wal").is_some(), "nobody closed it");
    assert_eq!(count(&database(&disk)), 100);
}

#[test]
fn two_connections_see_each_other_and_wait_for_each_other() {
    let disk = Disk::new();
    let (first, second) = (database(&disk), database(&disk));
    insert(&first, 1).unwrap();
    assert_eq!(count(&second), 1);
    first.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = insert(&second, 1).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    insert(&first, 1).unwrap();
    assert_eq!(count(&second), 1);
    first.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&second), 2);
    drop(first);
    insert(&second, 1).unwrap();
    drop(second);
    assert!(
        disk.image().file("gate.db-wal").is_none(),
        "the last one tidies up"
    );
    assert_eq!(count(&database(&disk)), 3);
}

#[test]
fn syncs_take_their_time() {
    let disk = Disk::new();
    let connection = database(&disk);
    assert_eq!(disk.take_sync_ms(), 0);
    disk.set_sync_ms(250);
    let before = disk.counters().syncs;
    insert(&connection, 1).unwrap();
    insert(&connection, 1).unwrap();
    assert_eq!(disk.counters().syncs, before + 2, "one for each commit");
    assert_eq!((disk.take_sync_ms(), disk.take_sync_ms()), (500, 0));
}

/// SQLite's salts apart, which are random in the whole process: one seed, one disk.
#[test]
fn the_same_calls_make_the_same_disk() {
    let run = || {
        let disk = Disk::new();
        let mut stream = Stream::new(5, "same");
        for _ in 0..5 {
            disk.power_fails_after(Some(100));
            let connection = connect(&disk).unwrap();
            let set_up = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                          CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, bytes BLOB)";
            let mut going = connection.execute_batch(set_up).is_ok();
            while going {
                going = insert(&connection, 3).is_ok();
            }
            drop(connection);
            disk.power_loss(&mut stream);
        }
        let rows = count(&database(&disk));
        (disk.image().file("gate.db"), rows, disk.counters())
    };
    let first = run();
    assert!(first.2.torn > 0 && first.1 > 10, "{:?}", first.2);
    assert_eq!(first, run());
}

#[test]
fn a_disk_that_is_gone_cannot_be_opened() {
    let disk = Disk::new();
    let path = disk.path();
    let connection = database(&disk);
    drop(disk);
    insert(&connection, 1).unwrap();
    assert_eq!(count(&connection), 1, "who has it open keeps it");
    let flags = rusqlite::OpenFlags::default();
    assert!(Connection::open_with_flags_and_vfs(path, flags, simulator::disk::VFS).is_err());
}
