//! The log that all gates of a world share: every changeset once, and what it states worked out once.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use edge_node::store::Quarantined;
use sync_protocol::changeset::{Body, ChainHash, Content, Head, PublicKey, Signature, SiteOpen, SiteRole};
use sync_protocol::fact::Fact;
use sync_protocol::fare::{FareBook, FareVersion};
use sync_protocol::have::Have;
use sync_protocol::id::{CardId, NodeId, Seq, SiteId};
use sync_protocol::judge::{Writer, judge};
use sync_protocol::rows::{self, RowChange, Schema};

use super::rows::RowVersion;
use super::states::{CardLine, Settlements};
use super::uncovered::Taps;

/// Changesets of a site whose taps stay decoded: those that neighbours are about to append.
const DECODED_KEPT: usize = 64;

/// The log.
pub struct SharedLog {
    pub(super) schema: Schema,
    /// The replicated tables before any change.
    pub(super) rows: Rc<RowVersion>,
    ordinals: BTreeMap<SiteId, u32>,
    sites: Vec<SharedSite>,
    pub(super) cards: BTreeMap<CardId, CardLine>,
    pub(super) settlements: Settlements,
    /// Fare versions in the order in which they came, with their place.
    fares: Vec<(u32, Seq, FareVersion)>,
    books: BTreeMap<Vec<u32>, Rc<FareBook>>,
    quarantine: Vec<(u32, Quarantined)>,
    /// Changes of kinds that this version does not know, by place.
    unapplied: Vec<(u32, Seq)>,
}

/// One site's log.
pub(super) struct SharedSite {
    pub(super) id: SiteId,
    /// What opened it; `None` for a site of which only its coverage is known.
    pub(super) open: Option<Opened>,
    pub(super) log: Vec<Entry>,
    /// Row changes by changeset.
    pub(super) rows: BTreeMap<Seq, Vec<RowChange>>,
    decoded: VecDeque<(Seq, Taps)>,
}

/// What a site's opening says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    pub(super) node: NodeId,
    pub(super) role: SiteRole,
    pub(super) key: PublicKey,
}

/// One changeset.
pub(super) struct Entry {
    pub(super) body: Bytes,
    pub(super) chain: ChainHash,
    pub(super) signature: Option<Signature>,
    /// How many changes it has, and how many of them could not be applied.
    pub(super) changes: u16,
    pub(super) quarantined: u16,
    pub(super) unapplied: u16,
    /// Whether a gate has to do something about it beyond moving its head.
    pub(super) stirs: bool,
}

impl SharedLog {
    /// An empty log.
    ///
    /// # Errors
    /// The schema of the replicated tables cannot be read.
    pub fn new() -> anyhow::Result<SharedLog> {
        Ok(SharedLog {
            schema: edge_node::store::replicated_schema()?,
            rows: Rc::default(),
            ordinals: BTreeMap::new(),
            sites: Vec::new(),
            cards: BTreeMap::new(),
            settlements: Settlements::default(),
            fares: Vec::new(),
            books: BTreeMap::new(),
            quarantine: Vec::new(),
            unapplied: Vec::new(),
        })
    }

    /// A site's place in the log.
    pub(super) fn ordinal(&self, site: SiteId) -> Option<u32> {
        self.ordinals.get(&site).copied()
    }

    /// A site's place in the log, made when it is new.
    pub(super) fn ordinal_of(&mut self, site: SiteId) -> u32 {
        let next = u32::try_from(self.sites.len()).expect("BUG: fewer sites than starts of nodes");
        let ordinal = *self.ordinals.entry(site).or_insert(next);
        if ordinal == next {
            self.sites.push(SharedSite {
                id: site,
                open: None,
                log: Vec::new(),
                rows: BTreeMap::new(),
                decoded: VecDeque::new(),
            });
        }
        ordinal
    }

    pub(super) fn site(&self, ordinal: u32) -> &SharedSite {
        &self.sites[ordinal as usize]
    }

    pub(super) fn site_mut(&mut self, ordinal: u32) -> &mut SharedSite {
        &mut self.sites[ordinal as usize]
    }

    /// Notes what opens a site.
    pub(super) fn open(&mut self, ordinal: u32, open: &SiteOpen) {
        self.site_mut(ordinal).open.get_or_insert(Opened {
            node: open.node,
            role: open.role,
            key: open.public_key,
        });
    }

    /// Appends a verified changeset that is new to everybody, and works out what it states.
    pub(super) fn append(&mut self, ordinal: u32, head: Head, body: Bytes) {
        let mut entry = Entry {
            body,
            chain: head.chain,
            signature: None,
            changes: 1,
            quarantined: 0,
            unapplied: 0,
            stirs: false,
        };
        match Body::decode(&entry.body) {
            Ok(body) => self.read(ordinal, head.seq, &body, &mut entry),
            Err(error) => self.put_aside(ordinal, head.seq, None, error.to_string(), &mut entry),
        }
        self.site_mut(ordinal).log.push(entry);
    }

    fn read(&mut self, ordinal: u32, seq: Seq, body: &Body, entry: &mut Entry) {
        entry.changes = u16::try_from(body.changes.len()).unwrap_or(u16::MAX);
        let site = self.site(ordinal);
        let (id, open) = (
            site.id,
            site.open.expect("BUG: a site is opened before it is appended to"),
        );
        let writer = Writer {
            node: open.node,
            role: open.role,
        };
        let mut taps = Vec::new();
        let mut rows = Vec::new();
        let mut searched = 0;
        for (index, change) in body.changes.iter().enumerate() {
            let key = body.order_key(id, seq, index);
            let content = match change.read() {
                Ok(Some(content)) => content,
                Ok(None) => {
                    entry.unapplied += 1;
                    self.unapplied.push((ordinal, seq));
                    continue;
                }
                Err(error) => {
                    let reason = format!("a known kind with malformed content: {error}");
                    self.put_aside(ordinal, seq, Some(index), reason, entry);
                    continue;
                }
            };
            if let Err(reason) = judge(writer, key.id, &content) {
                self.put_aside(ordinal, seq, Some(index), reason.to_string(), entry);
                continue;
            }
            match content {
                Content::SiteOpen(_) => {}
                Content::Row(row) => self.sort_row(ordinal, seq, index, row, entry, &mut rows),
                Content::Fact(Fact::Tap(tap)) => taps.push((key, tap)),
                Content::Fact(Fact::FareVersion(version)) => {
                    self.add_fares(ordinal, seq, index, version, entry);
                }
                Content::Fact(Fact::CardSettled(settled)) => {
                    let place = super::states::place_of(&entry.body, &change.content, &mut searched);
                    let line = self.cards.entry(settled.card).or_default();
                    line.settle(ordinal, seq, place);
                }
                Content::Fact(Fact::SettledUpTo { covered }) => {
                    for (site, to) in covered {
                        let covered = self.ordinal_of(site);
                        self.settlements.cover(covered, ordinal, seq, to);
                    }
                }
                Content::Fact(fact @ Fact::CardStatus { card, .. }) => {
                    let line = self.cards.entry(card).or_default();
                    line.statuses.push((ordinal, key, fact));
                }
                // The hub's other facts reach balances through the settled states only.
                Content::Fact(_) => {}
            }
        }
        entry.stirs |= !taps.is_empty() || !rows.is_empty();
        let site = self.site_mut(ordinal);
        if !rows.is_empty() {
            site.rows.insert(seq, rows);
        }
        if !taps.is_empty() {
            site.keep_decoded(seq, taps.into());
        }
    }

    fn sort_row(
        &mut self,
        ordinal: u32,
        seq: Seq,
        index: usize,
        row: RowChange,
        entry: &mut Entry,
        rows: &mut Vec<RowChange>,
    ) {
        match self.schema.check(&row) {
            Ok(()) => rows.push(row),
            Err(rows::Refusal::UnknownTable { .. } | rows::Refusal::UnknownColumn { .. }) => {
                entry.unapplied += 1;
                self.unapplied.push((ordinal, seq));
            }
            Err(refusal) => self.put_aside(ordinal, seq, Some(index), refusal.to_string(), entry),
        }
    }

    /// The first table of a version number stays in force (I11).
    fn add_fares(&mut self, ordinal: u32, seq: Seq, index: usize, version: FareVersion, entry: &mut Entry) {
        let held = self
            .fares
            .iter()
            .find(|(_, _, held)| held.version == version.version);
        match held {
            Some((_, _, held)) if held.hash() == version.hash() => {}
            Some(_) => {
                let reason = format!("another table is held as fare version {}", version.version);
                self.put_aside(ordinal, seq, Some(index), reason, entry);
            }
            None => {
                entry.stirs = true;
                self.fares.push((ordinal, seq, version));
            }
        }
    }

    fn put_aside(&mut self, ordinal: u32, seq: Seq, index: Option<usize>, reason: String, entry: &mut Entry) {
        entry.quarantined += 1;
        let quarantined = Quarantined {
            site: self.site(ordinal).id,
            seq,
            change: index.and_then(|index| u16::try_from(index).ok()),
            reason,
            attempts: 0,
        };
        self.quarantine.push((ordinal, quarantined));
    }

    /// The fares of a gate that holds so much.
    pub(super) fn fare_book(&mut self, have: &Have) -> Rc<FareBook> {
        let SharedLog {
            fares, sites, books, ..
        } = self;
        let visible = fares
            .iter()
            .filter(|(ordinal, seq, _)| have.seq(sites[*ordinal as usize].id) >= *seq);
        let visible: Vec<&FareVersion> = visible.map(|(_, _, version)| version).collect();
        let book = books
            .entry(visible.iter().map(|version| version.version).collect())
            .or_insert_with(|| {
                let mut book = FareBook::default();
                for version in visible {
                    book.insert(version.clone());
                }
                Rc::new(book)
            });
        Rc::clone(book)
    }

    /// What a gate that holds so much has put aside for good.
    pub(super) fn quarantined(&self, have: &Have) -> Vec<Quarantined> {
        let held = |(ordinal, quarantined): &&(u32, Quarantined)| {
            have.seq(self.site(*ordinal).id) >= quarantined.seq
        };
        let held = self.quarantine.iter().filter(held);
        held.map(|(_, quarantined)| quarantined.clone()).collect()
    }

    /// How many changes a gate that holds so much keeps for a later version.
    pub(super) fn unapplied(&self, have: &Have) -> u64 {
        let held = |(ordinal, seq): &&(u32, Seq)| have.seq(self.site(*ordinal).id) >= *seq;
        self.unapplied.iter().filter(held).count() as u64
    }

    /// Up to where the settled states that a gate holds cover a site.
    pub(super) fn covered(&self, site: SiteId, have: &Have) -> Seq {
        self.ordinal(site)
            .map_or(Seq::NONE, |ordinal| self.covered_at(ordinal, have))
    }

    /// The same, by the site's place in the log.
    pub(super) fn covered_at(&self, ordinal: u32, have: &Have) -> Seq {
        self.settlements
            .covered(ordinal, |settled| have.seq(self.site(settled).id))
    }
}

impl SharedSite {
    /// The changeset with this number.
    pub(super) fn entry(&self, seq: Seq) -> Option<&Entry> {
        self.log.get(usize::try_from(seq.0.checked_sub(1)?).ok()?)
    }

    pub(super) fn entry_mut(&mut self, seq: Seq) -> Option<&mut Entry> {
        self.log.get_mut(usize::try_from(seq.0.checked_sub(1)?).ok()?)
    }

    fn keep_decoded(&mut self, seq: Seq, taps: Taps) {
        if self.decoded.len() >= DECODED_KEPT {
            self.decoded.pop_front();
        }
        self.decoded.push_back((seq, taps));
    }

    /// The taps of a changeset.
    pub(super) fn taps(&self, seq: Seq) -> Taps {
        if let Some((_, taps)) = self.decoded.iter().rev().find(|(decoded, _)| *decoded == seq) {
            return Rc::clone(taps);
        }
        let Some(entry) = self.entry(seq) else {
            return Rc::default();
        };
        let Ok(body) = Body::decode(&entry.body) else {
            return Rc::default();
        };
        let writer = self.open.map(|open| Writer {
            node: open.node,
            role: open.role,
        });
        let changes = body.changes.iter().enumerate();
        let taps = changes.filter_map(|(index, change)| {
            let key = body.order_key(self.id, seq, index);
            let content = change.read().ok()??;
            judge(writer?, key.id, &content).ok()?;
            match content {
                Content::Fact(Fact::Tap(tap)) => Some((key, tap)),
                _ => None,
            }
        });
        taps.collect()
    }
}
