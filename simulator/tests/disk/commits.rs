//! Commits on a disk that loses power at any moment.

use rusqlite::{Connection, OpenFlags};
use simulator::disk::{Disk, VFS};
use simulator::random::Stream;

/// How a database is kept.
#[derive(Clone, Copy)]
struct Manner {
    journal: &'static str,
    synchronous: &'static str,
}

const WAL_FULL: Manner = Manner {
    journal: "WAL",
    synchronous: "FULL",
};

pub(crate) fn connect(disk: &Disk) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    Connection::open_with_flags_and_vfs(disk.path(), flags, VFS)
}

fn open(disk: &Disk, manner: Manner) -> rusqlite::Result<Connection> {
    let connection = connect(disk)?;
    connection.query_row(&format!("PRAGMA journal_mode = {}", manner.journal), [], |_| {
        Ok(())
    })?;
    connection.pragma_update(None, "synchronous", manner.synchronous)?;
    connection.pragma_update(None, "cache_size", 10)?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")?;
    Ok(connection)
}

/// The bytes of a row follow from its number.
fn bytes_of(id: i64) -> Vec<u8> {
    let length = usize::try_from(id * 7_919 % 3_000).unwrap();
    vec![u8::try_from(id % 251).unwrap(); length]
}

/// One transaction of a few rows, or a checkpoint. Returns the last row.
fn commit(connection: &mut Connection, last: i64, stream: &mut Stream) -> rusqlite::Result<i64> {
    if stream.chance(50) {
        connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?;
    }
    let transaction = connection.transaction()?;
    let until = last + stream.between(1, 5);
    for id in last + 1..=until {
        transaction.execute("INSERT INTO t VALUES (?, ?)", (id, bytes_of(id)))?;
    }
    transaction.commit()?;
    Ok(until)
}

/// What is on the disk after a power loss: the last row, when all rows up to it are whole.
fn last_row(connection: &Connection) -> Result<i64, String> {
    let fault = |error: rusqlite::Error| error.to_string();
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(fault)?;
    if check != "ok" {
        return Err(check);
    }
    let mut statement = connection
        .prepare("SELECT id, bytes FROM t ORDER BY id")
        .map_err(fault)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
    let mut last = 0;
    for row in rows.map_err(fault)? {
        let (id, bytes) = row.map_err(fault)?;
        if id != last + 1 || bytes != bytes_of(id) {
            return Err(format!("after row {last} comes {id} with {} bytes", bytes.len()));
        }
        last = id;
    }
    Ok(last)
}

/// What many power losses did.
#[derive(Debug, Default)]
struct Outcome {
    losses: u64,
    /// After so many, an acknowledged commit was gone or the database was damaged.
    broken: u64,
    /// Commits that nobody was told of, and that are there.
    unacknowledged_kept: u64,
    torn: u64,
    dropped: u64,
}

/// Lets disks lose power `losses_each` times while rows are committed.
fn lose(manner: Manner, disks: u64, losses_each: u64) -> Outcome {
    let mut outcome = Outcome::default();
    for seed in 0..disks {
        let mut stream = Stream::new(seed, "power losses");
        let disk = Disk::new();
        let mut acknowledged = 0;
        for _ in 0..losses_each {
            disk.power_fails_after(Some(stream.below(150)));
            if let Ok(mut connection) = open(&disk, manner) {
                while let Ok(last) = commit(&mut connection, acknowledged, &mut stream) {
                    acknowledged = last;
                }
            }
            assert!(disk.is_powerless());
            let lost = disk.power_loss(&mut stream);
            outcome.losses += 1;
            outcome.torn += lost.changes.torn;
            outcome.dropped += lost.changes.dropped;
            let found = open(&disk, manner)
                .map_err(|error| error.to_string())
                .and_then(|connection| last_row(&connection));
            match found {
                Ok(last) if last >= acknowledged => {
                    outcome.unacknowledged_kept += u64::from(last > acknowledged);
                    assert!(last <= acknowledged + 5);
                    acknowledged = last;
                }
                _ => {
                    outcome.broken += 1;
                    break;
                }
            }
        }
    }
    outcome
}

#[test]
fn no_acknowledged_commit_is_lost_by_a_power_loss() {
    let outcome = lose(WAL_FULL, 150, 8);
    assert_eq!(outcome.losses, 1_200, "{outcome:?}");
    assert_eq!(outcome.broken, 0, "{outcome:?}");
    assert!(outcome.unacknowledged_kept > 20, "{outcome:?}");
    assert!(outcome.torn > 500 && outcome.dropped > 500, "{outcome:?}");
}

#[test]
fn a_rollback_journal_holds_as_well_when_the_folder_is_synced() {
    let manner = Manner {
        journal: "DELETE",
        synchronous: "EXTRA",
    };
    let outcome = lose(manner, 50, 8);
    assert_eq!((outcome.losses, outcome.broken), (400, 0), "{outcome:?}");
}

/// The control: the disk does lose what is not synced.
#[test]
fn without_syncs_commits_are_lost() {
    for journal in ["WAL", "DELETE"] {
        let manner = Manner {
            journal,
            synchronous: "OFF",
        };
        let outcome = lose(manner, 40, 8);
        assert!(outcome.broken > 20, "{journal}: {outcome:?}");
    }
}
