//! What the journal holds, and what it serves.

use bytes::Bytes;
use rusqlite::{Connection, params};
use sync_protocol::changeset::{BODIES_MAX, Body, Content, Head, PublicKey, Run, Signature};
use sync_protocol::codec;
use sync_protocol::fact::{Fact, Tap};
use sync_protocol::have::{Have, Range};
use sync_protocol::id::{FactId, NodeId, Seq, SiteId};
use sync_protocol::time::Stamp;
use sync_protocol::wire::Heartbeat;

use super::error::Fault;
use super::sites::{Site, Sites, integer, seq};
use super::{Store, StoreError, sql};

/// Most taps told by [`Store::recent_taps`].
const RECENT_TAPS_MAX: usize = 1_000;

/// A tap of this gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentTap {
    /// Its fact.
    pub fact: FactId,
    /// Its time.
    pub at: Stamp,
    /// What was decided.
    pub tap: Tap,
    /// Whether the hub's settled states cover it.
    pub covered: bool,
}

impl Store {
    /// What is held, durably and up to a signed head: what can be served.
    #[must_use]
    pub fn have(&self) -> &Have {
        self.sites.have()
    }

    /// The signed head of a site; the empty head for one not held.
    #[must_use]
    pub fn head(&self, site: SiteId) -> Head {
        self.have().head(site)
    }

    /// Up to where the hub's settled states cover a site.
    #[must_use]
    pub fn covered(&self, site: SiteId) -> Seq {
        self.sites.covered(site)
    }

    /// Serves a range, or its first part: whole signed pieces up to `bytes_max` of bodies, joined to one run. The
    /// first piece is served whatever its size; no piece is larger than the frame it came in. Nothing when the
    /// range is not held, pruned, or not signed yet.
    ///
    /// # Errors
    /// The database failed.
    pub fn serve(&self, range: Range, bytes_max: usize) -> Result<Vec<Run>, StoreError> {
        let result = self.try_serve(range, bytes_max);
        self.named(result)
    }

    pub(super) fn try_serve(&self, range: Range, bytes_max: usize) -> Result<Vec<Run>, Fault> {
        let Some(site) = self.sites.get(range.site) else {
            return Ok(Vec::new());
        };
        if range.first <= site.floor.seq || range.first > site.head.seq {
            return Ok(Vec::new());
        }
        let mut bodies: Vec<Bytes> = Vec::new();
        let mut bytes = 0;
        let mut signed: Option<(usize, Signature)> = None;
        let mut statement = self.replica.prepare_cached(sql::JOURNAL_RANGE)?;
        let mut rows = statement.query(params![site.ordinal, integer(range.first), i64::MAX])?;
        while let Some(row) = rows.next()? {
            let position = seq(row.get(0)?);
            let body: Vec<u8> = row.get(1)?;
            bytes += body.len();
            let enough = bytes > bytes_max || position > range.last;
            if (signed.is_some() && enough) || bodies.len() == BODIES_MAX {
                break;
            }
            bodies.push(body.into());
            let stored = row.get::<_, Option<[u8; 64]>>(2)?.map(Signature);
            if let Some(signature) = stored.or_else(|| self.signature_made(site, position)) {
                signed = Some((bodies.len(), signature));
            }
        }
        let Some((length, signature)) = signed else {
            return Ok(Vec::new());
        };
        bodies.truncate(length);
        Ok(vec![Run {
            site: range.site,
            first: range.first,
            bodies,
            signature,
        }])
    }

    /// A signature that is not stored yet.
    fn signature_made(&self, site: &Site, position: Seq) -> Option<Signature> {
        (site.id == self.writer.site)
            .then(|| self.unfiled.signature_at(position))
            .flatten()
    }

    /// The logs that this database's writers wrote, with their heads, newest first.
    pub fn own_sites(&self) -> impl Iterator<Item = (SiteId, Seq)> {
        self.sites.own().map(|site| (site.id, site.head.seq))
    }

    /// Whether this key is known to be this node's, from a site that was admitted.
    #[must_use]
    pub fn knows_key(&self, node: NodeId, key: &PublicKey) -> bool {
        self.sites.knows_key(node, key)
    }

    /// This gate's last taps, newest first, over all starts of it; at most 1,000.
    ///
    /// # Errors
    /// The database failed.
    pub fn recent_taps(&self, count: usize) -> Result<Vec<RecentTap>, StoreError> {
        self.named(newest_taps(&self.replica, &self.sites, count))
    }

    /// Keeps a verified heartbeat, unless one of the same node and a later time is held.
    ///
    /// # Errors
    /// The database failed.
    pub fn save_heartbeat(&mut self, heartbeat: &Heartbeat) -> Result<(), StoreError> {
        let save = || -> Result<(), Fault> {
            self.unsynced.check()?;
            self.replica
                .prepare_cached(sql::HEARTBEAT_SAVE)?
                .execute(params![
                    heartbeat.node.0,
                    heartbeat.t.ms,
                    heartbeat.t.counter,
                    codec::encode(heartbeat)
                ])?;
            Ok(())
        };
        self.named(save())
    }

    /// The newest heartbeat kept of each node.
    ///
    /// # Errors
    /// The database failed.
    pub fn heartbeats(&self) -> Result<Vec<Heartbeat>, StoreError> {
        let read = || -> Result<Vec<Heartbeat>, Fault> {
            let mut statement = self.replica.prepare_cached(sql::HEARTBEATS)?;
            let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
            rows.map(|bytes| Ok(codec::decode(&bytes?)?)).collect()
        };
        self.named(read())
    }

    /// How many changes are in the quarantine, and how many are kept for a later version.
    ///
    /// # Errors
    /// The database failed.
    pub fn set_aside(&self) -> Result<(u64, u64), StoreError> {
        let counts = self
            .replica
            .prepare_cached(sql::COUNTS)
            .and_then(|mut statement| {
                statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            });
        let counts = self.named(counts.map_err(Fault::from))?;
        Ok((counts.0.unsigned_abs(), counts.1.unsigned_abs()))
    }
}

/// The last taps of the database's own sites, newest first; at most [`RECENT_TAPS_MAX`].
pub(super) fn newest_taps(
    connection: &Connection,
    sites: &Sites,
    count: usize,
) -> Result<Vec<RecentTap>, Fault> {
    let count = count.min(RECENT_TAPS_MAX);
    let mut taps = Vec::with_capacity(count);
    let mut statement = connection.prepare_cached(sql::JOURNAL_NEWEST)?;
    for site in sites.own() {
        let mut rows = statement.query([site.ordinal])?;
        while let Some(row) = rows.next()? {
            if taps.len() >= count {
                taps.truncate(count);
                return Ok(taps);
            }
            let position = seq(row.get(0)?);
            let body = Body::decode(row.get_ref(1)?.as_blob().unwrap_or_default())
                .map_err(|error| Fault::Content(error.to_string()))?;
            taps.extend(taps_of(sites, site, position, &body));
        }
    }
    taps.truncate(count);
    Ok(taps)
}

fn taps_of<'a>(
    sites: &Sites,
    site: &'a Site,
    position: Seq,
    body: &'a Body,
) -> impl Iterator<Item = RecentTap> + use<'a> {
    let covered = position <= sites.covered(site.id);
    body.changes
        .iter()
        .enumerate()
        .rev()
        .filter_map(move |(index, change)| {
            let Ok(Some(Content::Fact(Fact::Tap(tap)))) = change.read() else {
                return None;
            };
            let key = body.order_key(site.id, position, index);
            Some(RecentTap {
                fact: key.id,
                at: key.at,
                tap,
                covered,
            })
        })
}
