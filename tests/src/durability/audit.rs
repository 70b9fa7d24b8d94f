//! What must hold of a gate's database after any death of its process or of the power under it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use edge_node::store::Store;
use rusqlite::Connection;
use rusqlite::types::Value as Sql;
use sync_protocol::changeset::{Body, Content, Head, PublicKey, Signature, SiteOpen, Trust as _, site_open};
use sync_protocol::fact::{Fact, Tap};
use sync_protocol::have::Range;
use sync_protocol::id::{FactId, OrderKey, Seq, SiteId};

use super::acknowledged::Acknowledged;
use super::town::{self, Everybody};

/// Looks at one database again and again. What it has seen once must still be there the next time.
pub struct Audit {
    /// A gate of the same terminal that knows the journal only.
    witness: Store,
    seen: BTreeMap<SiteId, Head>,
    taps: BTreeMap<FactId, (OrderKey, Tap)>,
    /// Whose successor an own site says it is.
    follows: BTreeSet<Option<SiteId>>,
}

/// What a look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Taps in the journal.
    pub taps: usize,
    /// Of those, taps that nobody was told of: the process died between commit and acknowledgement.
    pub unacknowledged: usize,
    /// Sites written by this gate.
    pub own_sites: usize,
    /// Changesets that opening filed from the journal.
    pub replayed: u64,
}

struct Log {
    ordinal: i64,
    site: SiteId,
    own: bool,
    key: PublicKey,
    head: Head,
}

impl Audit {
    /// A witness with an empty database at `path`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(path: &Path) -> anyhow::Result<Audit> {
        Ok(Audit {
            witness: town::open(path, town::WITNESS, 1)?,
            seen: BTreeMap::new(),
            taps: BTreeMap::new(),
            follows: BTreeSet::new(),
        })
    }

    /// Opens the database as a new start of the gate would, and checks all of it.
    ///
    /// # Errors
    /// Something is lost, changed, doubled or does not follow from the journal.
    pub fn look(&mut self, path: &Path, start: u64, acknowledged: &Acknowledged) -> anyhow::Result<Found> {
        let store = town::open(path, town::GATE, start)?;
        let connection = store.connection();
        let integrity: String = connection.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
        ensure!(integrity == "ok", "the file is damaged: {integrity}");
        let logs = logs(connection)?;
        let mut ids = BTreeSet::new();
        for log in &logs {
            ensure!(ids.insert(log.site), "{} is two logs", log.site);
            self.read(connection, log)?;
        }
        for site in self.seen.keys() {
            ensure!(ids.contains(site), "the log {site} is gone");
        }
        self.check_acknowledged(acknowledged)?;
        self.check_replay(&store)?;
        Ok(Found {
            taps: self.taps.len(),
            unacknowledged: self.taps.len().saturating_sub(acknowledged.taps.len()),
            own_sites: logs.iter().filter(|log| log.own).count(),
            replayed: store.counters().replayed,
        })
    }

    /// Reads what is new in a log: without gaps, chained up to the head in its table, its signatures good.
    fn read(&mut self, connection: &Connection, log: &Log) -> anyhow::Result<()> {
        let mut head = self.seen.get(&log.site).copied();
        let mut statement = connection.prepare_cached(
            "SELECT seq, body, signature FROM journal WHERE site = ? AND seq > ? ORDER BY seq",
        )?;
        let from = i64::try_from(head.map_or(0, |head| head.seq.0))?;
        let mut rows = statement.query([log.ordinal, from])?;
        while let Some(row) = rows.next()? {
            let position = Seq(row.get::<_, i64>(0)?.unsigned_abs());
            let body: Vec<u8> = row.get(1)?;
            let before = head.unwrap_or_else(|| Head::empty(log.site));
            ensure!(
                position == before.seq.next(),
                "{}: {position} follows {}",
                log.site,
                before.seq
            );
            let next = before.then(&body);
            if head.is_none() {
                let open = site_open(&body).with_context(|| format!("{} is not opened", log.site))?;
                self.check_open(log, &open)?;
            }
            if let Some(signature) = row.get::<_, Option<[u8; 64]>>(2)? {
                let message = next.signed_message(log.site);
                let good = Everybody.verifies(&log.key, &message, &Signature(signature));
                ensure!(good, "{}: the signature at {position} is wrong", log.site);
            }
            if log.own {
                self.read_taps(log.site, position, &body)?;
            }
            head = Some(next);
        }
        let head = head.with_context(|| format!("{} has no changeset", log.site))?;
        ensure!(
            head == log.head,
            "{}: the journal ends at {head:?}, the table says {:?}",
            log.site,
            log.head
        );
        self.seen.insert(log.site, head);
        Ok(())
    }

    /// A site is its own start's, and names the one before it, which no other site does.
    fn check_open(&mut self, log: &Log, open: &SiteOpen) -> anyhow::Result<()> {
        ensure!(
            open.site() == log.site,
            "{} was opened as {}",
            log.site,
            open.site()
        );
        if !log.own {
            return Ok(());
        }
        if let Some((previous, head)) = &open.previous {
            let seen = self.seen.get(previous);
            ensure!(
                seen == Some(head),
                "{} follows {previous} at {head:?}, which is at {seen:?}",
                log.site
            );
        }
        let previous = open.previous.map(|(previous, _)| previous);
        ensure!(self.follows.insert(previous), "two sites follow {previous:?}");
        Ok(())
    }

    fn read_taps(&mut self, site: SiteId, position: Seq, body: &[u8]) -> anyhow::Result<()> {
        let body = Body::decode(body)?;
        for (index, change) in body.changes.iter().enumerate() {
            if let Some(Content::Fact(Fact::Tap(tap))) = change.read()? {
                let key = body.order_key(site, position, index);
                self.taps.insert(key.id, (key, tap));
            }
        }
        Ok(())
    }

    fn check_acknowledged(&self, acknowledged: &Acknowledged) -> anyhow::Result<()> {
        for (id, tap) in &acknowledged.taps {
            ensure!(self.taps.get(id) == Some(tap), "LOST: the acknowledged tap {id}");
        }
        for (site, head) in &acknowledged.heads {
            let seen = self.seen.get(site).map_or(Seq::NONE, |seen| seen.seq);
            ensure!(
                seen >= head.seq,
                "LOST: {site} was acknowledged up to {} and ends at {seen}",
                head.seq
            );
        }
        Ok(())
    }

    /// Lets the witness take what is new in the journal; then both must show the same.
    fn check_replay(&mut self, store: &Store) -> anyhow::Result<()> {
        let mut sites = logs(store.connection())?;
        sites.sort_by_key(|log| log.ordinal);
        for log in sites {
            while self.witness.head(log.site) != store.head(log.site) {
                let range = Range {
                    site: log.site,
                    first: self.witness.head(log.site).seq.next(),
                    last: Seq(u64::MAX),
                };
                let runs = store.serve(range, usize::MAX)?;
                ensure!(!runs.is_empty(), "{range:?} is in the journal and not served");
                for run in runs {
                    self.witness.ingest(&run, &Everybody)?;
                }
            }
        }
        ensure!(
            store.digest()? == self.witness.digest()?,
            "the derived tables do not follow from the journal"
        );
        ensure!(
            facts(store)? == facts(&self.witness)?,
            "facts_by_card does not follow from the journal"
        );
        for card in town::cards()? {
            let (here, there) = (store.card(card)?, self.witness.card(card)?);
            ensure!(here == there, "{card}: {here:?} here, {there:?} from the journal");
        }
        ensure!(store.counters().divergences == 0, "the hub's fold differs");
        Ok(())
    }

    /// The witness's file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.witness.path().to_path_buf()
    }
}

fn logs(connection: &Connection) -> anyhow::Result<Vec<Log>> {
    let mut statement = connection.prepare_cached(
        "SELECT ordinal, site, own, public_key, head_seq, head_chain FROM sites ORDER BY ordinal",
    )?;
    let logs = statement.query_map([], |row| {
        Ok(Log {
            ordinal: row.get(0)?,
            site: SiteId(row.get(1)?),
            own: row.get(2)?,
            key: PublicKey(row.get(3)?),
            head: Head {
                seq: Seq(row.get::<_, i64>(4)?.unsigned_abs()),
                chain: sync_protocol::changeset::ChainHash(row.get(5)?),
            },
        })
    })?;
    Ok(logs.collect::<rusqlite::Result<_>>()?)
}

/// The facts of all cards, without what is a store's own: its ordinals, its order of arrival, and what its own exits
/// showed the passenger.
fn facts(store: &Store) -> anyhow::Result<Vec<String>> {
    let mut statement = store.connection().prepare_cached(
        "SELECT card, hex(sites.site), seq, change, kind, at_ms, at_counter, direction, accepted, reason,
                facts_by_card.terminal, gate, uncertainty_ms, fare_version, hold, quoted
         FROM facts_by_card JOIN sites ON sites.ordinal = facts_by_card.site
         ORDER BY card, at_ms, at_counter, 2, seq, change",
    )?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let values = (0..columns).map(|column| row.get::<_, Sql>(column));
        Ok(format!("{:?}", values.collect::<rusqlite::Result<Vec<_>>>()?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
