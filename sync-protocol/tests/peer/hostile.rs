//! Peers that say anything at all: never a panic, bounded memory, everything counted.

use bytes::Bytes;
use proptest::prelude::*;
use sync_protocol::changeset::{ChainHash, Head, PublicKey, Run, Signature, SiteRole};
use sync_protocol::have::{Range, SITES_MAX, SiteHave};
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::peer::{CloseReason, Input, Output, Refusal, limits};
use sync_protocol::time::Stamp;
use sync_protocol::wire::{Frame, Heartbeat, WireError};

use crate::network::{HUB, code};
use crate::solo::{Solo, hello, ingests, needs, site_have, terminal_of};

const GATE: NodeId = NodeId(1);
const FOE: NodeId = NodeId(2);

fn site(number: u32) -> SiteId {
    let mut id = [9; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    SiteId(id)
}

fn run(site: SiteId, first: u64, bodies: usize, bytes: usize) -> Run {
    Run {
        site,
        first: Seq(first),
        bodies: vec![Bytes::from(vec![1; bytes]); bodies],
        signature: Signature([0; 64]),
    }
}

fn connected() -> Solo {
    let mut solo = Solo::new(GATE);
    solo.connect(FOE);
    solo
}

#[test]
fn thousands_of_invented_sites_are_asked_for_within_bounds() {
    let mut solo = connected();
    let mut asked = Vec::new();
    for part in 0..8 {
        let numbers = part * SITES_MAX as u32..(part + 1) * SITES_MAX as u32;
        let sites = numbers
            .map(|number| (site(number), site_have(0, u64::MAX)))
            .collect();
        asked.extend(needs(&solo.frame(FOE, Frame::Have { reply: true, sites })));
    }
    assert!(asked.len() <= limits::REQUESTS_PER_PEER_MAX);
    let bytes: u64 = asked.iter().map(|(_, _, bytes)| u64::from(*bytes)).sum();
    assert!(bytes <= 4 << 20);
    assert_eq!(
        solo.stats(FOE).bad_offers,
        4 * SITES_MAX as u64,
        "remembers half of them"
    );
    solo.connect(NodeId(3));
    assert_eq!(
        needs(&solo.offer(NodeId(3), SiteId([5; 16]), 3)).len(),
        1,
        "others are served on"
    );
    solo.input(Input::Disconnected { peer: FOE });
}

#[test]
fn impossible_numbers_are_counted_and_ignored() {
    let mut solo = connected();
    let sites = vec![(site(1), site_have(9, 3))];
    assert!(solo.frame(FOE, Frame::Have { reply: false, sites }).is_empty());
    assert_eq!(solo.stats(FOE).bad_offers, 1);

    let own = site_have(2, 5);
    solo.input(Input::Ingested {
        site: site(7),
        have: own,
    });
    let range = |number, first, last| Range {
        site: site(number),
        first: Seq(first),
        last: Seq(last),
    };
    let ranges = vec![
        range(7, 5, 3),
        range(7, 0, 3),
        range(8, 1, 2),
        range(7, 1, 3),
        range(7, u64::MAX, u64::MAX),
    ];
    let outputs = solo.frame(
        FOE,
        Frame::Need {
            ranges,
            bytes_max: u32::MAX,
        },
    );
    assert_eq!(solo.stats(FOE).bad_ranges, 2);
    assert_eq!(solo.stats(FOE).unservable_ranges, 3);
    assert!(matches!(
        &outputs[..],
        [Output::Send {
            frame: Frame::Have { reply: false, .. },
            ..
        }]
    ));

    let ranges = vec![range(7, 3, u64::MAX), range(7, 4, 4)];
    let outputs = solo.frame(
        FOE,
        Frame::Need {
            ranges,
            bytes_max: u32::MAX,
        },
    );
    let served = |output: &Output| {
        matches!(output, Output::Serve { range, bytes_max, .. }
        if range.last == Seq(5) && *bytes_max <= limits::RANGE_BYTES_MAX)
    };
    assert!(outputs.len() == 1 && served(&outputs[0]), "{outputs:?}");
    assert_eq!(solo.stats(FOE).serves_dropped, 1);

    let runs = vec![
        run(site(1), 0, 1, 9),
        run(site(1), 1, 0, 9),
        run(site(1), u64::MAX, 1, 9),
        run(site(1), 1, 1, 0),
    ];
    assert!(solo.frame(FOE, Frame::Changesets(runs)).is_empty());
    assert_eq!(solo.stats(FOE).malformed_runs, 4);
}

#[test]
fn a_gate_is_told_nothing_of_other_terminals() {
    let mut hub = Solo::new(HUB);
    hub.connect(FOE);
    let mut other = site_have(0, 5);
    other.role = SiteRole::Gate(code("B"));
    hub.input(Input::Ingested {
        site: site(1),
        have: other,
    });
    let range = Range {
        site: site(1),
        first: Seq(1),
        last: Seq(5),
    };
    let need = Frame::Need {
        ranges: vec![range],
        bytes_max: 9,
    };
    assert!(hub.frame(FOE, need).is_empty());
    assert!(
        hub.frame(FOE, Frame::HaveDigest(hub.peer.have().digest(terminal_of(FOE))))
            .is_empty()
    );
    let outputs = hub.frame(FOE, Frame::HaveDigest([1; 32]));
    assert!(
        matches!(&outputs[..], [Output::Send { frame: Frame::Have { sites, .. }, .. }] if sites.is_empty())
    );
}

#[test]
fn a_flood_of_needs_reads_no_more_than_the_limit() {
    let mut solo = connected();
    for number in 0..1_000 {
        solo.input(Input::Ingested {
            site: site(number),
            have: site_have(0, 5),
        });
    }
    let range = |number| Range {
        site: site(number),
        first: Seq(1),
        last: Seq(5),
    };
    let need = Frame::Need {
        ranges: (0..1_000).map(range).collect(),
        bytes_max: 9,
    };
    let first = solo.frame(FOE, need.clone());
    assert_eq!(first.len(), limits::SERVES_PER_PEER_MAX);
    assert!(solo.frame(FOE, need.clone()).is_empty());
    solo.input(Input::Served {
        peer: FOE,
        site: site(0),
        run: None,
    });
    assert_eq!(solo.frame(FOE, need).len(), 1);
}

#[test]
fn runs_that_lead_nowhere_fill_only_the_early_buffer() {
    let mut solo = connected();
    for number in 0..3_000u32 {
        let outputs = solo.frame(FOE, Frame::Changesets(vec![run(site(number), 5, 1, 10)]));
        assert!(ingests(&outputs).is_empty());
    }
    assert_eq!(solo.stats(FOE).early_dropped, 3_000 - 1_024);
    solo.wait(12_000);
    assert_eq!(solo.stats(FOE).early_dropped, 3_000, "and not for ever");
}

#[test]
fn no_more_is_handed_over_than_may_be_under_way() {
    let mut solo = connected();
    let mut handed = 0;
    for number in 0..100u32 {
        let frame = Frame::Changesets(vec![run(site(number), 1, 1, 200 << 10)]);
        handed += ingests(&solo.frame(FOE, frame)).len() * (200 << 10);
    }
    assert!(handed > 3 << 20 && handed <= 4 << 20, "{handed}");
    assert!(solo.stats(FOE).overruns > 0);
}

#[test]
fn refused_runs_are_counted_by_reason() {
    use sync_protocol::changeset::RunError;
    let mut solo = connected();
    let gap = RunError::Gap {
        first: Seq(5),
        head: Seq(0),
    };
    let reasons = [
        gap,
        RunError::Signature,
        RunError::SiteOpen,
        RunError::NotAdmitted,
    ]
    .map(Refusal::Run);
    for (number, reason) in (0..).zip(reasons.into_iter().chain([Refusal::Unwanted, Refusal::NotNow])) {
        solo.frame(FOE, Frame::Changesets(vec![run(site(number), 1, 1, 9)]));
        let site = site(number);
        solo.input(Input::IngestRefused {
            peer: FOE,
            site,
            reason,
            have: None,
        });
    }
    let stats = solo.stats(FOE);
    assert_eq!(
        (
            stats.refused_gap,
            stats.refused_signature,
            stats.refused_not_admitted
        ),
        (1, 1, 2)
    );
    assert_eq!((stats.unwanted_runs, stats.refused_other), (1, 1));
}

#[test]
fn a_connection_is_closed_for_what_cannot_get_better() {
    let closes = |hello: Frame| {
        let mut solo = Solo::new(GATE);
        solo.input(Input::Connected { peer: FOE });
        solo.frame(FOE, hello)
    };
    let wrong_node = closes(hello(NodeId(9), Some(code("A"))));
    assert!(matches!(
        wrong_node[..],
        [Output::Close {
            reason: CloseReason::WrongNode { .. },
            ..
        }]
    ));
    let no_terminal = closes(hello(FOE, None));
    assert!(matches!(
        no_terminal[..],
        [Output::Close {
            reason: CloseReason::Terminal,
            ..
        }]
    ));
    let mut solo = Solo::new(GATE);
    let own = solo.input(Input::Connected { peer: GATE });
    assert!(matches!(
        own[..],
        [Output::Close {
            reason: CloseReason::OwnNumber,
            ..
        }]
    ));

    let mut solo = connected();
    let refused = |error| Input::FrameRefused { peer: FOE, error };
    for _ in 0..100 {
        assert!(solo.input(refused(WireError::UnknownKind(77))).is_empty());
    }
    assert_eq!(solo.stats(FOE).unknown_frames, 100);
    for _ in 1..limits::MALFORMED_FRAMES_MAX {
        assert!(solo.input(refused(WireError::Empty)).is_empty());
    }
    assert!(matches!(
        solo.input(refused(WireError::Empty))[..],
        [Output::Close { .. }]
    ));
    let mut solo = connected();
    assert!(matches!(
        solo.input(refused(WireError::Version(2)))[..],
        [Output::Close { .. }]
    ));
}

#[test]
fn frames_before_the_hello_are_ignored() {
    let mut solo = Solo::new(GATE);
    solo.input(Input::Connected { peer: FOE });
    assert!(solo.offer(FOE, site(1), 5).is_empty());
    assert_eq!(solo.stats(FOE).frames_before_hello, 1);
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..5, Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()]
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let site = || (0u32..6).prop_map(site);
    let role = prop_oneof![
        Just(SiteRole::Gate(code("A"))),
        Just(SiteRole::Gate(code("B"))),
        Just(SiteRole::Decisions),
        Just(SiteRole::Settled),
    ];
    let have = (role, number(), number()).prop_map(|(role, floor, seq)| SiteHave {
        role,
        floor: Seq(floor),
        head: Head {
            seq: Seq(seq),
            chain: ChainHash([0; 32]),
        },
    });
    let range = (site(), number(), number()).prop_map(|(site, first, last)| Range {
        site,
        first: Seq(first),
        last: Seq(last),
    });
    let a_run = (site(), number(), 0usize..4, 0usize..300)
        .prop_map(|(site, first, bodies, bytes)| run(site, first, bodies, bytes));
    let beat = (0u32..4, any::<i64>()).prop_map(|(node, ms)| Heartbeat {
        node: NodeId(node),
        key: PublicKey([0; 32]),
        sites: Vec::new(),
        t: Stamp::at_ms(ms),
        signature: Signature([0; 64]),
    });
    prop_oneof![
        Just(hello(FOE, Some(code("A")))),
        Just(Frame::HaveDigest([0; 32])),
        (any::<bool>(), prop::collection::vec((site(), have), 0..8))
            .prop_map(|(reply, sites)| Frame::Have { reply, sites }),
        (prop::collection::vec(range, 0..8), any::<u32>())
            .prop_map(|(ranges, bytes_max)| Frame::Need { ranges, bytes_max }),
        prop::collection::vec(a_run, 0..4).prop_map(Frame::Changesets),
        prop::collection::vec(beat, 0..4).prop_map(Frame::Heartbeats),
    ]
}

proptest! {
    #[test]
    fn nothing_a_peer_says_makes_the_engine_panic(
        frames in prop::collection::vec((any_frame(), 0i64..4_000, 0u8..6), 1..60),
        node in 0u32..2,
    ) {
        let mut solo = Solo::new(NodeId(node));
        solo.connect(FOE);
        for (frame, wait_ms, answer) in frames {
            let outputs = solo.frame(FOE, frame);
            for output in outputs {
                let Output::Ingest { peer, run } = output else { continue };
                let head = Head { seq: run.last(), chain: ChainHash([1; 32]) };
                let have = SiteHave { role: SiteRole::Decisions, floor: Seq(0), head };
                let site = run.site;
                match answer {
                    0 => {}
                    1 => { solo.input(Input::IngestRefused { peer, site, reason: Refusal::NotNow, have: None }); }
                    _ => { solo.input(Input::Ingested { site, have }); }
                }
            }
            if answer == 5 {
                solo.input(Input::Disconnected { peer: FOE });
                solo.connect(FOE);
            }
            solo.wait(wait_ms);
        }
    }
}
