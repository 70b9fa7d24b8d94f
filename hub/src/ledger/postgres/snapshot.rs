//! What plans read, fetched beforehand. The traits of the core ask in memory; nothing here talks to PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use sync_protocol::changeset::{Head, PublicKey};
use sync_protocol::digest::SettledDigest;
use sync_protocol::fact::{CardSettled, Fact};
use sync_protocol::fare::FareBook;
use sync_protocol::id::{CardId, FactId, Seq, SiteId};
use sync_protocol::ledger::Posting;

use crate::decisions::{Records, TopUpRecord};
use crate::ingest::Logs;
use crate::ledger::{FactRow, SiteRecord};
use crate::outbox::Transition;
use crate::recovery::Recovery;
use crate::settle::Cards;

/// What ingest reads: the sites of its runs, and the heads it may compare them with.
#[derive(Debug, Default)]
pub(super) struct SiteLogs {
    pub(super) records: BTreeMap<SiteId, SiteRecord>,
    pub(super) heads: BTreeMap<(SiteId, Seq), Head>,
    /// Read only when a run may open a site.
    pub(super) revoked: BTreeSet<PublicKey>,
}

impl Logs for SiteLogs {
    type Error = Infallible;

    fn site(&self, site: SiteId) -> Result<Option<SiteRecord>, Infallible> {
        Ok(self.records.get(&site).copied())
    }

    fn head_at(&self, site: SiteId, seq: Seq) -> Result<Option<Head>, Infallible> {
        let head = self.records.get(&site).map(|record| record.head);
        let last = head.filter(|head| head.seq == seq);
        Ok(last.or_else(|| self.heads.get(&(site, seq)).copied()))
    }

    fn is_revoked(&self, key: &PublicKey) -> bool {
        self.revoked.contains(key)
    }
}

/// What is read of a card only when it is folded again.
#[derive(Debug, Default)]
pub(super) struct Folded {
    pub(super) history: Vec<FactRow>,
    pub(super) booked: BTreeMap<Posting, i64>,
    pub(super) announced: BTreeSet<(FactId, Transition)>,
}

/// What settling reads.
///
/// Which cards are folded again only the plan knows. It is made on what is there; cards whose history it wanted and
/// did not find are noted, and then it is worth nothing: they are fetched and it is made anew. The second time it
/// finds everything, because whether a card is folded again depends on that card alone and on the fares.
#[derive(Debug, Default)]
pub(super) struct SettleSnapshot {
    pub(super) covered: BTreeMap<SiteId, Seq>,
    pub(super) fares: FareBook,
    pub(super) settled: BTreeMap<CardId, CardSettled>,
    /// References of settled top-ups.
    pub(super) references: BTreeSet<(CardId, Vec<u8>)>,
    pub(super) folded: BTreeMap<CardId, Folded>,
    pub(super) recovery: Recovery,
    pub(super) digest: SettledDigest,
    /// Behind a lock because the traits of the core read.
    missing: Mutex<BTreeSet<CardId>>,
}

impl SettleSnapshot {
    /// The cards that were asked for in vain since the last call.
    pub(super) fn take_missing(&mut self) -> BTreeSet<CardId> {
        std::mem::take(self.missing.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    fn folded<T: Clone + Default>(&self, card: CardId, part: impl Fn(&Folded) -> &T) -> T {
        match self.folded.get(&card) {
            Some(folded) => part(folded).clone(),
            None => {
                let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
                missing.insert(card);
                T::default()
            }
        }
    }
}

impl Cards for SettleSnapshot {
    type Error = Infallible;

    fn digest(&self) -> Result<SettledDigest, Infallible> {
        Ok(self.digest.clone())
    }

    fn covered(&self, site: SiteId) -> Result<Seq, Infallible> {
        Ok(self.covered.get(&site).copied().unwrap_or_default())
    }

    fn fares(&self) -> Result<FareBook, Infallible> {
        Ok(self.fares.clone())
    }

    fn settled(&self, card: CardId) -> Result<Option<CardSettled>, Infallible> {
        Ok(self.settled.get(&card).cloned())
    }

    fn has_reference(&self, card: CardId, reference: &str) -> Result<bool, Infallible> {
        Ok(self.references.contains(&(card, reference.as_bytes().to_vec())))
    }

    fn history(&self, card: CardId) -> Result<Vec<FactRow>, Infallible> {
        Ok(self.folded(card, |folded| &folded.history))
    }

    fn booked(&self, card: CardId) -> Result<BTreeMap<Posting, i64>, Infallible> {
        Ok(self.folded(card, |folded| &folded.booked))
    }

    fn announced(&self, card: CardId) -> Result<BTreeSet<(FactId, Transition)>, Infallible> {
        Ok(self.folded(card, |folded| &folded.announced))
    }

    /// All cards that a fare version of the batch can concern were fetched.
    fn stamped_from(&self, ms: i64) -> Result<Vec<CardId>, Infallible> {
        let late = |settled: &&CardSettled| settled.state.order.at.ms >= ms;
        let settled = self.settled.values().filter(late);
        Ok(settled.map(|settled| settled.card).collect())
    }

    fn revision_floor(&self) -> Result<u64, Infallible> {
        Ok(self.recovery.revision_floor)
    }

    fn to_restate(&self) -> Result<Vec<CardId>, Infallible> {
        Ok(self.recovery.restate.iter().copied().collect())
    }
}

/// What decisions read, and what the decisions before them in the same transaction added.
#[derive(Debug, Default)]
pub(super) struct DecisionRecords {
    pub(super) sites: BTreeMap<SiteId, SiteRecord>,
    pub(super) known: BTreeSet<CardId>,
    pub(super) issued: BTreeMap<CardId, FactId>,
    pub(super) status_versions: BTreeMap<CardId, u64>,
    pub(super) top_ups: BTreeMap<String, TopUpRecord>,
    pub(super) facts: BTreeMap<FactId, Fact>,
    pub(super) newest_fares: u32,
}

impl DecisionRecords {
    /// Notes a fact that was decided.
    pub(super) fn add(&mut self, id: FactId, fact: &Fact) {
        if let Some(card) = fact.card() {
            self.known.insert(card);
        }
        match fact {
            Fact::CardIssued { card } => {
                self.issued.entry(*card).or_insert(id);
            }
            Fact::CardStatus { card, version, .. } => {
                let last = self.status_versions.entry(*card).or_default();
                *last = (*last).max(*version);
            }
            Fact::TopUp {
                card,
                amount,
                reference,
            } => {
                let (card, amount) = (*card, *amount);
                let record = TopUpRecord { id, card, amount };
                self.top_ups.entry(reference.clone()).or_insert(record);
            }
            Fact::FareVersion(fares) => self.newest_fares = self.newest_fares.max(fares.version),
            _ => {}
        }
    }
}

impl Records for DecisionRecords {
    type Error = Infallible;

    fn site_record(&self, site: SiteId) -> Result<Option<SiteRecord>, Infallible> {
        Ok(self.sites.get(&site).copied())
    }

    fn issued(&self, card: CardId) -> Result<Option<FactId>, Infallible> {
        Ok(self.issued.get(&card).copied())
    }

    fn knows_card(&self, card: CardId) -> Result<bool, Infallible> {
        Ok(self.known.contains(&card))
    }

    fn status_version(&self, card: CardId) -> Result<u64, Infallible> {
        Ok(self.status_versions.get(&card).copied().unwrap_or_default())
    }

    fn top_up(&self, reference: &str) -> Result<Option<TopUpRecord>, Infallible> {
        Ok(self.top_ups.get(reference).copied())
    }

    fn fact(&self, id: FactId) -> Result<Option<Fact>, Infallible> {
        Ok(self.facts.get(&id).cloned())
    }

    fn newest_fares(&self) -> Result<u32, Infallible> {
        Ok(self.newest_fares)
    }
}
