//! What a gate needs: bytes of disk for a tap, and of memory for its process.
#![expect(clippy::float_arithmetic, reason = "figures are measurements, not money")]

use std::path::Path;

use anyhow::Context as _;
use edge_node::store::Store;
use rusqlite::{Connection, params};

use super::Figure;
use super::filled::{Workshop, far_card, settled_cards, tap, taps_one_by_one};
use super::gates::{self, Everybody, card};
use crate::harness::gate::{Gate, present};

/// Taps whose bytes are counted, each a changeset and a run of its own, as in operation.
const COUNTED_TAPS: usize = 20_000;
/// Taps in the database of the process whose memory is measured.
const HELD_TAPS: usize = 122_000;
/// Cards in the other one.
const HELD_CARDS: usize = 1_000_000;
/// Taps that a process answers before its memory is looked at: different cards, spread over all.
const ANSWERED: usize = 2_000;

/// `disk_per_tap_bytes`: pages in use of a gate's database for one tap, journal and derived rows together; the larger
/// of the gate that made it and of its neighbour that got it.
///
/// Floor: the bytes of one plain SQLite row with the tap's fields in a table with a primary key.
///
/// # Errors
/// A store failed.
pub fn disk_per_tap() -> anyhow::Result<Vec<Figure>> {
    let made = gates::make(2)?;
    let [near, far] = made.gates.as_slice() else {
        anyhow::bail!("two gates were made");
    };
    let (here, there) = (Workshop::new()?, Workshop::new()?);
    let mut near = here.open(&gates::config(near)?, 11)?;
    let mut far = there.open(&gates::config(far)?, 12)?;
    let (near_before, far_before) = (used_bytes(near.connection())?, used_bytes(far.connection())?);
    for run in taps_one_by_one(&mut near, COUNTED_TAPS)? {
        far.ingest(&run, &Everybody)?;
    }
    let own = used_bytes(near.connection())? - near_before;
    let others = used_bytes(far.connection())? - far_before;
    let plain = plain_rows(made.scratch.path(), COUNTED_TAPS)?;
    Ok(vec![Figure::new(
        "disk_per_tap_bytes",
        "bytes",
        own.max(others) / COUNTED_TAPS as f64,
        plain / COUNTED_TAPS as f64,
    )])
}

/// `rss_122k_taps_mb`: resident memory of a gate's process with so many taps in its database, after some answers.
///
/// Floor: the same process with none.
///
/// # Errors
/// A gate did not start, or did not answer.
pub fn rss_taps() -> anyhow::Result<Vec<Figure>> {
    let fill = |store: &mut Store| {
        for first in (0..HELD_TAPS).step_by(64) {
            let group: anyhow::Result<Vec<_>> = (first..HELD_TAPS.min(first + 64)).map(tap).collect();
            store.taps(&group?, 0)?;
            store.seal()?;
        }
        Ok(())
    };
    let ask = |number| card(number).map(|card| card.to_string());
    Ok(vec![Figure::new(
        "rss_122k_taps_mb",
        "MB",
        rss_mb(fill, ask)?,
        rss_mb(|_| Ok(()), ask)?,
    )])
}

/// `rss_1m_cards_mb`: resident memory of a gate's process with so many settled cards, after taps of cards far apart.
///
/// Floor: the same process with 500 cards, after as many taps.
///
/// # Errors
/// A gate did not start, or did not answer.
pub fn rss_cards() -> anyhow::Result<Vec<Figure>> {
    let ask = |number: usize| far_card(number * (HELD_CARDS / ANSWERED)).map(|card| card.to_string());
    let few = |number| card(number).map(|card| card.to_string());
    Ok(vec![Figure::new(
        "rss_1m_cards_mb",
        "MB",
        rss_mb(|store| settled_cards(store, HELD_CARDS), ask)?,
        rss_mb(|_| Ok(()), few)?,
    )])
}

/// Memory of a gate's process whose database was filled, after it answered.
fn rss_mb(
    fill: impl FnOnce(&mut Store) -> anyhow::Result<()>,
    card: impl Fn(usize) -> anyhow::Result<String>,
) -> anyhow::Result<f64> {
    let mut made = gates::make(1)?;
    let gate = made.gates.first_mut().context("one gate was made")?;
    let config = gates::config(gate)?;
    let workshop = Workshop::new()?;
    let mut store = workshop.open(&config, 21)?;
    fill(&mut store)?;
    workshop.deliver(store, &config)?;
    gate.start()?;
    answer(gate, card)?;
    let process = gate.process()?;
    let resident = resident_mb(process.id())?;
    process.terminate()?;
    Ok(resident)
}

fn answer(gate: &Gate, card: impl Fn(usize) -> anyhow::Result<String>) -> anyhow::Result<()> {
    let mut client = gate.client()?;
    for number in 0..ANSWERED {
        let answer = present(&mut client, &card(number)?)?;
        answer.success().context("a tap")?;
    }
    Ok(())
}

/// Resident memory of a process, MB.
fn resident_mb(id: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("the gate's process")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .context("the process tells no VmRSS")?
        .trim()
        .parse()?;
    Ok(kib * 1_024.0 / 1e6)
}

/// Bytes of the pages of a database that are in use.
fn used_bytes(connection: &Connection) -> anyhow::Result<f64> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used = pragma("page_count")? - pragma("freelist_count")?;
    Ok((used * pragma("page_size")?) as f64)
}

/// Bytes of a plain table with the fields of so many taps.
fn plain_rows(folder: &Path, count: usize) -> anyhow::Result<f64> {
    let connection = Connection::open(folder.join("plain.db"))?;
    let empty = used_bytes(&connection)?;
    insert_plain_rows(&connection, count)?;
    Ok(used_bytes(&connection)? - empty)
}

/// Inserts the fields of so many taps into a plain table, in one transaction.
pub(super) fn insert_plain_rows(connection: &Connection, count: usize) -> anyhow::Result<()> {
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE taps (
             site INTEGER NOT NULL, seq INTEGER NOT NULL, card TEXT NOT NULL, at_ms INTEGER NOT NULL,
             direction INTEGER NOT NULL, accepted INTEGER NOT NULL, reason INTEGER NOT NULL, terminal TEXT NOT NULL,
             gate INTEGER NOT NULL, fare_version INTEGER NOT NULL, hold INTEGER NOT NULL,
             PRIMARY KEY (site, seq)
         ) STRICT, WITHOUT ROWID; BEGIN",
    )?;
    let mut insert =
        connection.prepare("INSERT INTO taps VALUES (1, ?1, ?2, ?3, ?4, 1, 0, 'A', 1, 1, 1200000)")?;
    for number in 0..count {
        let tap = tap(number)?;
        let direction = tap.direction == Some(sync_protocol::fact::Direction::Exit);
        insert.execute(params![
            i64::try_from(number)? + 1,
            tap.card.as_str(),
            tap.at_ms,
            direction
        ])?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}
