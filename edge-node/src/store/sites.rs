//! The logs held here, in memory as in the table `sites`, and what the hub has covered of them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, params};
use sync_protocol::changeset::{ChainHash, Head, PublicKey, SiteRole};
use sync_protocol::have::{Have, SiteHave};
use sync_protocol::id::{NodeId, Seq, SiteId, TerminalCode};
use sync_protocol::time::Stamp;

use super::error::Fault;
use super::sql;

/// Stands for a site's id in the tables.
pub(super) type Ordinal = i64;

/// One log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    pub(super) ordinal: Ordinal,
    pub(super) id: SiteId,
    pub(super) role: SiteRole,
    pub(super) node: NodeId,
    pub(super) key: PublicKey,
    /// Opened by this database.
    pub(super) own: bool,
    /// Changesets up to here are pruned.
    pub(super) floor: Head,
    pub(super) head: Head,
    /// Bytes of the bodies in the journal up to the head.
    pub(super) journal_bytes: u64,
    /// Time of the last change.
    pub(super) stamp: Stamp,
    /// The highest arrival number when the head moved.
    pub(super) arrival: i64,
}

/// All logs.
#[derive(Debug, Default)]
pub(super) struct Sites {
    by_id: BTreeMap<SiteId, Site>,
    ids: BTreeMap<Ordinal, SiteId>,
    covered: BTreeMap<SiteId, Seq>,
    keys: BTreeSet<(NodeId, PublicKey)>,
    /// Which branch counts of sites that have two, by the hub's word.
    decided: BTreeMap<SiteId, BTreeMap<Seq, ChainHash>>,
    have: Have,
}

impl Sites {
    pub(super) fn load(connection: &Connection) -> Result<Sites, Fault> {
        let mut sites = Sites::default();
        let mut statement = connection.prepare(sql::SITES)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            sites.put(read(row)?);
        }
        let mut statement = connection.prepare(sql::WATERMARKS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            sites.cover(SiteId(row.get(0)?), seq(row.get(1)?));
        }
        let mut statement = connection.prepare(sql::FORK_DECISIONS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let seq = seq(row.get(1)?);
            let chain = ChainHash(row.get(2)?);
            sites.decide(SiteId(row.get(0)?), Head { seq, chain });
        }
        Ok(sites)
    }

    pub(super) fn get(&self, id: SiteId) -> Option<&Site> {
        self.by_id.get(&id)
    }

    pub(super) fn id_of(&self, ordinal: Ordinal) -> Option<SiteId> {
        self.ids.get(&ordinal).copied()
    }

    pub(super) fn by_ordinal(&self, ordinal: Ordinal) -> Option<&Site> {
        self.by_id.get(self.ids.get(&ordinal)?)
    }

    pub(super) fn next_ordinal(&self) -> Ordinal {
        self.ids.last_key_value().map_or(1, |(ordinal, _)| ordinal + 1)
    }

    /// Sites opened by this database, newest first.
    pub(super) fn own(&self) -> impl Iterator<Item = &Site> {
        self.ids
            .values()
            .rev()
            .filter_map(|id| self.by_id.get(id))
            .filter(|site| site.own)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Site> {
        self.by_id.values()
    }

    /// Whether a site of this node with this key was admitted.
    pub(super) fn knows_key(&self, node: NodeId, key: &PublicKey) -> bool {
        self.keys.contains(&(node, *key))
    }

    /// Notes a site that was inserted or advanced, up to a signed head. Heads never move back.
    pub(super) fn put(&mut self, site: Site) {
        self.extend(site);
        self.sealed(site.id);
    }

    /// Notes a site whose new head is not signed yet: it is not in [`Have`] before [`Sites::sealed`].
    pub(super) fn extend(&mut self, site: Site) {
        let known = self.by_id.entry(site.id).or_insert(site);
        assert!(
            known.head.seq <= site.head.seq,
            "BUG: the head of {} moves back",
            site.id
        );
        *known = site;
        self.ids.insert(site.ordinal, site.id);
        self.keys.insert((site.node, site.key));
    }

    /// Notes that the head of a site is signed: it can be served.
    pub(super) fn sealed(&mut self, id: SiteId) {
        let Some(site) = self.by_id.get(&id).filter(|site| site.head.seq > Seq::NONE) else {
            return;
        };
        self.have.advance(id, site.have());
    }

    /// Notes that a site was cut. Floors never move back.
    pub(super) fn cut(&mut self, site: Site) {
        let Some(known) = self.by_id.get_mut(&site.id) else {
            return;
        };
        assert!(
            known.floor.seq <= site.floor.seq && site.floor.seq <= known.head.seq,
            "BUG: the floor of {} moves back",
            site.id
        );
        (known.floor, known.journal_bytes) = (site.floor, site.journal_bytes);
        if self.have.get(site.id).is_some() {
            let have = SiteHave {
                head: self.have.head(site.id),
                ..site.have()
            };
            self.have.advance(site.id, have);
        }
    }

    /// Whether the head of a site is signed.
    pub(super) fn is_sealed(&self, site: &Site) -> bool {
        self.have.seq(site.id) >= site.head.seq
    }

    /// Notes up to where the hub's settled states cover a site. Never moves back.
    pub(super) fn cover(&mut self, site: SiteId, up_to: Seq) {
        let known = self.covered.entry(site).or_default();
        *known = up_to.max(*known);
    }

    pub(super) fn covered(&self, site: SiteId) -> Seq {
        self.covered.get(&site).copied().unwrap_or_default()
    }

    pub(super) fn is_covered(&self, ordinal: Ordinal, seq: Seq) -> bool {
        self.id_of(ordinal).is_some_and(|id| seq <= self.covered(id))
    }

    /// Notes which branch of a site counts. The first word on a number stands.
    pub(super) fn decide(&mut self, site: SiteId, head: Head) {
        self.decided
            .entry(site)
            .or_default()
            .entry(head.seq)
            .or_insert(head.chain);
    }

    /// Whether these heads are of a branch that does not count.
    pub(super) fn does_not_count(&self, site: SiteId, heads: &[Head]) -> bool {
        let decided = self.decided.get(&site);
        decided.is_some_and(|decided| {
            let other = |head: &Head| decided.get(&head.seq).is_some_and(|chain| *chain != head.chain);
            heads.iter().any(other)
        })
    }

    /// Notes that nothing is held of a site above its floor: another branch of it counts.
    pub(super) fn revert(&mut self, site: Site) {
        self.by_id.insert(site.id, site);
        self.have.remove(site.id);
        self.sealed(site.id);
    }

    pub(super) fn have(&self) -> &Have {
        &self.have
    }
}

impl Site {
    /// What is held of it, if its head is signed.
    pub(super) const fn have(&self) -> SiteHave {
        SiteHave {
            role: self.role,
            floor: self.floor.seq,
            head: self.head,
        }
    }

    /// The site after one more changeset.
    pub(super) fn then(self, head: Head, body_bytes: usize, stamp: Stamp) -> Site {
        Site {
            head,
            stamp,
            journal_bytes: self.journal_bytes + body_bytes as u64,
            ..self
        }
    }

    pub(super) fn insert(&self, connection: &Connection) -> Result<(), Fault> {
        let (role, terminal) = match self.role {
            SiteRole::Gate(terminal) => (0, Some(terminal)),
            SiteRole::Decisions => (1, None),
            SiteRole::Settled => (2, None),
        };
        connection.prepare_cached(sql::SITE_INSERT)?.execute(params![
            self.id.0,
            role,
            terminal.as_ref().map(TerminalCode::as_str),
            self.node.0,
            self.key.0,
            self.own,
            integer(self.head.seq),
            self.head.chain.0,
            self.stamp.ms,
            self.stamp.counter,
            self.arrival,
            stored_bytes(self.journal_bytes),
        ])?;
        Ok(())
    }

    pub(super) fn advance(&self, connection: &Connection) -> Result<(), Fault> {
        let changed = connection.prepare_cached(sql::SITE_ADVANCE)?.execute(params![
            self.ordinal,
            integer(self.head.seq),
            self.head.chain.0,
            self.stamp.ms,
            self.stamp.counter,
            self.arrival,
            stored_bytes(self.journal_bytes),
        ])?;
        assert!(changed == 1, "BUG: site {} is not in its table", self.id);
        Ok(())
    }

    /// Writes where the log is cut.
    pub(super) fn cut(&self, connection: &Connection) -> Result<(), Fault> {
        let changed = connection.prepare_cached(sql::SITE_PRUNE)?.execute(params![
            self.ordinal,
            integer(self.floor.seq),
            self.floor.chain.0,
            stored_bytes(self.journal_bytes),
        ])?;
        assert!(changed == 1, "BUG: site {} is not in its table", self.id);
        Ok(())
    }
}

fn stored_bytes(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn read(row: &Row<'_>) -> Result<Site, Fault> {
    let terminal: Option<String> = row.get(3)?;
    let role = match (row.get(2)?, terminal) {
        (0, Some(code)) => SiteRole::Gate(
            code.parse()
                .map_err(|error| Fault::Content(format!("a site's terminal: {error}")))?,
        ),
        (1, None) => SiteRole::Decisions,
        (2, None) => SiteRole::Settled,
        (role, _) => return Err(Fault::Content(format!("a site's role is {role}"))),
    };
    let id = SiteId(row.get(1)?);
    let floor = match row.get(13)? {
        Some(chain) => Head {
            seq: seq(row.get(7)?),
            chain: ChainHash(chain),
        },
        None => Head::empty(id),
    };
    Ok(Site {
        ordinal: row.get(0)?,
        id,
        role,
        node: NodeId(row.get(4)?),
        key: PublicKey(row.get(5)?),
        own: row.get(6)?,
        floor,
        head: Head {
            seq: seq(row.get(8)?),
            chain: ChainHash(row.get(9)?),
        },
        stamp: Stamp {
            ms: row.get(10)?,
            counter: row.get(11)?,
        },
        arrival: row.get(12)?,
        journal_bytes: row.get::<_, i64>(14)?.unsigned_abs(),
    })
}

/// A position as SQLite stores it. Beyond its range no log can be.
pub(super) fn integer(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

/// A position read back.
pub(super) fn seq(stored: i64) -> Seq {
    Seq(stored.unsigned_abs())
}
