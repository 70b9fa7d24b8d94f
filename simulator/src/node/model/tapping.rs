//! Taps: decided by the real store's code, and committed by one entry of the log.

use std::convert::Infallible;
use std::rc::Rc;

use edge_node::store::{Decided, Fault, GROUP_TAPS_MAX, Group, Piece};
use sync_protocol::changeset::{Body, Change, Content, Head, Run};
use sync_protocol::decide::Presentation;
use sync_protocol::have::SiteHave;
use sync_protocol::id::{FactId, Seq};

use super::ModelStore;
use super::disk::Unfiled;
use super::uncovered::Taps;

/// Own commits, and taps in them, that wait until sealing files them.
const DUE: (usize, usize) = (64, 128);
/// Most taps that wait; the next commit files them first.
const WAITING_TAPS_MAX: usize = 4_096;

impl ModelStore {
    pub(super) fn commit_taps(
        &mut self,
        presentations: &[Presentation],
        age_ms: i64,
    ) -> Result<Vec<Decided>, Fault> {
        if presentations.is_empty() || presentations.len() > GROUP_TAPS_MAX {
            return Err(Fault::Group(presentations.len()));
        }
        let ordinal = self.log.borrow_mut().ordinal_of(self.site);
        if self.waiting_taps() >= WAITING_TAPS_MAX {
            self.sign_head(ordinal);
            let piece = self.pieces.entry(ordinal).or_default();
            self.disk.borrow_mut().file(ordinal, piece);
        }
        let head = self.disk.borrow().journal_head(self.site);
        let opening = (head.seq == Seq::NONE).then(|| self.opening());
        let first = usize::from(opening.is_some());
        let fact_id = |place: usize| FactId {
            site: self.site,
            seq: head.seq.next(),
            index: u16::try_from(place + first).expect("BUG: a changeset has few changes"),
        };
        let known = |card| Ok::<_, Infallible>(self.read_card(card));
        let decided = self.with_circumstances(age_ms, |circumstances| {
            Group::decide(circumstances, presentations, self.last, fact_id, known)
        });
        let Ok(group) = decided;
        let body = Body {
            at: group.decided[0].at,
            changes: opening.into_iter().chain(group.changes).collect(),
        };
        let body = body.encode()?;
        let head = head.then(&body);
        let taps: Taps = group.filed.iter().map(|(key, filed)| (*key, filed.tap)).collect();
        self.append_own(ordinal, head, body, &taps);
        self.last = group.last;
        self.counters.taps += group.decided.len() as u64;
        Ok(group.decided)
    }

    fn append_own(&mut self, ordinal: u32, head: Head, body: bytes::Bytes, taps: &Taps) {
        let mut log = self.log.borrow_mut();
        let mut disk = self.disk.borrow_mut();
        log.open(ordinal, &self.open);
        log.append(ordinal, head, body.clone());
        match disk.own.last_mut().filter(|(site, _)| *site == self.site) {
            Some((_, known)) => *known = head,
            None => disk.own.push((self.site, head)),
        }
        disk.unfiled.push(Unfiled {
            seq: head.seq,
            bytes: body.len(),
            taps: taps.len(),
            signed: false,
        });
        disk.uncovered.push(ordinal, taps);
        self.unsent.push(head.seq, body);
    }

    fn waiting_taps(&self) -> usize {
        self.disk.borrow().unfiled.iter().map(|commit| commit.taps).sum()
    }

    fn opening(&self) -> Change {
        let disk = self.disk.borrow();
        let mut open = self.open.clone();
        open.previous = disk.own.last().copied();
        Change::new(&Content::SiteOpen(Box::new(open)))
    }

    /// Signs the head of the own site, unless it is signed.
    pub(super) fn sign_head(&mut self, ordinal: u32) {
        let head = self.disk.borrow().journal_head(self.site);
        if head.seq == self.have.seq(self.site) {
            return;
        }
        let signature = self.signer.sign(&head.signed_message(self.site));
        if let Some(entry) = self.log.borrow_mut().site_mut(ordinal).entry_mut(head.seq) {
            entry.signature = Some(signature);
        }
        if let Some(commit) = self.disk.borrow_mut().unfiled.last_mut() {
            commit.signed = true;
        }
        let have = SiteHave {
            role: self.open.role,
            floor: Seq::NONE,
            head,
        };
        self.advance(self.site, have);
    }

    /// Signs what was committed; what is to go to the peers.
    pub(super) fn seal_run(&mut self) -> Option<Run> {
        let ordinal = self.log.borrow_mut().ordinal_of(self.site);
        self.sign_head(ordinal);
        let head = self.have.seq(self.site);
        let log = self.log.borrow();
        let signature = log.site(ordinal).entry(head).and_then(|entry| entry.signature);
        drop(log);
        let run = signature.and_then(|signature| self.unsent.take_run(self.site, signature));
        if self.disk.borrow().unfiled.len() >= DUE.0 || self.waiting_taps() >= DUE.1 {
            let piece = self.pieces.entry(ordinal).or_default();
            self.disk.borrow_mut().file(ordinal, piece);
        }
        run
    }

    /// What a start makes of the journal: its end is signed and filed, and stamps go on from the last one.
    pub(super) fn replay(&mut self) {
        let empty = Rc::clone(&self.log.borrow().rows);
        self.disk.borrow_mut().rows.get_or_insert(empty);
        self.have = self.disk.borrow().have.clone();
        let newest = self.disk.borrow().own.last().copied();
        let Some((site, head)) = newest else { return };
        let ordinal = self.log.borrow_mut().ordinal_of(site);
        let tail = head.seq.0 - self.have.seq(site).0;
        let unfiled = !self.disk.borrow().unfiled.is_empty();
        if unfiled {
            let signature = self.signer.sign(&head.signed_message(site));
            if let Some(entry) = self.log.borrow_mut().site_mut(ordinal).entry_mut(head.seq) {
                entry.signature = Some(signature);
            }
            self.counters.replayed += self.disk.borrow().unfiled.len() as u64;
            let mut piece = Piece::default();
            self.disk.borrow_mut().file(ordinal, &mut piece);
        }
        if tail > 0 {
            let have = SiteHave {
                role: self.open.role,
                floor: Seq::NONE,
                head,
            };
            self.advance(site, have);
        }
        let own = self.disk.borrow().own.clone();
        let log = self.log.borrow();
        let stamps = own.iter().filter_map(|(site, head)| {
            let entry = log.site(log.ordinal(*site)?).entry(head.seq)?;
            let body = Body::decode(&entry.body).ok()?;
            Some(
                body.changes
                    .last()
                    .and_then(|change| change.at)
                    .unwrap_or(body.at),
            )
        });
        self.last = stamps.max().unwrap_or_default();
    }

    /// Notes what is held of a site.
    pub(super) fn advance(&mut self, site: sync_protocol::id::SiteId, have: SiteHave) {
        self.have.advance(site, have);
        self.disk.borrow_mut().have.advance(site, have);
    }
}
