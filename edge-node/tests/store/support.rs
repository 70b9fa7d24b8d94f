//! A small network in one folder: a hub that states facts, gates with real databases, and who trusts whom.

use std::path::PathBuf;

use bytes::Bytes;
use edge_node::store::{Opening, Store};
use sync_protocol::changeset::{
    Body, Change, Content, Head, PublicKey, Run, Signature, Signer, SiteOpen, SiteRole, Trust,
};
use sync_protocol::codec;
use sync_protocol::decide::{Gate, GateType, Mode, Policy, Presentation};
use sync_protocol::digest::{SettledDigest, fact_hash};
use sync_protocol::ed25519::{self, Ed25519Signer};
use sync_protocol::fact::{CardSettled, CardStatus, Direction, Fact, OrderedFact};
use sync_protocol::fare::{FareBook, FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, GateId, NodeId, OrderKey, Seq, SiteId, TerminalCode};
use sync_protocol::journey::history::CardHistory;
use sync_protocol::money::Money;
use sync_protocol::time::{MINUTE_MS, Stamp};
use tempfile::TempDir;

/// A Monday morning.
pub(crate) const T0: i64 = 1_760_000_000_000;

/// What the authority's certificate covers.
fn charter(node: NodeId, role: SiteRole, key: &PublicKey) -> [u8; 32] {
    *blake3::hash(&codec::encode(&(node, role, key))).as_bytes()
}

/// The test's authority: its signature over (node, role, key) is a certificate.
pub(crate) struct Authority(Ed25519Signer);

impl Authority {
    pub(crate) fn new() -> Authority {
        Authority(Ed25519Signer::from_secret(&[200; 32]))
    }

    pub(crate) fn certificate(&self, node: NodeId, role: SiteRole, key: &PublicKey) -> Vec<u8> {
        self.0.sign(&charter(node, role, key)).0.to_vec()
    }
}

impl Trust for Authority {
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        ed25519::verifies(key, message, signature)
    }

    fn admits(&self, open: &SiteOpen) -> bool {
        let Ok(signature) = <[u8; 64]>::try_from(open.certificate.as_slice()) else {
            return false;
        };
        let message = charter(open.node, open.role, &open.public_key);
        ed25519::verifies(&self.0.public_key(), &message, &Signature(signature))
    }
}

/// A writer made by hand: the hub, or a gate that states what it likes.
pub(crate) struct Pen {
    signer: Ed25519Signer,
    pub(crate) site: SiteId,
    pub(crate) head: Head,
    open: Option<SiteOpen>,
    pub(crate) bodies: Vec<Bytes>,
    last: Stamp,
}

impl Pen {
    pub(crate) fn new(node: NodeId, role: SiteRole, secret: u8, random: u8) -> Pen {
        let signer = Ed25519Signer::from_secret(&[secret; 32]);
        let public_key = signer.public_key();
        let open = SiteOpen {
            node,
            role,
            public_key,
            random: [random; 16],
            certificate: Authority::new().certificate(node, role, &public_key),
            previous: None,
        };
        Pen {
            site: open.site(),
            head: Head::empty(open.site()),
            signer,
            open: Some(open),
            bodies: Vec::new(),
            last: Stamp::default(),
        }
    }

    /// A second site of the same writer, which follows what was written so far.
    pub(crate) fn following(&self, node: NodeId, role: SiteRole, secret: u8, random: u8) -> Pen {
        let mut pen = Pen::new(node, role, secret, random);
        let open = pen.open.as_mut().unwrap();
        open.previous = Some((self.site, self.head));
        pen
    }

    pub(crate) fn facts(&mut self, at_ms: i64, facts: impl IntoIterator<Item = Fact>) -> Run {
        self.changes(
            at_ms,
            facts.into_iter().map(|fact| Change::new(&Content::Fact(fact))),
        )
    }

    pub(crate) fn changes(&mut self, at_ms: i64, changes: impl IntoIterator<Item = Change>) -> Run {
        self.last = self.last.next(at_ms);
        let open = self
            .open
            .take()
            .map(|open| Change::new(&Content::SiteOpen(Box::new(open))));
        let body = Body {
            at: self.last,
            changes: open.into_iter().chain(changes).collect(),
        };
        self.body(body.encode().unwrap())
    }

    /// Goes on with a log that somebody else with this key wrote up to here.
    pub(crate) fn adopt(&mut self, site: SiteId, bodies: &[Bytes]) {
        self.site = site;
        self.open = None;
        self.head = bodies
            .iter()
            .fold(Head::empty(site), |head, body| head.then(body));
        self.bodies = bodies.to_vec();
    }

    /// Appends any bytes, signed.
    pub(crate) fn body(&mut self, body: Bytes) -> Run {
        self.head = self.head.then(&body);
        self.bodies.push(body);
        self.run(self.head.seq, self.head.seq)
    }

    /// Any part of the log up to its end.
    pub(crate) fn run(&self, first: Seq, last: Seq) -> Run {
        assert_eq!(last, self.head.seq, "a pen signs its head only");
        Run {
            site: self.site,
            first,
            bodies: self.bodies[first.0 as usize - 1..].to_vec(),
            signature: self.signer.sign(&self.head.signed_message(self.site)),
        }
    }

    pub(crate) fn whole(&self) -> Run {
        self.run(Seq(1), self.head.seq)
    }
}

/// The hub's two sites, and its fold of what it was told.
pub(crate) struct Hub {
    pub(crate) decisions: Pen,
    pub(crate) settled: Pen,
    pub(crate) fares: FareBook,
    covered: std::collections::BTreeMap<SiteId, Seq>,
    states: std::collections::BTreeMap<CardId, CardSettled>,
    cards: std::collections::BTreeMap<CardId, (CardHistory, u128, u64)>,
}

impl Hub {
    pub(crate) fn new() -> Hub {
        Hub {
            decisions: Pen::new(NodeId::HUB, SiteRole::Decisions, 100, 1),
            settled: Pen::new(NodeId::HUB, SiteRole::Settled, 100, 2),
            fares: FareBook::default(),
            covered: Default::default(),
            states: Default::default(),
            cards: Default::default(),
        }
    }

    /// States facts of its own, which it reads itself as well.
    pub(crate) fn state(&mut self, at_ms: i64, facts: impl IntoIterator<Item = Fact>) -> Run {
        let run = self.decisions.facts(at_ms, facts);
        self.read(&run);
        run
    }

    /// Reads the facts of a run.
    pub(crate) fn read(&mut self, run: &Run) {
        for (seq, body) in (run.first.0..).zip(&run.bodies) {
            let body = Body::decode(body).unwrap();
            for (index, change) in body.changes.iter().enumerate() {
                let Ok(Some(Content::Fact(fact))) = change.read() else {
                    continue;
                };
                let key = body.order_key(run.site, Seq(seq), index);
                self.read_fact(key, fact, &change.content);
            }
        }
    }

    fn read_fact(&mut self, key: OrderKey, fact: Fact, content: &[u8]) {
        if let Fact::FareVersion(version) = &fact {
            self.fares.insert(version.clone());
        }
        if let Some(card) = fact.card() {
            let entry = self
                .cards
                .entry(card)
                .or_insert_with(|| (CardHistory::new(card), 0, 0));
            entry.0.insert(&self.fares, OrderedFact { key, fact });
            entry.1 = entry.1.wrapping_add(fact_hash(&key, content));
        }
    }

    /// Publishes the settled states of all cards and up to where they cover the given sites.
    pub(crate) fn settle(&mut self, at_ms: i64, covered: Vec<(SiteId, Seq)>) -> Run {
        let mut facts: Vec<Fact> = self
            .cards
            .values_mut()
            .map(|(history, hash, revision)| {
                *revision += 1;
                history.refold(&self.fares);
                Fact::CardSettled(Box::new(CardSettled {
                    card: history.card(),
                    revision: *revision,
                    state: history.state().clone(),
                    fare_version: self.fares.newest(),
                    facts: history.facts().len() as u64,
                    facts_hash: *hash,
                }))
            })
            .collect();
        for (site, seq) in &covered {
            let known = self.covered.entry(*site).or_default();
            *known = (*known).max(*seq);
        }
        for fact in &facts {
            if let Fact::CardSettled(settled) = fact {
                self.states.insert(settled.card, (**settled).clone());
            }
        }
        facts.push(Fact::SettledUpTo { covered });
        facts.push(self.digest());
        self.settled.facts(at_ms, facts)
    }

    /// Publishes that nothing more is settled.
    pub(crate) fn settle_nothing(&mut self, at_ms: i64) -> Run {
        let facts = [Fact::SettledUpTo { covered: Vec::new() }, self.digest()];
        self.settled.facts(at_ms, facts)
    }

    /// What the hub states of everything that is settled.
    fn digest(&self) -> Fact {
        let mut digest = SettledDigest::default();
        for settled in self.states.values() {
            digest.settle(None, Some(settled));
        }
        for (site, seq) in &self.covered {
            digest.cover(*site, Seq::NONE, *seq);
        }
        for table in self.fares.iter() {
            digest.add_fares(table.fact().version, table.fact().hash());
        }
        Fact::SettledDigest {
            fare_version: self.fares.newest(),
            cards: digest.cards(),
            hash: digest.hash(),
        }
    }

    pub(crate) fn balance(&self, card: CardId) -> Money {
        self.cards[&card].0.view(&self.fares).balance
    }
}

/// A folder of databases.
pub(crate) struct Town {
    pub(crate) folder: TempDir,
    pub(crate) trust: Authority,
    starts: u8,
}

impl Town {
    pub(crate) fn new() -> Town {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        Town {
            folder: folder.unwrap(),
            trust: Authority::new(),
            starts: 0,
        }
    }

    pub(crate) fn path(&self, number: u32) -> PathBuf {
        self.folder.path().join(format!("gate-{number}.db"))
    }

    pub(crate) fn opening(&mut self, number: u32, code: &str, kind: GateType) -> Opening {
        self.starts += 1;
        opening(number, code, kind, self.starts)
    }

    /// Opens, or opens again, the database of a gate that works both ways.
    pub(crate) fn gate(&mut self, number: u32, code: &str) -> Store {
        let opening = self.opening(number, code, GateType::Bidirectional);
        Store::open(self.path(number), opening).unwrap()
    }

    /// A gate that knows the fares, the terminals and a card with a balance.
    pub(crate) fn stocked_gate(&mut self, number: u32, code: &str, hub: &mut Hub) -> Store {
        let mut store = self.gate(number, code);
        if hub.decisions.bodies.is_empty() {
            stock(hub);
        }
        store.ingest(&hub.decisions.whole(), &self.trust).unwrap();
        store.ingest(&hub.settled.whole(), &self.trust).unwrap();
        store
    }
}

/// What a gate brings to its database.
pub(crate) fn opening(number: u32, code: &str, kind: GateType, random: u8) -> Opening {
    let terminal = terminal(code);
    let signer = Ed25519Signer::from_secret(&[number as u8; 32]);
    let role = SiteRole::Gate(terminal);
    Opening {
        gate: Gate {
            id: GateId(number),
            terminal,
            kind,
            mode: Mode::Normal,
            uncertainty_ms: 2_000,
        },
        policy: Policy::recommended(Money::rupiah(12_000)),
        certificate: Authority::new().certificate(NodeId(number), role, &signer.public_key()),
        signer: Box::new(signer),
        random: [random; 16],
        ballast_bytes: 0,
        vfs: None,
    }
}

/// Fares of five terminals, a card with 50,000 and one without money, settled.
pub(crate) fn stock(hub: &mut Hub) {
    hub.state(
        T0 - 10 * MINUTE_MS,
        [
            Fact::FareVersion(sample_fares(1, 0)),
            Fact::CardIssued { card: card(1) },
            top_up(1, 50_000, "first"),
            Fact::CardIssued { card: card(2) },
        ],
    );
    hub.settle(T0 - 9 * MINUTE_MS, Vec::new());
}

/// The key of a gate of a [`Town`].
pub(crate) fn public_key(number: u32) -> PublicKey {
    Ed25519Signer::from_secret(&[number as u8; 32]).public_key()
}

pub(crate) fn sample_fares(version: u32, effective_from_ms: i64) -> FareVersion {
    let codes = ["A", "B", "C", "D", "E"];
    let price = |from: usize, to: usize| match from.abs_diff(to) {
        1 => 5_000,
        2 => 7_000,
        3 => 9_000,
        _ => 12_000,
    };
    let routes = (0..5).flat_map(|from| (0..5).filter(move |to| *to != from).map(move |to| (from, to)));
    let fares = routes.map(|(from, to)| {
        (
            terminal(codes[from]),
            terminal(codes[to]),
            Money::rupiah(price(from, to)),
        )
    });
    FareVersion::new(version, effective_from_ms, OrphanPolicy::Release, fares).unwrap()
}

pub(crate) fn top_up(number: u32, rupiah: i64, reference: &str) -> Fact {
    Fact::TopUp {
        card: card(number),
        amount: Money::rupiah(rupiah),
        reference: reference.to_owned(),
    }
}

pub(crate) fn status(number: u32, version: u64, status: CardStatus) -> Fact {
    Fact::CardStatus {
        card: card(number),
        version,
        status,
    }
}

pub(crate) fn card(number: u32) -> CardId {
    format!("CARD{number:04}").parse().unwrap()
}

pub(crate) fn terminal(code: &str) -> TerminalCode {
    code.parse().unwrap()
}

pub(crate) fn at(number: u32, direction: Direction, at_ms: i64) -> Presentation {
    Presentation {
        card: card(number),
        direction: Some(direction),
        at_ms,
    }
}

pub(crate) fn entry(number: u32, at_ms: i64) -> Presentation {
    at(number, Direction::Entry, at_ms)
}

pub(crate) fn exit(number: u32, at_ms: i64) -> Presentation {
    at(number, Direction::Exit, at_ms)
}
