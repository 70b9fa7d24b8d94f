//! An authority, gates' folders, and a hub that states facts, all with real certificates.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use edge_node::config::GateConfig;
use edge_node::run::{Gate, Heads, Surroundings, load_keys, open_store, system_clock};
use sync_protocol::changeset::{Body, Change, Content, Head, Run, Signer, SiteOpen, SiteRole};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::fact::{CardSettled, Fact, OrderedFact};
use sync_protocol::fare::{FareBook, FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, NodeId, OrderKey, SiteId, TerminalCode};
use sync_protocol::journey::history::CardHistory;
use sync_protocol::money::Money;
use sync_protocol::time::{DAY_MS, Stamp};
use sync_shell::identity::{Authority, NodeKeys};
use tempfile::TempDir;
use tokio::sync::watch;

/// What a condition is waited for.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// An installation: one authority, and a folder for everybody.
pub(crate) struct Town {
    pub(crate) folder: TempDir,
    authority: Authority,
    pub(crate) now_ms: i64,
    pub(crate) hub: Pen,
}

impl Town {
    pub(crate) fn new() -> Town {
        let folder = TempDir::new().unwrap();
        let now_ms = system_clock().now().wall_ms;
        let authority = Authority::init(&folder.path().join("ca"), &[7; 32], now_ms - DAY_MS).unwrap();
        let mut town = Town {
            folder,
            authority,
            now_ms,
            hub: Pen::new(vec![], 1),
        };
        let keys = town.keys(NodeId::HUB, None);
        town.hub = Pen::new(keys.certificate().to_vec(), 1);
        town
    }

    /// The keys of a node, made when there are none.
    pub(crate) fn keys(&self, node: NodeId, terminal: Option<TerminalCode>) -> NodeKeys {
        let folder = self.keys_folder(node);
        if !folder.exists() {
            let until_ms = self.now_ms + 30 * DAY_MS;
            let secret = secret(node);
            let issued = self
                .authority
                .issue(node, terminal, &secret, self.now_ms - DAY_MS, until_ms);
            issued.unwrap().write(&folder).unwrap();
        }
        NodeKeys::load(&folder).unwrap()
    }

    fn keys_folder(&self, node: NodeId) -> PathBuf {
        self.folder.path().join(format!("keys-{}", node.0))
    }

    /// The settings of a gate that works both ways in terminal A, on ports of the system's choice.
    pub(crate) fn settings(&self, number: u32, more: &str) -> PathBuf {
        self.keys(NodeId(number), Some(terminal("A")));
        let text = format!(
            "data_dir = {:?}\nkeys_dir = {:?}\n{more}\n\
             [gate]\nid = {number}\ncode = \"A-GATE-{number:02}\"\nterminal = \"A\"\ntype = \"bidirectional\"\n",
            self.folder.path().join(format!("gate-{number}")),
            self.keys_folder(NodeId(number)),
        );
        let file = self.folder.path().join(format!("gate-{number}.toml"));
        std::fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn config(&self, number: u32, neighbours: &[&str]) -> GateConfig {
        let neighbours = format!("sync = {{ listen = \"127.0.0.1:0\", neighbours = {neighbours:?} }}");
        let more =
            format!("http = {{ listen = \"127.0.0.1:0\" }}\ndisk = {{ ballast_mib = 0 }}\n{neighbours}");
        let file = self.settings(number, &more);
        sync_shell::settings::load(Some(&file), "EDGE_", std::iter::empty()).unwrap()
    }

    /// Lets a gate that does not run know what the hub states: fares, and a card with 50,000.
    pub(crate) fn stock(&mut self, config: &GateConfig) {
        std::fs::create_dir_all(&config.data_dir).unwrap();
        let keys = load_keys(config).unwrap();
        let mut store = open_store(config, &keys, &Surroundings::system()).unwrap();
        for run in self.stated() {
            store.ingest(&run, &keys.trust()).unwrap();
        }
        store.close().unwrap();
    }

    /// What the hub states: fares and a card, and the card's settled state.
    pub(crate) fn stated(&self) -> [Run; 2] {
        let certificate = self.keys(NodeId::HUB, None).certificate().to_vec();
        let mut decisions = Pen::new(certificate.clone(), 1);
        let decided = decisions.facts(
            SiteRole::Decisions,
            self.now_ms - 1_000,
            [
                Fact::FareVersion(fares()),
                Fact::CardIssued { card: card(1) },
                Fact::TopUp {
                    card: card(1),
                    amount: Money::rupiah(50_000),
                    reference: "first".into(),
                },
            ],
        );
        let settled = settle(&decided);
        let mut pen = Pen::new(certificate, 2);
        let nothing = || Fact::SettledUpTo { covered: vec![] };
        let first = pen.facts(
            SiteRole::Settled,
            self.now_ms - 500,
            [Fact::CardSettled(Box::new(settled)), nothing()],
        );
        let last = pen.facts(SiteRole::Settled, self.now_ms - 400, [nothing()]);
        let bodies = [first.bodies, last.bodies].concat();
        let settled = Run {
            first: first.first,
            bodies,
            ..last
        };
        [decided, settled]
    }

    /// An edit of the shared tables, made at gate 2: two terminals and five gates.
    pub(crate) fn rows_of_gates(&self) -> Run {
        let config = self.config(2, &[]);
        std::fs::create_dir_all(&config.data_dir).unwrap();
        let mut store = open_store(&config, &load_keys(&config).unwrap(), &Surroundings::system()).unwrap();
        let run = store.edit(self.now_ms, |transaction| {
            transaction.execute_batch(
                "INSERT INTO terminals (id, code) VALUES (1, 'A'), (2, 'B');
                 INSERT INTO gates (id, terminal_id, address) VALUES
                     (1, 1, 'gate-1.example:7401'),
                     (3, 1, 'gate-3.example:7401'),
                     (4, 2, 'gate-4.example:7401'),
                     (5, 1, 'somewhere'),
                     (6, 1, '');",
            )
        });
        run.unwrap().unwrap()
    }

    /// A running gate that knows the fares and the card.
    pub(crate) async fn gate(&mut self, number: u32, neighbours: &[&str]) -> Gate {
        let config = self.config(number, neighbours);
        self.stock(&config);
        Gate::start(config).await.unwrap()
    }
}

/// A node's secret.
pub(crate) fn secret(node: NodeId) -> [u8; 32] {
    [200 - node.0 as u8; 32]
}

/// The fold of what was stated of card 1.
fn settle(decided: &Run) -> CardSettled {
    let mut book = FareBook::default();
    book.insert(fares());
    let mut history = CardHistory::new(card(1));
    let mut hash = 0_u128;
    for (seq, body) in (decided.first.0..).zip(&decided.bodies) {
        let body = Body::decode(body).unwrap();
        for (index, change) in body.changes.iter().enumerate() {
            let key: OrderKey = body.order_key(decided.site, sync_protocol::id::Seq(seq), index);
            if let Ok(Some(Content::Fact(fact))) = change.read()
                && fact.card() == Some(card(1))
            {
                hash = hash.wrapping_add(sync_protocol::digest::fact_hash(&key, &change.content));
                history.insert(&book, OrderedFact { key, fact });
            }
        }
    }
    CardSettled {
        card: card(1),
        revision: 1,
        state: history.state().clone(),
        fare_version: 1,
        facts: history.facts().len() as u64,
        facts_hash: hash,
    }
}

/// The hub's hand: one site, written body by body.
pub(crate) struct Pen {
    signer: Ed25519Signer,
    certificate: Vec<u8>,
    random: u8,
    head: Option<Head>,
    last: Stamp,
}

impl Pen {
    pub(crate) fn new(certificate: Vec<u8>, random: u8) -> Pen {
        Pen {
            signer: Ed25519Signer::from_secret(&secret(NodeId::HUB)),
            certificate,
            random,
            head: None,
            last: Stamp::default(),
        }
    }

    pub(crate) fn site(&self) -> SiteId {
        SiteId::derive(&self.signer.public_key().0, &[self.random; 16])
    }

    pub(crate) fn facts(&mut self, role: SiteRole, at_ms: i64, facts: impl IntoIterator<Item = Fact>) -> Run {
        let open = self.head.is_none().then(|| SiteOpen {
            node: NodeId::HUB,
            role,
            public_key: self.signer.public_key(),
            random: [self.random; 16],
            certificate: self.certificate.clone(),
            previous: None,
        });
        let open = open.map(|open| Change::new(&Content::SiteOpen(Box::new(open))));
        let facts = facts.into_iter().map(|fact| Change::new(&Content::Fact(fact)));
        self.last = self.last.next(at_ms);
        let body = Body {
            at: self.last,
            changes: open.into_iter().chain(facts).collect(),
        };
        let body = body.encode().unwrap();
        let head = self.head.unwrap_or_else(|| Head::empty(self.site())).then(&body);
        self.head = Some(head);
        Run {
            site: self.site(),
            first: head.seq,
            bodies: vec![body],
            signature: self.signer.sign(&head.signed_message(self.site())),
        }
    }
}

/// A to B costs 5,000, A to C 12,000.
pub(crate) fn fares() -> FareVersion {
    let price = |from: &str, to: &str, rupiah| (terminal(from), terminal(to), Money::rupiah(rupiah));
    let pairs = [("A", "B", 5_000), ("A", "C", 12_000), ("B", "C", 7_000)];
    let both = pairs
        .into_iter()
        .flat_map(|(from, to, rupiah)| [price(from, to, rupiah), price(to, from, rupiah)]);
    FareVersion::new(1, 0, OrphanPolicy::Release, both).unwrap()
}

pub(crate) fn card(number: u32) -> CardId {
    format!("CARD{number:04}").parse().unwrap()
}

pub(crate) fn terminal(code: &str) -> TerminalCode {
    code.parse().unwrap()
}

/// Waits until the heads of other nodes' logs are as wanted.
pub(crate) async fn until(heads: &mut watch::Receiver<Heads>, wanted: impl FnMut(&Heads) -> bool) {
    let waited = tokio::time::timeout(LIMIT, heads.wait_for(wanted)).await;
    assert!(waited.is_ok_and(|heads| heads.is_ok()), "{:?}", heads.borrow());
}

/// Asks again and again until the answer is as wanted; the pauses only spare the processor.
pub(crate) async fn wait_for<T, F: Future<Output = T>>(
    what: &str,
    mut ask: impl FnMut() -> F,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let asked = async {
        loop {
            let answer = ask().await;
            if wanted(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, asked)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Keys that another thread may hold, too.
pub(crate) fn shared(keys: NodeKeys) -> Arc<NodeKeys> {
    Arc::new(keys)
}
