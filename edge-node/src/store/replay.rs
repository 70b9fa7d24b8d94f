//! After a crash: own taps that were durable in the journal while their other rows were not are filed again.
//!
//! The journal is the truth. Its rows beyond the head in `sites` were committed by an own writer; folding them onto
//! the cards as they were filed gives the same rows as filing would have given, in the same order. Their end is
//! signed anew, so that peers and the hub get them.
//!
//! That takes the node's key. When the node has another one by now, nobody can sign them, and nobody would believe
//! them: they stay in the journal unfiled, are counted ([`Counters::unsigned`](super::Counters::unsigned)), and are
//! tried again at every start. If a peer got them signed before the crash, they come back from it like the lost tail
//! of a restored file.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use sync_protocol::changeset::{Body, Content};
use sync_protocol::fact::{Fact, Tap};
use sync_protocol::id::{CardId, OrderKey, Seq};
use sync_protocol::mutation::{Mutation, is};

use super::Store;
use super::card::Card;
use super::cards;
use super::error::Fault;
use super::ingest::last_stamp;
use super::piece::Piece;
use super::sites::{Ordinal, Site, seq};
use super::sql;
use super::unfiled::{Commit, Unfiled};

/// A row of the journal.
type Row = (Ordinal, Seq, Vec<u8>);

impl Store {
    /// Files the rows of the journal that were not.
    pub(super) fn replay(&mut self) -> Result<(), Fault> {
        if is(Mutation::HeadBack) {
            return Ok(());
        }
        let rows = unfiled_rows(&self.replica)?;
        for tail in rows.chunk_by(|one, other| one.0 == other.0) {
            let site = self.sites.by_ordinal(tail[0].0).copied();
            let site = site.ok_or_else(|| Fault::Content(format!("the journal of site {}", tail[0].0)))?;
            if site.key == self.writer.key {
                self.replay_site(site, tail)?;
            } else {
                self.counters.unsigned += tail.len() as u64;
            }
        }
        Ok(())
    }

    fn replay_site(&mut self, mut site: Site, tail: &[Row]) -> Result<(), Fault> {
        let mut unfiled = Unfiled::default();
        let mut folded = BTreeMap::new();
        for (_, position, bytes) in tail {
            if *position != site.head.seq.next() {
                return Err(Fault::Content(format!(
                    "changeset {} of {}",
                    site.head.seq.next(),
                    site.id
                )));
            }
            let body = Body::decode(bytes).map_err(|error| Fault::Content(error.to_string()))?;
            let first_arrival = self.arrival + 1;
            let mut filed = Vec::new();
            for (key, tap) in taps_of(&site, *position, &body)? {
                let card = self.folded(&mut folded, &tap)?;
                filed.push((key, card.take_own(&tap, &key, &self.fares)));
            }
            self.arrival += filed.len() as i64;
            site = Site {
                arrival: self.arrival,
                ..site.then(site.head.then(bytes), bytes.len(), last_stamp(&body))
            };
            unfiled.push(Commit {
                head: site.head,
                bytes: bytes.len(),
                first_arrival,
                taps: filed,
                signature: None,
            });
        }
        self.with_ballast(|store| {
            let transaction = Transaction::new(&mut store.replica, TransactionBehavior::Immediate)?;
            let mut piece = Piece::default();
            unfiled.write(&transaction, &site, &mut piece, |head| {
                store.writer.sign(site.id, head)
            })?;
            Ok(transaction.commit()?)
        })?;
        self.counters.replayed += tail.len() as u64;
        self.sites.put(site);
        Ok(())
    }

    /// The card as the tap found it.
    fn folded<'a>(&self, folded: &'a mut BTreeMap<CardId, Card>, tap: &Tap) -> Result<&'a mut Card, Fault> {
        use std::collections::btree_map::Entry;
        Ok(match folded.entry(tap.card) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let card = cards::load(&self.replica, &self.sites, &self.fares, tap.terminal, tap.card)?;
                entry.insert(card)
            }
        })
    }
}

fn unfiled_rows(connection: &Connection) -> Result<Vec<Row>, Fault> {
    let mut statement = connection.prepare(sql::JOURNAL_UNFILED)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, seq(row.get(1)?), row.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The taps of an own changeset. Edits are filed by their own transaction, so only a site's opening stands beside
/// taps.
fn taps_of(site: &Site, position: Seq, body: &Body) -> Result<Vec<(OrderKey, Tap)>, Fault> {
    let mut taps = Vec::with_capacity(body.changes.len());
    for (index, change) in body.changes.iter().enumerate() {
        if let Some(Content::Fact(Fact::Tap(tap))) = change.read()? {
            taps.push((body.order_key(site.id, position, index), tap));
        }
    }
    Ok(taps)
}
