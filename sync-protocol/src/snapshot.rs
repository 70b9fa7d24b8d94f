//! Snapshots: derived rows for a node that is new or was away for long, instead of the logs they were derived from.
//!
//! # When
//! A node needs one when it lacks changesets of a site that everybody it hears has cut off: the floor of each offer is
//! above its own head ([`crate::peer`] decides). While anybody serves the log itself, the log is taken.
//!
//! # What
//! Asked for page by page, each question naming the [`Place`] to go on from; whoever serves keeps no memory of it.
//! 1. *Bases*: per site that the server has cut, its SiteOpen, the head at the server's floor, and the run that
//!    follows, whose signature proves that head. From there on the logs themselves go on.
//! 2. *Coverage*, up to where settled states cover each site; *fares*; *rows* of the shared tables.
//! 3. *Cards*, in the order of their numbers.
//! 4. With each page the next piece of the newest log of settled states, from its base on.
//!
//! # Why it can be believed
//! Pages are read one after the other while the server goes on, so they are not of one moment. But settled states go
//! forward only, by revision, and coverage by number. So the newest of what the pages and the log say is what the hub
//! had settled at any changeset of that log at or beyond [`Page::at`] of every page. At the first such changeset that
//! states a [`SettledDigest`](crate::fact::Fact::SettledDigest), signed by the hub, the sum over cards, coverage and
//! fares must be the one stated: else nothing of the snapshot is taken, and it is asked of somebody else.
//!
//! Rows of the shared tables are in no digest. Of them only those are taken that the server could have stated itself
//! ([`may_hand_on`]): so a snapshot is no way to forge what its server may not write.
//!
//! Derived rows never go back: what is held is replaced only by a higher revision, coverage only by more.

use serde::{Deserialize, Serialize};

use crate::changeset::{CERTIFICATE_BYTES_MAX, Content, Head, Run, RunError, SiteOpen, SiteRole, Trust};
use crate::digest::CardEntry;
use crate::fare::FareVersion;
use crate::id::{CardId, FactId, NodeId, Seq, SiteId};
use crate::journey::{CardState, EARLY_CLOSES_MAX, UNSTARTED_MAX};
use crate::judge::{Writer, judge};
use crate::rows::RowChange;
use crate::{codec, mutation};

/// Most bytes of entries in one page, unless a single entry is larger.
pub const PAGE_BYTES_MAX: usize = 128 << 10;
/// Most bytes of the log of settled states with one page, unless its first signed piece is larger.
pub const TAIL_BYTES_MAX: usize = 128 << 10;
/// Most entries of one page.
pub const ENTRIES_MAX: usize = 4_096;
/// Most bytes of one card's encoded state.
pub const STATE_BYTES_MAX: usize = 8 << 10;

/// Where to go on. What is named is the last entry that the asker has; none at the beginning of a part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// Sites that the server has cut, by id.
    Bases(Option<SiteId>),
    /// Coverage, by site.
    Coverage(Option<SiteId>),
    /// Fare versions, ascending.
    Fares(Option<u32>),
    /// Rows of the shared tables, by table, key and column.
    Rows(Option<RowPlace>),
    /// Cards.
    Cards(Option<CardId>),
    /// Nothing but the log of settled states is left.
    End,
}

/// A row change in its order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowPlace {
    /// The table.
    pub table: String,
    /// The packed key.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// The column.
    pub column: String,
}

impl RowPlace {
    /// The place of a change.
    #[must_use]
    pub fn of(change: &RowChange) -> RowPlace {
        RowPlace {
            table: change.table.clone(),
            key: change.key.clone(),
            column: change.column.clone(),
        }
    }
}

/// Asks for a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// From where on.
    pub place: Place,
    /// The log of settled states that the asker gathers, and the last changeset of it that it has.
    pub tail: Option<(SiteId, Seq)>,
}

/// A site that the server has cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// What opened it.
    pub open: SiteOpen,
    /// The head at the server's floor; the empty head of a site that is not cut.
    pub floor: Head,
    /// The changesets that follow, up to a signature: it proves the head.
    pub proof: Run,
}

/// A card as the hub settled it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardRow {
    /// The card.
    pub card: CardId,
    /// Counts its settled states, from 1.
    pub revision: u64,
    /// How many facts the state covers.
    pub facts: u64,
    /// Sum of their hashes.
    pub facts_hash: u128,
    /// The encoded state.
    #[serde(with = "serde_bytes")]
    pub state: Vec<u8>,
}

/// The entries of a page: all of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// See [`Place::Bases`].
    Bases(Vec<Base>),
    /// See [`Place::Coverage`].
    Coverage(Vec<(SiteId, Seq)>),
    /// See [`Place::Fares`].
    Fares(Vec<FareVersion>),
    /// See [`Place::Rows`].
    Rows(Vec<RowChange>),
    /// See [`Place::Cards`].
    Cards(Vec<CardRow>),
    /// See [`Place::End`].
    End,
}

/// A page of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// What was asked for.
    pub asked: Place,
    /// The entries from there on.
    pub part: Part,
    /// Where to go on.
    pub next: Place,
    /// The newest log of settled states that the server has applied, and up to where: its rows are of then.
    pub at: (SiteId, Seq),
    /// The piece of that log that follows what the asker has.
    pub tail: Option<Run>,
}

/// Why a page is refused, and the snapshot with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Not the part that was asked for, or entries that are not behind the place and in order.
    #[error("entries that are not in order behind the place asked for")]
    Order,
    /// A SiteOpen that is not that of the site, or of a node that is not admitted.
    #[error("a site whose opening is not admitted")]
    Opening,
    /// The run that follows does not prove a head.
    #[error("a head that its signature does not prove: {0}")]
    Proof(RunError),
    /// A settled state that no hub makes.
    #[error("a settled state that cannot be")]
    State,
    /// A fare table that is damaged.
    #[error("a damaged fare version")]
    Fares,
    /// What the hub states of it is something else.
    #[error("its sum is not the one that the hub states")]
    Digest,
}

impl Place {
    /// The beginning.
    pub const START: Place = Place::Bases(None);

    /// The part behind this one.
    #[must_use]
    pub const fn next_part(&self) -> Place {
        match self {
            Place::Bases(_) => Place::Coverage(None),
            Place::Coverage(_) => Place::Fares(None),
            Place::Fares(_) => Place::Rows(None),
            Place::Rows(_) => Place::Cards(None),
            Place::Cards(_) | Place::End => Place::End,
        }
    }
}

impl CardRow {
    /// How the card counts in the digest.
    #[must_use]
    pub fn entry(&self) -> CardEntry<'_> {
        CardEntry {
            card: self.card,
            revision: self.revision,
            facts: self.facts,
            facts_hash: self.facts_hash,
            state: &self.state,
        }
    }

    /// The state.
    ///
    /// # Errors
    /// It is none that the fold makes.
    pub fn state(&self) -> Result<CardState, PageError> {
        let in_range = |count: u64| i64::try_from(count).is_ok();
        if self.revision == 0
            || !in_range(self.revision)
            || !in_range(self.facts)
            || self.state.len() > STATE_BYTES_MAX
        {
            return Err(PageError::State);
        }
        let state: CardState = codec::decode(&self.state).map_err(|_| PageError::State)?;
        if state.unstarted.len() > UNSTARTED_MAX || state.early_closes.len() > EARLY_CLOSES_MAX {
            return Err(PageError::State);
        }
        Ok(state)
    }
}

impl Base {
    /// The site.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.proof.site
    }

    /// Whether the site was opened by whom it says, and the head is one of its log.
    ///
    /// # Errors
    /// See [`PageError`].
    pub fn check(&self, trust: &impl Trust) -> Result<(), PageError> {
        let open = &self.open;
        let plausible = open.site() == self.site()
            && open.certificate.len() <= CERTIFICATE_BYTES_MAX
            && open.role_fits_node();
        if !plausible || !trust.admits(open) {
            return Err(PageError::Opening);
        }
        let empty = self.floor.seq == Seq::NONE && self.floor != Head::empty(self.site());
        if empty || self.proof.first != self.floor.seq.next() {
            return Err(PageError::Proof(RunError::Malformed));
        }
        match self.proof.extend(&self.floor, Some(&open.public_key), trust) {
            Ok(_) => Ok(()),
            Err(error) => Err(PageError::Proof(error)),
        }
    }
}

impl Page {
    /// Whether a page answers what was asked: entries in ascending order behind that place, each possible by itself,
    /// and a next place that lies ahead.
    ///
    /// # Errors
    /// See [`PageError`].
    pub fn check(&self, trust: &impl Trust) -> Result<(), PageError> {
        let last = match (&self.part, &self.asked) {
            (Part::Bases(bases), Place::Bases(after)) => {
                bases.iter().try_for_each(|base| base.check(trust))?;
                ascending(*after, bases.iter().map(Base::site))?.map(|last| Place::Bases(Some(last)))
            }
            (Part::Coverage(covered), Place::Coverage(after)) => {
                ascending(*after, covered.iter().map(|(site, _)| *site))?
                    .map(|last| Place::Coverage(Some(last)))
            }
            (Part::Fares(fares), Place::Fares(after)) => {
                if fares.iter().any(|fares| fares.check().is_err()) {
                    return Err(PageError::Fares);
                }
                ascending(*after, fares.iter().map(|fares| fares.version))?
                    .map(|last| Place::Fares(Some(last)))
            }
            (Part::Rows(rows), Place::Rows(after)) => {
                ascending(after.clone(), rows.iter().map(RowPlace::of))?.map(|last| Place::Rows(Some(last)))
            }
            (Part::Cards(cards), Place::Cards(after)) => {
                for card in cards {
                    card.state()?;
                }
                ascending(*after, cards.iter().map(|card| card.card))?.map(|last| Place::Cards(Some(last)))
            }
            (Part::End, Place::End) => None,
            _ => return Err(PageError::Order),
        };
        let goes_on = last.is_some_and(|last| last == self.next);
        if goes_on || self.next == self.asked.next_part() {
            Ok(())
        } else {
            Err(PageError::Order)
        }
    }

    /// How many entries it has.
    #[must_use]
    pub const fn entries(&self) -> usize {
        match &self.part {
            Part::Bases(entries) => entries.len(),
            Part::Coverage(entries) => entries.len(),
            Part::Fares(entries) => entries.len(),
            Part::Rows(entries) => entries.len(),
            Part::Cards(entries) => entries.len(),
            Part::End => 0,
        }
    }
}

/// The last of some keys that have to rise strictly, from behind `after` on.
fn ascending<K: Ord>(after: Option<K>, keys: impl Iterator<Item = K>) -> Result<Option<K>, PageError> {
    let mut last = after;
    let mut any = false;
    for key in keys {
        if last.as_ref().is_some_and(|last| key <= *last) {
            return Err(PageError::Order);
        }
        (last, any) = (Some(key), true);
    }
    Ok(last.filter(|_| any))
}

/// Whether a row of a shared table may be taken from this server's snapshot: if the server could have stated it.
#[must_use]
pub fn may_hand_on(server: NodeId, row: &RowChange) -> bool {
    // Any site of the server where rows may stand.
    let role = SiteRole::Decisions;
    let writer = Writer { node: server, role };
    judge(writer, FactId::default(), &Content::Row(row.clone())).is_ok()
}

/// Whether the sums differ, and so the snapshot is refused.
///
/// # Errors
/// They do.
pub fn compare(gathered: [u8; 32], stated: [u8; 32]) -> Result<(), PageError> {
    if gathered == stated || mutation::is(mutation::Mutation::AcceptAnySnapshot) {
        Ok(())
    } else {
        Err(PageError::Digest)
    }
}
