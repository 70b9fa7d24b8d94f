//! Copies: a database that is copied while both go on, and a key that signs one log in two ways.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use sync_protocol::changeset::{Body, Change, Content, Head, Run, Signer as _, SiteOpen, SiteRole};
use sync_protocol::fact::{Direction, Fact, Knowledge, Reason, Tap};
use sync_protocol::id::{GateId, NodeId, Seq, SiteId};
use sync_protocol::money::Money;
use sync_protocol::time::Stamp;
use sync_protocol::wire::{Frame, Hello};
use sync_shell::identity::NodeKeys;
use sync_shell::links::{Links, LinksConfig};
use tests::harness::gate::{A_ENTRY, A_EXIT, Gate, GateName, Neighbourhood};
use tests::harness::gate_database::GateDatabase;
use tests::harness::network::{Databases, Network, SOON, case};
use tests::harness::wait::wait_for;
use tokio::sync::mpsc;

const COPIED: GateName = GateName {
    id: 3,
    code: "A-BI-01",
    terminal: "A",
    kind: "bidirectional",
};
/// Two processes with one key take turns of half a minute at each peer; by then everybody has had several.
const TURNS: Duration = Duration::from_secs(180);

fn configured(network: &Network, folder: &str) -> anyhow::Result<Gate> {
    let gate = Gate::new(COPIED, &network.folder().join(folder))?;
    let gates = [A_ENTRY, A_EXIT].map(|name| network.gate(name).sync_address());
    gate.configure(&Neighbourhood {
        hub: Some(network.hub.sync_address()),
        gates: gates.to_vec(),
    })?;
    Ok(gate)
}

/// A gate that stopped, and another one with a copy of all its files.
fn with_a_copy(network: &Network) -> anyhow::Result<(Gate, Gate, String)> {
    let mut original = configured(network, "original")?;
    let keys = original.folder().join("keys");
    network.hub.issue_keys(COPIED.id, COPIED.terminal, &keys)?;
    original.start()?;
    let before = original.tap("TESTCARD0081")?.fact()?.to_owned();
    assert!(original.process()?.terminate()?.success());
    let copy = configured(network, "copy")?;
    for folder in ["keys", "data"] {
        let (from, to) = (original.folder().join(folder), copy.folder().join(folder));
        std::fs::create_dir_all(&to)?;
        for file in std::fs::read_dir(&from)? {
            let file = file?;
            std::fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok((original, copy, before))
}

#[test]
fn a_copied_database_and_its_original_both_go_on_lose_nothing_and_are_told_of() {
    case("copied-database", Databases::Shared, |network| {
        let (mut original, mut copy, before) = with_a_copy(network)?;
        original.start()?;
        copy.start()?;
        let mut facts = vec![before];
        for number in 0..4 {
            for gate in [&original, &copy] {
                facts.push(gate.tap(&format!("TESTCARD010{number}"))?.fact()?.to_owned());
            }
        }
        let site = |fact: &str| fact.split(':').next().map(str::to_owned);
        let [one, other] = [1, 2].map(|place: usize| site(&facts[place]));
        assert_ne!(one, other, "both write one log");
        for fact in &facts {
            network.wait_for_fact(fact, TURNS)?;
        }
        let told = wait_for("the hub to tell of the copy", TURNS, || {
            let told = network.hub.run(&["forks"])?;
            Ok(told.contains("CLONED_NODE gate 3").then_some(told))
        })?;
        assert!(!told.contains("FORK"), "each start has a log of its own: {told}");
        let metrics = network.hub.client()?.get("/metrics")?;
        let metrics = metrics.body;
        assert!(
            metrics.lines().any(|line| line == "hub_cloned_nodes 1"),
            "{metrics}"
        );
        // Once the copy is gone the original goes on as before.
        assert!(copy.process()?.terminate()?.success());
        let after = original.tap("TESTCARD0109")?.fact()?.to_owned();
        network.wait_for_fact(&after, TURNS)?;
        assert!(original.process()?.terminate()?.success());
        network.pass_somebody()?;
        network.level().map(drop)
    });
}

/// A log that is written by hand.
#[derive(Clone)]
struct Hand {
    keys: Arc<NodeKeys>,
    site: SiteId,
    bodies: Vec<Bytes>,
}

impl Hand {
    fn open(keys: Arc<NodeKeys>) -> anyhow::Result<Hand> {
        let open = SiteOpen {
            node: NodeId(COPIED.id),
            role: SiteRole::Gate(COPIED.terminal.parse()?),
            public_key: keys.signer().public_key(),
            random: [77; 16],
            certificate: keys.certificate().to_vec(),
            previous: None,
        };
        let mut hand = Hand {
            keys,
            site: open.site(),
            bodies: Vec::new(),
        };
        hand.write(1, Content::SiteOpen(Box::new(open)))?;
        Ok(hand)
    }

    fn write(&mut self, second: i64, content: Content) -> anyhow::Result<()> {
        let body = Body {
            at: Stamp::at_ms(1_760_000_000_000 + second * 1_000),
            changes: vec![Change::new(&content)],
        };
        self.bodies.push(body.encode()?);
        Ok(())
    }

    /// A tap that was denied: it moves no money.
    fn deny(&mut self, second: i64, card: &str) -> anyhow::Result<()> {
        let tap = Tap {
            card: card.parse()?,
            direction: Direction::Entry,
            terminal: COPIED.terminal.parse()?,
            gate: GateId(COPIED.id),
            uncertainty_ms: 1_000,
            accepted: false,
            reason: Reason::GateClosed,
            fare_version: 1,
            hold: Money::ZERO,
            quoted: None,
            knowledge: Knowledge::default(),
        };
        self.write(second, Content::Fact(Fact::Tap(tap)))
    }

    fn run(&self) -> Run {
        let empty = Head::empty(self.site);
        let head = self.bodies.iter().fold(empty, |head, body| head.then(body));
        Run {
            site: self.site,
            first: Seq(1),
            bodies: self.bodies.clone(),
            signature: self.keys.signer().sign(&head.signed_message(self.site)),
        }
    }
}

/// Says who it is and shows a log to a node, again and again, until something is so.
fn show_until(
    keys: &Arc<NodeKeys>,
    to: (NodeId, SocketAddr),
    run: &Run,
    mut is_so: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let _entered = runtime.enter();
    let (sender, mut events) = mpsc::channel(1_024);
    let config = LinksConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        keys: Arc::clone(keys),
        admits: Arc::new(|_| true),
        seed: 5,
    };
    let links = Links::start(config, sender)?;
    links.set_targets([to.1.to_string()].into());
    let hello = Frame::Hello(Hello {
        node: NodeId(COPIED.id),
        terminal: Some(COPIED.terminal.parse()?),
        schema_version: 1,
        schema_hash: [0; 32],
    });
    let shown = wait_for("what was shown to be taken", SOON, || {
        while events.try_recv().is_ok() {}
        links.send(&[to.0], &hello);
        links.send(&[to.0], &Frame::Changesets(vec![run.clone()]));
        Ok(is_so()?.then_some(()))
    });
    runtime.block_on(links.shutdown());
    shown
}

#[test]
fn a_gate_that_signs_one_log_in_two_ways_is_proven_told_and_decided_and_everybody_goes_on() {
    case("equivocation", Databases::Shared, |network| {
        let folder = network.folder().join("forger");
        network.hub.issue_keys(COPIED.id, COPIED.terminal, &folder)?;
        let keys = Arc::new(NodeKeys::load(&folder)?);
        let mut held = Hand::open(Arc::clone(&keys))?;
        held.deny(2, "TESTCARD0071")?;
        let mut other = held.clone();
        held.deny(3, "TESTCARD0071")?;
        other.deny(3, "TESTCARD0072")?;
        other.deny(4, "TESTCARD0072")?;
        let site = held.site.to_string();

        // A gate that is cut off from the others is shown the one, the hub the other.
        network.cut(A_ENTRY.id, 0);
        network.cut(A_ENTRY.id, A_EXIT.id);
        let gate = GateDatabase::new(network.gate(A_ENTRY));
        let gate_address = network.gate(A_ENTRY).sync_address();
        show_until(&keys, (NodeId(A_ENTRY.id), gate_address), &other.run(), || {
            Ok(gate.heads()?.get(&site) == Some(&4))
        })?;
        let fact = format!("{site}:3:0");
        let hub_address = network.hub.sync_address();
        show_until(&keys, (NodeId::HUB, hub_address), &held.run(), || {
            network.has_fact(&fact)
        })?;
        network.heal();

        let told = wait_for("the hub to have the proof", TURNS, || {
            let told = network.hub.run(&["forks"])?;
            Ok(told
                .contains(&format!("FORK log {site} of gate 3"))
                .then_some(told))
        })?;
        assert!(told.contains("from changeset 3 on two branches"), "{told}");
        assert!(
            told.contains("TESTCARD0071") && told.contains("TESTCARD0072"),
            "{told}"
        );
        let status = network.gate(A_ENTRY).status()?;
        let forks = status["forks"].as_array().context("no forks")?;
        assert_eq!(forks[0]["site"], site.as_str(), "{status}");
        network.hub.run(&["forks", "decide", &site])?;
        wait_for("the gate to take the branch that counts", TURNS, || {
            Ok((gate.heads()?.get(&site) == Some(&3)).then_some(()))
        })?;
        let told = network.hub.run(&["forks"])?;
        assert!(told.contains("decided at"), "{told}");
        network.pass_somebody()?;
        network.level().map(drop)
    });
}
