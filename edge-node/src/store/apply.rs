//! What verified changes do to the tables. Everything happens inside the caller's transaction; what memory must
//! know afterwards is collected in [`Effects`] and told to it after the commit.

use rusqlite::{Connection, OptionalExtension, params};
use sync_protocol::changeset::{Body, Change, Content, Head};
use sync_protocol::codec::{self, CodecError};
use sync_protocol::digest::fact_hash;
use sync_protocol::fact::{CardSettled, Fact, OrderedFact};
use sync_protocol::fare::{FareBook, FareVersion};
use sync_protocol::id::{CardId, OrderKey, Seq, SiteId, TerminalCode};
use sync_protocol::journey::history::CardHistory;
use sync_protocol::judge::{Writer, judge};
use sync_protocol::money::Money;
use sync_protocol::mutation::{Mutation, is};
use sync_protocol::rows::{self, RowChange, Schema};

use super::card::FiledTap;
use super::cards::{self, Decoded};
use super::error::Fault;
use super::sites::{Site, Sites, integer};
use super::sql;

/// Most facts of a card that are folded again to compare with a settled state.
const COMPARED_FACTS_MAX: u64 = 512;
/// Stands for a whole changeset in the quarantine.
const WHOLE: i64 = -1;

/// Why a change is not applied, in words.
pub(super) type Refusal = String;

/// What the memory learns after the commit.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) cards: Vec<CardId>,
    pub(super) covered: Vec<(SiteId, Seq)>,
    pub(super) fares: Vec<FareVersion>,
    pub(super) rows: bool,
    pub(super) changes: u64,
    pub(super) quarantined: u64,
    pub(super) unapplied: u64,
    pub(super) compared: u64,
    pub(super) divergences: u64,
    /// Which branches count, of sites that have two.
    pub(super) decided: Vec<(SiteId, Head)>,
    /// Sites of which nothing is held any more above the floor.
    pub(super) reverted: Vec<Site>,
}

/// What applying needs to know.
pub(super) struct Applier<'a> {
    pub(super) transaction: &'a Connection,
    pub(super) sites: &'a Sites,
    /// The site that this process writes.
    pub(super) writes: SiteId,
    pub(super) fares: &'a FareBook,
    pub(super) schema: &'a Schema,
    pub(super) arrival: i64,
    pub(super) effects: Effects,
    pub(super) decoded: Decoded,
}

/// Why a changeset could not be applied inside this transaction.
pub(super) enum Failure {
    /// The database failed.
    Fault(Fault),
    /// SQLite refuses its row changes; the transaction is rolled back and the changeset is to be tried without.
    Rows(Refusal),
}

impl<E: Into<Fault>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Fault(error.into())
    }
}

impl Applier<'_> {
    /// Applies one changeset. Its row changes go to the quarantine unseen when `refused` gives a reason.
    pub(super) fn body(
        &mut self,
        site: &Site,
        seq: Seq,
        body: &Result<Body, Refusal>,
        refused: Option<&Refusal>,
    ) -> Result<(), Failure> {
        let body = match body {
            Ok(body) => body,
            Err(reason) => return Ok(self.quarantine(site, seq, WHOLE, reason)?),
        };
        let mut merged = Vec::new();
        for (index, change) in body.changes.iter().enumerate() {
            self.effects.changes += 1;
            let key = body.order_key(site.id, seq, index);
            match change.read() {
                Ok(Some(content)) => match judge(writer(site), key.id, &content) {
                    Err(reason) => self.quarantine(site, seq, index as i64, &reason.to_string())?,
                    Ok(()) => match content {
                        Content::Row(row) => self.sort_row(site, seq, index, row, refused, &mut merged)?,
                        Content::Fact(fact) => self.fact(site, &key, change, fact)?,
                        Content::SiteOpen(_) => {}
                    },
                },
                Ok(None) if is(Mutation::LoseOpaque) => {}
                Ok(None) => self.keep(site, seq, index, "a kind this version does not know")?,
                Err(error) => self.quarantine(site, seq, index as i64, &malformed(&error))?,
            }
        }
        self.merge(site.id, &merged)
    }

    /// Applies one change that was kept before. Returns whether it could be.
    pub(super) fn kept(&mut self, site: &Site, seq: Seq, index: u16, body: &Body) -> Result<bool, Failure> {
        let Some(change) = body.changes.get(usize::from(index)) else {
            return Ok(false);
        };
        let key = body.order_key(site.id, seq, usize::from(index));
        let content = match change.read() {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(false),
            Err(error) => {
                self.quarantine(site, seq, i64::from(index), &malformed(&error))?;
                return Ok(true);
            }
        };
        if let Err(reason) = judge(writer(site), key.id, &content) {
            self.quarantine(site, seq, i64::from(index), &reason.to_string())?;
            return Ok(true);
        }
        match content {
            Content::Row(row) => match self.schema.check(&row) {
                Ok(()) => self.merge(site.id, &[row])?,
                Err(refusal) if is_ahead(&refusal) => return Ok(false),
                Err(refusal) => self.quarantine(site, seq, i64::from(index), &refusal.to_string())?,
            },
            Content::Fact(fact) => self.fact(site, &key, change, fact)?,
            Content::SiteOpen(_) => {}
        }
        Ok(true)
    }

    /// Applies one change of the quarantine. Returns whether it is refused no more: applied, or kept for a later
    /// version.
    pub(super) fn released(
        &mut self,
        site: &Site,
        seq: Seq,
        index: u16,
        body: &Body,
    ) -> Result<bool, Failure> {
        let quarantined = self.effects.quarantined;
        if !self.kept(site, seq, index, body)? {
            self.keep(
                site,
                seq,
                usize::from(index),
                "a kind, table or column this version does not know",
            )?;
        }
        Ok(self.effects.quarantined == quarantined)
    }

    fn sort_row(
        &mut self,
        site: &Site,
        seq: Seq,
        index: usize,
        row: RowChange,
        refused: Option<&Refusal>,
        merged: &mut Vec<RowChange>,
    ) -> Result<(), Fault> {
        match (self.schema.check(&row), refused) {
            (Ok(()), None) => merged.push(row),
            (Ok(()), Some(reason)) => self.quarantine(site, seq, index as i64, reason)?,
            (Err(refusal), _) if is_ahead(&refusal) => self.keep(site, seq, index, &refusal.to_string())?,
            (Err(refusal), _) => self.quarantine(site, seq, index as i64, &refusal.to_string())?,
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, origin: SiteId, changes: &[RowChange]) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        self.effects.rows = true;
        match crsqlite::apply(self.transaction, origin.0, changes, self.schema) {
            Ok(_) => Ok(()),
            Err(crsqlite::Error::Unmerged { index, source })
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) =>
            {
                Err(Failure::Rows(format!("{}: {source}", changes[index])))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn fact(&mut self, site: &Site, key: &OrderKey, change: &Change, fact: Fact) -> Result<(), Fault> {
        let kind = change.content.get(1).copied().unwrap_or_default();
        if let (Some(card), false) = (fact.card(), matches!(fact, Fact::Tap(_))) {
            self.arrival += 1;
            cards::file_hub_fact(self.transaction, site.ordinal, self.arrival, key, card, kind)?;
            self.effects.cards.push(card);
        }
        match fact {
            Fact::Tap(tap) => {
                self.arrival += 1;
                let filed = FiledTap {
                    tap,
                    charged: None,
                    origin: None,
                };
                cards::file_tap(self.transaction, site.ordinal, self.arrival, key, &filed)?;
                self.effects.cards.push(tap.card);
            }
            Fact::FareVersion(version) => self.fare_version(site, key, version)?,
            Fact::CardSettled(settled) => self.settled(&settled)?,
            Fact::SettledUpTo { covered } => self.covered(covered)?,
            Fact::SiteClosed { site, last } => {
                let mut statement = self.transaction.prepare_cached(sql::CLOSED_SET)?;
                statement.execute(params![site.0, integer(last)])?;
            }
            Fact::SiteFork { site, head } => self.site_fork(site, head)?,
            // The hub's facts reach balances through CardSettled only; these change nothing else at a gate.
            _ => {}
        }
        Ok(())
    }

    /// A fare version of a snapshot. The time it was published is not known any more: that from which it holds stands
    /// for it.
    pub(super) fn known_fares(&mut self, version: FareVersion) -> Result<(), Fault> {
        let at_ms = version.effective_from_ms;
        if self.store_fares(&version, at_ms)? {
            self.effects.fares.push(version);
        }
        Ok(())
    }

    fn store_fares(&mut self, version: &FareVersion, at_ms: i64) -> Result<bool, Fault> {
        let stored = self
            .transaction
            .prepare_cached(sql::FARE_VERSION_INSERT)?
            .execute(params![
                version.version,
                version.effective_from_ms,
                at_ms,
                version.hash(),
                codec::encode(version),
                routes(version),
            ])?;
        Ok(stored > 0)
    }

    /// The first table of a version number stays in force (I11).
    fn fare_version(&mut self, site: &Site, key: &OrderKey, version: FareVersion) -> Result<(), Fault> {
        let held: Option<[u8; 32]> = self
            .transaction
            .prepare_cached(sql::FARE_VERSION_HASH)?
            .query_row([version.version], |row| row.get(0))
            .optional()?;
        match held {
            Some(hash) if hash == *version.hash() => return Ok(()),
            Some(_) => {
                let reason = format!("another table is held as fare version {}", version.version);
                return self.quarantine(site, key.id.seq, i64::from(key.id.index), &reason);
            }
            None => {}
        }
        self.store_fares(&version, key.at.ms)?;
        self.effects.fares.push(version);
        Ok(())
    }

    fn settled(&mut self, settled: &CardSettled) -> Result<(), Fault> {
        if is(Mutation::CoverWithoutState) {
            return Ok(());
        }
        if cards::settle(self.transaction, self.fares, settled)? {
            self.effects.cards.push(settled.card);
            self.compare(settled)?;
        }
        Ok(())
    }

    pub(super) fn covered(&mut self, covered: Vec<(SiteId, Seq)>) -> Result<(), Fault> {
        let mut statement = self.transaction.prepare_cached(sql::COVERED_ADVANCE)?;
        for (site, seq) in &covered {
            statement.execute(params![site.0, integer(*seq)])?;
        }
        self.effects.covered.extend(covered);
        Ok(())
    }

    /// A gate that holds exactly the facts a settled state covers, and the fares that priced it, folds them itself;
    /// another result is a divergence of severity 1.
    fn compare(&mut self, settled: &CardSettled) -> Result<(), Fault> {
        // Most cards were last seen at other terminals, whose logs are not held here: no query is needed to know that.
        let last_fact_is_held = self.sites.get(settled.state.order.id.site).is_some();
        if settled.fare_version != self.fares.newest() || !last_fact_is_held {
            return Ok(());
        }
        let held = cards::facts_held_count(self.transaction, settled.card)?;
        if held != settled.facts || held > COMPARED_FACTS_MAX {
            return Ok(());
        }
        let mut hash = 0_u128;
        let mut history = CardHistory::new(settled.card);
        for (ordinal, seq, change) in cards::facts_held(self.transaction, settled.card)? {
            if self.sites.id_of(ordinal).is_none() {
                return Ok(()); // of the very site that this transaction opens
            }
            let (key, fact, content) = cards::read_fact(
                self.transaction,
                self.sites,
                &mut self.decoded,
                ordinal,
                seq,
                change,
            )?;
            hash = hash.wrapping_add(fact_hash(&key, &content));
            history.insert(self.fares, OrderedFact { key, fact });
        }
        if hash == settled.facts_hash {
            self.effects.compared += 1;
            self.effects.divergences += u64::from(*history.state() != settled.state);
        }
        Ok(())
    }

    fn keep(&mut self, site: &Site, seq: Seq, index: usize, reason: &str) -> Result<(), Fault> {
        self.effects.unapplied += 1;
        let mut statement = self.transaction.prepare_cached(sql::UNAPPLIED_INSERT)?;
        statement.execute(params![site.ordinal, integer(seq), index as i64, reason])?;
        Ok(())
    }

    fn quarantine(&mut self, site: &Site, seq: Seq, index: i64, reason: &str) -> Result<(), Fault> {
        if is(Mutation::QuarantineBlocks) {
            return Err(Fault::Content(reason.to_owned()));
        }
        self.effects.quarantined += 1;
        let mut statement = self.transaction.prepare_cached(sql::QUARANTINE_INSERT)?;
        statement.execute(params![site.ordinal, integer(seq), index, reason])?;
        Ok(())
    }
}

fn writer(site: &Site) -> Writer {
    Writer {
        node: site.node,
        role: site.role,
    }
}

/// Whether a later schema may take what this one refuses.
fn is_ahead(refusal: &rows::Refusal) -> bool {
    matches!(
        refusal,
        rows::Refusal::UnknownTable { .. } | rows::Refusal::UnknownColumn { .. }
    )
}

fn malformed(error: &CodecError) -> Refusal {
    format!("a known kind with malformed content: {error}")
}

/// The routes of a version as JSON, for the view `fares`.
fn routes(version: &FareVersion) -> String {
    let route = |(origin, destination, price): (TerminalCode, TerminalCode, Money)| {
        format!("[\"{origin}\",\"{destination}\",{}]", price.as_hundredths())
    };
    let routes: Vec<String> = version.fares().map(route).collect();
    format!("[{}]", routes.join(","))
}
