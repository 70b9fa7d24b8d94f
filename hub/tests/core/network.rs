//! A small network for the tests: sites that sign with a keyed hash, gates that write taps, a hub that trusts them.

use std::collections::BTreeMap;

use bytes::Bytes;
use hub::decisions::Terms;
use hub::ledger::memory::MemoryLedger;
use sync_protocol::changeset::{
    Body, Change, Content, Head, PublicKey, Run, Signature, Signer, SiteOpen, SiteRole, Trust,
};
use sync_protocol::digest::fact_hash;
use sync_protocol::fact::{Direction, Fact, Knowledge, OrderedFact, Reason, Tap};
use sync_protocol::fare::{FareBook, FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, FactId, GateId, NodeId, OrderKey, Seq, SiteId, TerminalCode};
use sync_protocol::journey::history::CardHistory;
use sync_protocol::money::Money;
use sync_protocol::time::{MINUTE_MS, Stamp};

/// Signs with a hash keyed by its own public key: no secret, which tests do not need.
#[derive(Clone, Copy)]
pub(crate) struct Keyed(pub(crate) PublicKey);

impl Signer for Keyed {
    fn public_key(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, message: &[u8; 32]) -> Signature {
        keyed(&self.0, message)
    }
}

fn keyed(key: &PublicKey, message: &[u8; 32]) -> Signature {
    let half = blake3::keyed_hash(&key.0, message);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(half.as_bytes());
    Signature(signature)
}

/// Admits those whose certificate is their key.
pub(crate) struct Roster;

impl Trust for Roster {
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        keyed(key, message) == *signature
    }

    fn admits(&self, open: &SiteOpen) -> bool {
        open.certificate == open.public_key.0
    }
}

pub(crate) const HUB_KEY: Keyed = Keyed(PublicKey([99; 32]));

/// A site and all that was written to it, one changeset a body.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) open: SiteOpen,
    pub(crate) bodies: Vec<Bytes>,
    pub(crate) facts: Vec<(OrderedFact, u128)>,
    signer: Keyed,
    heads: Vec<Head>,
}

impl Site {
    pub(crate) fn new(node: u32, role: SiteRole) -> Site {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&node.to_le_bytes());
        key[31] = 1;
        Site::with_key(node, role, Keyed(PublicKey(key)), [7; 16])
    }

    pub(crate) fn with_key(node: u32, role: SiteRole, signer: Keyed, random: [u8; 16]) -> Site {
        let open = SiteOpen {
            node: NodeId(node),
            role,
            public_key: signer.0,
            random,
            certificate: signer.0.0.to_vec(),
            previous: None,
        };
        let mut site = Site {
            heads: vec![Head::empty(open.site())],
            open,
            bodies: Vec::new(),
            facts: Vec::new(),
            signer,
        };
        let opening = Change::new(&Content::SiteOpen(Box::new(site.open.clone())));
        site.write(0, vec![opening]);
        site
    }

    /// A site as `site.open` says now, with nothing in it.
    pub(crate) fn reopened(site: &Site) -> Site {
        let mut again = Site {
            heads: vec![Head::empty(site.id())],
            bodies: Vec::new(),
            ..site.clone()
        };
        let opening = Change::new(&Content::SiteOpen(Box::new(site.open.clone())));
        again.write(0, vec![opening]);
        again
    }

    pub(crate) fn gate(node: u32, terminal: &str) -> Site {
        Site::new(node, SiteRole::Gate(terminal.parse().unwrap()))
    }

    pub(crate) fn id(&self) -> SiteId {
        self.open.site()
    }

    /// Writes a changeset of changes, each at the changeset's time.
    pub(crate) fn write(&mut self, at_ms: i64, changes: Vec<Change>) -> Seq {
        let body = Body {
            at: Stamp::at_ms(at_ms),
            changes,
        };
        self.write_bytes(body.encode().unwrap())
    }

    /// Writes whatever bytes, signed.
    pub(crate) fn write_bytes(&mut self, body: Bytes) -> Seq {
        let head = self.heads.last().unwrap().then(&body);
        self.bodies.push(body);
        self.heads.push(head);
        head.seq
    }

    /// Writes a changeset of facts, each with a time of its own.
    pub(crate) fn state(&mut self, facts: Vec<(i64, Fact)>) -> Vec<FactId> {
        let seq = Seq(self.bodies.len() as u64 + 1);
        let mut changes = Vec::new();
        let mut ids = Vec::new();
        for (index, (at_ms, fact)) in facts.into_iter().enumerate() {
            let at = Stamp::at_ms(at_ms);
            let mut change = Change::new(&Content::Fact(fact.clone()));
            change.at = Some(at);
            let id = FactId {
                site: self.id(),
                seq,
                index: index as u16,
            };
            let key = OrderKey { at, id };
            let hash = fact_hash(&key, &change.content);
            self.facts.push((OrderedFact { key, fact }, hash));
            changes.push(change);
            ids.push(id);
        }
        assert_eq!(self.write(0, changes), seq);
        ids
    }

    /// A signed run of changesets `first..=last`.
    pub(crate) fn run(&self, first: u64, last: u64) -> Run {
        let head = self.heads[last as usize];
        Run {
            site: self.id(),
            first: Seq(first),
            bodies: self.bodies[first as usize - 1..last as usize].to_vec(),
            signature: self.signer.sign(&head.signed_message(self.id())),
        }
    }

    /// Everything.
    pub(crate) fn log(&self) -> Run {
        self.run(1, self.bodies.len() as u64)
    }
}

pub(crate) fn card(number: u32) -> CardId {
    format!("CARD{number:04}").parse().unwrap()
}

pub(crate) fn terminal(code: &str) -> TerminalCode {
    code.parse().unwrap()
}

/// An accepted tap with a hold of 12,000.
pub(crate) fn tap(card: CardId, direction: Direction, at: &str, gate: u32) -> Tap {
    let entry = direction == Direction::Entry;
    Tap {
        card,
        direction,
        terminal: terminal(at),
        gate: GateId(gate),
        uncertainty_ms: 1_000,
        accepted: true,
        reason: if entry { Reason::Accepted } else { Reason::ExitOpen },
        fare_version: 1,
        hold: if entry { Money::rupiah(12_000) } else { Money::ZERO },
        quoted: None,
        knowledge: Knowledge::default(),
    }
}

pub(crate) fn entry(card: CardId, at: &str, gate: u32) -> Fact {
    Fact::Tap(tap(card, Direction::Entry, at, gate))
}

pub(crate) fn exit(card: CardId, at: &str, gate: u32) -> Fact {
    Fact::Tap(tap(card, Direction::Exit, at, gate))
}

pub(crate) fn minutes(minutes: i64) -> i64 {
    1_700_000_000_000 + minutes * MINUTE_MS
}

/// Fares between A, B and C, all different, scaled by the version.
pub(crate) fn fares(version: u32, from_ms: i64, policy: OrphanPolicy) -> FareVersion {
    let codes = ["A", "B", "C"];
    let pairs = (0..9).filter(|pair| pair / 3 != pair % 3);
    let fares = pairs.map(|pair| {
        let price = 4_000 + 1_000 * pair as i64 + 100 * i64::from(version);
        (
            terminal(codes[pair / 3]),
            terminal(codes[pair % 3]),
            Money::rupiah(price),
        )
    });
    FareVersion::new(version, from_ms, policy, fares).unwrap()
}

/// A ledger with an open term.
pub(crate) fn ledger() -> MemoryLedger {
    let mut ledger = MemoryLedger::default();
    ledger.open_term(HUB_KEY.0, &HUB_KEY.0.0, [[1; 16], [2; 16]]);
    ledger
}

pub(crate) fn terms(now_ms: i64) -> Terms {
    Terms {
        now_ms,
        lead_time_ms: 24 * 60 * MINUTE_MS,
        override_lead_time: false,
    }
}

/// The whole-history fold of everything that was written.
pub(crate) fn folded(sites: &[Site]) -> (FareBook, BTreeMap<CardId, CardHistory>) {
    let mut book = FareBook::default();
    let mut facts: BTreeMap<CardId, Vec<OrderedFact>> = BTreeMap::new();
    for (fact, _) in sites.iter().flat_map(|site| &site.facts) {
        match &fact.fact {
            Fact::FareVersion(fares) => {
                book.insert(fares.clone());
            }
            other => {
                let card = other.card().unwrap();
                facts.entry(card).or_default().push(fact.clone());
            }
        }
    }
    let histories = facts.into_iter().map(|(card, facts)| {
        let mut history = CardHistory::new(card);
        history.extend(&book, facts);
        (card, history)
    });
    let histories = histories.collect();
    (book, histories)
}
