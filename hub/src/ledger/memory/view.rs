//! What the plans read.

use sync_protocol::changeset::{Body, Content};
use sync_protocol::digest::fact_hash;

use super::*;
use crate::recovery::RESTATED_MAX;

impl Logs for MemoryLedger {
    type Error = Infallible;

    fn site(&self, site: SiteId) -> Result<Option<SiteRecord>, Infallible> {
        Ok(self.sites.get(&site).map(|log| log.record))
    }

    fn head_at(&self, site: SiteId, seq: Seq) -> Result<Option<Head>, Infallible> {
        if seq == Seq::NONE {
            return Ok(Some(Head::empty(site)));
        }
        let place = usize::try_from(seq.0 - 1).ok();
        let chain = self
            .sites
            .get(&site)
            .and_then(|log| log.chain.get(place?).copied());
        Ok(chain.map(|chain| Head { seq, chain }))
    }
}

impl Cards for MemoryLedger {
    type Error = Infallible;

    fn digest(&self) -> Result<SettledDigest, Infallible> {
        Ok(self.digest.clone())
    }

    fn covered(&self, site: SiteId) -> Result<Seq, Infallible> {
        Ok(self.covered_to(site))
    }

    fn fares(&self) -> Result<FareBook, Infallible> {
        Ok(self.fares.clone())
    }

    fn settled(&self, card: CardId) -> Result<Option<CardSettled>, Infallible> {
        Ok(self.card_state(card).cloned())
    }

    fn has_reference(&self, card: CardId, reference: &str) -> Result<bool, Infallible> {
        let known = self
            .cards
            .get(&card)
            .into_iter()
            .flat_map(|rows| &rows.references);
        let mut same = known.filter(|(known, _)| **known == *reference);
        Ok(same.any(|(_, id)| id.seq <= self.covered_to(id.site)))
    }

    fn history(&self, card: CardId) -> Result<Vec<FactRow>, Infallible> {
        let facts = self.cards.get(&card).into_iter().flat_map(|rows| &rows.facts);
        let settled = facts.filter(|key| key.id.seq <= self.covered_to(key.id.site));
        Ok(settled.filter_map(|key| self.stored(key.id)).collect())
    }

    fn booked(&self, card: CardId) -> Result<BTreeMap<Posting, i64>, Infallible> {
        let mut booked = BTreeMap::new();
        for entry in self.journal(card) {
            *booked.entry(entry.posting).or_insert(0) += if entry.reversal { -1 } else { 1 };
        }
        booked.retain(|_, times| *times != 0);
        Ok(booked)
    }

    fn announced(&self, card: CardId) -> Result<BTreeSet<(FactId, Transition)>, Infallible> {
        let rows = self.cards.get(&card);
        Ok(rows
            .into_iter()
            .flat_map(|rows| &rows.announced)
            .copied()
            .collect())
    }

    fn stamped_from(&self, ms: i64) -> Result<Vec<CardId>, Infallible> {
        let settled = self.cards.values().filter_map(|rows| rows.settled.as_ref());
        Ok(settled
            .filter(|settled| settled.state.order.at.ms >= ms)
            .map(|settled| settled.card)
            .collect())
    }

    fn revision_floor(&self) -> Result<u64, Infallible> {
        Ok(self.recovery.revision_floor)
    }

    fn to_restate(&self) -> Result<Vec<CardId>, Infallible> {
        Ok(self.recovery.restate.iter().take(RESTATED_MAX).copied().collect())
    }
}

impl Records for MemoryLedger {
    type Error = Infallible;

    fn site_record(&self, site: SiteId) -> Result<Option<SiteRecord>, Infallible> {
        self.site(site)
    }

    fn issued(&self, card: CardId) -> Result<Option<FactId>, Infallible> {
        let issued = self.cards.get(&card).and_then(|rows| rows.issued);
        Ok(issued.map(|key| key.id))
    }

    fn knows_card(&self, card: CardId) -> Result<bool, Infallible> {
        Ok(self.cards.contains_key(&card))
    }

    fn status_version(&self, card: CardId) -> Result<u64, Infallible> {
        Ok(self.cards.get(&card).map_or(0, |rows| rows.status_version))
    }

    fn top_up(&self, reference: &str) -> Result<Option<TopUpRecord>, Infallible> {
        Ok(self.top_ups.get(reference).copied())
    }

    fn fact(&self, id: FactId) -> Result<Option<Fact>, Infallible> {
        let stored = self.stored(id).filter(|row| {
            let rows = row.fact.card().and_then(|card| self.cards.get(&card));
            // Not every fact that somebody wrote was taken.
            rows.is_some_and(|rows| rows.facts.binary_search(&row.key).is_ok())
        });
        Ok(stored.map(|row| row.fact))
    }

    fn newest_fares(&self) -> Result<u32, Infallible> {
        Ok(self.newest_fares)
    }
}

impl MemoryLedger {
    /// The fact at a place of a stored changeset.
    fn stored(&self, id: FactId) -> Option<FactRow> {
        let place = usize::try_from(id.seq.0.checked_sub(1)?).ok()?;
        let body = self.sites.get(&id.site)?.bodies.get(place)?;
        let (key, change) = Body::read_one(body, id).ok()??;
        match change.read() {
            Ok(Some(Content::Fact(fact))) => Some(FactRow {
                key,
                fact,
                hash: fact_hash(&key, &change.content),
            }),
            _ => None,
        }
    }

    pub(super) fn covered_to(&self, site: SiteId) -> Seq {
        self.sites.get(&site).map_or(Seq::NONE, |log| log.covered)
    }
}
