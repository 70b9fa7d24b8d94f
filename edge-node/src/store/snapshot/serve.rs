//! Serving a page: of what is held now, without memory of who asked.

use rusqlite::{OptionalExtension, params};
use sync_protocol::changeset::{Run, SiteOpen, SiteRole, site_open};
use sync_protocol::codec;
use sync_protocol::fare::FareVersion;
use sync_protocol::have::{Range, Scope};
use sync_protocol::id::{CardId, Seq, SiteId};
use sync_protocol::rows::RowChange;
use sync_protocol::snapshot::{
    Base, CardRow, ENTRIES_MAX, Need, PAGE_BYTES_MAX, Page, Part, Place, RowPlace, TAIL_BYTES_MAX,
};

use super::super::error::Fault;
use super::super::sites::{Site, integer, seq};
use super::super::{Store, StoreError, sql};
use super::{card_row, is_installing};

/// Bytes reckoned for an entry besides its variable part.
const ENTRY_BYTES: usize = 64;

impl Store {
    /// Reads a page of a snapshot for a node that wants the sites of `scope`. `None` when there is none to be had here:
    /// no settled states yet, or a snapshot is being taken over.
    ///
    /// # Errors
    /// The database failed.
    pub fn serve_page(&self, scope: Scope, need: &Need) -> Result<Option<Page>, StoreError> {
        let result = self.try_serve_page(scope, need);
        self.named(result)
    }

    fn try_serve_page(&self, scope: Scope, need: &Need) -> Result<Option<Page>, Fault> {
        let Some(newest) = self.newest_settled() else {
            return Ok(None);
        };
        if is_installing(&self.replica)? {
            return Ok(None);
        }
        let (part, last) = match &need.place {
            Place::Bases(after) => self.bases(scope, *after, newest)?,
            Place::Coverage(after) => self.coverage_after(*after)?,
            Place::Fares(after) => self.fares_after(*after)?,
            Place::Rows(after) => self.rows_after(after.as_ref())?,
            Place::Cards(after) => self.cards_after(*after)?,
            Place::End => (Part::End, None),
        };
        let tail = match need.tail {
            Some((site, last)) if site == newest.id && last < newest.head.seq => self.tail(newest, last)?,
            _ => None,
        };
        Ok(Some(Page {
            asked: need.place.clone(),
            next: last.unwrap_or_else(|| need.place.next_part()),
            part,
            at: (newest.id, newest.head.seq),
            tail,
        }))
    }

    /// The log of settled states that goes on.
    fn newest_settled(&self) -> Option<&Site> {
        let settled = self.sites.iter().filter(|site| site.role == SiteRole::Settled);
        settled.max_by_key(|site| (site.stamp, site.id))
    }

    fn tail(&self, site: &Site, last: Seq) -> Result<Option<Run>, Fault> {
        let range = Range {
            site: site.id,
            first: last.next(),
            last: site.head.seq,
        };
        Ok(self.try_serve(range, TAIL_BYTES_MAX)?.into_iter().next())
    }

    fn bases(
        &self,
        scope: Scope,
        after: Option<SiteId>,
        newest: &Site,
    ) -> Result<(Part, Option<Place>), Fault> {
        let mut bases = Vec::new();
        let mut bytes = 0;
        let is_cut = |site: &&Site| site.floor.seq > Seq::NONE || site.id == newest.id;
        let wanted = self.sites.iter().filter(|site| scope.covers(site.role));
        let behind = wanted.filter(|site| after.is_none_or(|after| site.id > after));
        for site in behind.filter(is_cut) {
            if bytes > PAGE_BYTES_MAX || bases.len() >= ENTRIES_MAX {
                let last = bases.last().map(Base::site);
                return Ok((Part::Bases(bases), last.map(|last| Place::Bases(Some(last)))));
            }
            // One from before openings were kept cannot be shown.
            let Some(base) = self.base(site)? else {
                continue;
            };
            bytes += base.proof.wire_bytes() + base.open.certificate.len() + ENTRY_BYTES;
            bases.push(base);
        }
        Ok((Part::Bases(bases), None))
    }

    fn base(&self, site: &Site) -> Result<Option<Base>, Fault> {
        let Some(open) = self.opening(site)? else {
            return Ok(None);
        };
        let range = Range {
            site: site.id,
            first: site.floor.seq.next(),
            last: site.floor.seq.next(),
        };
        let proof = self.try_serve(range, 0)?.into_iter().next();
        let floor = site.floor;
        Ok(proof.map(|proof| Base { open, floor, proof }))
    }

    fn opening(&self, site: &Site) -> Result<Option<SiteOpen>, Fault> {
        if site.floor.seq == Seq::NONE {
            let body: Option<Vec<u8>> = self
                .replica
                .prepare_cached(sql::JOURNAL_BODY)?
                .query_row(params![site.ordinal, integer(Seq(1))], |row| row.get(0))
                .optional()?;
            return Ok(body.and_then(|body| site_open(&body)));
        }
        let stored: Option<Vec<u8>> = self
            .replica
            .prepare_cached(sql::SITE_OPENING)?
            .query_row([site.ordinal], |row| row.get(0))?;
        Ok(stored.map(|open| codec::decode(&open)).transpose()?)
    }

    fn coverage_after(&self, after: Option<SiteId>) -> Result<(Part, Option<Place>), Fault> {
        let mut statement = self.replica.prepare_cached(sql::WATERMARKS_AFTER)?;
        let after: Vec<u8> = after.map_or_else(Vec::new, |site| site.0.to_vec());
        let rows = statement.query_map(params![after, ENTRIES_MAX as i64], |row| {
            Ok((SiteId(row.get(0)?), seq(row.get(1)?)))
        })?;
        let covered: Vec<(SiteId, Seq)> = rows.collect::<rusqlite::Result<_>>()?;
        let full = covered.len() == ENTRIES_MAX;
        let last = covered
            .last()
            .filter(|_| full)
            .map(|(site, _)| Place::Coverage(Some(*site)));
        Ok((Part::Coverage(covered), last))
    }

    fn fares_after(&self, after: Option<u32>) -> Result<(Part, Option<Place>), Fault> {
        let mut fares: Vec<FareVersion> = Vec::new();
        let mut bytes = 0;
        let mut statement = self.replica.prepare_cached(sql::FARE_VERSIONS_AFTER)?;
        let mut rows = statement.query([after.unwrap_or(0)])?;
        while let Some(row) = rows.next()? {
            if bytes > PAGE_BYTES_MAX || fares.len() >= ENTRIES_MAX {
                let last = fares.last().map(|fares| Place::Fares(Some(fares.version)));
                return Ok((Part::Fares(fares), last));
            }
            let fact: Vec<u8> = row.get(0)?;
            bytes += fact.len();
            fares.push(codec::decode(&fact)?);
        }
        Ok((Part::Fares(fares), None))
    }

    fn rows_after(&self, after: Option<&RowPlace>) -> Result<(Part, Option<Place>), Fault> {
        let mut changes: Vec<RowChange> = Vec::new();
        let (mut bytes, mut full) = (0, false);
        crsqlite::for_each_row_change(&self.replica, |change| {
            let place = RowPlace::of(&change);
            if full || after.is_some_and(|after| place <= *after) {
                return;
            }
            bytes += codec::encode(&change).len();
            full = !changes.is_empty() && (bytes > PAGE_BYTES_MAX || changes.len() >= ENTRIES_MAX);
            if !full {
                changes.push(change);
            }
        })?;
        let last = changes.last().filter(|_| full).map(RowPlace::of);
        Ok((Part::Rows(changes), last.map(|last| Place::Rows(Some(last)))))
    }

    fn cards_after(&self, after: Option<CardId>) -> Result<(Part, Option<Place>), Fault> {
        let mut cards: Vec<CardRow> = Vec::new();
        let mut bytes = 0;
        let mut statement = self.replica.prepare_cached(sql::CARDS_AFTER)?;
        let after = after.as_ref().map_or("", CardId::as_str);
        let mut rows = statement.query(params![after, ENTRIES_MAX as i64 + 1])?;
        while let Some(row) = rows.next()? {
            if bytes > PAGE_BYTES_MAX || cards.len() >= ENTRIES_MAX {
                let last = cards.last().map(|card| Place::Cards(Some(card.card)));
                return Ok((Part::Cards(cards), last));
            }
            let card = card_row(row)?;
            bytes += card.state.len() + ENTRY_BYTES;
            cards.push(card);
        }
        Ok((Part::Cards(cards), None))
    }
}
