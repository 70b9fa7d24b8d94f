//! Taps: decided from memory and tables, and committed by one row of the journal (D-27), several at once when they
//! wait together.
//!
//! No other program writes the file, so what was read before the commit still holds at the commit.

use bytes::Bytes;
use rusqlite::{Transaction, TransactionBehavior};
use sync_protocol::changeset::Run;
use sync_protocol::decide::{Circumstances, Decision, Gate, Presentation};
use sync_protocol::id::{CardId, FactId, Seq};
use sync_protocol::journey::CardView;
use sync_protocol::mutation::{Mutation, is};
use sync_protocol::time::Stamp;

use super::card::Card;
use super::cards;
use super::error::Fault;
use super::group::Group;
use super::sites::Site;
use super::unfiled::Commit;
use super::writer::{Place, append_body};
use super::{GROUP_TAPS_MAX, Store, StoreError};

/// A decided tap, durable.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What was decided.
    pub decision: Decision,
    /// The tap's fact.
    pub fact: FactId,
    /// Its time.
    pub at: Stamp,
    /// The card before it, as far as this gate knows.
    pub before: CardView,
    /// The card after it.
    pub view: CardView,
}

/// One tap, sealed.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The tap.
    pub decided: Decided,
    /// For the peers.
    pub run: Run,
}

/// A tap that was decided and is recorded nowhere.
#[derive(Clone, Copy, Debug)]
pub struct Unrecorded {
    /// What was decided.
    pub decision: Decision,
    /// The card before it, as far as this gate knows.
    pub view: CardView,
}

impl Store {
    /// Decides one tap, commits and seals it; when this returns, the tap is durable and the barrier may open.
    /// Somebody who waits is served faster by [`Store::taps`] and, after the answer, [`Store::seal`].
    ///
    /// # Errors
    /// See [`Store::taps`].
    pub fn tap(&mut self, presentation: &Presentation, age_ms: i64) -> Result<Committed, StoreError> {
        let mut decided = self.taps(std::slice::from_ref(presentation), age_ms)?;
        let run = self.seal()?;
        Ok(Committed {
            decided: decided
                .pop()
                .expect("BUG: as many taps are decided as were given"),
            run: run.expect("BUG: a run follows each commit"),
        })
    }

    /// Decides 1 to [`GROUP_TAPS_MAX`] taps and commits them together; when this returns, they are durable and the
    /// barriers may open. Each decision sees the ones before it. [`Store::seal`] makes them ready for the peers.
    ///
    /// A fact is stamped with the tap clock: the presentation's time, or just after the last stamp when the clock
    /// reads earlier than that. `age_ms` is the age of the gate's knowledge
    /// ([`sync_protocol::knowledge::KnowledgeAge`]).
    ///
    /// # Errors
    /// The group is empty or too large, or the database failed. Nothing is committed, and the taps may be tried
    /// again. When the disk is full ([`StoreError::is_disk_full`]), [`Store::decide_only`] says how to go on.
    pub fn taps(&mut self, presentations: &[Presentation], age_ms: i64) -> Result<Vec<Decided>, StoreError> {
        let result = self.try_taps(presentations, age_ms);
        let result = self.note_room(result);
        self.named(result)
    }

    /// What a gate does that cannot record a tap: an exit opens as always (I7), and so does free flow; an entry that
    /// would open is denied, because the hold would be nowhere. Changes nothing.
    #[must_use]
    pub fn decide_only(&self, presentation: &Presentation, age_ms: i64) -> Unrecorded {
        let knowledge = self.card(presentation.card).unwrap_or_default();
        let gate = self.gate();
        Unrecorded::decide(&self.circumstances(&gate, age_ms), presentation, &knowledge)
    }

    fn circumstances<'a>(&'a self, gate: &'a Gate, age_ms: i64) -> Circumstances<'a> {
        Circumstances {
            gate,
            policy: &self.policy,
            fares: &self.fares,
            age_ms,
        }
    }

    fn try_taps(&mut self, presentations: &[Presentation], age_ms: i64) -> Result<Vec<Decided>, Fault> {
        if presentations.is_empty() || presentations.len() > GROUP_TAPS_MAX {
            return Err(Fault::Group(presentations.len()));
        }
        self.unsynced.check()?;
        if self.unfiled.is_full() {
            self.file_unfiled()?;
        }
        let place = self.writer.place(&self.sites);
        let group = self.decide_group(&place, presentations, age_ms)?;
        let body = place.body(group.decided[0].at, group.changes)?;
        let head = place.site.head.then(&body);
        self.with_ballast(|store| store.append(&place, head.seq, &body))?;

        let first_arrival = self.arrival + 1;
        self.arrival += group.filed.len() as i64;
        self.writer.last = group.last;
        self.sites.extend(Site {
            arrival: self.arrival,
            ..place.site.then(head, body.len(), group.last)
        });
        self.unfiled.push(Commit {
            head,
            bytes: body.len(),
            first_arrival,
            taps: group.filed,
            signature: None,
        });
        self.writer.keep_for_run(head.seq, body);
        for (id, card) in group.cards {
            self.remembered.put(id, card, &self.unfiled);
        }
        self.counters.taps += group.decided.len() as u64;
        Ok(group.decided)
    }

    /// Decides taps one after the other, in memory only.
    fn decide_group(
        &self,
        place: &Place,
        presentations: &[Presentation],
        age_ms: i64,
    ) -> Result<Group, Fault> {
        let gate = self.gate();
        let circumstances = self.circumstances(&gate, age_ms);
        let fact_id = |place_in_group| place.fact_id(place_in_group);
        let known = |card| self.known(&gate, card);
        Group::decide(&circumstances, presentations, self.writer.last, fact_id, known)
    }

    fn known(&self, gate: &Gate, card: CardId) -> Result<Card, Fault> {
        match self.remembered.get(card) {
            Some(card) => Ok(card.clone()),
            None => cards::load(&self.replica, &self.sites, &self.fares, gate.terminal, card),
        }
    }

    /// Commits one row of the journal. The first one of a start makes its site known, which needs a transaction; all
    /// others are single statements, which are their own.
    fn append(&mut self, place: &Place, seq: Seq, body: &Bytes) -> Result<(), Fault> {
        self.commit_late()?;
        if !self.replica.is_autocommit() {
            return Err(Fault::InTransaction);
        }
        if is(Mutation::AnswerBeforeCommit) {
            return self.append_late(place, seq, body);
        }
        if place.open.is_none() {
            return append_body(&self.replica, place.site.ordinal, seq, body, None);
        }
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)?;
        place.site.insert(&transaction)?;
        append_body(&transaction, place.site.ordinal, seq, body, None)?;
        Ok(transaction.commit()?)
    }

    /// For [`Mutation::AnswerBeforeCommit`]: leaves the row to [`Store::commit_late`].
    fn append_late(&self, place: &Place, seq: Seq, body: &Bytes) -> Result<(), Fault> {
        self.replica.execute_batch("BEGIN IMMEDIATE")?;
        if place.open.is_some() {
            place.site.insert(&self.replica)?;
        }
        append_body(&self.replica, place.site.ordinal, seq, body, None)
    }

    /// For [`Mutation::AnswerBeforeCommit`]: commits what was answered before. Nothing otherwise.
    pub(super) fn commit_late(&self) -> Result<(), Fault> {
        if is(Mutation::AnswerBeforeCommit) && !self.replica.is_autocommit() {
            self.replica.execute_batch("COMMIT")?;
        }
        Ok(())
    }
}
