//! Changesets: the unit of replication. Numbered without gaps per site, hash-chained, signed (design section 3).
//!
//! `chain(n) = H(chain(n-1), n, body(n))` and the signature covers `chain(n)`, so one verification at the end of a
//! contiguous [`Run`] proves every changeset in it. Signing and verifying are arguments ([`Signer`], [`Trust`]):
//! Ed25519 in production, a keyed hash in large simulations.

mod bodies;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::fact::Fact;
use crate::id::{FactId, NodeId, OrderKey, Seq, SiteId, TerminalCode};
use crate::mutation::{Mutation, is};
use crate::rows::RowChange;
use crate::time::Stamp;

/// Most taps in one changeset of a gate (a group commit), and so most cards that have to settle together.
pub const TAPS_MAX: usize = 64;
/// Most facts in one changeset, besides a SiteOpen or a `SettledDigest`: 64 cards settled with their `SettledUpTo`.
pub const FACTS_MAX: usize = TAPS_MAX + 1;
/// Most row changes in one changeset.
pub const ROWS_MAX: usize = 256;
/// Most bytes of one changeset's body.
pub const BODY_BYTES_MAX: usize = 256 << 10;
/// Most changesets in one run.
pub const BODIES_MAX: usize = 16_384;
/// Most bytes of a node certificate.
pub const CERTIFICATE_BYTES_MAX: usize = 8 << 10;

/// A node's public key (Ed25519 in production).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublicKey(pub [u8; 32]);

/// A signature over a chain hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_bytes::serialize(self.0.as_slice(), serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        let bytes: serde_bytes::ByteArray<64> = Deserialize::deserialize(deserializer)?;
        Ok(Signature(bytes.into_array()))
    }
}

/// Hash of a site's log up to a changeset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainHash(pub [u8; 32]);

impl std::fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ChainHash({:02x}{:02x}{:02x}{:02x}…)",
            self.0[0], self.0[1], self.0[2], self.0[3]
        )
    }
}

/// The last changeset of a log and the hash of all up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// Its number; 0 for an empty log.
    pub seq: Seq,
    /// Hash of the log up to it.
    pub chain: ChainHash,
}

impl Head {
    /// The head of a site's log before its first changeset.
    #[must_use]
    pub fn empty(site: SiteId) -> Head {
        let hash = blake3::Hasher::new_derive_key("gate sync 2026 chain start")
            .update(&site.0)
            .finalize();
        Head {
            seq: Seq::NONE,
            chain: ChainHash(*hash.as_bytes()),
        }
    }

    /// The head after one more changeset.
    #[must_use]
    pub fn then(&self, body: &[u8]) -> Head {
        let seq = self.seq.next();
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 chain");
        hasher
            .update(&self.chain.0)
            .update(&seq.0.to_le_bytes())
            .update(body);
        Head {
            seq,
            chain: ChainHash(*hasher.finalize().as_bytes()),
        }
    }

    /// What a signature of this head signs.
    #[must_use]
    pub fn signed_message(&self, site: SiteId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("gate sync 2026 head signature");
        hasher
            .update(&site.0)
            .update(&self.seq.0.to_le_bytes())
            .update(&self.chain.0);
        *hasher.finalize().as_bytes()
    }
}

/// Signs on behalf of one node.
pub trait Signer {
    /// The key that verifies what this signs.
    fn public_key(&self) -> PublicKey;
    /// Signs 32 bytes, themselves a domain-separated hash.
    fn sign(&self, message: &[u8; 32]) -> Signature;
}

/// Decides what a node believes from others.
pub trait Trust {
    /// Whether `signature` over `message` was made with `key`.
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool;
    /// Whether a site may be opened: the certificate names this node, role and key.
    fn admits(&self, open: &SiteOpen) -> bool;
}

/// What a site's log is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SiteRole {
    /// A gate's taps and row changes. Wanted by the gates of its terminal and by the hub.
    Gate(TerminalCode),
    /// The hub's decisions. Wanted by all, kept 14 days.
    Decisions,
    /// The hub's settled states. Wanted by all, kept minutes.
    Settled,
}

/// First change of every site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteOpen {
    /// The node that writes the site.
    pub node: NodeId,
    /// What it is for.
    pub role: SiteRole,
    /// The node's key.
    pub public_key: PublicKey,
    /// Drawn at the writer's start; with the key it makes the site's id.
    pub random: [u8; 16],
    /// Proof that the key is the node's.
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
    /// The node's site before this one and its last changeset as far as the node knows.
    pub previous: Option<(SiteId, Head)>,
}

impl SiteOpen {
    /// The site this opens.
    #[must_use]
    pub fn site(&self) -> SiteId {
        SiteId::derive(&self.public_key.0, &self.random)
    }

    /// Gates write gates' sites, the hub its own, whatever a certificate says.
    #[must_use]
    pub fn role_fits_node(&self) -> bool {
        matches!(self.role, SiteRole::Gate(_)) != self.node.is_hub()
    }
}

/// What one change states. The variant number is the change's kind on the wire; new kinds go at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Opens a site.
    SiteOpen(Box<SiteOpen>),
    /// An edit of a shared table.
    Row(RowChange),
    /// A fact.
    Fact(Fact),
}

/// Number of kinds of [`Content`] this version knows.
const CONTENT_KINDS: u8 = 3;
/// The kind of a fact.
const FACT_KIND: u8 = 2;
/// Number of kinds of [`Fact`] this version knows.
const FACT_KINDS: u8 = 17;

/// One change: when (if not the changeset's time), and its content as bytes. Kinds this version does not know are
/// kept and relayed as they are, and applied after the upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The change's own time, when it is not the changeset's.
    pub at: Option<Stamp>,
    /// Kind, then content.
    pub content: Bytes,
}

impl Change {
    /// A change at the changeset's time.
    #[must_use]
    pub fn new(content: &Content) -> Change {
        Change {
            at: None,
            content: codec::encode(content).into(),
        }
    }

    /// The content, or `None` for a kind this version does not know.
    ///
    /// # Errors
    /// A known kind with malformed content.
    pub fn read(&self) -> Result<Option<Content>, CodecError> {
        let known = match self.content.as_ref() {
            [FACT_KIND, fact_kind, ..] => *fact_kind < FACT_KINDS,
            [kind, ..] => *kind < CONTENT_KINDS,
            [] => true,
        };
        if known {
            codec::decode(&self.content).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// A change that nobody wants to know: [`Change`] without a copy of its content.
#[derive(Deserialize)]
struct SkippedChange<'a>(
    #[expect(dead_code, reason = "decoded to get behind it")] Option<Stamp>,
    #[expect(dead_code, reason = "decoded to get behind it")]
    #[serde(borrow)]
    &'a [u8],
);

/// A changeset's content: what its hash covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// When the writer committed it.
    pub at: Stamp,
    /// What it states, applied atomically.
    pub changes: Vec<Change>,
}

/// Why a writer or reader refuses a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing in it.
    #[error("a changeset without changes")]
    Empty,
    /// Over the limit of changes.
    #[error("{0} changes in one changeset: at most {ROWS_MAX} row changes or {FACTS_MAX} facts are allowed")]
    TooMany(usize),
    /// Over [`BODY_BYTES_MAX`].
    #[error("a changeset of {0} bytes: at most {BODY_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// A time outside the range that is taken.
    #[error("a changeset stamped {0}, outside the range of times")]
    Time(Stamp),
    /// Not a body.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Body {
    /// Encodes a body that keeps the limits, so that no transaction is too large to replicate.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn encode(&self) -> Result<Bytes, BodyError> {
        self.check()?;
        let bytes = codec::encode(self);
        if bytes.len() > BODY_BYTES_MAX {
            return Err(BodyError::TooLarge(bytes.len()));
        }
        Ok(bytes.into())
    }

    /// Decodes a body and checks the limits. The changes' contents stay encoded.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn decode(bytes: &[u8]) -> Result<Body, BodyError> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(BodyError::TooLarge(bytes.len()));
        }
        let body: Body = codec::decode(bytes)?;
        body.check()?;
        Ok(body)
    }

    /// One change of an encoded body, and its place in the order of the fold; `None` where there is none. Cheaper than
    /// to decode the whole body, whose limits are not checked here.
    ///
    /// # Errors
    /// Not a body.
    pub fn read_one(bytes: &[u8], id: FactId) -> Result<Option<(OrderKey, Change)>, BodyError> {
        let (stamp, mut rest): (Stamp, _) = codec::decode_first(bytes)?;
        let (count, after): (u64, _) = codec::decode_first(rest)?;
        rest = after;
        for _ in 0..count.min(u64::from(id.index)) {
            (_, rest) = codec::decode_first::<SkippedChange<'_>>(rest)?;
        }
        if u64::from(id.index) >= count {
            return Ok(None);
        }
        let (change, _): (Change, _) = codec::decode_first(rest)?;
        let at = change.at.unwrap_or(stamp);
        Ok(Some((OrderKey { at, id }, change)))
    }

    fn check(&self) -> Result<(), BodyError> {
        let rows = self
            .changes
            .iter()
            .filter(|change| change.content.first() == Some(&1))
            .count();
        if self.changes.is_empty() {
            return Err(BodyError::Empty);
        }
        if rows > ROWS_MAX || self.changes.len() - rows > FACTS_MAX + 1 {
            return Err(BodyError::TooMany(self.changes.len()));
        }
        let stamps = self
            .changes
            .iter()
            .filter_map(|change| change.at)
            .chain([self.at]);
        match stamps.into_iter().find(|stamp| !stamp.is_sane()) {
            Some(stamp) => Err(BodyError::Time(stamp)),
            None => Ok(()),
        }
    }

    /// The key of the change at `index` in the order of the fold.
    #[must_use]
    pub fn order_key(&self, site: SiteId, seq: Seq, index: usize) -> OrderKey {
        let own = self.changes.get(index).and_then(|change| change.at);
        let id = FactId {
            site,
            seq,
            index: u16::try_from(index).unwrap_or(u16::MAX),
        };
        OrderKey {
            at: own.unwrap_or(self.at),
            id,
        }
    }
}

/// A contiguous piece of one site's log, signed at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The site.
    pub site: SiteId,
    /// Number of the first changeset.
    pub first: Seq,
    /// The encoded bodies, in order: 1 to [`BODIES_MAX`].
    #[serde(with = "bodies")]
    pub bodies: Vec<Bytes>,
    /// Covers the chain up to the last of them.
    pub signature: Signature,
}

impl Run {
    /// Number of the last changeset.
    #[must_use]
    pub fn last(&self) -> Seq {
        Seq(self
            .first
            .0
            .saturating_add(self.bodies.len() as u64)
            .saturating_sub(1))
    }

    /// Bytes of its bodies.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.bodies.iter().map(Bytes::len).sum()
    }

    /// An upper bound of its bytes on the wire.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        const HEAD_AND_SIGNATURE_BYTES: usize = 16 + 9 + 9 + 9 + 1 + 64;
        const LENGTH_BYTES: usize = 5;
        HEAD_AND_SIGNATURE_BYTES + self.body_bytes() + self.bodies.len() * LENGTH_BYTES
    }

    /// Whether it has bodies, each of a size that a writer may make, and numbers that exist.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let size_is_possible = |body: &Bytes| (1..=BODY_BYTES_MAX).contains(&body.len());
        (1..=BODIES_MAX).contains(&self.bodies.len())
            && self.first != Seq::NONE
            && self.first.0.checked_add(self.bodies.len() as u64).is_some()
            && self.bodies.iter().all(size_is_possible)
    }
}

/// What a verified run adds to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// How many of the run's bodies were there already.
    pub skipped: usize,
    /// The head after each new body, in order.
    pub heads: Vec<Head>,
}

/// A run beside the log that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// It says what is held.
    Alike,
    /// It differs, and nothing proves that its writer signed that: it is damaged, or parts from the log before its
    /// first changeset.
    Unproven,
    /// It differs from this changeset on, and its writer signed it: equivocation is proven.
    Fork {
        /// The first changeset that exists twice.
        at: Seq,
    },
}

/// Why a run does not extend a log. None of these is a reason to stop: they are counted, and gaps are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Starts beyond the head.
    #[error("a run starting at {first} on a log that ends at {head}: what is between is missing")]
    Gap {
        /// Where the run starts.
        first: Seq,
        /// Where the log ends.
        head: Seq,
    },
    /// Nothing new in it.
    #[error("nothing new")]
    Duplicate,
    /// Another branch of the log, signed by its own key: its writer equivocates, or runs twice.
    #[error("a second branch of the log, signed by its own key")]
    Fork,
    /// No bodies, bodies no writer makes, or numbers that run over: see [`Run::is_well_formed`].
    #[error("an empty run, or one with impossible numbers or bodies")]
    Malformed,
    /// The signature does not cover this chain: damaged, forged, or another branch of the log.
    #[error("the signature does not cover this chain")]
    Signature,
    /// The first changeset does not open the site it claims.
    #[error("the first changeset does not open the site")]
    SiteOpen,
    /// The certificate does not admit the node, or the node may not open a site of this role.
    #[error("the node is not admitted")]
    NotAdmitted,
}

impl Run {
    /// Checks a run against the log it would extend.
    ///
    /// `key` is the site's key, known from its SiteOpen; for a log that is still empty pass `None`, and the run's
    /// own first changeset must open the site.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn extend(
        &self,
        head: &Head,
        key: Option<&PublicKey>,
        trust: &impl Trust,
    ) -> Result<Extension, RunError> {
        if !self.is_well_formed() {
            return Err(RunError::Malformed);
        }
        if self.first > head.seq.next() && is(Mutation::IgnoreGap) {
            return Ok(self.beyond(head));
        }
        if self.first > head.seq.next() {
            return Err(RunError::Gap {
                first: self.first,
                head: head.seq,
            });
        }
        if self.last() <= head.seq {
            return Err(RunError::Duplicate);
        }
        let key = match key {
            Some(key) => *key,
            None => self.opening(trust)?.public_key,
        };
        let skipped = usize::try_from(head.seq.next().0 - self.first.0).map_err(|_| RunError::Malformed)?;
        let mut last = *head;
        let heads: Vec<Head> = self.bodies[skipped..]
            .iter()
            .map(|body| {
                last = last.then(body);
                last
            })
            .collect();
        if is(Mutation::SkipChainCheck)
            || trust.verifies(&key, &last.signed_message(self.site), &self.signature)
        {
            Ok(Extension { skipped, heads })
        } else {
            Err(RunError::Signature)
        }
    }

    /// For [`Mutation::IgnoreGap`]: the run as if it followed the head, under the numbers it has.
    fn beyond(&self, head: &Head) -> Extension {
        let mut last = Head {
            seq: Seq(self.first.0 - 1),
            ..*head
        };
        let heads = self.bodies.iter().map(|body| {
            last = last.then(body);
            last
        });
        Extension {
            skipped: 0,
            heads: heads.collect(),
        }
    }

    /// Compares this run, whose first changeset follows on `start`, with the log that is held. `held` tells the chain
    /// that is held at a number from `first` on, and nothing beyond the head.
    #[must_use]
    pub fn compare(
        &self,
        start: &Head,
        mut held: impl FnMut(Seq) -> Option<ChainHash>,
        key: &PublicKey,
        trust: &impl Trust,
    ) -> Compared {
        let mut last = *start;
        let mut parted = None;
        for body in &self.bodies {
            last = last.then(body);
            if parted.is_none() && held(last.seq).is_some_and(|chain| chain != last.chain) {
                parted = Some(last.seq);
            }
        }
        match parted {
            None => Compared::Alike,
            Some(at) if trust.verifies(key, &last.signed_message(self.site), &self.signature) => {
                Compared::Fork { at }
            }
            Some(_) => Compared::Unproven,
        }
    }

    /// The SiteOpen in a run that starts a site's log.
    ///
    /// # Errors
    /// The run does not start with one, it opens another site, or the node is not admitted.
    pub fn opening(&self, trust: &impl Trust) -> Result<SiteOpen, RunError> {
        let first = if self.first == Seq(1) {
            self.bodies.first()
        } else {
            None
        };
        let open = first.and_then(|body| site_open(body)).ok_or(RunError::SiteOpen)?;
        if open.site() != self.site {
            return Err(RunError::SiteOpen);
        }
        let implausible = open.certificate.len() > CERTIFICATE_BYTES_MAX || !open.role_fits_node();
        if implausible || !trust.admits(&open) {
            return Err(RunError::NotAdmitted);
        }
        Ok(open)
    }
}

/// The SiteOpen at the start of a site's first body, if it is one.
#[must_use]
pub fn site_open(first_body: &[u8]) -> Option<SiteOpen> {
    let body = Body::decode(first_body).ok()?;
    match body.changes.first()?.read() {
        Ok(Some(Content::SiteOpen(open))) => Some(*open),
        _ => None,
    }
}
