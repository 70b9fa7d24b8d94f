//! Snapshots at a gate: one to serve ([`serve`]), one to gather ([`gather`]), and to take over once it is proven
//! ([`install`]). What a snapshot is and why it can be believed: [`sync_protocol::snapshot`].
//!
//! What is gathered stands in tables of its own, where no decision reads it, and is written in slices with how far it
//! goes: a crash costs a page. Only when its sum is the one that the hub states it is taken over. One transaction moves
//! heads, coverage, fares and shared rows together with the cards that were tapped here; the other cards follow in
//! slices, each complete by itself, because no tap here is about them. A crash in between costs a slice.
//!
//! A gate that is taking one over serves none.

mod gather;
mod install;
mod serve;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use sync_protocol::changeset::{Head, PublicKey};
use sync_protocol::codec;
use sync_protocol::digest::SettledDigest;
use sync_protocol::fact::CardSettled;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::snapshot::{CardRow, Place};

use super::error::Fault;
use super::sql;

pub use gather::PageWork;
pub use install::Installed;

/// Of the rows in `snapshot_parts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Base,
    Coverage,
    Fares,
    Row,
}

/// State of the row in `snapshot`.
const GATHERING: i64 = 0;
const INSTALLING: i64 = 1;

/// What the hub states of what is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stated {
    /// At this changeset.
    seq: Seq,
    fare_version: u32,
    hash: [u8; 32],
}

/// The log of settled states that is gathered along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tail {
    site: SiteId,
    key: PublicKey,
    head: Head,
    stated: Option<Stated>,
}

/// How far a snapshot is gathered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Gathered {
    server: NodeId,
    place: Place,
    /// The newest changeset of the tail's site that any page is of.
    at: Seq,
    tail: Option<Tail>,
    /// The sum over cards and coverage: how many cards, and the lanes.
    cards: u64,
    lanes: Vec<u8>,
    /// Questions in a row that led no further.
    waits: u32,
}

impl Gathered {
    fn begun(server: NodeId) -> Gathered {
        let digest = SettledDigest::default();
        Gathered {
            server,
            place: Place::START,
            at: Seq::NONE,
            tail: None,
            cards: digest.cards(),
            lanes: digest.lanes(),
            waits: 0,
        }
    }

    fn digest(&self) -> Result<SettledDigest, Fault> {
        let restored = SettledDigest::restored(self.cards, &self.lanes);
        restored.ok_or_else(|| Fault::Content("the sum of a snapshot".to_owned()))
    }

    fn sum_is(&mut self, digest: &SettledDigest) {
        (self.cards, self.lanes) = (digest.cards(), digest.lanes());
    }

    fn need(&self) -> sync_protocol::snapshot::Need {
        sync_protocol::snapshot::Need {
            place: self.place.clone(),
            tail: self.tail.map(|tail| (tail.site, tail.head.seq)),
        }
    }

    fn save(&self, connection: &Connection, state: i64) -> Result<(), Fault> {
        let row = params![state, codec::encode(self)];
        connection.prepare_cached(sql::SNAPSHOT_SAVE)?.execute(row)?;
        Ok(())
    }
}

/// The snapshot that is gathered or taken over, if any.
fn load(connection: &Connection) -> Result<Option<(i64, Gathered)>, Fault> {
    let row: Option<(i64, Vec<u8>)> = connection
        .prepare_cached(sql::SNAPSHOT)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    row.map(|(state, gathered)| Ok((state, codec::decode(&gathered)?)))
        .transpose()
}

/// Whether one is being taken over.
pub(super) fn is_installing(connection: &Connection) -> Result<bool, Fault> {
    Ok(load(connection)?.is_some_and(|(state, _)| state == INSTALLING))
}

/// Forgets what is gathered.
fn forget(connection: &Connection) -> Result<(), Fault> {
    for statement in [
        sql::SNAPSHOT_FORGET,
        sql::SNAPSHOT_PARTS_FORGET,
        sql::SNAPSHOT_CARDS_FORGET,
    ] {
        connection.prepare_cached(statement)?.execute([])?;
    }
    Ok(())
}

fn parts<T: serde::de::DeserializeOwned>(connection: &Connection, kind: Kind) -> Result<Vec<T>, Fault> {
    let mut statement = connection.prepare_cached(sql::SNAPSHOT_PARTS)?;
    let rows = statement.query_map([kind as i64], |row| row.get::<_, Vec<u8>>(0))?;
    rows.map(|content| Ok(codec::decode(&content?)?)).collect()
}

/// A card as it stands in `cards` or `snapshot_cards`.
fn card_row(row: &Row<'_>) -> Result<CardRow, Fault> {
    let card: String = row.get(0)?;
    Ok(CardRow {
        card: card
            .parse()
            .map_err(|error| Fault::Content(format!("a card's number: {error}")))?,
        revision: row.get::<_, i64>(1)?.unsigned_abs(),
        facts: row.get::<_, i64>(2)?.unsigned_abs(),
        facts_hash: u128::from_le_bytes(row.get(3)?),
        state: row.get(4)?,
    })
}

/// A card as a changeset would bring it. The fare version that priced it is in no row, and only compared on arrival.
fn settled(row: &CardRow) -> Result<CardSettled, Fault> {
    Ok(CardSettled {
        card: row.card,
        revision: row.revision,
        state: codec::decode(&row.state)?,
        fare_version: 0,
        facts: row.facts,
        facts_hash: row.facts_hash,
    })
}
