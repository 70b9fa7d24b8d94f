//! What a ledger holds: the rows that plans read and write, whatever stores them.

pub mod memory;
#[cfg(feature = "server")]
pub mod postgres;
mod rows;

use sync_protocol::changeset::{Head, PublicKey, SiteOpen, SiteRole};
use sync_protocol::fact::Fact;
use sync_protocol::id::{CardId, NodeId, OrderKey, Seq, SiteId};
use sync_protocol::ledger::{Account, Posting};
use sync_protocol::money::Money;

/// What the ledger knows of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteRecord {
    /// Who writes it.
    pub node: NodeId,
    /// What it is for.
    pub role: SiteRole,
    /// The writer's key.
    pub public_key: PublicKey,
    /// The last changeset stored. This is what the hub acknowledges.
    pub head: Head,
    /// The last changeset by a SiteClosed fact, until a later change reopens the site.
    pub closed: Option<Seq>,
    /// The last changeset that counts, once the writer's key is revoked: later ones are held for review.
    pub accepted: Option<Seq>,
}

impl SiteRecord {
    /// A site that has just been opened.
    #[must_use]
    pub fn opened(open: &SiteOpen) -> SiteRecord {
        SiteRecord {
            node: open.node,
            role: open.role,
            public_key: open.public_key,
            head: Head::empty(open.site()),
            closed: None,
            accepted: None,
        }
    }
}

/// A stored fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactRow {
    /// Its identity and its place in the order of the fold.
    pub key: OrderKey,
    /// What it states.
    pub fact: Fact,
    /// [`sync_protocol::digest::fact_hash`] over its bytes as they travelled.
    pub hash: u128,
}

/// A stored changeset that is not settled yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its site.
    pub site: SiteId,
    /// Its number.
    pub seq: Seq,
    /// The facts in it that were taken.
    pub facts: Vec<FactRow>,
}

/// Names a journal entry. Allocated by the settler, because a posting may leave the projection and come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// The card.
    pub card: CardId,
    /// The card's revision whose settling booked it.
    pub revision: u64,
    /// Counts the entries of that revision from 0.
    pub line: u32,
}

/// One booked movement of money. Never changed and never deleted; what is no longer so is booked back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its name.
    pub id: EntryId,
    /// The posting of the projection that came, or left.
    pub posting: Posting,
    /// Whether the posting left: the money moves back.
    pub reversal: bool,
}

impl JournalEntry {
    /// The movement as booked.
    #[must_use]
    pub const fn movement(&self) -> Posting {
        if self.reversal {
            self.posting.reversed()
        } else {
            self.posting
        }
    }

    /// What the entry adds to the card's balance.
    #[must_use]
    pub fn effect(&self) -> Money {
        self.movement().effect_on(self.id.card)
    }

    /// The account that gives and the one that receives.
    #[must_use]
    pub const fn accounts(&self) -> (Account, Account) {
        let movement = self.movement();
        (movement.debit, movement.credit)
    }
}
