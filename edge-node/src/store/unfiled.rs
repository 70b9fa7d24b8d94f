//! Own taps that are durable in the journal, while their rows in the other tables still wait to be written.
//!
//! A tap's commit writes one row of the journal and nothing else, because the barrier waits for it. The rows that
//! follow from it (`facts_by_card`, the head in `sites`, a signature) are filed later, many taps at a time. Until
//! then they stand here, and after a crash they are made again from the journal ([`super::replay`]).
//!
//! Invariant: in `sites`, the head of an own site is where filing has got to; rows of the journal beyond it are
//! exactly what is listed here. Whoever else gives arrival numbers, or moves the head, files first.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use sync_protocol::changeset::{Head, Signature};
use sync_protocol::id::{CardId, OrderKey, Seq};

use super::card::FiledTap;
use super::cards;
use super::error::Fault;
use super::piece::{PIECE_BYTES, Piece};
use super::sites::{Ordinal, Site, integer};
use super::sql;

/// Own commits that wait until sealing files them, when no idle moment came before.
const DUE_COMMITS: usize = 64;
/// Taps in them that make it due, too: filing takes about as long as there are taps, and the next one may wait.
const DUE_TAPS: usize = 128;
/// Most taps that wait; the next commit files them first.
const WAITING_TAPS_MAX: usize = 4_096;

/// One own commit.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) head: Head,
    /// Bytes of its body.
    pub(super) bytes: usize,
    /// Arrival number of its first tap.
    pub(super) first_arrival: i64,
    pub(super) taps: Vec<(OrderKey, FiledTap)>,
    /// Over its head, if it was made.
    pub(super) signature: Option<Signature>,
}

/// Own commits in order.
#[derive(Debug, Default)]
pub(super) struct Unfiled {
    commits: Vec<Commit>,
    cards: BTreeSet<CardId>,
    taps: usize,
}

impl Unfiled {
    pub(super) fn push(&mut self, commit: Commit) {
        self.taps += commit.taps.len();
        self.cards
            .extend(commit.taps.iter().map(|(_, filed)| filed.tap.card));
        self.commits.push(commit);
    }

    pub(super) fn clear(&mut self) {
        *self = Unfiled::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    pub(super) fn is_due(&self) -> bool {
        self.commits.len() >= DUE_COMMITS || self.taps >= DUE_TAPS
    }

    pub(super) fn is_full(&self) -> bool {
        self.taps >= WAITING_TAPS_MAX
    }

    /// Whether a tap of the card waits: the tables do not tell all about it.
    pub(super) fn has(&self, card: CardId) -> bool {
        self.cards.contains(&card)
    }

    /// Notes the signature over the newest head.
    pub(super) fn sign_last(&mut self, signature: Signature) {
        if let Some(commit) = self.commits.last_mut() {
            commit.signature = Some(signature);
        }
    }

    /// The signature over a head that waits here, if there is one.
    pub(super) fn signature_at(&self, seq: Seq) -> Option<Signature> {
        let first = self.commits.first()?.head.seq.0;
        let place = usize::try_from(seq.0.checked_sub(first)?).ok()?;
        self.commits.get(place)?.signature
    }

    /// Writes the rows of all that waits, inside the caller's transaction. `site` is the site as it is after them,
    /// `piece` the end of its log before them.
    pub(super) fn write(
        &self,
        transaction: &Connection,
        site: &Site,
        piece: &mut Piece,
        sign: impl Fn(&Head) -> Signature,
    ) -> Result<(), Fault> {
        let Some(last) = self.commits.last() else {
            return Ok(());
        };
        assert!(
            last.head == site.head,
            "BUG: commits of {} wait that its head does not know",
            site.id
        );
        let mut bytes = 0;
        for commit in &self.commits {
            for (arrival, (key, filed)) in (commit.first_arrival..).zip(&commit.taps) {
                cards::file_tap(transaction, site.ordinal, arrival, key, filed)?;
            }
            bytes += commit.bytes;
            piece.push(commit.bytes);
            if bytes >= PIECE_BYTES || commit.head == last.head {
                let signature = commit.signature.unwrap_or_else(|| sign(&commit.head));
                transaction.prepare_cached(sql::JOURNAL_SIGN)?.execute(params![
                    site.ordinal,
                    integer(commit.head.seq),
                    signature.0.as_slice()
                ])?;
                if let Some(replaced) = piece.sign(commit.head.seq) {
                    unsign(transaction, site.ordinal, replaced)?;
                }
                bytes = 0;
            }
        }
        site.advance(transaction)
    }
}

/// Drops a signature that a later one has replaced.
pub(super) fn unsign(transaction: &Connection, site: Ordinal, position: Seq) -> Result<(), Fault> {
    let row = params![site, integer(position)];
    transaction.prepare_cached(sql::JOURNAL_UNSIGN)?.execute(row)?;
    Ok(())
}
