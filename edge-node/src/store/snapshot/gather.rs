//! Gathering a snapshot: each page is checked as a whole, then written in slices together with the sum so far.

use std::vec::IntoIter;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use sync_protocol::changeset::{Body, Content, Head, SiteRole, Trust};
use sync_protocol::codec;
use sync_protocol::digest::SettledDigest;
use sync_protocol::fact::Fact;
use sync_protocol::fare::FareVersion;
use sync_protocol::id::{FactId, NodeId, Seq, SiteId};
use sync_protocol::judge::{Writer, judge};
use sync_protocol::peer::PageTaken;
use sync_protocol::rows::RowChange;
use sync_protocol::snapshot::{
    Base, CardRow, Need, Page, PageError, Part, Place, RowPlace, compare, may_hand_on,
};

use super::super::error::Fault;
use super::super::sites::{integer, seq};
use super::super::wal::WAL_PAGES;
use super::super::{Installing, Store, StoreError, sql};
use super::{GATHERING, Gathered, INSTALLING, Kind, Stated, Tail, card_row, forget, load, parts};

/// Questions in a row that lead no further, after which the snapshot is given up: the hub states nothing to hold it
/// against, or its server shows nothing of it.
const WAITS_MAX: u32 = 120;

/// A page on its way into the tables.
#[derive(Debug)]
pub struct PageWork {
    peer: NodeId,
    next: Place,
    at: (SiteId, Seq),
    entries: IntoIter<Entry>,
    /// The changesets of the tail with the heads they lead to.
    tail: IntoIter<(bytes::Bytes, Head)>,
    tail_was_shown: bool,
    /// The snapshot before this page.
    gathered: Option<Gathered>,
}

/// One entry of a page.
#[derive(Debug)]
enum Entry {
    Base(Box<Base>),
    Covered(SiteId, Seq),
    Fares(FareVersion),
    Row(RowChange),
    Card(CardRow),
}

impl PageWork {
    /// Whose page it is.
    #[must_use]
    pub const fn peer(&self) -> NodeId {
        self.peer
    }
}

impl Store {
    /// Of whom to gather a snapshot, and where to go on: of the one of whom something is gathered already, when it is
    /// among `servers`, else of the first from the beginning. `None` while one is taken over.
    ///
    /// # Errors
    /// The database failed.
    pub fn begin_snapshot(&mut self, servers: &[NodeId]) -> Result<Option<(NodeId, Need)>, StoreError> {
        let result = self.try_begin(servers);
        self.named(result)
    }

    fn try_begin(&mut self, servers: &[NodeId]) -> Result<Option<(NodeId, Need)>, Fault> {
        self.unsynced.check()?;
        match load(&self.replica)? {
            Some((INSTALLING, _)) => return Ok(None),
            Some((_, gathered)) if servers.contains(&gathered.server) => {
                return Ok(Some((gathered.server, gathered.need())));
            }
            _ => {}
        }
        let Some(server) = servers.first() else {
            return Ok(None);
        };
        self.commit_late()?;
        let gathered = Gathered::begun(*server);
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)?;
        forget(&transaction)?;
        gathered.save(&transaction, GATHERING)?;
        transaction.commit()?;
        Ok(Some((*server, gathered.need())))
    }

    /// Checks a page as a whole. Returns the work that is left, or what is to be told when there is none.
    ///
    /// # Errors
    /// The database failed.
    pub fn check_page(
        &mut self,
        peer: NodeId,
        page: Page,
        trust: &impl Trust,
    ) -> Result<Result<PageWork, PageTaken>, StoreError> {
        let gathered = load(&self.replica);
        let Some((GATHERING, gathered)) = self.named(gathered)? else {
            return Ok(Err(PageTaken::NotNow));
        };
        if gathered.server != peer || gathered.place != page.asked {
            return Ok(Err(PageTaken::NotNow));
        }
        if gathered.tail.is_some_and(|tail| tail.site != page.at.0) {
            // The server goes on with another log: what is gathered is of no moment of that one.
            return self.give_up().map(|()| Err(PageTaken::NotNow));
        }
        match work(peer, page, gathered, trust) {
            Ok(work) => Ok(Ok(work)),
            Err(_) => {
                self.counters.snapshots_refused += 1;
                self.give_up().map(|()| Err(PageTaken::Refused))
            }
        }
    }

    /// Writes the next entries of a page in one transaction, `entries_max` at most. Returns what is to be told once it
    /// is done. After [`PageTaken::Complete`] the snapshot is to be taken over ([`Store::install_snapshot`]).
    ///
    /// # Errors
    /// The database failed. Nothing of this slice is written, and the page is to be asked for again.
    pub fn take_page(
        &mut self,
        work: &mut PageWork,
        entries_max: usize,
    ) -> Result<Option<PageTaken>, StoreError> {
        let result = self.try_take(work, entries_max);
        let taken = self.named(result)?;
        if taken == Some(PageTaken::Refused) {
            self.counters.snapshots_refused += 1;
        }
        Ok(taken)
    }

    /// Forgets what is gathered.
    fn give_up(&mut self) -> Result<(), StoreError> {
        let give_up = |store: &mut Store| -> Result<(), Fault> {
            store.commit_late()?;
            let transaction = Transaction::new(&mut store.replica, TransactionBehavior::Immediate)?;
            forget(&transaction)?;
            Ok(transaction.commit()?)
        };
        let result = give_up(self);
        self.named(result)
    }

    fn try_take(&mut self, work: &mut PageWork, entries_max: usize) -> Result<Option<PageTaken>, Fault> {
        self.unsynced.check()?;
        if !self.ballast.leaves_room_for_others() {
            self.counters.kept_out += 1;
            return Err(Fault::Reserved);
        }
        self.commit_late()?;
        let mut gathered = work
            .gathered
            .take()
            .ok_or_else(|| Fault::Content("a page of a snapshot after a failure".to_owned()))?;
        let mut digest = gathered.digest()?;
        let transaction = Transaction::new(&mut self.replica, TransactionBehavior::Immediate)?;
        let mut slice = Slice {
            transaction: &transaction,
            gathered: &mut gathered,
            digest: &mut digest,
        };
        let taken = slice.take(work, entries_max)?;
        gathered.sum_is(&digest);
        match &taken {
            Some(PageTaken::Complete) => gathered.save(&transaction, INSTALLING)?,
            Some(PageTaken::Refused | PageTaken::NotNow) => forget(&transaction)?,
            _ => gathered.save(&transaction, GATHERING)?,
        }
        transaction.commit()?;
        self.bound_wal(WAL_PAGES);
        if taken == Some(PageTaken::Complete) {
            self.installing = Some(Installing::All);
        }
        work.gathered = Some(gathered);
        Ok(taken)
    }
}

/// Checks a page against what was asked, and its tail against the log gathered so far.
fn work(peer: NodeId, page: Page, mut gathered: Gathered, trust: &impl Trust) -> Result<PageWork, PageError> {
    page.check(trust)?;
    let tail = match (&page.tail, gathered.tail) {
        (Some(run), Some(tail)) if run.site == tail.site => {
            let extension = run
                .extend(&tail.head, Some(&tail.key), trust)
                .map_err(PageError::Proof)?;
            let bodies = run.bodies.iter().skip(extension.skipped).cloned();
            bodies.zip(extension.heads).collect()
        }
        _ => Vec::new(),
    };
    let entries: Vec<Entry> = match page.part {
        Part::Bases(bases) => {
            if let Some(base) = bases.iter().find(|base| base.site() == page.at.0) {
                gathered.tail = Some(Tail {
                    site: base.site(),
                    key: base.open.public_key,
                    head: base.floor,
                    stated: None,
                });
            }
            bases
                .into_iter()
                .map(|base| Entry::Base(Box::new(base)))
                .collect()
        }
        Part::Coverage(covered) => covered
            .into_iter()
            .map(|(site, seq)| Entry::Covered(site, seq))
            .collect(),
        Part::Fares(fares) => fares.into_iter().map(Entry::Fares).collect(),
        Part::Rows(rows) => {
            let rows = rows.into_iter().filter(|row| may_hand_on(peer, row));
            rows.map(Entry::Row).collect()
        }
        Part::Cards(cards) => cards.into_iter().map(Entry::Card).collect(),
        Part::End => Vec::new(),
    };
    Ok(PageWork {
        peer,
        next: page.next,
        at: page.at,
        entries: entries.into_iter(),
        tail_was_shown: !tail.is_empty(),
        tail: tail.into_iter(),
        gathered: Some(gathered),
    })
}

/// A transaction over a part of a page.
struct Slice<'a> {
    transaction: &'a Connection,
    gathered: &'a mut Gathered,
    digest: &'a mut SettledDigest,
}

impl Slice<'_> {
    fn take(&mut self, work: &mut PageWork, entries_max: usize) -> Result<Option<PageTaken>, Fault> {
        self.gathered.at = self.gathered.at.max(work.at.1);
        for entry in work.entries.by_ref().take(entries_max.max(1)) {
            self.entry(entry)?;
        }
        if work.entries.len() > 0 {
            return Ok(None);
        }
        let moved = self.gathered.place != work.next;
        self.gathered.place = work.next.clone();
        let mut changes = 0;
        while let Some((body, head)) = work.tail.next() {
            changes += self.changeset(&body, head)?;
            if let Some(verdict) = self.verdict()? {
                return Ok(Some(verdict));
            }
            if changes >= entries_max && work.tail.len() > 0 {
                return Ok(None);
            }
        }
        if let Some(verdict) = self.verdict()? {
            return Ok(Some(verdict));
        }
        Ok(Some(self.go_on(work, moved)))
    }

    /// What comes after a page that did not complete the snapshot.
    fn go_on(&mut self, work: &PageWork, moved: bool) -> PageTaken {
        if moved || work.tail_was_shown {
            self.gathered.waits = 0;
            return PageTaken::More(self.gathered.need());
        }
        self.gathered.waits += 1;
        let behind = |tail: &Tail| tail.head.seq < work.at.1;
        match &self.gathered.tail {
            _ if self.gathered.waits > WAITS_MAX => PageTaken::Refused,
            None => PageTaken::Refused,
            // The server has cut off what follows.
            Some(tail) if behind(tail) => PageTaken::NotNow,
            Some(_) => PageTaken::Wait(self.gathered.need()),
        }
    }

    fn entry(&mut self, entry: Entry) -> Result<(), Fault> {
        match entry {
            Entry::Base(base) => self.put(Kind::Base, &base.site().0, &codec::encode(&base)),
            Entry::Covered(site, seq) => self.covered(site, seq),
            Entry::Fares(fares) => {
                self.put(Kind::Fares, &fares.version.to_be_bytes(), &codec::encode(&fares))
            }
            Entry::Row(row) => {
                let place = codec::encode(&RowPlace::of(&row));
                self.put(Kind::Row, &place, &codec::encode(&row))
            }
            Entry::Card(card) => self.card(&card),
        }
    }

    fn put(&self, kind: Kind, key: &[u8], content: &[u8]) -> Result<(), Fault> {
        let row = params![kind as i64, key, content];
        self.transaction
            .prepare_cached(sql::SNAPSHOT_PART_PUT)?
            .execute(row)?;
        Ok(())
    }

    fn covered(&mut self, site: SiteId, to: Seq) -> Result<(), Fault> {
        let known: Option<Vec<u8>> = self
            .transaction
            .prepare_cached(sql::SNAPSHOT_PART)?
            .query_row(params![Kind::Coverage as i64, site.0], |row| row.get(0))
            .optional()?;
        let known = match known {
            Some(known) => codec::decode::<(SiteId, Seq)>(&known)?.1,
            None => Seq::NONE,
        };
        // As the tables have it, which hold no more.
        let to = seq(integer(to));
        if to > known {
            self.digest.cover(site, known, to);
            self.put(Kind::Coverage, &site.0, &codec::encode(&(site, to)))?;
        }
        Ok(())
    }

    fn card(&mut self, card: &CardRow) -> Result<(), Fault> {
        let known = {
            let mut statement = self.transaction.prepare_cached(sql::SNAPSHOT_CARD)?;
            let mut rows = statement.query([card.card.as_str()])?;
            rows.next()?.map(card_row).transpose()?
        };
        if known
            .as_ref()
            .is_some_and(|known| known.revision >= card.revision)
        {
            return Ok(());
        }
        if let Some(known) = known {
            self.digest.take_card(&known.entry());
        }
        self.digest.add_card(&card.entry());
        self.transaction
            .prepare_cached(sql::SNAPSHOT_CARD_PUT)?
            .execute(params![
                card.card.as_str(),
                i64::try_from(card.revision).unwrap_or(i64::MAX),
                i64::try_from(card.facts).unwrap_or(i64::MAX),
                card.facts_hash.to_le_bytes(),
                card.state,
            ])?;
        Ok(())
    }

    /// Adds a changeset of the log of settled states. Returns how many changes it has.
    fn changeset(&mut self, bytes: &[u8], head: Head) -> Result<usize, Fault> {
        let Some(mut tail) = self.gathered.tail else {
            return Ok(0);
        };
        (tail.head, tail.stated) = (head, None);
        // What a gate would put into the quarantine does not count here either.
        let body = Body::decode(bytes).ok();
        let changes = body.map(|body| body.changes).unwrap_or_default();
        let writer = Writer {
            node: NodeId::HUB,
            role: SiteRole::Settled,
        };
        for change in &changes {
            let Ok(Some(content)) = change.read() else {
                continue;
            };
            if judge(writer, FactId::default(), &content).is_err() {
                continue;
            }
            match content {
                Content::Fact(Fact::CardSettled(settled)) => self.card(&CardRow {
                    card: settled.card,
                    revision: settled.revision,
                    facts: settled.facts,
                    facts_hash: settled.facts_hash,
                    state: codec::encode(&settled.state),
                })?,
                Content::Fact(Fact::SettledUpTo { covered }) => {
                    for (site, seq) in covered {
                        self.covered(site, seq)?;
                    }
                }
                Content::Fact(Fact::SettledDigest {
                    fare_version, hash, ..
                }) => {
                    let seq = head.seq;
                    tail.stated = Some(Stated {
                        seq,
                        fare_version,
                        hash,
                    });
                }
                _ => {}
            }
        }
        self.gathered.tail = Some(tail);
        Ok(changes.len())
    }

    /// What to say of the snapshot, once all rows are there and the hub states what they sum up to.
    fn verdict(&self) -> Result<Option<PageTaken>, Fault> {
        let stated = self.gathered.tail.and_then(|tail| tail.stated);
        let Some(stated) = stated.filter(|stated| stated.seq >= self.gathered.at) else {
            return Ok(None);
        };
        if self.gathered.place != Place::End {
            return Ok(None);
        }
        let mut digest = self.digest.clone();
        let fares: Vec<FareVersion> = parts(self.transaction, Kind::Fares)?;
        for fares in fares.iter().filter(|fares| fares.version <= stated.fare_version) {
            digest.add_fares(fares.version, fares.hash());
        }
        Ok(Some(match compare(digest.hash(), stated.hash) {
            Ok(()) => PageTaken::Complete,
            Err(_) => PageTaken::Refused,
        }))
    }
}
