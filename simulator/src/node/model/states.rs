//! What the hub settled, by the place where it says so: a gate sees what stands at or below its heads.

use std::collections::BTreeMap;

use sync_protocol::changeset::Content;
use sync_protocol::codec;
use sync_protocol::fact::{CardSettled, Fact};
use sync_protocol::have::Have;
use sync_protocol::id::{CardId, OrderKey, Seq};

use super::shared::SharedLog;

/// Digests of settled states that are kept.
const DIGESTS_KEPT: usize = 16;

/// All that is said of one card, in the order of the hub's log.
#[derive(Debug, Default)]
pub(super) struct CardLine {
    settled: Vec<SettledAt>,
    /// The hub's changes of its status, with the place of their site.
    pub(super) statuses: Vec<(u32, OrderKey, Fact)>,
}

/// Where a settled state stands.
#[derive(Clone, Copy, Debug)]
struct SettledAt {
    site: u32,
    seq: u32,
    place: Place,
}

/// A piece of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    offset: u32,
    bytes: u32,
}

/// Finds a change's content in the body that it was read from. `searched` is where the one before ended.
pub(super) fn place_of(body: &[u8], content: &[u8], searched: &mut usize) -> Place {
    let offset = body[*searched..]
        .windows(content.len())
        .position(|piece| piece == content)
        .expect("BUG: a body holds the contents of its changes, in order");
    let offset = *searched + offset;
    *searched = offset + content.len();
    Place {
        offset: u32::try_from(offset).expect("BUG: bodies are small"),
        bytes: u32::try_from(content.len()).expect("BUG: bodies are small"),
    }
}

impl CardLine {
    /// Notes a settled state; the hub's revisions rise along its log.
    pub(super) fn settle(&mut self, site: u32, seq: Seq, place: Place) {
        let seq = u32::try_from(seq.0).expect("BUG: a log of a simulation is short");
        self.settled.push(SettledAt { site, seq, place });
    }
}

/// Up to where settled states cover each site.
#[derive(Debug, Default)]
pub(super) struct Settlements {
    /// By the covered site's place: the settled site's place and changeset, and up to where.
    by_site: BTreeMap<u32, Vec<(u32, u32, u32)>>,
    digests: BTreeMap<Vec<(u32, Seq)>, [u8; 32]>,
}

impl Settlements {
    pub(super) fn cover(&mut self, site: u32, settled: u32, seq: Seq, to: Seq) {
        let short = |seq: Seq| u32::try_from(seq.0).unwrap_or(u32::MAX);
        let line = self.by_site.entry(site).or_default();
        // Coverage never moves back, whatever the hub says.
        let before = line.last().map_or(0, |(_, _, to)| *to);
        line.push((settled, short(seq), short(to).max(before)));
    }

    /// Up to where a site is covered for who holds the settled sites up to `head`.
    pub(super) fn covered(&self, site: u32, head: impl Fn(u32) -> Seq) -> Seq {
        let Some(line) = self.by_site.get(&site) else {
            return Seq::NONE;
        };
        let visible = line.partition_point(|(settled, seq, _)| head(*settled).0 >= u64::from(*seq));
        match visible.checked_sub(1) {
            Some(last) => Seq(u64::from(line[last].2)),
            None => Seq::NONE,
        }
    }
}

impl SharedLog {
    /// The last settled state of a card that a gate holds.
    pub(super) fn settled(&self, card: CardId, have: &Have) -> Option<Box<CardSettled>> {
        self.last_settled(self.cards.get(&card)?, have)
    }

    fn last_settled(&self, line: &CardLine, have: &Have) -> Option<Box<CardSettled>> {
        let visible = line
            .settled
            .partition_point(|at| have.seq(self.site(at.site).id).0 >= u64::from(at.seq));
        let at = line.settled.get(visible.checked_sub(1)?)?;
        let entry = self.site(at.site).entry(Seq(u64::from(at.seq)))?;
        let (from, bytes) = (at.place.offset as usize, at.place.bytes as usize);
        match codec::decode(&entry.body[from..from + bytes]) {
            Ok(Content::Fact(Fact::CardSettled(settled))) => Some(settled),
            _ => None,
        }
    }

    /// Digest of the settled cards that a gate holds, comparable with the hub's.
    pub(super) fn settled_digest(&mut self, have: &Have) -> [u8; 32] {
        let heads: Vec<(u32, Seq)> = have
            .wanted_by(sync_protocol::have::Scope::Hub)
            .filter(|(_, have)| have.role == sync_protocol::changeset::SiteRole::Settled)
            .filter_map(|(site, have)| Some((self.ordinal(site)?, have.head.seq)))
            .collect();
        if let Some(digest) = self.settlements.digests.get(&heads) {
            return *digest;
        }
        let mut hasher = crate::node::settled_hasher();
        for line in self.cards.values() {
            if let Some(settled) = self.last_settled(line, have) {
                let state = codec::encode(&settled.state);
                hasher.update(&codec::encode(&(settled.card, settled.revision, state)));
            }
        }
        let digest = *hasher.finalize().as_bytes();
        if self.settlements.digests.len() >= DIGESTS_KEPT {
            self.settlements.digests.clear();
        }
        self.settlements.digests.insert(heads, digest);
        digest
    }
}
