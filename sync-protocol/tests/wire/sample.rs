//! One of everything that travels, always the same.

use sync_protocol::changeset::{Body, Change, Content, Head, Run, Signature, Signer, SiteOpen, SiteRole};
use sync_protocol::codec;
use sync_protocol::ed25519::Ed25519Signer;
use sync_protocol::fact::{Direction, Fact, Knowledge, Reason, Tap};
use sync_protocol::have::{Have, Range, SiteHave};
use sync_protocol::id::{GateId, NodeId, Seq, SiteId, TerminalCode};
use sync_protocol::journey::CardState;
use sync_protocol::money::Money;
use sync_protocol::rows::{RowChange, Value};
use sync_protocol::snapshot::{Base, CardRow, Need, Page, Part, Place};
use sync_protocol::time::Stamp;
use sync_protocol::wire::{Frame, Heartbeat, Hello};

const NODE: NodeId = NodeId(300);

fn terminal() -> TerminalCode {
    "A".parse().expect("a terminal code")
}

fn signer() -> Ed25519Signer {
    Ed25519Signer::from_secret(&[1; 32])
}

fn open() -> SiteOpen {
    SiteOpen {
        node: NODE,
        role: SiteRole::Gate(terminal()),
        public_key: signer().public_key(),
        random: [2; 16],
        certificate: b"certificate".to_vec(),
        previous: Some((SiteId([3; 16]), Head::empty(SiteId([3; 16])))),
    }
}

fn row() -> RowChange {
    RowChange {
        table: "gates".to_owned(),
        key: vec![1, 9, 1],
        column: "status".to_owned(),
        value: Value::Text("maintenance".to_owned()),
        col_version: 3,
        causal_length: 1,
        seq: 0,
    }
}

fn tap() -> Fact {
    Fact::Tap(Tap {
        card: "CARD0001".parse().expect("a card"),
        direction: Direction::Entry,
        terminal: terminal(),
        gate: GateId(300),
        uncertainty_ms: 2_000,
        accepted: true,
        reason: Reason::Accepted,
        fare_version: 1,
        hold: Money::hundredths(1_200_000),
        quoted: None,
        knowledge: Knowledge {
            revision: 7,
            age_s: 4,
        },
    })
}

const AT: Stamp = Stamp::at_ms(1_700_000_000_000);

/// The bodies of a site's first three changesets.
pub(crate) fn bodies() -> [Body; 3] {
    let body = |change: Change| Body {
        at: AT,
        changes: vec![change],
    };
    let later = Change {
        at: Some(Stamp {
            ms: AT.ms + 250,
            counter: 3,
        }),
        ..Change::new(&Content::Fact(tap()))
    };
    [
        body(Change::new(&Content::SiteOpen(Box::new(open())))),
        body(Change::new(&Content::Row(row()))),
        Body {
            at: AT,
            changes: vec![Change::new(&Content::Fact(tap())), later],
        },
    ]
}

pub(crate) fn run() -> Run {
    let site = open().site();
    let bodies = bodies().map(|body| body.encode().expect("within the limits"));
    let head = bodies
        .iter()
        .fold(Head::empty(site), |head, body| head.then(body));
    Run {
        site,
        first: Seq(1),
        bodies: bodies.to_vec(),
        signature: signer().sign(&head.signed_message(site)),
    }
}

fn site_have() -> SiteHave {
    let run = run();
    let head = run
        .bodies
        .iter()
        .fold(Head::empty(run.site), |head, body| head.then(body));
    SiteHave {
        role: SiteRole::Gate(terminal()),
        floor: Seq(0),
        head,
    }
}

fn hub_have() -> SiteHave {
    SiteHave {
        role: SiteRole::Decisions,
        floor: Seq(70_000),
        head: Head {
            seq: Seq(5_000_000_000),
            ..Head::empty(SiteId([4; 16]))
        },
    }
}

pub(crate) fn have() -> Have {
    let mut have = Have::default();
    have.advance(run().site, site_have());
    have.advance(SiteId([4; 16]), hub_have());
    have
}

pub(crate) fn heartbeat() -> Heartbeat {
    let mut beat = Heartbeat {
        node: NODE,
        key: signer().public_key(),
        sites: vec![(run().site, site_have().head)],
        t: AT,
        signature: Signature([0; 64]),
    };
    beat.signature = signer().sign(&beat.signed_message());
    beat
}

fn snapshot_need() -> Need {
    Need {
        place: Place::Cards(Some("CARD0001".parse().expect("a card"))),
        tail: Some((SiteId([4; 16]), Seq(300))),
    }
}

pub(crate) fn page(asked: Place, part: Part) -> Frame {
    let next = asked.next_part();
    Frame::SnapshotPage(Box::new(Page {
        asked,
        part,
        next,
        at: (SiteId([4; 16]), Seq(301)),
        tail: Some(run()),
    }))
}

/// Every kind of frame, by name.
pub(crate) fn frames() -> Vec<(&'static str, Frame)> {
    let hello = |node, terminal| {
        Frame::Hello(Hello {
            node,
            terminal,
            schema_version: 1,
            schema_hash: [5; 32],
        })
    };
    let range = Range {
        site: run().site,
        first: Seq(251),
        last: Seq(65_536),
    };
    vec![
        ("frame hello gate", hello(NODE, Some(terminal()))),
        ("frame hello hub", hello(NodeId::HUB, None)),
        (
            "frame have-digest",
            Frame::HaveDigest(have().digest(Some(terminal()))),
        ),
        (
            "frame have",
            Frame::Have {
                reply: true,
                sites: vec![(run().site, site_have()), (SiteId([4; 16]), hub_have())],
            },
        ),
        (
            "frame need",
            Frame::Need {
                ranges: vec![range],
                bytes_max: 262_144,
            },
        ),
        ("frame changesets", Frame::Changesets(vec![run()])),
        ("frame heartbeats", Frame::Heartbeats(vec![heartbeat()])),
        ("frame heartbeats none", Frame::Heartbeats(Vec::new())),
        ("frame snapshot-need", Frame::SnapshotNeed(snapshot_need())),
        (
            "frame snapshot-page bases",
            page(
                Place::START,
                Part::Bases(vec![Base {
                    open: open(),
                    floor: Head::empty(run().site),
                    proof: run(),
                }]),
            ),
        ),
        (
            "frame snapshot-page cards",
            page(
                Place::Cards(None),
                Part::Cards(vec![CardRow {
                    card: "CARD0001".parse().expect("a card"),
                    revision: 7,
                    facts: 300,
                    facts_hash: u128::MAX - 1,
                    state: codec::encode(&CardState::default()),
                }]),
            ),
        ),
    ]
}

/// Every hash and signature input, by name.
pub(crate) fn hashes() -> Vec<(&'static str, Vec<u8>)> {
    let run = run();
    let head = site_have().head;
    vec![
        ("public key of secret 01 x 32", signer().public_key().0.to_vec()),
        ("site id", run.site.0.to_vec()),
        ("chain 0", Head::empty(run.site).chain.0.to_vec()),
        (
            "chain 1",
            Head::empty(run.site).then(&run.bodies[0]).chain.0.to_vec(),
        ),
        ("chain 3", head.chain.0.to_vec()),
        ("signed message of head 3", head.signed_message(run.site).to_vec()),
        ("signature of head 3", run.signature.0.to_vec()),
        (
            "signed message of heartbeat",
            heartbeat().signed_message().to_vec(),
        ),
        (
            "have digest of terminal A",
            have().digest(Some(terminal())).to_vec(),
        ),
    ]
}
