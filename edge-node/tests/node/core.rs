//! The core without threads and links: what it puts out, and what it never does.

use edge_node::clock::Moment;
use edge_node::node::{Effect, Input, Node, Parts, Tapped};
use edge_node::run::{Surroundings, load_keys, node_parts, open_store};
use sync_protocol::changeset::{Body, Run, Signature, Signer as _, SiteRole, Trust};
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::fact::{Direction, Fact};
use sync_protocol::have::{Have, Scope};
use sync_protocol::id::{NodeId, Seq};
use sync_protocol::time::Stamp;
use sync_protocol::wire::{Frame, Heartbeat, Hello};
use sync_shell::identity::CertificateTrust;

use crate::support::{Pen, Town, card, secret, terminal};

const NEIGHBOUR: NodeId = NodeId(2);

/// A core with a stocked database.
struct Alone {
    town: Town,
    node: Node<CertificateTrust>,
    now: Moment,
}

impl Alone {
    fn new() -> Alone {
        let mut town = Town::new();
        let config = town.config(1, &["gate-9.example:7401"]);
        town.stock(&config);
        let keys = load_keys(&config).unwrap();
        let store = open_store(&config, &keys, &Surroundings::system()).unwrap();
        let parts: Parts<CertificateTrust> =
            node_parts(&config, &keys, store, &Surroundings::system()).unwrap();
        let now = Moment {
            wall_ms: town.now_ms,
            monotonic_us: 0,
        };
        let node = Node::new(parts, now).unwrap();
        Alone { town, node, now }
    }

    /// Does all that is left to do.
    fn work(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.node.step(self.now, &mut effects) {}
        effects
    }

    fn input(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.node.handle(self.now, input, &mut effects);
        effects.extend(self.work());
        effects
    }

    /// Links a neighbour that introduces itself.
    fn link(&mut self) -> Vec<Effect> {
        let key = self.town.keys(NEIGHBOUR, Some(terminal("A"))).identity().key;
        self.input(Input::Connected { peer: NEIGHBOUR, key });
        self.frame(Frame::Hello(Hello {
            node: NEIGHBOUR,
            terminal: Some(terminal("A")),
            schema_version: 1,
            schema_hash: [0; 32],
        }))
    }

    fn frame(&mut self, frame: Frame) -> Vec<Effect> {
        let (peer, frame) = (NEIGHBOUR, Ok(frame));
        self.input(Input::Frame { peer, frame })
    }

    fn tap(&mut self, direction: Direction, at_ms: i64) -> edge_node::answer::Answer {
        let tapped = Tapped {
            card: card(1),
            direction: Some(direction),
            at_ms,
        };
        self.node.taps(self.now, &[tapped])[0]
    }

    fn beat(&mut self, oldest_ms: Option<i64>) -> Option<Heartbeat> {
        let mut effects = Vec::new();
        self.node.beat(self.now, oldest_ms, &mut effects);
        effects.into_iter().find_map(|effect| match effect {
            Effect::Send {
                frame: Frame::Heartbeats(beats),
                ..
            } => beats.into_iter().next(),
            _ => None,
        })
    }

    fn pass(&mut self, milliseconds: i64) {
        self.now.wall_ms += milliseconds;
        self.now.monotonic_us += milliseconds * 1_000;
    }
}

fn runs(effects: &[Effect]) -> Vec<&Run> {
    let runs = effects.iter().filter_map(|effect| match effect {
        Effect::Send {
            frame: Frame::Changesets(runs),
            ..
        } => Some(runs),
        _ => None,
    });
    runs.flatten().collect()
}

fn stamp_of(run: &Run) -> Stamp {
    Body::decode(run.bodies.last().unwrap()).unwrap().at
}

#[test]
fn taps_are_pushed_once_sealed_one_signature_for_several() {
    let mut alone = Alone::new();
    alone.link();
    alone.tap(Direction::Exit, alone.now.wall_ms);
    alone.tap(Direction::Exit, alone.now.wall_ms);
    let effects = alone.work();
    let pushed = runs(&effects);
    assert_eq!(pushed.len(), 1);
    assert_eq!(pushed[0].bodies.len(), 2);
    let trust = alone.town.keys(NodeId(1), Some(terminal("A"))).trust();
    assert!(pushed[0].opening(&trust).is_ok_and(|open| trust.admits(&open)));
    assert!(runs(&alone.work()).is_empty(), "nothing is pushed twice");
}

#[test]
fn no_tap_is_stamped_at_or_before_what_a_heartbeat_declared_stated() {
    let mut alone = Alone::new();
    alone.link();
    let early_ms = alone.now.wall_ms;
    alone.pass(10_000);
    let stated = alone.beat(None).unwrap().t;
    assert!(stated.ms >= early_ms + 9_000);
    // It was presented before the heartbeat and reached the writer after it.
    alone.tap(Direction::Exit, early_ms);
    let effects = alone.work();
    assert!(stamp_of(runs(&effects)[0]) > stated);

    // One that the writer knows of holds the heartbeat back.
    alone.pass(10_000);
    let waiting_ms = alone.now.wall_ms - 3_000;
    let beat = alone.beat(Some(waiting_ms)).unwrap();
    assert!(beat.t.ms < waiting_ms && beat.t > stated);
    alone.tap(Direction::Exit, waiting_ms);
    let effects = alone.work();
    assert_eq!(stamp_of(runs(&effects)[0]).ms, waiting_ms, "and keeps its time");
    assert_eq!(beat.sites.len(), 1, "its head was sealed");
}

#[test]
fn a_heart_beats_every_five_seconds_and_never_backwards() {
    let mut alone = Alone::new();
    alone.link();
    let first = alone.beat(None).unwrap();
    assert!(alone.beat(None).is_none(), "not yet");
    alone.pass(5_000);
    alone.now.wall_ms -= 3_600_000;
    let second = alone.beat(None).unwrap();
    assert!(second.t > first.t, "the clock was set back an hour");
    alone.tap(Direction::Exit, alone.now.wall_ms);
    let effects = alone.work();
    assert!(stamp_of(runs(&effects)[0]) > second.t);
}

#[test]
fn runs_that_cannot_be_believed_are_counted_and_the_gate_goes_on() {
    let mut alone = Alone::new();
    alone.link();
    let mut stranger = Pen::new(vec![1, 2, 3], 9);
    let invented = stranger.facts(SiteRole::Decisions, 1, [Fact::CardIssued { card: card(3) }]);
    let mut broken = invented.clone();
    broken.signature.0[0] ^= 1;
    alone.frame(Frame::Changesets(vec![broken]));
    alone.frame(Frame::Changesets(vec![invented]));
    assert_eq!(alone.node.mishaps().ingests_refused, 2);
    let held: &Have = alone.node.store().have();
    assert_eq!(held.wanted_by(Scope::All).count(), 2, "the hub's own two");
    assert!(alone.tap(Direction::Entry, alone.now.wall_ms).opens);
}

#[test]
fn a_store_that_cannot_write_opens_exits_denies_entries_and_goes_on() {
    let mut alone = Alone::new();
    alone
        .node
        .store()
        .connection()
        .pragma_update(None, "query_only", true)
        .unwrap();
    let out = alone.tap(Direction::Exit, alone.now.wall_ms);
    assert!(out.opens && out.fact.is_none(), "{out:?}");
    assert_eq!(out.reason(), "UNRECORDED");
    let entry = alone.tap(Direction::Entry, alone.now.wall_ms);
    assert!(!entry.opens && entry.fact.is_none(), "{entry:?}");
    assert_eq!(alone.node.mishaps().taps_unrecorded, 2);
    assert_eq!(alone.node.mishaps().unrecorded_open, 1);
    alone
        .node
        .store()
        .connection()
        .pragma_update(None, "query_only", false)
        .unwrap();
    let entry = alone.tap(Direction::Entry, alone.now.wall_ms);
    assert!(entry.opens && entry.fact.is_some(), "{entry:?}");
}

#[test]
fn links_go_to_the_configured_nodes_and_to_those_in_the_gates_table() {
    let mut alone = Alone::new();
    let targets = |effects: &[Effect]| {
        effects.iter().rev().find_map(|effect| match effect {
            Effect::Targets(targets) => Some(targets.iter().cloned().collect::<Vec<_>>()),
            _ => None,
        })
    };
    assert_eq!(
        targets(&alone.work()),
        Some(vec!["gate-9.example:7401".to_owned()])
    );
    alone.pass(2_000);
    assert_eq!(targets(&alone.work()), None, "nothing changed");

    let rows = alone.town.rows_of_gates();
    alone.link();
    alone.frame(Frame::Changesets(vec![rows]));
    alone.pass(2_000);
    let told = targets(&alone.work()).unwrap();
    assert_eq!(
        told,
        ["gate-3.example:7401", "gate-9.example:7401"],
        "not itself, another terminal, or nonsense"
    );
}

/// The hub's sign of life, as a neighbour relays it.
fn hub_beat(t_ms: i64) -> Heartbeat {
    let signer = Ed25519Signer::from_secret(&secret(NodeId::HUB));
    let mut beat = Heartbeat {
        node: NodeId::HUB,
        key: signer.public_key(),
        sites: Vec::new(),
        t: Stamp::at_ms(t_ms),
        signature: Signature([0; 64]),
    };
    beat.signature = signer.sign(&beat.signed_message());
    beat
}

#[test]
fn settled_states_are_cut_minutes_later_by_the_hubs_time_and_when_nobody_taps() {
    let mut alone = Alone::new();
    alone.link();
    let settled = alone.town.stated()[1].site;
    let floor = |alone: &Alone| alone.node.store().floor(settled).seq;
    let begin_ms = alone.now.wall_ms;
    alone.frame(Frame::Heartbeats(vec![hub_beat(begin_ms)]));
    alone.pass(10_000);
    alone.work();
    // An hour by this gate's clock says nothing.
    alone.pass(3_600_000);
    alone.work();
    assert_eq!(floor(&alone), Seq(0));
    alone.frame(Frame::Heartbeats(vec![hub_beat(begin_ms + 16 * 60_000)]));
    alone.pass(10_000);
    alone.tap(Direction::Exit, alone.now.wall_ms);
    alone.work();
    assert_eq!(floor(&alone), Seq(0), "somebody has just tapped");
    alone.pass(20);
    assert!(alone.node.poll_timeout() <= alone.now.monotonic_ms());
    alone.work();
    assert_eq!(floor(&alone), Seq(1));
    assert_eq!(alone.node.snapshot(alone.now).kept.pruned, 1);
    assert_eq!(alone.node.engine().have().get(settled).unwrap().floor, Seq(1));
}
